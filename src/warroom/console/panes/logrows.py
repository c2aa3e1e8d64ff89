"""A log line as rows of styled text: compact where it is structured, wrapped or cut, unfolded on demand.

What is in a line is data from outside: it is cleaned here before anything is done with it, and never parsed as markup.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.cells import cell_len, get_character_cell_size

from warroom.console.panes.logmoment import Stamps, shown_time
from warroom.console.text import clean, clean_lines, cut, fit, fit_name
from warroom.model.signal import Level, LogLine

Part = tuple[str, str]
"""Clean text, and the name of its style."""
Row = list[Part]

SIGNS: dict[Level, str] = {"error": "✖ ", "warning": "▲ "}
LOUD: dict[Level, str] = {"error": "error", "warning": "warning"}
_MESSAGE = ("msg", "message", "event", "error", "err", "text")
_KNOWN = {"level", "severity", "lvl", "levelname", "log.level", "time", "ts", "timestamp", "@timestamp", "t"}
_PAIR = re.compile(r"""(?<!\S)(?P<key>[A-Za-z_][\w.@-]*)=(?P<value>"(?:\\.|[^"\\])*"|\S*)""")
_MOST_FIELDS = 6
_NARROW = 90
_MOST_ROWS = 400
_BACK = 24
"""How far before the edge a blank is looked for to break at."""


@dataclass(frozen=True)
class Look:
    """How lines are drawn. ``names`` is the source column's width, 0 without one; ``needles`` are in lower case."""

    cells: int
    wrap: bool = False
    stamps: Stamps = "utc"
    names: int = 0
    needles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """A line, and how many times it came one after the other."""

    line: LogLine
    repeats: int = 1


@dataclass(frozen=True)
class Extras:
    """``rules`` are words of lines drawn above it; ``hit``: a search has found it."""

    unfolded: bool = False
    hit: bool = False
    rules: tuple[str, ...] = field(default=())


def rows_of(shown: Shown, look: Look, extras: Extras = Extras()) -> list[Row]:
    """At least one row; each ``look.cells`` wide at most."""
    row, loud = shown.line, LOUD.get(shown.line.level, "text")
    head: Row = []
    if look.stamps != "off":
        head.append((f"{shown_time(row.at, look.stamps)} ", "time"))
    if look.names:
        head.append((f"{fit_name(row.source, look.names)} ", "source"))
    head.append((SIGNS.get(row.level, "  "), loud))
    if shown.repeats > 1:
        head.append((f"×{shown.repeats:,} ", "count"))
    indent = sum(cell_len(text) for text, _ in head)
    room = max(8, look.cells - indent)
    fields = structured(row.text)
    said = fields if fields is not None or not extras.unfolded else pairs_in(row.text)
    body = _compact(row, fields, loud) if fields is not None else [(clean(row.text), loud)]
    body = list(_lit(body, look.needles, extras.hit))
    if look.cells < _NARROW:
        indent = min(indent, 4)  # what is wrapped needs the room
    whole = look.wrap or (extras.unfolded and said is None)
    lines = flowed(body, room, max(8, look.cells - indent)) if whole else [_cut(body, room)]
    rows: list[Row] = [_rule(words, look.cells) for words in extras.rules]
    rows += [[*head, *line] if n == 0 else [(" " * indent, "text"), *line] for n, line in enumerate(lines)]
    if extras.unfolded:
        rows += _details(shown, said, look)
    return rows[:_MOST_ROWS]


def structured(text: str) -> dict[str, Any] | None:
    """The fields of a line that is one JSON object."""
    if not (text.startswith("{") and text.rstrip().endswith("}")):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def pairs_in(text: str) -> dict[str, Any] | None:
    """The fields of a line with ``key=value key="a value"`` in it, as many loggers write."""
    found = list(_PAIR.finditer(text))
    if len(found) < 2:
        return None
    pairs: dict[str, Any] = {"message": text[: found[0].start()].strip()} if text[: found[0].start()].strip() else {}
    for pair in found:
        value = pair["value"]
        if value.startswith('"'):
            try:
                value = str(json.loads(value))
            except ValueError:
                value = value[1:-1]
        pairs[pair["key"]] = value
    return pairs


