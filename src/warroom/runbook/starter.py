"""The file that ``warroom init`` writes: short, commented, and without a mistake as it stands."""

from __future__ import annotations

import os
from pathlib import Path

from warroom.errors import BadInput

STARTER_FILE = Path(__file__).with_name("starter.yaml")


def init(path: Path) -> list[str]:
    """Writes the starter to ``path`` and returns what to say. Never over anything, a dangling link neither.

    Raises BadInput where something is there already or the file can't be written.
    """
    text = STARTER_FILE.read_text(encoding="utf-8")
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise BadInput(f"{path} is there already", "it was not touched", "move it away, or name another file") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise BadInput(f"{path} can't be written", str(why), "name a file in a folder that you may write to") from None
    with open(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    return [
        f"Wrote {path}: it extends the default runbook and loads as it is.",
        "Set service and base_url to your own, then: warroom check",
    ]
