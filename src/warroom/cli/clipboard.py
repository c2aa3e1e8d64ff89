"""Into the clipboard, where somebody confirms it: tmux does, a terminal does not."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

from warroom.errors import WarroomError

Copier = Callable[[str], Awaitable[str]]
_SECONDS = 5.0


def copier() -> Copier | None:
    """What copies a text and says where to; None outside tmux. It raises WarroomError when it was not copied."""
    return into_tmux if os.environ.get("TMUX") else None


async def into_tmux(text: str) -> str:
    """The text goes by standard input: an argument could be read by everybody on this machine."""
    from warroom.process import run

    # -w also passes it to the terminal's own clipboard; tmux before 3.2 does not know it.
    words = "copied to tmux, and passed on to the terminal's clipboard where that is allowed (prefix ] pastes)."
    done = await run(["tmux", "load-buffer", "-w", "-"], stdin=text.encode(), timeout=_SECONDS)
    if done.returncode and (b"unknown" in done.stderr or b"usage" in done.stderr):
        words = "copied to tmux (prefix ] pastes); this tmux can't pass it on to the terminal."
        done = await run(["tmux", "load-buffer", "-"], stdin=text.encode(), timeout=_SECONDS)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip() or f"it ended with status {done.returncode}"
        raise WarroomError("Not copied", f"tmux says: {said}", "select it with the mouse off (F2)")
    return words
