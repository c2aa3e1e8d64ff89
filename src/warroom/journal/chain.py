"""The hash chain over stored bytes, and the shape of the database that holds it."""

from __future__ import annotations

import hashlib
import re

FORMAT = 1
DB = "journal.db"
HEAD = "head"
RESERVE = "reserve"

TABLES = {
    "meta": "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "entry": "CREATE TABLE entry (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL, hash BLOB NOT NULL)",
}
"""The statements that made each table. A database with any other is not a journal: a view in a table's place could
hang its reader."""

INCIDENT_ID = re.compile(r"(?:INC|DRILL)-[0-9]{4,9}")
"""Drills are counted apart, so that an id says whether it was one, and no command can mix the two up."""


def genesis(incident: str) -> bytes:
    """What the first entry's hash covers in place of a previous one: an entry can't move to another incident."""
    return hashlib.sha256(f"warroom journal {FORMAT} {incident}".encode()).digest()


def link(previous: bytes, seq: int, data: bytes) -> bytes:
    """The hash of entry ``seq``: SHA-256 of the previous hash, the seq as eight bytes, and the stored bytes."""
    return hashlib.sha256(previous + seq.to_bytes(8, "big") + data).digest()
