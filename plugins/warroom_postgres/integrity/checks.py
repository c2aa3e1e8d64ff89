"""The looks themselves, one question at a time. What can't be looked at is a finding too, without a number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from warroom.api import StoreRefused, WarroomError
from warroom_postgres import statements
from warroom_postgres.asking import why
from warroom_postgres.integrity import catalogue
from warroom_postgres.integrity.catalogue import ForeignKey, Relation, foreign_key, relation
from warroom_postgres.integrity.counting import broken, ruled, twice, twice_keys
from warroom_postgres.integrity.finding import Finding, Kind, counted, unknown
from warroom_postgres.integrity.looking import Looking
from warroom_postgres.naming import quoted
from warroom_postgres.rules import Counted, Duplicates, Nulls, Orphans, Rule

HIDDEN = "row-level security hides rows of it from this role"
STRANGE = "to read it would run functions that came with it, as a superuser"
CORRUPTED = ("XX001", "XX002")


async def foreign_keys(look: Looking, but: Sequence[str] = ()) -> list[Finding]:
    """Rows that break one, also where it was never validated or is switched off."""
    try:
        declared = [foreign_key(row) for row in await _all(look, catalogue.FOREIGN_KEYS)]
        left_out = {one.oid for one in (await _tables(look, but)).values() if one is not None}
        declared = [one for one in declared if one.child.oid not in left_out]
        large = await _kept_off(look, [oid for one in declared for oid in (one.child.oid, one.parent.oid)])
    except WarroomError as error:
        return [unknown("foreign-key", "foreign keys", why(error, fix=False))]
    return [await _foreign_key(look, one, large) for one in declared]


async def _foreign_key(look: Looking, one: ForeignKey, large: Mapping[int, str]) -> Finding:
    reason = HIDDEN if one.child.hidden else one.strange or large.get(one.child.oid) or large.get(one.parent.oid)
    if reason:
        return unknown("foreign-key", one.words, reason)
    lost = f"no {one.parent.words} in {', '.join(column for column, _, _ in one.pairs)}"
    lost += ", and nothing holds it: its triggers are off" if one.off else ""
    words = _rows(one.child, "names", "name", lost)
    found = await _cases(look, "foreign-key", one.words, broken(one), *words)
    return replace(found, remark=f"nothing holds {one.words}: its triggers are off") if one.off else found


async def rules(look: Looking, declared: Mapping[str, Rule | Counted]) -> list[Finding]:
    named = {name: rule for name, rule in declared.items() if not isinstance(rule, Counted)}
    wanted = [table for rule in named.values() for table, _ in _named(rule)]
    try:
        found = await _tables(look, wanted)
        large = await _kept_off(look, [one.oid for one in found.values() if one is not None])
        queries = look.database is None or not await trapped(look)
    except WarroomError as error:
        return [unknown("rule", name, why(error, fix=False)) for name in declared]
    return [
        await (_query(look, name, rule) if queries else _unasked(name))
        if isinstance(rule, Counted)
        else await _rule(look, name, rule, found, large)
        for name, rule in declared.items()
    ]


async def absent(look: Looking, declared: Mapping[str, Rule]) -> dict[str, str]:
    """Of which rules a table or a column is not there, and which. None where that can't be told: ``rules`` says why."""
    try:
        found = await _tables(look, [table for rule in declared.values() for table, _ in _named(rule)])
    except WarroomError:
        return {}
    missing: dict[str, str] = {}
    for name, rule in declared.items():
        for table, columns in _named(rule):
            of = found[table]
            if lacking := [column for column in columns if of is None or column not in of.columns]:
                missing.setdefault(name, quoted(*table.split("."), lacking[0]))
    return missing


async def _rule(
    look: Looking, name: str, rule: Rule, found: Mapping[str, Relation | None], large: Mapping[int, str]
) -> Finding:
    for table, columns in _named(rule):
        one = found[table]
        if one is None:
            return unknown("rule", name, f'there is no such table: "{table}"')
        if missing := [column for column in columns if column not in one.columns]:
            return unknown("rule", name, f'there is no such column: "{missing[0]}" of "{table}"')
        if reason := HIDDEN if one.hidden else large.get(one.oid):
            return unknown("rule", name, f"{one.words}: {reason}")
    of = found[rule.table]
    assert of is not None
    match rule:
        case Nulls():
            words = _rows(of, "has", "have", f"no {rule.column}")
            return await _cases(look, "rule", name, ruled(rule, of, None), *words)
        case Orphans():
            words = _rows(of, "names", "name", f"no {rule.parent} in {rule.column}")
            return await _cases(look, "rule", name, ruled(rule, of, found[rule.parent]), *words)
        case Duplicates():
            source = quoted(of.schema, of.name)
            return await _twice(look, "rule", name, of, source, rule.columns, f"of {of.words}")


