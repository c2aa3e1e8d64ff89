"""The end of a program whose terminal takes nothing (a line that is dead, a window that is held): it waits, but not for
ever.

The thread that writes to such a terminal can't be ended, and holds the lock of standard error. So what the program says
from then on is kept: it is told once the terminal has taken what came before, and given up with it where it takes
nothing. The terminal's modes are back by then; only what draws the screen of before waits in the line.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

LAST_S = 2.0
"""How long the terminal may take nothing once all else has ended."""


@dataclass(frozen=True)
class _Held:
    """``said`` is what the ``streams`` that are the terminal have been given since. ``waiting`` counts the writes."""

    writer: threading.Thread
    waiting: Callable[[], int]
    streams: tuple[tuple[str, TextIO], ...]
    said: io.StringIO


_held: list[_Held] = []


def let_be(writer: threading.Thread, waiting: Callable[[], int]) -> None:
    """``writer`` has not come to its end: nothing else waits for the terminal from here on."""
    streams = tuple((name, stream) for name in ("stdout", "stderr") if (stream := getattr(sys, name)).isatty())
    held = _Held(writer, waiting, streams, io.StringIO())
    for name, _ in streams:
        setattr(sys, name, held.said)
    _held.append(held)


def end(status: int) -> None:
    """Comes back once the terminal has taken everything. Where it takes nothing any more this is the end."""
    for held in _held:
        telling = threading.Thread(target=_tell, args=(held,), daemon=True)
        telling.start()
        while telling.is_alive():
            before = held.waiting()
            telling.join(LAST_S)
            if telling.is_alive() and held.waiting() >= before:
                logging.shutdown()
                os._exit(status)


def _tell(held: _Held) -> None:
    held.writer.join()
    for name, stream in held.streams:
        setattr(sys, name, stream)
    for _, stream in held.streams[-1:]:
        with contextlib.suppress(OSError):  # it hung up
            stream.write(held.said.getvalue())
            stream.flush()
