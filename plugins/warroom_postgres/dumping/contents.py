"""What a database holds in one snapshot: its tables, how large they are, how many rows each has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from warroom.api import Snapshot, StoreRefused
from warroom_postgres.naming import quoted

MOST_TABLES = 100_000

TABLES = """
SELECT n.nspname::text AS schema, c.relname::text AS name,
  CASE WHEN EXISTS (SELECT 1 FROM pg_locks l WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock' AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
  THEN 0 ELSE pg_table_size(c.oid) END AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery()) AND NOT EXISTS (SELECT 1 FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""
"""Tables and partitions with rows of their own. A standby has none in unlogged ones; of an extension's tables a dump
has only what that declares. The size of a locked one is not asked: that would wait, where pg_dump says which it is."""

LARGE_OBJECTS = """
SELECT count(*) AS number, (SELECT pg_table_size('pg_largeobject'::regclass)) AS bytes FROM pg_largeobject_metadata
"""

MIGRATION = """
SELECT migration_name FROM {table} WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL
ORDER BY finished_at DESC LIMIT 1
"""
_NO_SUCH = ("42P01", "42703", "3F000")


@dataclass(frozen=True)
class Table:
    schema: str
    name: str
    bytes: int

    @property
    def words(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Contents:
    tables: tuple[Table, ...]
    large_objects: int
    large_bytes: int

    @property
    def bytes(self) -> int:
        """What a dump reads: indexes are not in it."""
        return sum(table.bytes for table in self.tables) + self.large_bytes

    @property
    def largest(self) -> int:
        """One connection reads a table whole, and all large objects."""
        return max([self.large_bytes, *(table.bytes for table in self.tables)])


async def contents(snapshot: Snapshot, *, timeout: float) -> Contents:
    found = await snapshot.sql(TABLES, timeout=timeout, at_most=MOST_TABLES)
    large = (await snapshot.sql(LARGE_OBJECTS, timeout=timeout)).each()[0]
    tables = tuple(Table(row["schema"], row["name"], int(row["bytes"])) for row in found.each())
    return Contents(tables, int(large["number"]), int(large["bytes"]) if large["number"] else 0)


async def migration(snapshot: Snapshot, table: str, schema: str, *, timeout: float) -> str | None:
    """The newest that had finished; None where the database has no such table."""
    name = table if "." in table or not schema else f"{schema}.{table}"
    try:
        found = await snapshot.sql(MIGRATION, timeout=timeout, names={"table": name})
    except StoreRefused as error:
        if error.code in _NO_SUCH:
            return None
        raise
    return str(found.rows[0][0]) if found.rows else None


async def counted(
    snapshot: Snapshot, tables: Sequence[Table], *, left: Callable[[], float], say: Callable[[str], None]
) -> dict[Table, int]:
    """Rows of each table, one after the other. ``left``: seconds that are left for all of it."""
    rows = {}
    for number, table in enumerate(tables, 1):
        say(f"counting rows: {table.words}, {number} of {len(tables)}")
        statement = f"SELECT count(*) FROM ONLY {quoted(table.schema, table.name)}"
        rows[table] = int((await snapshot.sql(statement, timeout=left())).rows[0][0])
    return rows
