"""A dump in the directory format, read right through: ``toc.dat``, and each file that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from warroom_postgres.backups.archive import Entry, read_contents, read_header
from warroom_postgres.backups.contents import Contents
from warroom_postgres.backups.custom import begun
from warroom_postgres.backups.manifest import DumpFile, of_files
from warroom_postgres.backups.objects import checking
from warroom_postgres.backups.reading import CHUNK, Damaged, Going, Source, entries, nothing, open_plain
from warroom_postgres.backups.rows import read_rows
from warroom_postgres.backups.unpacking import gunzipped

CONTENTS = "toc.dat"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}", re.ASCII)
_LARGE_OBJECT = re.compile(rb"([0-9]{1,10}) (blob_[0-9]{1,10}\.dat)\n?")
_OF_A_DUMP = re.compile(r"(?:blob_)?[0-9]+\.dat(?:\.[a-z0-9]+)?|blobs.*\.toc", re.ASCII)
_ENDINGS = {"none": "", "gzip": ".gz", "lz4": ".lz4", "zstd": ".zst"}
LONGEST_LIST = 512 * 1024 * 1024


class _Folder:
    """Its files, each read once."""

    def __init__(self, path: Path, going: Going) -> None:
        self.path = path
        self.going = going
        self.there = set(entries(path))
        self.read: dict[str, DumpFile] = {}

    def source(self, name: str) -> Iterator[Source]:
        """One source, of a file that must be there and was not read before; hashed once the caller is done with it."""
        if not _NAME.fullmatch(name) or name in self.read:
            raise Damaged(f"is damaged: it names a file as none is named: {name[:40]!r}")
        if name not in self.there:
            raise Damaged(f"is incomplete: its file {name} is missing")
        with open_plain(self.path / name) as file:
            source = Source(file, self.going)
            yield source
            self.read[name] = DumpFile(name=name, sha256=source.finish(), bytes=source.size)

    def rest(self) -> None:
        """What the contents don't name is hashed too: a manifest counts every file."""
        for name in sorted(self.there - self.read.keys()):
            if not _NAME.fullmatch(name):
                raise Damaged(f"holds a file that belongs to no dump: {name[:40]!r}")
            if _OF_A_DUMP.fullmatch(name):
                raise Damaged(f"is damaged: it holds {name}, which its table of contents does not name")
            for _ in self.source(name):
                pass


def read_directory(path: Path, going: Going = nothing) -> Contents:
    """Raises Damaged, OSError, and BadInput for a link or a folder among the files."""
    folder = _Folder(path, going)
    for source in folder.source(CONTENTS):
        header, fields = read_header(source)
        contents = begun(header)
        contents.format = "directory"
        found = read_contents(fields, header, checking(contents))
        if source.left:
            raise Damaged("is damaged: its table of contents goes on after its end")
    ending = _ENDINGS[contents.compression]
    for entry in found.values():
        if entry.held != "nothing" and entry.has_data:
            _data(folder, entry, ending, contents)
    folder.rest()
    contents.files = tuple(sorted(folder.read.values(), key=lambda file: file.name))
    contents.sha256, contents.bytes = of_files(contents.files), sum(file.bytes for file in contents.files)
    return contents


def _data(folder: _Folder, entry: Entry, ending: str, contents: Contents) -> None:
    if entry.kind != "BLOBS":
        for source in folder.source(entry.file + ending):
            if contents.unread:
                contents.count((entry.schema, entry.tag), None)
            else:
                read_rows(entry, _unpacked(source, contents, entry.file), contents)
        return
    listed: list[bytes] = []
    for source in folder.source(entry.file):
        if source.size > LONGEST_LIST:
            raise Damaged(f"is damaged: its list {entry.file} is too long to be one")
        listed = source.take(source.size).splitlines(keepends=True)
    if not listed:
        raise Damaged(f"is damaged: its list {entry.file} is empty")
    for line in listed:
        match = _LARGE_OBJECT.fullmatch(line)
        if match is None or not line.endswith(b"\n"):
            raise Damaged(f"is damaged: its list {entry.file} has no sense")
        for source in folder.source(match[2].decode() + ending):
            for _ in _unpacked(source, contents, match[2].decode()):
                pass
        contents.large_objects += 1


def _unpacked(source: Source, contents: Contents, name: str) -> Iterator[bytes]:
    pieces = iter(lambda: source.some(CHUNK), b"")
    return gunzipped(pieces, f"its file {name}") if contents.compression == "gzip" else pieces
