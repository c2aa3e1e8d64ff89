"""Which rows of a table only one of two databases has, and which differ: found without reading either whole.

Each side sums the hashes of its rows by a bucket of their keys, on the server. Only buckets that differ are then read,
key by key. A table without a key is compared by whole rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from warroom_postgres.integrity.catalogue import TRAPPED
from warroom_postgres.naming import literal, quoted

BUCKETS = 4096
MOST_KEYS = 200_000
"""Keys that are read of one table and side. Where more differ, only how many rows there are is told."""
COLUMNS = f"""
{TRAPPED}
SELECT n.nspname::text AS schema_name, c.relname::text AS name, c.relkind = 'p' AS parted,
  pg_catalog.row_security_active(c.oid) AS hidden,
  c.oid IN (SELECT relid FROM trapped) AS trapped,
  coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(a.attname,
      pg_catalog.format_type(a.atttypid, a.atttypmod)) ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0::int2 AND NOT a.attisdropped), '[]')
    AS columns,
  coalesce((SELECT pg_catalog.jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int2[])
    WHERE i.indrelid = c.oid AND i.indisprimary), '[]') AS key
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> 'information_schema'::name
  AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_'::text)
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass::oid
    AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""
"""The server's own functions are named in full, here and below: see ``holding``."""
_TIMES = ("timestamp without time zone", "timestamp with time zone", "timestamp(", "date")
BORN = ("createdat", "created_at", "created", "insertedat", "inserted_at", "sentat", "sent_at", "at", "timestamp")
_ISO = literal('YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
"""What has no zone is taken for UTC, as Prisma writes it."""
Ask = Callable[[str, int], Awaitable[Sequence[Mapping[str, Any]]]]
"""One query on one side, and how many rows it may give."""


@dataclass(frozen=True)
class Shape:
    """A table as one side has it. ``hidden``: row-level security hides rows of it from who asks.

    ``trapped``: whoever asks may do anything on the server's machine, and already to plan a query of this table runs
    functions that came with the data (of an index, a statistic, a check, a generated column).
    """

    schema: str
    name: str
    parted: bool
    hidden: bool
    trapped: bool
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]

    @property
    def source(self) -> str:
        return ("" if self.parted else "ONLY ") + quoted(self.schema, self.name)


@dataclass(frozen=True)
class Difference:
    """Rows that only live has (``here``), only the backup (``there``), and that both have and which are not the same.

    Two rows of one key that were not made at the same moment are two: where both took writes, a serial number was given
    out twice.

    ``newest_*``: the latest time in the column ``by``, as ISO text. ``exact`` False: too many differ to be told apart.
    """

    schema: str
    name: str
    rows_here: int
    rows_there: int
    here: int
    there: int
    changed: int
    by: str = ""
    newest_here: str = ""
    newest_there: str = ""
    exact: bool = True
    parted: bool = False

    @property
    def same(self) -> bool:
        return not (self.here or self.there or self.changed)


def shape(row: Mapping[str, Any]) -> Shape:
    columns = tuple((str(name), str(kind)) for name, kind in row["columns"])
    key = tuple(map(str, row["key"]))
    return Shape(
        row["schema_name"], row["name"], bool(row["parted"]), bool(row["hidden"]), bool(row["trapped"]), columns, key
    )


async def difference(live: Ask, backup: Ask, here: Shape, there: Shape) -> Difference:
    """Of the columns that both sides have. Raises WarroomError."""
    both = [name for name, kind in here.columns if (name, kind) in there.columns]
    key = list(here.key) if here.key == there.key and set(here.key) <= set(both) else both
    by = _born(here, both)
    first, second = _sums(here, key, both, by), _sums(there, key, both, by)
    sums_here = {row["bucket"]: row for row in await live(first, BUCKETS)}
    sums_there = {row["bucket"]: row for row in await backup(second, BUCKETS)}
    total_here = sum(int(row["rows"]) for row in sums_here.values())
    total_there = sum(int(row["rows"]) for row in sums_there.values())
    newest = (_newest(sums_here.values()), _newest(sums_there.values()))
    unlike = sorted(n for n in {*sums_here, *sums_there} if _sum(sums_here.get(n)) != _sum(sums_there.get(n)))
    same = Difference(here.schema, here.name, total_here, total_there, 0, 0, 0, by, *newest, parted=here.parted)
    if not unlike:
        return same
    largest = max(sum(int(sums[n]["rows"]) for n in unlike if n in sums) for sums in (sums_here, sums_there))
    if largest > MOST_KEYS:
        more = total_here - total_there
        return replace(same, here=max(0, more), there=max(0, -more), exact=False)
    keys_here = _keyed(await live(_keys(here, key, both, unlike, by), MOST_KEYS))
    keys_there = _keyed(await backup(_keys(there, key, both, unlike, by), MOST_KEYS))
    only_here, only_there, changed = _apart(keys_here, keys_there)
    return replace(same, here=only_here, there=only_there, changed=changed)


