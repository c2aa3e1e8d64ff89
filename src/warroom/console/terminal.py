"""What is written to the terminal: in its character set, with or without colours, and nothing that it would obey."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.driver import Driver
from textual.filter import LineFilter

from warroom.console.palettes import contrast

_REVERSE = Style(reverse=True)


def outliving(driver: type[Driver], *, unicode: bool = True) -> type[Driver]:
    """The same driver, for a terminal that may go away. Others than a Unix terminal's stay as they are."""
    if sys.platform == "win32":
        return driver
    from textual.drivers.linux_driver import LinuxDriver

    from warroom.console.driver import InAscii, Outliving

    if driver is not LinuxDriver:
        return driver
    return Outliving if unicode else InAscii


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
