"""``python -m tests.kube FOLDER``: the emulator in a process of its own, until its standard input ends."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.kube.emulator import serve

serve(Path(sys.argv[1]))
