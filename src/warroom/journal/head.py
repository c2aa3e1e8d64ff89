"""The head file: seq and hash of the last acknowledged entry, kept outside the database.

One flipped byte in SQLite's -wal file drops every later commit without a word, and what is left has a valid chain.
Only something outside the database can tell. Two slots of 512 bytes, a sector each, are written in turn and in place:
a write that is cut short leaves the other slot, needs no room on a full disk, and costs one sync.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from warroom.files import open_private, opened, sync

SLOT = 512


@dataclass(frozen=True)
class Mark:
    seq: int
    hash: bytes


def _drawn(mark: Mark) -> bytes:
    """With a check of its own: a damaged head must not pass for a damaged journal."""
    text = f"{mark.seq} {mark.hash.hex()}"
    values = {"seq": mark.seq, "hash": mark.hash.hex(), "check": hashlib.sha256(text.encode()).hexdigest()[:16]}
    return json.dumps(values).encode().ljust(SLOT - 1) + b"\n"


def _parsed(slot: bytes) -> Mark | None:
    """None unless every byte of the slot is as it was written."""
    try:
        values = json.loads(slot)
        mark = Mark(int(values["seq"]), bytes.fromhex(values["hash"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return mark if _drawn(mark) == slot and len(mark.hash) == 32 else None


def read_marks(path: Path) -> tuple[Mark, Mark] | None:
    """(older, newest); None when a byte of the file is not as it was written. Raises OSError when it can't be read."""
    with opened(path, os.O_RDONLY) as descriptor:
        data = os.read(descriptor, 2 * SLOT + 1)
    marks = _parsed(data[:SLOT]), _parsed(data[SLOT:])
    if marks[0] is None or marks[1] is None:
        return None
    older, newest = sorted((marks[0], marks[1]), key=lambda mark: mark.seq)
    return older, newest


class Head:
    """Written by the journal's one writer. ``sync`` is given so that a test can hold or count it."""

    def __init__(self, path: Path, sync: Callable[[int], None] = sync) -> None:
        self._sync = sync
        self._descriptor = open_private(path, os.O_RDWR)
        first, second = (_parsed(os.pread(self._descriptor, SLOT, at)) for at in (0, SLOT))
        self.newest = max((mark for mark in (first, second) if mark), key=lambda mark: mark.seq, default=None)
        self._next = 0 if self.newest == second else SLOT

    @staticmethod
    def create(path: Path, mark: Mark) -> None:
        with opened(path, os.O_RDWR | os.O_CREAT | os.O_EXCL) as descriptor:
            os.pwrite(descriptor, _drawn(mark) * 2, 0)
            os.fsync(descriptor)

    def write(self, mark: Mark) -> None:
        """Returns once it is durable. Raises OSError."""
        os.pwrite(self._descriptor, _drawn(mark), self._next)
        self._sync(self._descriptor)
        self.newest = mark
        self._next = SLOT - self._next

    def close(self) -> None:
        os.close(self._descriptor)
