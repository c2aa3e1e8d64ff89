"""From what the server says of itself to values, each with its words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from warroom.api import StoreRefused, WarroomError
from warroom_postgres.asking import FULL, serves, why
from warroom_postgres.config import OWN_SIGNALS, Pool

Value = tuple[float | None, int | None, str]
"""A sample's value, its count, and its words."""

SCHEMA = frozenset({"database-size", "migrations-failed", "constraints-invalid", "indexes-invalid"})
"""Signals that are asked for one by one, and more rarely."""
VITALS = frozenset(OWN_SIGNALS) - SCHEMA
"""Signals that one statement gives."""


def vitals(row: Mapping[str, Any], pool: Pool | None) -> dict[str, Value]:
    values: dict[str, Value] = {"reachable": (1, 1, "it answers"), "connections-used": connections(row)}
    values["pool-used"] = _pool(row, pool)
    for state in ("active", "idle", "idle-in-transaction", "waiting"):
        values[f"sessions-{state}"] = _of_sessions(row, float(row[state.replace("-", "_")]))
    values["longest-transaction"] = _with(row["longest_is"], _of_sessions(row, max(0.0, float(row["longest"] or 0))))
    values["locks-waiting"] = (float(row["locks"]), 1, "")
    return values


def blocked(values: Mapping[str, Value], who: str) -> dict[str, Value]:
    """The same, with who holds up whom in their words."""
    named = {name: _with(who, values[name]) for name in ("sessions-waiting", "locks-waiting")}
    return {**values, **named}


def _with(who: str | None, value: Value) -> Value:
    """Whose value it is comes first: words are cut at their end."""
    return (value[0], value[1], "; ".join(part for part in (who, value[2]) if part)) if value[0] else value


def connections(row: Mapping[str, Any]) -> Value:
    """How near the nearest limit is: the server's (less what it keeps for superusers), the database's, the role's."""
    limits = [(row["used"], row["most"] - row["kept"], f"{row['most']}, {row['kept']} of them kept for superusers")]
    if row["database_limit"] > 0:
        limits.append((row["in_database"], row["database_limit"], "the database's own limit"))
    if row["role_limit"] is not None and row["role_limit"] > 0:
        limits.append((row["of_role"], row["role_limit"], "the role's own limit"))
    used, most, words = max(limits, key=lambda limit: limit[0] / max(1, limit[1]))
    return min(1.0, used / max(1, most)), 1, f"{used} of {most} connections ({words})"


def _pool(row: Mapping[str, Any], pool: Pool | None) -> Value:
    if pool is None:
        return None, None, "the size of the application's pool is not configured"
    words = f"{row['busy']} of {pool.size} connections busy"
    value, count, more = _of_sessions(row, min(1.0, row["busy"] / pool.size))
    return value, count, "; ".join(part for part in (words, more) if part)


def _of_sessions(row: Mapping[str, Any], value: float) -> Value:
    """A role sees what its own sessions do; those of others only with pg_monitor."""
    if not row["hidden"]:
        return value, 1, ""
    words = f"{row['hidden']} sessions of other roles can't be looked into: grant pg_monitor"
    return (None, None, words) if not row["seen"] else (value, 1, words)


def no_vitals(error: WarroomError) -> dict[str, Value]:
    """What is known without an answer: whether it serves, and that a server which takes no connection is full."""
    words = why(error)
    values: dict[str, Value] = dict.fromkeys(VITALS, (None, None, words))
    served = serves(error)
    values["reachable"] = (None, None, words) if served is None else (float(served), 1, words)
    if isinstance(error, StoreRefused) and error.code == FULL:
        values["connections-used"] = (1, 1, words)
    return values


def failed_migrations(rows: Sequence[Mapping[str, Any]]) -> Value:
    """Those begun that neither finished nor were rolled back; not the one that Prisma is at just now."""
    failed = list(rows)
    now = ""
    if failed and failed[-1]["migrating"] and not failed[-1]["logged"]:
        now = f"{failed.pop()['migration_name']} is being applied just now"
    names = ", ".join(str(row["migration_name"]) for row in failed[:3])
    words = f"failed: {names}" + (" and more" if len(failed) > 3 else "") if failed else ""
    return float(len(failed)), 1, "; ".join(part for part in (words, now) if part)


def listed(rows: Sequence[Mapping[str, Any]]) -> Value:
    """Constraints or indexes that are not valid."""
    names = ", ".join(f"{row['name']} of {row['of_table']}" for row in rows[:3])
    return float(len(rows)), 1, names + (" and more" if len(rows) > 3 else "")


def summed(found: Mapping[str, int | str]) -> Value:
    """Of an integrity signal's counts: numbers, or why there is none. What was not counted is not taken for zero; what
    was found besides is enough to say that something is wrong."""
    counted = {name: number for name, number in found.items() if isinstance(number, int)}
    missing = [f"{name}: {words}" for name, words in found.items() if isinstance(words, str)]
    total = sum(counted.values())
    told = [f"{number} {name}" for name, number in counted.items() if number or len(found) > 1]
    words = "; ".join([*missing, ", ".join(told)] if told else missing)
    if missing and not total:
        return None, None, words
    return float(total), 1, f"at least {total}; {words}" if missing else words
