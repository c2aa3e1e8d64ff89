"""The check ``counts``: every table has the rows that it must have, by what it is counted against, and what came since.

After a swap that is what the backup held; what was written between the backup and the swap is the loss that was
accepted, and must not be there. Else it is what the evidence counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Field, JsonValue

from warroom.api import BadInput, Context, Probed, WarroomError
from warroom.model.base import Duration, Fact
from warroom.model.units import listed, many
from warroom_postgres.asking import why
from warroom_postgres.integrity import catalogue
from warroom_postgres.integrity.checks import HIDDEN, STRANGE, trapped
from warroom_postgres.integrity.looking import Looking
from warroom_postgres.integrity.reference import Reference, reference
from warroom_postgres.naming import literal, quoted
from warroom_postgres.rules import Table

LONGEST = 2000
MOST_TOLD = 8
_BORN = ("createdat", "created_at", "created", "insertedat", "inserted_at")
"""What a column is called that says since when a row is there."""
TABLES = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema_name, c.relname::text AS table_name, false AS parted,
  pg_catalog.row_security_active(c.oid) AS hidden,
  EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
    AND i.indexprs IS NULL AND i.indpred IS NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int2[]) AND NOT a.attnotnull)) AS keyed,
  coalesce((SELECT pg_catalog.jsonb_object_agg(a.attname, a.atttypid = 1184::oid) FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0::int2 AND NOT a.attisdropped
      AND a.atttypid IN (1114::oid, 1184::oid)), '{}') AS times
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema'::name
  AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_'::text)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
    WHERE d.classid = 1259::oid AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY pg_catalog.pg_stat_get_live_tuples(c.oid), 2, 3
"""
"""Those with rows of their own, partitions too, the smallest first. ``times``: columns with a time, and whether it has
a zone; what has none is taken for UTC, as Prisma writes it. 1114 and 1184 are the types."""


class CountsArgs(Fact):
    """``database``: one that was restored beside, held against its own dump; left out: the application's.

    ``shrinks``: tables from which the application takes rows away itself, such as sessions. ``clocks``: how far the
    clock that rows are given their time by may be from warroom's and the server's. ``since``: how long ago a swap may
    be whose backup is counted against. All of it ends after ``within``.
    """

    database: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = None
    shrinks: tuple[Table, ...] = Field(default=(), max_length=100)
    clocks: Annotated[Duration, Field(ge=0, le=86400)] = 30
    since: Annotated[Duration, Field(ge=1)] = 86400
    within: Annotated[Duration, Field(ge=1, le=21600)] = 60


@dataclass(frozen=True)
class Counted:
    """A table that ``held`` so many rows. ``rows`` None: it could not be counted, ``words`` say why.

    ``came`` are the fewest and the most that came since, None where no column says so; ``keyed``: no row can be there
    twice.
    """

    schema: str
    name: str
    held: int
    rows: int | None = None
    came: tuple[int, int] | None = None
    keyed: bool = False
    words: str = ""

    @property
    def table(self) -> str:
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def missing(self) -> bool:
        return self.rows is None and not self.words

    @property
    def gone(self) -> int:
        """Rows that it held and that are no longer there, at least."""
        least = self.came[0] if self.came else 0
        return max(0, self.held - (self.rows or 0) + least)

    @property
    def strange(self) -> int:
        """Rows that it did not hold, and that did not come since, at least; of which the latter is known."""
        return max(0, (self.rows or 0) - self.came[1] - self.held) if self.came else 0

    @property
    def doubtful(self) -> bool:
        """There are more than it held, and nothing says whether they came since or are there twice."""
        return self.came is None and not self.keyed and (self.rows or 0) > self.held

    @property
    def more(self) -> int:
        return max(0, (self.rows or 0) - self.held)


class CountsProbe:
    name = "counts"
    args: type[BaseModel] = CountsArgs

    async def probe(self, ctx: Context, args: CountsArgs) -> Probed:
        look = Looking(ctx, args.within, args.within, database=args.database)
        try:
            against = await reference(look, args.since)
        except BadInput as error:
            return Probed("inconclusive", str(error))
        try:
            tables = await look.ask(TABLES, at_most=catalogue.MOST * 4)
            strange = await trapped(look)
        except WarroomError as error:
            return Probed("inconclusive", why(error))
        there = {(row["schema_name"], row["table_name"]) for row in tables}
        found = [Counted(*name, held) for name, held in against.rows.items() if name not in there]
        for row in tables:
            if (held := against.rows.get((row["schema_name"], row["table_name"]))) is not None:
                kept_off = STRANGE if int(row["oid"]) in strange else HIDDEN if row["hidden"] else ""
                found.append(await _counted(look, row, held, against, args.clocks, kept_off))
        new = sorted(".".join(name) for name in there - against.rows.keys())
        return judged(against, found, new, args.shrinks)


