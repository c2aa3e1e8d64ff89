"""The console: the only place that imports Textual. ``run_console(session)`` is all that others need.

Importing this package is cheap; the screen is imported when it is run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warroom.session import Session


def run_console(session: Session) -> int:
    from warroom.console.app import run_console as run  # Textual is heavy: only where there is a screen

    return run(session)