def _rows(of: Relation, one: str, more: str, end: str) -> tuple[str, str]:
    """``# row of User has no email``, and of several."""
    return f"# row of {of.words} {one} {end}", f"# rows of {of.words} {more} {end}"


def _named(rule: Rule) -> list[tuple[str, tuple[str, ...]]]:
    """The tables that it names, each with the columns."""
    match rule:
        case Orphans():
            return [(rule.table, (rule.column,)), (rule.parent, (rule.key,))]
        case Duplicates():
            return [(rule.table, rule.columns)]
    return [(rule.table, (rule.column,))]


async def _unasked(name: str) -> Finding:
    return unknown("rule", name, f"which tables it reads is not known, and of one it is: {STRANGE}")


async def _query(look: Looking, name: str, rule: Counted) -> Finding:
    """A query of the runbook's own: how many cases, or why what came back is no number of cases."""
    try:
        rows = await look.ask(rule.sql, at_most=2)
    except WarroomError as error:
        return unknown("rule", name, why(error))
    if len(rows) != 1 or not rows[0]:
        return unknown("rule", name, "the query gives not one row with a number")
    number = next(iter(rows[0].values()))
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        return unknown("rule", name, "the query's first column is no number of cases")
    return counted("rule", name, number, f"# case of {name}", f"# cases of {name}")


async def unique_indexes(look: Looking) -> list[Finding]:
    """Values that stand twice where a unique index was to forbid it, and was never made to its end."""
    try:
        declared = await _all(look, catalogue.UNIQUE_INDEXES)
        large = await _kept_off(look, [int(row["oid"]) for row in declared])
    except WarroomError as error:
        return [unknown("unique-index", "unique indexes", why(error, fix=False))]
    found = []
    for row in declared:
        of, columns = relation(row), [str(column) for column in row["columns"]]
        name = f"{row['name']} of {of.words}"
        reason = HIDDEN if of.hidden else "" if row["plain"] else "it is no index of columns as they are"
        if reason := reason or large.get(of.oid, ""):
            found.append(unknown("unique-index", name, reason))
            continue
        words, nulls = f"of {of.words}, which {row['name']} was to forbid", bool(row["nulls_too"])
        found.append(await _twice(look, "unique-index", name, of, of.source, columns, words, nulls_too=nulls))
    return found


async def _twice(
    look: Looking,
    kind: Kind,
    name: str,
    of: Relation,
    source: str,
    columns: Sequence[str],
    words: str,
    *,
    nulls_too: bool = False,
) -> Finding:
    by = ", ".join(columns)
    one, more = f"# value of {by} in several rows {words}", f"# values of {by} in several rows {words}"
    found = await _cases(look, kind, name, twice(source, columns, nulls_too=nulls_too), one, more)
    if not found.cases or not of.key or look.brief:
        return found
    try:
        rows = await look.ask(twice_keys(of, source, columns, nulls_too=nulls_too))
    except WarroomError:
        return found  # how many there are is known, and is what counts
    return counted(kind, name, found.cases + (not found.whole), one, more, [row["key"] for row in rows])


async def sequences(look: Looking) -> list[Finding]:
    try:
        declared = await _all(look, catalogue.SEQUENCES)
        large = await _large(look, [int(row["oid"]) for row in declared if not row["indexed"]])
        strange = dict.fromkeys(await trapped(look), STRANGE)
    except WarroomError as error:
        return [unknown("sequence", "sequences", why(error, fix=False))]
    return [await _sequence(look, row, strange if row["indexed"] else large | strange) for row in declared]