def _compact(row: LogLine, fields: dict[str, Any], loud: str) -> Row:
    """``ERROR the message  key=value key=value``: what a logger wrote, without the syntax around it."""
    key = next((name for name in _MESSAGE if isinstance(fields.get(name), str)), "")
    parts: Row = [] if row.level == "unknown" else [(f"{row.level.upper()} ", loud)]
    if key:
        parts.append((clean(fields[key]), loud))
    rest = [(name, value) for name, value in fields.items() if name != key and name.lower() not in _KNOWN]
    for name, value in rest[: _MOST_FIELDS if key else None]:
        parts += [(f"  {cut(name, 30)}=", "key"), (cut(_said(value), 60), "text")]
    if key and len(rest) > _MOST_FIELDS:
        parts.append((f"  +{len(rest) - _MOST_FIELDS} more", "key"))
    return parts or [("{}", "text")]


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _details(shown: Shown, fields: dict[str, Any] | None, look: Look) -> list[Row]:
    """Key and value rows under a line. A text of several lines, such as a stack trace, is given them."""
    row = shown.line
    when = row.at.isoformat(timespec="milliseconds") if row.at is not None else "unknown"
    told: list[tuple[str, str]] = [("time", when), ("source", row.source), ("level", row.level)]
    if shown.repeats > 1:
        told.append(("repeated", f"{shown.repeats:,} times, one after the other"))
    given = [(str(name), _said(value)) for name, value in (fields or {}).items()]
    width = min(24, max(len(clean(name)) for name, _ in (*told, *given)))
    indent = "  │ "
    rows: list[Row] = []
    for style, pairs in (("time", told), ("key", given)):
        for name, value in pairs:
            first = f"{fit(name, width)}  "
            for text in clean_lines(value) or [""]:
                for line in flowed([(text, "text")], max(8, look.cells - len(indent) - width - 2)):
                    rows.append([(indent, "rule"), (first, style), *line])
                    first = " " * (width + 2)
                    if len(rows) >= _MOST_ROWS:
                        return rows
    return rows


def _rule(words: str, cells: int) -> Row:
    text = cut(f"── {words} ", cells)
    return [(text + "─" * max(0, cells - cell_len(text)), "rule")]


def _lit(parts: Row, needles: Sequence[str], whole: bool) -> Iterator[Part]:
    """The same text with what was searched for in a style of its own."""
    for text, style in parts:
        low = text.lower()
        if whole and not needles:
            yield text, "hit"
            continue
        if not needles or len(low) != len(text):
            yield text, style
            continue
        at = 0
        for start, end in _spans(low, needles):
            if start > at:
                yield text[at:start], style
            yield text[start:end], "hit"
            at = end
        if at < len(text):
            yield text[at:], style


def _spans(low: str, needles: Sequence[str]) -> list[tuple[int, int]]:
    """Where the needles are, one after the other; what overlaps is one."""
    found: list[tuple[int, int]] = []
    for needle in needles:
        at = low.find(needle) if needle else -1
        while at >= 0:
            found.append((at, at + len(needle)))
            at = low.find(needle, at + len(needle))
    spans: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def _cut(parts: Row, room: int) -> Row:
    """As much as has room, ending in … where something was left out."""
    kept: Row = []
    for n, (text, style) in enumerate(parts):
        cells = cell_len(text)
        last = n + 1 == len(parts)
        if cells > room or (cells == room and not last):
            kept.append((cut(text if cells > room else f"{text}…", room), style))
            return kept
        kept.append((text, style))
        room -= cells
    return kept


def flowed(parts: Row, room: int, rest: int = 0) -> list[Row]:
    """Broken at a blank where one is near: the first row of at most ``room`` cells, the others of ``rest``."""
    whole = "".join(text for text, _ in parts)
    ends = list(_breaks(whole, room, rest or room))
    rows: list[Row] = []
    row: Row = []
    at = 0
    for text, style in parts:
        left = text
        while left:
            piece = left[: ends[len(rows)] - at]
            row.append((piece, style))
            at, left = at + len(piece), left[len(piece) :]
            if at >= ends[len(rows)] and len(rows) + 1 < len(ends):
                rows.append(row)
                row = []
    return [*rows, row]


def _breaks(text: str, room: int, rest: int) -> Iterator[int]:
    """Where each row ends."""
    if text.isascii():
        at = 0
        while len(text) - at > room:
            blank = text.rfind(" ", max(at + 1, at + room - _BACK), at + room)
            at = blank + 1 if blank > at else at + room
            room = rest
            yield at
        yield len(text)
        return
    used = 0
    for at, char in enumerate(text):
        size = get_character_cell_size(char)
        if used + size > room and used:
            yield at
            used, room = 0, rest
        used += size
    yield len(text)
