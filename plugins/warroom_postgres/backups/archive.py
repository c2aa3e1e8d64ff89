"""The header and the table of contents that custom archives begin with, and that are ``toc.dat`` of a directory.

Integers are a sign byte and ``int_size`` bytes, the lowest first; texts are a length and bytes, -1 for none. Versions
1.12 (PostgreSQL 9.0) to 1.16 (17 and 18) are read. Neither part has a checksum: what can be held together is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from warroom_postgres.backups.manifest import Compression
from warroom_postgres.backups.reading import Damaged, Source

MAGIC = b"PGDMP"
OLDEST, NEWEST = (1, 12), (1, 16)
LONGEST_TEXT = 64 * 1024 * 1024
MOST_ENTRIES = 5_000_000
_CUSTOM, _TAR = 1, 3
_PACKED: tuple[Compression, ...] = ("none", "gzip", "lz4", "zstd")
Held = Literal["nothing", "somewhere", "here"]


@dataclass(frozen=True)
class Header:
    """``made`` is when the dump was begun, by the clock on the wall where pg_dump ran: the zone is not in it."""

    version: tuple[int, int]
    int_size: int
    offset_size: int
    format: Literal["custom", "directory"]
    compression: Compression
    made: datetime | None
    database: str
    server_version: str
    dump_version: str


@dataclass(frozen=True)
class Entry:
    """One object. ``held``: whether its data is in the archive; ``here``: at ``offset``, in a directory in ``file``."""

    id: int
    tag: str
    kind: str
    schema: str
    has_data: bool
    copies: bool
    held: Held = "nothing"
    offset: int = 0
    file: str = ""


Check = Callable[[Entry, Mapping[str, bytes]], None]
"""Looks at an entry's statements: ``definition``, ``drop`` and ``copy``. They are not kept."""


class Fields:
    """The archive's own kinds of numbers and texts."""

    def __init__(self, source: Source, int_size: int, offset_size: int) -> None:
        self.source = source
        self._int_size = int_size
        self._offset_size = offset_size

    def integer(self) -> int:
        data = self.source.take(1 + self._int_size)
        if data[0] > 1:
            raise Damaged(f"is damaged: at byte {self.source.position:,} there is no number")
        value = int.from_bytes(data[1:], "little")
        return -value if data[0] else value

    def text(self) -> bytes | None:
        length = self.integer()
        if length == -1:
            return None
        if not 0 <= length <= LONGEST_TEXT:
            raise Damaged(f"is damaged: at byte {self.source.position:,} there is no text")
        return self.source.take(length)

    def words(self) -> str:
        """A text that people read."""
        return (self.text() or b"").decode("utf-8", "replace")

    def digits(self) -> int:
        data = self.text() or b""
        if not data.isdigit() or len(data) > 10:
            raise Damaged(f"is damaged: at byte {self.source.position:,} a number was expected")
        return int(data)

    def offset(self) -> tuple[Held, int]:
        data = self.source.take(1 + self._offset_size)
        held: dict[int, Held] = {1: "somewhere", 2: "here", 3: "nothing"}
        if data[0] not in held:
            raise Damaged(f"is damaged: at byte {self.source.position:,} no place of data is told")
        return held[data[0]], int.from_bytes(data[1:], "little")


def read_header(source: Source) -> tuple[Header, Fields]:
    """Raises Damaged."""
    if source.take(5) != MAGIC:
        raise Damaged("is no archive of pg_dump")
    major, minor, _, int_size, offset_size, form = source.take(6)
    if not OLDEST <= (major, minor) <= NEWEST:
        raise Damaged(f"is an archive of version {major}.{minor}: 1.12 to 1.16 are read here")
    if int_size not in (4, 8) or offset_size not in (4, 8) or form not in (_CUSTOM, _TAR):
        raise Damaged("is damaged: its header makes no sense")
    fields = Fields(source, int_size, offset_size)
    compression = _compression(fields, (major, minor))
    second, minute, hour, day, month, year, _ = (fields.integer() for _ in range(7))
    try:
        made = datetime(year + 1900, month + 1, day, hour, minute, min(second, 59))  # noqa: DTZ001 – it has no zone
    except (ValueError, OverflowError):
        raise Damaged("is damaged: its header has no date") from None
    database, server, dump = fields.words(), fields.words(), fields.words()
    if not (database.isprintable() and server.isprintable() and dump.isprintable() and database):
        raise Damaged("is damaged: its header names no database")
    shape: Literal["custom", "directory"] = "custom" if form == _CUSTOM else "directory"
    return Header((major, minor), int_size, offset_size, shape, compression, made, database, server, dump), fields


def _compression(fields: Fields, version: tuple[int, int]) -> Compression:
    if version >= (1, 15):
        number = fields.source.take(1)[0]
        if number >= len(_PACKED):
            raise Damaged("is damaged: its header names no packing")
        return _PACKED[number]
    return "none" if fields.integer() == 0 else "gzip"


def read_contents(fields: Fields, header: Header, check: Check) -> dict[int, Entry]:
    """The entries by their id, in the archive's order. Raises Damaged, and what ``check`` raises."""
    count = fields.integer()
    if not 0 <= count <= MOST_ENTRIES:
        raise Damaged("is damaged: its table of contents has no length")
    found: dict[int, Entry] = {}
    for _ in range(count):
        entry, statements = _entry(fields, header)
        if entry.id in found:
            raise Damaged(f"is damaged: two of its objects have the number {entry.id}")
        check(entry, statements)
        found[entry.id] = entry
    return found


def _entry(fields: Fields, header: Header) -> tuple[Entry, dict[str, bytes]]:
    number, has_data = fields.integer(), fields.integer()
    if number <= 0 or has_data not in (0, 1):
        raise Damaged(f"is damaged: at byte {fields.source.position:,} of its table of contents")
    fields.digits(), fields.digits()
    tag, kind = fields.words(), fields.words()
    if not kind.isascii() or not kind.isprintable() or not 0 <= fields.integer() <= 4:
        raise Damaged(f"is damaged: its object {number} is of no kind")
    statements = {name: fields.text() or b"" for name in ("definition", "drop", "copy")}
    schema = fields.words()
    fields.text()  # the tablespace
    if header.version >= (1, 14):
        fields.text()  # the access method
    if header.version >= (1, 16):
        fields.integer()  # the kind of relation
    fields.text()  # the owner
    if fields.text() not in (b"true", b"false"):
        raise Damaged(f"is damaged: its object {number} has no end")
    while (needed := fields.text()) is not None:
        if not needed.isdigit():
            raise Damaged(f"is damaged: its object {number} depends on nothing that could be")
    held: Held = "nothing"
    offset, file = 0, ""
    if header.format == "custom":
        held, offset = fields.offset()
    else:
        file = fields.words()
        held = "somewhere" if file else "nothing"
    copies = bool(statements["copy"])
    return Entry(number, tag, kind, schema, bool(has_data), copies, held, offset, file), statements
