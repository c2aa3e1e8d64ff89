"""What a file is, by its first bytes; its name says nothing."""

from __future__ import annotations

import zlib
from typing import Literal

from warroom_postgres.backups.archive import MAGIC
from warroom_postgres.backups.plain import BEGINS, CLUSTER

HEAD = 8192
"""Bytes that are enough to tell."""
Kind = Literal["custom", "plain", "gzip", "packed", "other"]
"""``packed``: an archive for pg_restore, which gzip has packed once more."""

_OTHERS = (
    (b"\x28\xb5\x2f\xfd", "is packed with zstd: unpack it first"),
    (b"\x04\x22\x4d\x18", "is packed with lz4: unpack it first"),
    (b"\xfd7zXZ\x00", "is packed with xz: unpack it first"),
    (b"BZh", "is packed with bzip2: unpack it first"),
    (b"PK\x03\x04", "is a zip file: unpack it first"),
    (b"age-encryption.org", "is encrypted with age: decrypt it first"),
    (b"Salted__", "is encrypted: decrypt it first"),
    (b"-----BEGIN PGP MESSAGE", "is encrypted with PGP: decrypt it first"),
    (b"SQLite format 3\x00", "is a SQLite database"),
)
_PGP = {0x85, 0x84, 0x8C, 0xC1, 0xC3}


def recognised(head: bytes) -> tuple[Kind, str]:
    """The kind, and for ``other`` what is known of it, in words that follow its name."""
    if not head:
        return "other", "is empty"
    if head.startswith(MAGIC):
        return "custom", ""
    if head.startswith(b"\x1f\x8b"):
        return _in_gzip(head)
    if _plain(head):
        return "plain", ""
    if head[257:262] == b"ustar":
        return "other", "is a tar archive, which is not read here: dump with --format=custom or =directory"
    if _text(head).startswith(CLUSTER):
        return "other", "is of a whole server with its roles (pg_dumpall), not of one database"
    for magic, words in _OTHERS:
        if head.startswith(magic):
            return "other", words
    if not head.strip(b"\0"):
        return "other", "holds nothing but zeros"
    if head[0] in _PGP and not head[:1].isascii():
        return "other", "is no dump, or an encrypted one"
    return "other", "does not begin as a dump of PostgreSQL's does"


def _in_gzip(head: bytes) -> tuple[Kind, str]:
    try:
        inner = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head, HEAD)
    except zlib.error:
        return "gzip", ""  # reading it through says what is wrong with it
    if inner.startswith(MAGIC):
        return "packed", ""
    if not inner or _plain(inner):
        return "gzip", ""
    kind, words = recognised(inner)
    return "other", f"is packed with gzip, and what is in it {words}" if kind == "other" else "is packed twice"


def _text(head: bytes) -> bytes:
    return head.replace(b"\r\n", b"\n")


def _plain(head: bytes) -> bool:
    return _text(head).lstrip(b"\n").startswith(BEGINS)
