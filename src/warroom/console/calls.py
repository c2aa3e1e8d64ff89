"""Calls as they are drawn: whole, or in a few words where a line would hide the rest of what is to be read."""

from __future__ import annotations

from textual.content import Content

from warroom.console.text import wrapped
from warroom.model.call import ApiCall, Call, SqlCall

MOST = 2
"""Rows of a line before its words stand in its place."""


def call_rows(call: Call, cells: int, style: str, sign: str, *, whole: bool = False) -> list[Content]:
    """``sign`` before the first row. A patch with a template in it is a screenful; only such Calls are shortened."""
    blank = " " * (len(sign) - len(sign.lstrip(" ")) + 2)
    rows = wrapped(call.paste(), cells, style, sign, blank)
    if whole or len(rows) <= MOST or not shortened(call):
        return rows
    assert isinstance(call, ApiCall | SqlCall)
    return wrapped(call.brief, cells, style, sign.replace("$", "~"), blank)


def shortened(call: Call) -> bool:
    return isinstance(call, ApiCall | SqlCall) and bool(call.brief)


def in_full(calls: tuple[Call, ...], cells: int) -> list[Call]:
    """Those that stood there in words only."""
    return [call for call in calls if shortened(call) and len(wrapped(call.paste(), cells - 4)) > MOST]
