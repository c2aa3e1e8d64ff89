"""What is written to the terminal: in its character set, with or without colours, and without end when it goes away.

Textual writes to the terminal on a thread of its own, by a queue that holds thirty writes. When the terminal is gone,
that thread ends at its first error, and the next writes wait for room that never comes: the whole program would stand
still, an engine in the middle of a plan included. Here the writes fail in silence instead, and the signal that comes
with the loss of a terminal (SIGHUP) ends everything in order.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Callable
from typing import IO, Any

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.driver import Driver
from textual.filter import LineFilter

from warroom.console.ascii import plain
from warroom.console.palettes import contrast
from warroom.console.text import clean, cut

_REVERSE = Style(reverse=True)
_TITLE_CELLS = 120


class Unbroken:
    """A file that takes every write, whether or not anybody is left to read it. All else is the file's own.

    ``translate`` has the last word on the bytes.
    """

    def __init__(self, file: IO[str], translate: Callable[[str], str] = str) -> None:
        self._file = file
        self._translate = translate

    def write(self, text: str) -> int:
        try:
            return self._file.write(self._translate(text))
        except (OSError, ValueError):  # a terminal that hung up; a file that was closed
            return len(text)

    def flush(self) -> None:
        try:
            self._file.flush()
        except (OSError, ValueError):
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def outliving(driver: type[Driver], *, unicode: bool = True) -> type[Driver]:
    """The same driver, for a terminal that may go away. Others than a Unix terminal's stay as they are."""
    if sys.platform == "win32":
        return driver
    from textual.drivers import linux_driver

    # A byte that is no UTF-8 (a key of another character set, line noise) ends Textual's reading, and with it the app.
    vars(linux_driver)["getincrementaldecoder"] = _lenient

    class Outliving(linux_driver.LinuxDriver):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._file: Any = Unbroken(self._file, str if unicode else plain)
            self._title = ""
            self._modes: list[Any] | None = None

        def set_title(self, words: str) -> None:
            """The terminal's own title is put back at the end."""
            if not self._title:
                self.write(TITLE_KEPT)
            self._title = words
            self.write(title_bytes(words))

        def start_application_mode(self) -> None:
            forget = getattr(self._app, "forget_frames", None)
            if forget is not None:
                forget()
            super().start_application_mode()  # type: ignore[no-untyped-call]  # Textual has not typed it
            self._modes = attributes(self.fileno)
            if self._title:
                self.write(TITLE_KEPT)
                self.write(title_bytes(self._title))

        def _sigcont_application(self, *_: object) -> None:
            """Takes up what was suspended; after a stop that nobody was told of (SIGSTOP), only draws anew.

            A terminal that hangs up sends SIGCONT right after SIGHUP. Textual would then start its threads anew, over
            the ones it has or after they were ended, and nobody would ever end those: the process would stay.
            """
            if self._must_signal_resume:
                super()._sigcont_application()
                return
            put_back(self.fileno, self._modes)
            forget = getattr(self._app, "forget_frames", None)
            if forget is not None and self._loop.is_running():
                forget()
                self._loop.call_soon_threadsafe(self._app.refresh)

        def stop_application_mode(self) -> None:
            if self._title:
                self.write(TITLE_BACK)
            super().stop_application_mode()

    return Outliving if driver is linux_driver.LinuxDriver else driver


def attributes(terminal: int) -> list[Any] | None:
    """The modes of a terminal; None of what is none."""
    import termios

    try:
        return termios.tcgetattr(terminal)
    except termios.error:
        return None


def put_back(terminal: int, modes: list[Any] | None) -> None:
    """A shell that had the terminal meanwhile has set it to its own modes. Never from the background: that stops."""
    import termios

    try:
        if modes is not None and os.tcgetpgrp(terminal) == os.getpgrp():
            termios.tcsetattr(terminal, termios.TCSANOW, modes)
    except (OSError, termios.error):  # it hung up
        return


def _lenient(encoding: str) -> Callable[[], codecs.IncrementalDecoder]:
    return lambda: codecs.getincrementaldecoder(encoding)(errors="replace")


class Harmless(LineFilter):
    """The last look at what is drawn. Text is cleaned where it comes in; what was forgotten there ends here.

    A character that a terminal obeys takes no cell of its own, so leaving it out moves nothing.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            one
            if one.control or (one.text.isascii() and one.text.isprintable())
            else Segment(_inert(one.text), one.style)
            for one in segments
        ]


_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0f71-\u0f84"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
_FLOOD = re.compile(f"([{_MARKS}]{{4}})[{_MARKS}]+")
"""Marks piled upon one letter run over the lines above and below; no language needs more than four."""


def _inert(text: str) -> str:
    return _FLOOD.sub(r"\1", _OBEYED.sub(lambda found: "\N{REPLACEMENT CHARACTER}" * cell_len(found.group()), text))


class NoColours(LineFilter):
    """No colour at all. What stood out by its background is drawn reversed instead."""

    def __init__(self, background: Callable[[], str]) -> None:
        super().__init__()
        self._background = background

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        ground = Color.parse(self._background())
        return [Segment(text, _bare(style, ground), control) for text, style, control in segments]


def _bare(style: Style | None, ground: Color) -> Style | None:
    if style is None:
        return None
    behind = style.color if style.reverse else style.bgcolor
    loud = behind is not None and not behind.is_default and contrast(Color.from_rich_color(behind), ground) > 3
    bare = style.without_color
    if loud == bool(style.reverse):
        return bare
    return bare + (_REVERSE if loud else Style(reverse=False))


def title_bytes(words: str) -> str:
    """Sets the terminal's title. The words are cleaned: nothing in them can end the sequence, or begin another."""
    return f"\x1b]2;{cut(clean(words), _TITLE_CELLS)}\x07"


TITLE_KEPT = "\x1b[22;2t"
"""The terminal is asked to remember the title it has; those that don't know this pass over it."""
TITLE_BACK = "\x1b]2;\x07\x1b[23;2t"
