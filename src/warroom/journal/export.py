"""A journal as text: JSON lines for other programs, plain lines for people. Neither touches its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from warroom.journal.codec import decode, parse
from warroom.journal.reading import Reading, read
from warroom.model.base import stored
from warroom.model.event import Event
from warroom.model.words import one_line, words


def read_events(folder: Path) -> tuple[list[Event], Reading]:
    """All entries that can be read, also of a damaged journal; ``Reading.verified`` says whether it is whole."""
    reading = read(folder)
    return [decode(data, seq) for seq, data in sorted(reading.entries.items())], reading


def export_lines(folder: Path) -> Iterator[str]:
    """One JSON document a line, as it was stored. An entry that isn't JSON any more stands as text under its seq."""
    for seq, data in sorted(read(folder).entries.items()):
        yield _line(seq, data)


def _line(seq: int, data: bytes) -> str:
    try:
        document = parse(data)
    except (ValueError, RecursionError):
        return stored({"seq": seq, "unreadable": data.decode("utf-8", "replace")}).decode()
    return stored(document).decode() if b"\n" in data or b"\r" in data else data.decode()


def show_lines(events: Iterable[Event]) -> Iterator[str]:
    """``12  2026-03-01 14:03:12  op1  decided: rollback``, with the date and time in UTC; one line for each event."""
    for event in events:
        who = one_line(event.actor.name, 40) or "–"
        yield f"{event.seq:>5}  {event.at:%Y-%m-%d %H:%M:%S}  {who}  {words(event)}"
