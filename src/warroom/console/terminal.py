"""A terminal that goes away takes nothing with it.

Textual writes to the terminal on a thread of its own, by a queue that holds thirty writes. When the terminal is gone,
that thread ends at its first error, and the next writes wait for room that never comes: the whole program would stand
still, an engine in the middle of a plan included. Here the writes fail in silence instead, and the signal that comes
with the loss of a terminal (SIGHUP) ends everything in order.
"""

from __future__ import annotations

import sys
from typing import IO, Any

from textual.driver import Driver


class Unbroken:
    """A file that takes every write, whether or not anybody is left to read it. All else is the file's own."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        try:
            return self._file.write(text)
        except (OSError, ValueError):  # a terminal that hung up; a file that was closed
            return len(text)

    def flush(self) -> None:
        try:
            self._file.flush()
        except (OSError, ValueError):
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def outliving(driver: type[Driver]) -> type[Driver]:
    """The same driver, for a terminal that may go away. Others than a Unix terminal's stay as they are."""
    if sys.platform == "win32":
        return driver
    from textual.drivers.linux_driver import LinuxDriver

    class Outliving(LinuxDriver):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._file: Any = Unbroken(self._file)

    return Outliving if driver is LinuxDriver else driver