Keyed = Mapping[str, Counter[tuple[str | None, str]]]
"""By the hash of its key: when a row was made, None where no column says so, and its own hash."""


def _apart(here: Keyed, there: Keyed) -> tuple[int, int, int]:
    """By key, how many rows only one side has, and how many differ."""
    only_here = only_there = changed = 0
    for key in {*here, *there}:
        one, other = here.get(key, Counter()), there.get(key, Counter())
        gone, new = one - other, other - one
        both = _of_one_moment(gone, new)
        changed += both
        only_here += gone.total() - both
        only_there += new.total() - both
    return only_here, only_there, changed


def _of_one_moment(gone: Counter[tuple[str | None, str]], new: Counter[tuple[str | None, str]]) -> int:
    """How many may be the same rows, otherwise now: a moment that is not known may be any."""
    first, second = Counter(born for born, _ in gone.elements()), Counter(born for born, _ in new.elements())
    unknown = first[None] + second[None]
    return min(gone.total(), new.total(), (first & second).total() - min(first[None], second[None]) + unknown)


def _keyed(rows: Sequence[Mapping[str, Any]]) -> Keyed:
    found: dict[str, Counter[tuple[str | None, str]]] = {}
    for row in rows:
        found.setdefault(row["key"], Counter())[row["born"], row["row"]] += 1
    return found


def _sum(row: Mapping[str, Any] | None) -> tuple[str, str] | None:
    return None if row is None else (str(row["rows"]), str(row["sum"]))


def _newest(rows: Any) -> str:
    return max((str(row["newest"]) for row in rows if row["newest"] is not None), default="")


def _hash(columns: Sequence[str]) -> str:
    """A hash of these columns together: of their texts, each with its length, so that no two rows look alike."""
    if not columns:
        return "0::bigint"
    return f"pg_catalog.hashtextextended(ROW({', '.join(map(quoted, columns))})::text, 0::bigint)"


def _sums(of: Shape, key: Sequence[str], columns: Sequence[str], by: str) -> str:
    newest = "NULL"
    if by:
        zoned = "with time zone" in dict(of.columns)[by]
        latest = f"pg_catalog.max({quoted(by)})" + (" AT TIME ZONE 'UTC'" if zoned else "::timestamp")
        newest = f"pg_catalog.to_char({latest}, {_ISO})"
    return (
        f"SELECT {_hash(key)} & {BUCKETS - 1}::bigint AS bucket, pg_catalog.count(*) AS rows, "
        f"pg_catalog.sum({_hash(columns)})::text AS sum, "
        f"{newest} AS newest FROM {of.source} GROUP BY 1"
    )


def _keys(of: Shape, key: Sequence[str], columns: Sequence[str], buckets: Sequence[int], by: str) -> str:
    wanted = ", ".join(str(int(bucket)) for bucket in buckets)
    known = by.lower() in BORN
    born = f"CASE WHEN {quoted(by)} IS NOT NULL THEN {_hash([by])}::text END" if known else "NULL"
    return (
        f"SELECT {_hash(key)}::text AS key, {_hash(columns)}::text AS row, {born} AS born FROM {of.source} "
        f"WHERE {_hash(key)} & {BUCKETS - 1}::bigint = ANY (ARRAY[{wanted}]::bigint[])"
    )


def _born(of: Shape, both: Sequence[str]) -> str:
    """The column that says since when a row is there, empty without one: by its name, else the first time in it."""
    times = [name for name, kind in of.columns if name in both and kind.startswith(_TIMES)]
    named = [name for wanted in BORN for name in times if name.lower() == wanted]
    return (named or times or [""])[0]
