"""Markdown that text from outside can't leave: no link, image, heading, list, table cell or HTML of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable

from warroom.model.words import one_line

_SPECIAL = re.compile(r"[\\`*_\[\]{}<>#|~&$]")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_BEGINS = re.compile(r"^(\s*)([-+=>]|\d{1,9}[.)])")
_LINKS = re.compile(r"(://|www\.|@)", re.IGNORECASE)
LONGEST = 400


def escaped(text: str, most: int = LONGEST) -> str:
    """``text`` on one line, as the reader sees it letter by letter, and nothing more than that.

    Addresses do not become links by themselves, and nobody is mentioned.
    """
    shown = one_line(text, most)
    safe = _SPECIAL.sub(lambda m: _ENTITIES.get(m[0], "\\" + m[0]), shown)
    safe = _BEGINS.sub(lambda m: m[1] + m[2][:-1] + "\\" + m[2][-1], safe)
    return _LINKS.sub(_unlinked, safe)


def _unlinked(match: re.Match[str]) -> str:
    found = match[0]
    if found == "://":
        return "&#58;//"
    return "&#64;" if found == "@" else found[:3] + "&#46;"


def code(text: str, most: int = LONGEST) -> str:
    """``text`` as a code span, whatever back-ticks it has."""
    shown = one_line(text, most)
    if not shown:
        return ""
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    # A bar would end a table's cell even inside a code span.
    return f"{fence}{pad}{shown}{pad}{fence}".replace("|", "¦")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Lines of a table; the cells are Markdown already."""
    names = list(head)
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Iterable[float]) -> str:
    """The values as bars, the lowest of the scale being 0 or their least; empty without any."""
    found = list(values)
    if not found:
        return ""
    low, high = min(0.0, *found), max(found)
    width = high - low
    if width <= 0:
        return _BARS[0] * len(found)
    return "".join(_BARS[min(len(_BARS) - 1, int((value - low) / width * len(_BARS)))] for value in found)
