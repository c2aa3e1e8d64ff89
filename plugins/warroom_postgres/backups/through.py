"""A dump of any format, read right through."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from warroom_postgres.backups.contents import Contents
from warroom_postgres.backups.custom import read_custom
from warroom_postgres.backups.directory import read_directory
from warroom_postgres.backups.plain import read_plain
from warroom_postgres.backups.reading import CHUNK, Damaged, Going, Source, nothing, open_plain
from warroom_postgres.backups.recognising import HEAD, recognised
from warroom_postgres.backups.unpacking import gunzipped

Identity = tuple[int, int]
"""Device and number of a file: what a path leads to, whatever was put in its place since."""


def read_through(path: Path, identity: Identity | None = None, going: Going = nothing) -> Contents:
    """Blocks for as long as the dump is large: a gigabyte takes seconds. ``identity``: what ``path`` must still be.

    Raises Damaged with what is wrong with it, OSError where it can't be read, BadInput for what is no plain file.
    """
    if path.is_dir():
        found = os.stat(path, follow_symlinks=False)
        if identity not in (None, (found.st_dev, found.st_ino)):
            raise Damaged("is not what it was when it was found: something else is in its place")
        return read_directory(path, going)
    with open_plain(path) as file:
        found = os.fstat(file.fileno())
        if identity not in (None, (found.st_dev, found.st_ino)):
            raise Damaged("is not what it was when it was found: something else is in its place")
        head = file.read(HEAD)
        file.seek(0)
        kind, words = recognised(head)
        if kind == "packed":
            raise Damaged(f"is an archive packed once more with gzip, and pg_restore reads files: {_unpack(path)}")
        if kind == "other":
            raise Damaged(words)
        source = Source(file, going)
        return read_custom(source) if kind == "custom" else _plain(source, packed=kind == "gzip")


def _unpack(path: Path) -> str:
    """What to do, with the line to paste. It keeps the packed one."""
    if not str(path).isprintable():
        return "unpack it first"
    if path.suffix == ".gz":
        return f"unpack it first, by gunzip -k -- {shlex.quote(str(path))}"
    packed, unpacked = (shlex.quote(f"{path}{ending}") for ending in ("", ".unpacked.dump"))
    return f"unpack it first, by gunzip < {packed} > {unpacked}"


def _plain(source: Source, *, packed: bool) -> Contents:
    contents = Contents(format="plain", compression="gzip" if packed else "none", bytes=source.size)
    pieces: Iterator[bytes] = iter(lambda: source.some(CHUNK), b"")
    read_plain(gunzipped(pieces) if packed else pieces, contents)
    contents.sha256 = source.finish()
    return contents
