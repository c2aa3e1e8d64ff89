"""Files that others made, opened with care and read once: plain files only, no link followed, a block at a time."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from warroom.api import BadInput

CHUNK = 1024 * 1024
MOST_FILES = 200_000
"""In one directory."""
Going = Callable[[int], None]
"""Told how many bytes more were read; what it raises ends the reading."""


class Damaged(Exception):
    """What is wrong with a dump, in words that follow its name: ``is cut short: …``."""


def nothing(_: int) -> None:
    """A ``Going`` that lets it go on."""


def open_plain(path: Path) -> BinaryIO:
    """For reading. Raises OSError; BadInput for a link (its last part), a pipe or anything else but a plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise _refused(f"{path.name} is a link", "links are not followed", "name the file itself") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _refused(f"{path.name} is no plain file", "a dump is read from plain files", f"see {path}")
    return open(descriptor, "rb", buffering=0)


def entries(folder: Path) -> list[str]:
    """The names in a folder, sorted. Raises OSError, and BadInput where there are too many."""
    names: list[str] = []
    with os.scandir(folder) as found:
        for entry in found:
            if len(names) == MOST_FILES:
                raise _refused(f"{folder.name} holds too many files", f"more than {MOST_FILES:,}", f"see {folder}")
            names.append(entry.name)
    return sorted(names)


def _refused(title: str, cause: str, hint: str) -> BadInput:
    from warroom.api import BadInput  # late: who only feeds psql with a dump would load all of the interface

    return BadInput(title, cause, hint)


class Source:
    """A file read from its beginning to its end, once, and hashed as it is read: what is judged is what was hashed."""

    def __init__(self, file: BinaryIO, going: Going = nothing) -> None:
        self._file = file
        self._going = going
        self._hashing = hashlib.sha256()
        self._block = b""
        self._at = 0
        self._fetched = 0
        self._was = os.fstat(file.fileno())
        self.size = self._was.st_size

    @property
    def position(self) -> int:
        """Of the next byte."""
        return self._fetched - len(self._block) + self._at

    @property
    def left(self) -> int:
        return self.size - self.position

    def some(self, most: int = CHUNK) -> bytes:
        """The next bytes, at most so many; none at the end."""
        if self._at == len(self._block):
            self._fetch()
        part = self._block[self._at : self._at + most]
        self._at += len(part)
        return part

    def take(self, count: int) -> bytes:
        """Exactly so many, all in memory. Raises Damaged where fewer are left."""
        end = self._at + count
        if end <= len(self._block):
            part = self._block[self._at : end]
            self._at = end
            return part
        return b"".join(self.pieces(count))

    def pieces(self, count: int) -> Iterator[bytes]:
        """So many bytes, piece by piece. Raises Damaged before the first where fewer are left."""
        if count > self.left:
            raise Damaged(f"is cut short: it ends after {self.size:,} bytes, where {count - self.left:,} more belong")
        while count:
            part = self.some(min(count, CHUNK))
            if not part:
                raise Damaged(f"is cut short: it ended after {self.position:,} bytes while it was read")
            count -= len(part)
            yield part

    def chunks(self, width: int) -> Iterator[bytes]:
        """What stands in chunks, each behind its length (a sign byte and ``width`` bytes), up to one of no length.

        Where rows are not packed each is a chunk: so as many as lie in the block are taken at once.
        """
        head = 1 + width
        while True:
            block, at, parts = self._block, self._at, list[bytes]()
            while (begins := at + head) <= len(block):
                length = int.from_bytes(block[at + 1 : begins], "little")
                if block[at] or not length or begins + length > len(block):
                    break
                at = begins + length
                parts.append(block[begins:at])
            self._at = at
            if parts:
                yield b"".join(parts)
            first = self.take(head)
            length = int.from_bytes(first[1:], "little")
            if first[0]:
                raise Damaged(f"is damaged: at byte {self.position:,} data has no length")
            if not length:
                return
            yield from self.pieces(length)

    def finish(self) -> str:
        """Reads what is left and gives the hash. Raises Damaged where the file was changed meanwhile."""
        while self.some():
            pass
        now = os.fstat(self._file.fileno())
        same = (now.st_size, now.st_mtime_ns) == (self._was.st_size, self._was.st_mtime_ns)
        if not same or self._fetched != self.size:
            raise Damaged("was changed while it was read: it may still be being written")
        return "sha256:" + self._hashing.hexdigest()

    def _fetch(self) -> None:
        # No further than it was long at the beginning: one that still grows would never end.
        self._block, self._at = self._file.read(min(CHUNK, self.size - self._fetched)), 0
        self._fetched += len(self._block)
        self._hashing.update(self._block)
        self._going(len(self._block))