async def _sequence(look: Looking, row: Mapping[str, Any], kept_off: Mapping[int, str]) -> Finding:
    of, column, step = relation(row), str(row["column_name"]), int(row["step"])
    name = f"{row['name']} of {of.words}.{column}"
    if reason := HIDDEN if of.hidden else kept_off.get(of.oid):
        return unknown("sequence", name, reason)
    end = "max" if step > 0 else "min"
    statement = (
        f"SELECT s.last_value AS last, s.is_called AS called, (SELECT pg_catalog.{end}(t.{quoted(column)}) "
        f"FROM {quoted(of.schema, of.name)} AS t)::bigint AS used "
        f"FROM {quoted(str(row['sequence_schema']), str(row['name']))} AS s"
    )
    try:
        (found,) = await look.ask(statement)
    except WarroomError as error:
        return unknown("sequence", name, why(error, fix=False))
    upcoming = int(found["last"]) + (step if found["called"] else 0)
    behind = found["used"] is not None and (found["used"] >= upcoming if step > 0 else found["used"] <= upcoming)
    by = abs(int(found["used"]) - upcoming) + 1 if behind else 0
    words = f"# sequence, {row['name']}, is behind {of.words}.{column} by {by:,}: the next number may be taken"
    return counted("sequence", name, int(behind), words, words)


async def marks(look: Looking) -> list[Finding]:
    """Constraints that were never held against their rows, and indexes that were not made to their end."""
    return [
        *await _marked(look, "constraint", statements.CONSTRAINTS, "was never held against all rows"),
        *await _marked(look, "index", statements.INDEXES, "was not made to its end"),
    ]


async def _marked(look: Looking, kind: Kind, statement: str, words: str) -> list[Finding]:
    try:
        rows = await _all(look, statement)
    except WarroomError as error:
        return [unknown(kind, f"{kind}s", why(error, fix=False))]
    names = [(str(row["name"]), str(row["of_table"]).replace('"', "")) for row in rows]
    return [counted(kind, f"{name} of {table}", 1, f"{name} of {table} {words}", "") for name, table in names]


async def _cases(look: Looking, kind: Kind, name: str, statement: str, one: str, more: str) -> Finding:
    try:
        (row,) = await look.ask(statement)
    except StoreRefused as error:
        if error.code in CORRUPTED:
            return counted(kind, name, 1, f"{name} can't be read: {why(error, fix=False)}", "")
        return unknown(kind, name, why(error))
    except WarroomError as error:
        return unknown(kind, name, why(error))
    return counted(kind, name, int(row["cases"]), one, more, row["keys"] or ())


async def _all(look: Looking, statement: str) -> Sequence[Mapping[str, Any]]:
    rows = await look.ask(statement, at_most=catalogue.MOST + 1)
    if len(rows) > catalogue.MOST:
        raise WarroomError(f"there are more than {catalogue.MOST:,}", "so many are not looked at")
    return rows


async def _tables(look: Looking, names: Iterable[str]) -> dict[str, Relation | None]:
    """By the names asked for; None for one that is not there."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    rows = await look.ask(catalogue.tables(wanted), at_most=len(wanted))
    by_name = {row["wanted"]: None if row["oid"] is None else relation(row) for row in rows}
    return {name: by_name.get(quoted(*name.split("."))) for name in wanted}


async def _kept_off(look: Looking, oids: Sequence[int]) -> dict[int, str]:
    """Why some of those tables are not read through."""
    return await _large(look, oids) | dict.fromkeys(await trapped(look), STRANGE)


async def trapped(look: Looking) -> frozenset[int]:
    """Tables beside the live one's that a superuser had better not read: see ``catalogue.TRAPPED``."""
    if look.database is None:
        return frozenset()
    statement = f"{catalogue.TRAPPED} SELECT DISTINCT relid::bigint AS oid FROM trapped"
    return frozenset(int(row["oid"]) for row in await _all(look, statement))


async def _large(look: Looking, oids: Sequence[int]) -> dict[int, str]:
    """Why those tables are not read through that have too many rows for this look."""
    if look.largest is None or not oids:
        return {}
    rows = await look.ask(catalogue.sizes(sorted(set(oids))), at_most=len(oids))
    return {
        int(row["oid"]): f"some {int(row['rows']):,} rows are too many to be read for this: raise largest, or check it "
        "when verifying"
        for row in rows
        if int(row["rows"]) > look.largest
    }
