"""An archive in the custom format, read right through: its contents, then one block after the other to its end.

Each block must be one that the contents name, once, where they say it is; nothing may be missing or left over.
"""

from __future__ import annotations

from collections.abc import Iterator

from warroom_postgres.backups.archive import Entry, Fields, Header, read_contents, read_header
from warroom_postgres.backups.contents import Contents
from warroom_postgres.backups.objects import checking
from warroom_postgres.backups.reading import Damaged, Source
from warroom_postgres.backups.rows import read_rows
from warroom_postgres.backups.unpacking import inflated

_DATA, _LARGE_OBJECTS = 1, 3


def begun(header: Header) -> Contents:
    """What the header says."""
    return Contents(
        format=header.format,
        compression=header.compression,
        made=header.made,
        database=header.database,
        server_version=header.server_version,
        dump_version=header.dump_version,
        unread=header.compression if header.compression in ("lz4", "zstd") else "",
    )


def read_custom(source: Source) -> Contents:
    """Raises Damaged. The hash is of exactly the bytes that were looked at."""
    header, fields = read_header(source)
    if header.format != "custom":
        raise Damaged("is the table of contents of a dump in the directory format, not a dump")
    contents = begun(header)
    entries = read_contents(fields, header, checking(contents))
    missing = {entry.id for entry in entries.values() if entry.held != "nothing"}
    while source.left:
        missing.discard(_block(source, fields, header, entries, missing, contents))
    if missing:
        tag = entries[min(missing)].tag
        raise Damaged(f"is cut short: the data of {len(missing)} of its objects is missing, among it that of {tag}")
    contents.bytes = source.size
    contents.sha256 = source.finish()
    return contents


def _block(
    source: Source, fields: Fields, header: Header, entries: dict[int, Entry], missing: set[int], contents: Contents
) -> int:
    """Reads one block and gives the number of the object whose data it is."""
    began = source.position
    kind, number = source.take(1)[0], fields.integer()
    if kind not in (_DATA, _LARGE_OBJECTS) or number not in missing:
        raise Damaged(f"is damaged: at byte {began:,} stands no block of data that belongs there")
    entry = entries[number]
    if entry.held == "here" and entry.offset != began:
        raise Damaged(f"is damaged: the data of {entry.tag} is not where its table of contents says")
    if (kind == _LARGE_OBJECTS) != (entry.kind == "BLOBS"):
        raise Damaged(f"is damaged: the data of {entry.tag} is of another kind")
    if kind == _DATA:
        pieces = _unpacked(source.chunks(header.int_size), header, entry.tag)
        if contents.unread:
            _drain(pieces)
            contents.count((entry.schema, entry.tag), None)
        else:
            read_rows(entry, pieces, contents)
        return number
    while oid := fields.integer():
        _drain(_unpacked(source.chunks(header.int_size), header, f"the large object {oid}"))
        contents.large_objects += 1
    return number


def _unpacked(chunks: Iterator[bytes], header: Header, what: str) -> Iterator[bytes]:
    return inflated(chunks, f"the data of {what}") if header.compression == "gzip" else chunks


def _drain(pieces: Iterator[bytes]) -> None:
    for _ in pieces:
        pass
