"""What going back to a restored database would lose and bring back, in figures and in a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from warroom.api import BadInput, Context
from warroom.model.units import listed, value_text
from warroom_postgres.naming import Mark, literal, marked
from warroom_postgres.reach.place import Place, asked
from warroom_postgres.restoring.holding import CONSTRAINTS, INDEXES, SEQUENCES
from warroom_postgres.restoring.rows import BORN, COLUMNS, Ask, Difference, Shape, difference, shape

LONGEST = 60_000
"""Characters of what is handed on about tables."""
_MOST_TABLES = 20_000
_ABOUT = """
SELECT d.oid::bigint AS oid, shobj_description(d.oid, 'pg_database') AS comment, pg_database_size(d.oid) AS bytes
FROM pg_database d WHERE datname = {name}
"""


@dataclass(frozen=True)
class Loss:
    """``only_here`` and ``only_there`` are tables, ``unseen`` those whose rows could not be told.

    ``unsound``: indexes and constraints of the restored one that do not hold. ``behind``: its sequences that would
    give a number that is taken.
    """

    database: str
    oid: int
    mark: Mark
    bytes_live: int
    bytes_there: int
    tables: tuple[Difference, ...]
    only_here: tuple[str, ...] = ()
    only_there: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    unsound: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()

    @property
    def lost(self) -> int:
        return sum(table.here for table in self.tables)

    @property
    def since(self) -> str:
        """When the newest row was made that its dump had, as ISO text; empty where nothing says so.

        It may have served, and have newer ones of its own: then it is the moment of the dump's data, if that is known.
        """
        newest = max((table.newest_there for table in self.tables if table.by.lower() in BORN), default="")
        if not newest or self.mark.what != "scratch":
            return newest
        if self.mark.data is not None:
            return min(newest, f"{self.mark.data:%Y-%m-%dT%H:%M:%S.%fZ}")
        return newest if self.mark.served is None and newest <= f"{self.mark.at:%Y-%m-%dT%H:%M:%S.%fZ}" else ""

    def words(self) -> str:
        """What a person reads before going on: ``you lose 41 users and 388 messages since 14:02``."""
        lose = _counted(self.tables, "here")
        least, seen = ("at least ", " of what was compared") if self.unseen else ("", "")
        parts = [f"you lose {least}{lose}{_since(self.since)}" if lose else f"you lose no rows{seen}"]
        if back := _counted(self.tables, "there"):
            parts.append(f"you get back {back}")
        if changed := _counted(self.tables, "changed"):
            one = sum(table.changed for table in self.tables) == 1
            parts.append(f"{changed} {'becomes what it was' if one else 'become what they were'}")
        if self.only_here:
            parts.append(f"gone with all their rows: {listed(list(self.only_here))}")
        if self.only_there:
            parts.append(f"back again: {listed(list(self.only_there))}")
        if self.unseen:
            parts.append(f"not compared: {listed(list(self.unseen))}")
        if any(not table.exact for table in self.tables):
            parts.append("where too many rows differ, only their number was compared")
        if self.unsound:
            parts.append(f"not valid there: {listed(list(self.unsound))}")
        if self.behind:
            parts.append(f"sequences behind their columns there: {listed(list(self.behind))}")
        sizes = f"{value_text(self.bytes_there, 'bytes')} in place of {value_text(self.bytes_live, 'bytes')}"
        return "; ".join([*parts, sizes])

    def told(self) -> dict[str, JsonValue]:
        """As JSON, for evidence and the next plan."""
        each: list[JsonValue] = [asdict(table) for table in self.tables if not table.same]
        return {
            "database": self.database,
            "oid": self.oid,
            "words": self.words(),
            "since": self.since,
            "lost": self.lost,
            "tables": each,
        }


def tables_of(found: Loss) -> str:
    """For the report, as JSON: all of them, or where that is too long those that differ; empty where it still is."""
    for tables in (found.tables, [table for table in found.tables if not table.same]):
        text = json.dumps([asdict(table) for table in tables], ensure_ascii=False)
        if len(text) <= LONGEST:
            return text
    return ""


def _counted(tables: Sequence[Difference], what: str) -> str:
    """``41 User and 388 Message``: the most first, as tables are called."""
    found = sorted(((getattr(table, what), table.name) for table in tables if getattr(table, what)), reverse=True)
    words = [f"{number:,} {'row' if number == 1 else 'rows'} of {name}" for number, name in found]
    return listed(words)


def _since(text: str) -> str:
    """Damaged rows may have any time, also one of a year that no clock has."""
    try:
        return f" since {datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC" if text else ""
    except ValueError:
        return f" since {text}"


async def made(ctx: Context, where: Place, database: str) -> tuple[int, Mark, int]:
    """OID, mark and bytes of a restored database. Raises BadInput where it is none, or not restored to its end."""
    about = (await asked(ctx, where, _ABOUT.format(name=literal(database)))).each()
    mark = marked(about[0]["comment"]) if about else None
    if mark is None:
        raise BadInput(f"{database} is no database that was restored here", "it bears no mark", "restore a backup")
    if mark.state == "restoring":
        raise BadInput(f"{database} is not restored to its end", "it was cut off", "drop it, and restore again")
    return int(about[0]["oid"]), mark, int(about[0]["bytes"])


async def loss(ctx: Context, where: Place, database: str, *, timeout: float) -> Loss:
    """Reads both databases, each table once and what differs a second time. Raises WarroomError."""
    oid, mark, size_there = await made(ctx, where, database)
    live, backup = _ask(ctx, where, None, timeout), _ask(ctx, where, database, timeout)
    here = {(row.schema, row.name): row for row in map(shape, await live(COLUMNS, _MOST_TABLES))}
    there = {(row.schema, row.name): row for row in map(shape, await backup(COLUMNS, _MOST_TABLES))}
    size = (await asked(ctx, where, "SELECT pg_database_size(current_database()) AS bytes")).each()[0]["bytes"]
    tables, unseen = await _tables(live, backup, here, there)
    bad = [*await backup(INDEXES, 100), *await backup(CONSTRAINTS, 100)]
    return Loss(
        database=database,
        oid=oid,
        mark=mark,
        bytes_live=int(size),
        bytes_there=size_there,
        tables=tables,
        only_here=tuple(".".join(name) for name in sorted(here.keys() - there.keys())),
        only_there=tuple(".".join(name) for name in sorted(there.keys() - here.keys())),
        unseen=unseen,
        unsound=tuple(str(row["name"]) for row in bad),
        behind=await _behind(backup),
    )


def _ask(ctx: Context, where: Place, database: str | None, timeout: float) -> Ask:
    async def ask(statement: str, most: int) -> Sequence[Mapping[str, Any]]:
        return (await asked(ctx, where, statement, timeout=timeout, database=database, most=most)).each()

    return ask


async def _tables(
    live: Ask, backup: Ask, here: Mapping[tuple[str, str], Shape], there: Mapping[tuple[str, str], Shape]
) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    found, unseen = [], []
    for name in sorted(here.keys() & there.keys()):
        if here[name].hidden or there[name].hidden:
            unseen.append(".".join(name))
            continue
        if there[name].trapped:
            unseen.append(f"{'.'.join(name)} (reading it would run functions of its own, as a superuser)")
            continue
        found.append(await difference(live, backup, here[name], there[name]))
    return tuple(found), tuple(unseen)


async def _behind(backup: Ask) -> tuple[str, ...]:
    """Sequences whose next number stands in a row already."""
    found = []
    for row in await backup(SEQUENCES, _MOST_TABLES):
        end = "max" if row["up"] else "min"
        statement = (
            f"SELECT s.last_value AS last, s.is_called AS called, (SELECT pg_catalog.{end}({row['column']}) "
            f"FROM {row['name']})::bigint AS used FROM {row['sequence']} AS s"
        )
        (seen,) = await backup(statement, 1)
        upcoming = seen["last"] + (row["step"] if seen["called"] else 0)
        if seen["used"] is not None and (seen["used"] >= upcoming if row["up"] else seen["used"] <= upcoming):
            found.append(str(row["sequence"]))
    return tuple(found)