async def _counted(
    look: Looking, row: Mapping[str, Any], held: int, against: Reference, clocks: float, kept_off: str
) -> Counted:
    one = Counted(str(row["schema_name"]), str(row["table_name"]), held, keyed=bool(row["keyed"]))
    if kept_off:
        return Counted(one.schema, one.name, held, words=kept_off)
    least, most, born = "NULL", "NULL", _born(row["times"])
    if born and against.since is not None:
        slack, zoned = timedelta(seconds=clocks), bool(row["times"][born])
        least, most = (_came(born, zoned, against.since + by) for by in (slack, -slack))
    statement = (
        f"SELECT pg_catalog.count(*) AS rows, {least} AS least, {most} AS most "
        f"FROM ONLY {quoted(one.schema, one.name)} AS t"
    )
    try:
        (found,) = await look.ask(statement)
    except WarroomError as error:
        return Counted(one.schema, one.name, held, words=why(error, fix=False))
    came = None if found["least"] is None else (int(found["least"]), int(found["most"]))
    came = (0, 0) if against.since is None else came
    return Counted(one.schema, one.name, held, int(found["rows"]), came, one.keyed)


def _born(times: Mapping[str, bool]) -> str:
    return next((name for wanted in _BORN for name in sorted(times) if name.lower() == wanted), "")


def _came(column: str, zoned: bool, at: datetime) -> str:
    text = literal(f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" + ("+00" if zoned else ""))
    kind = "timestamp with time zone" if zoned else "timestamp without time zone"
    return f"pg_catalog.count(*) FILTER (WHERE t.{quoted(column)} >= {text}::{kind})"


def judged(against: Reference, found: Sequence[Counted], new: Sequence[str], shrinks: Sequence[str]) -> Probed:
    known = frozenset(shrinks)
    lost = [one for one in found if one.missing or (one.gone and not one.words)]
    lost = [one for one in lost if not known & {one.name, f"{one.schema}.{one.name}"}]
    strange = [one for one in found if one.strange]
    unknown = [one for one in found if one.words]
    doubtful = [one for one in found if one.doubtful]
    numbers: dict[str, JsonValue] = {f"{one.schema}.{one.name}": one.rows for one in found if one.rows is not None}
    numbers |= {"reference": against.what, "held_at": against.held_at.isoformat()}
    numbers |= {} if against.since is None else {"since": against.since.isoformat()}
    wrong = [_gone(one) for one in lost]
    wrong += [f"{one.table} has {many(one.strange, 'row')} too many, which did not come since" for one in strange]
    unsure = [f"{one.table} could not be counted: {one.words}" for one in unknown]
    unsure += [
        f"{one.table} has {many(one.more, 'row')} more than it held, and neither a key nor a time says which"
        for one in doubtful
    ]
    tail = [f"counted against {against.words}", *_window(against)]
    tail += [f"not in it: {listed(new)}"] if new else []
    if unsaid := [one.table for one in found if one.came is None and one.more]:
        tail.append(f"of {listed(unsaid)} only how many there are is known: no time says which came since")
    if wrong:
        return Probed("fail", _words([*_few(wrong), *_few(unsure, 2), *tail]), numbers)
    if unsure:
        return Probed("inconclusive", _words([*_few(unsure), *tail]), numbers)
    came = [f"{one.table} {one.more:,}" for one in sorted(found, key=lambda one: -one.more) if one.more]
    since = f"and {sum(one.more for one in found):,} that came since ({listed(came)})" if came else "and no others"
    held = sum(one.held for one in found)
    return Probed("pass", _words([f"{many(len(found), 'table')}: the {held:,} rows held {since}", *tail]), numbers)


def _gone(one: Counted) -> str:
    if one.rows is None:
        return f"the table {one.table} is gone, with {many(one.held, 'row')}"
    came = f" and {many(one.came[0], 'row')} came since" if one.came and one.came[0] else ""
    return f"{one.table} has {many(one.rows, 'row')}, {many(one.gone, 'row')} too few: it held {one.held:,}{came}"


def _window(against: Reference) -> list[str]:
    if against.since is None or against.since == against.held_at:
        return []
    about = "about " if against.about else ""
    window = f"{about}{against.held_at:%Y-%m-%d %H:%M:%S} and {against.since:%Y-%m-%d %H:%M:%S}"
    return [f"the loss that was accepted is what was written between {window}"]


def _few(sentences: Sequence[str], most: int = MOST_TOLD) -> list[str]:
    return [*sentences[:most], *([f"and {len(sentences) - most} more tables"] if len(sentences) > most else [])]


def _words(parts: Sequence[str]) -> str:
    return "; ".join(parts)[:LONGEST]
