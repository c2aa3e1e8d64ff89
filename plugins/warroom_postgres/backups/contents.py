"""What reading a dump right through has shown, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from warroom_postgres.backups.harm import Found
from warroom_postgres.backups.needs import Needing

if TYPE_CHECKING:
    from warroom_postgres.backups.manifest import Compression, DumpFile, Format

Table = tuple[str, str]
"""Schema and name."""
Counted = dict[Table, int | None]


@dataclass
class Contents:
    """``rows`` by table, None where the data was not in rows that can be counted.

    ``made`` is what the dump says itself, by a clock whose zone is only known where ``made_in_utc``. ``unread``: what
    could not be unpacked here, so that only a hash says whether it is whole.
    """

    format: Format
    compression: Compression
    sha256: str = ""
    bytes: int = 0
    files: tuple[DumpFile, ...] = ()
    made: datetime | None = None
    made_in_utc: bool = False
    database: str | None = None
    server_version: str | None = None
    dump_version: str | None = None
    rows: Counted = field(default_factory=dict)
    large_objects: int = 0
    unread: Literal["", "lz4", "zstd"] = ""
    found: Found = field(default_factory=Found)
    needs: Needing = field(default_factory=Needing)

    def count(self, table: Table, rows: int | None) -> None:
        """A table's data may come in several parts."""
        before = self.rows.get(table, 0)
        self.rows[table] = None if rows is None or before is None else before + rows
