"""What warroom has to say of itself, to a file in the state folder: the screen belongs to the incident.

Redacted like everything else, 0600, two files of a megabyte at most, and not there at all until there is something to
say. Nothing is ever written to the terminal from here: a console may be drawn on it.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from weakref import WeakSet

from warroom.redact import Redactor

NAME = "warroom.log"
MOST = 1_000_000
_redactors: WeakSet[Redactor] = WeakSet()
_PATTERNS = Redactor()


def begin(folder: Callable[[], Path]) -> None:
    """From now on everything that is logged goes to ``warroom.log`` in this folder, asked for when it is needed."""
    logging.raiseExceptions = False  # a full disk must not draw a traceback over the console
    logging.captureWarnings(True)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _File)]:
        root.removeHandler(handler)
        handler.close()
    root.addHandler(_File(folder))
    root.setLevel(logging.WARNING)
    logging.getLogger("warroom").setLevel(logging.INFO)


def path() -> Path | None:
    """The file, if anything was written to it since ``begin``."""
    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, _File)]
    return handlers[0].written if handlers else None


def hide_with(redactor: Redactor) -> None:
    """What this redactor knows to be secret is hidden in the log too, for as long as the redactor lives."""
    _redactors.add(redactor)


def clean(text: str) -> str:
    """Redacted with all that any part of this program knows to be secret."""
    for redactor in (*_redactors, _PATTERNS):
        text = redactor.clean(text)
    return text


class _Clean(logging.Formatter):
    """One entry, its traceback included, redacted and with every control character drawn."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record))


class _File(RotatingFileHandler):
    def __init__(self, folder: Callable[[], Path]) -> None:
        super().__init__(os.devnull, maxBytes=MOST, backupCount=1, encoding="utf-8", delay=True)
        self._folder = folder
        self.written: Path | None = None
        self.setFormatter(_Clean())

    def _open(self) -> io.TextIOWrapper:
        folder = self._folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.baseFilename = os.path.join(folder, NAME)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(self.baseFilename, flags, 0o600)
        self.written = Path(self.baseFilename)
        return io.TextIOWrapper(io.FileIO(descriptor, "a"), encoding="utf-8", errors="replace", write_through=True)
