"""Packed bytes, a bounded piece at a time, with their checksums held."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from warroom_postgres.backups.reading import CHUNK, Damaged


def inflated(pieces: Iterable[bytes], what: str) -> Iterator[bytes]:
    """One zlib stream, as archives hold it: nothing at all, or a whole one with its Adler-32, and nothing after it."""
    unpacking, begun = zlib.decompressobj(), False
    for piece in pieces:
        begun = begun or bool(piece)
        if unpacking.eof and piece:
            raise Damaged(f"is damaged: {what} goes on after its end")
        yield from _out(unpacking, piece, what)
    if begun and not unpacking.eof:
        raise Damaged(f"is cut short: {what} has no end")
    if unpacking.unused_data:
        raise Damaged(f"is damaged: {what} goes on after its end")


def gunzipped(pieces: Iterable[bytes], what: str = "it") -> Iterator[bytes]:
    """A gzip file of one member or more, each with its CRC-32 and length held. Zeros may follow, nothing else."""
    unpacking, begun, members = _gzip(), False, 0
    for piece in pieces:
        data = piece
        while data:
            if not begun:
                data = data.lstrip(b"\0") if members else data
                if not data:
                    break
                begun = True
            yield from _out(unpacking, data, what)
            data = b""
            if unpacking.eof:
                data, unpacking, begun = unpacking.unused_data, _gzip(), False
                members += 1
    if begun or not members:
        raise Damaged(f"is cut short: {what} is packed with gzip and has no end")


def _gzip() -> zlib._Decompress:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


def _out(unpacking: zlib._Decompress, data: bytes, what: str) -> Iterator[bytes]:
    try:
        while True:
            if part := unpacking.decompress(data, CHUNK):
                yield part
            data = unpacking.unconsumed_tail
            if not data and len(part) < CHUNK:
                return
    except zlib.error as error:
        raise Damaged(f"is damaged: {what} can't be unpacked ({_reason(error)})") from None


def _reason(error: zlib.error) -> str:
    """``Error -3 while decompressing data: incorrect data check`` without what only programs care for."""
    return str(error).partition(": ")[2] or str(error)
