"""Who holds up whom: chains of sessions that wait for each other's locks, in words. Pure, and without any query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from warroom.model.base import passed_text
from warroom.model.units import many

CHAINS = """
WITH waiting AS (
  SELECT a.pid, pg_blocking_pids(a.pid) AS blocked_by,
    (SELECT min(l.waitstart) FROM pg_locks l WHERE l.pid = a.pid AND NOT l.granted) AS since,
    (SELECT l.relation::regclass::text FROM pg_locks l WHERE l.pid = a.pid AND l.relation IS NOT NULL
      AND (NOT l.granted OR l.locktype = 'tuple') ORDER BY l.granted LIMIT 1) AS relation
  FROM pg_stat_activity a WHERE a.datname = current_database() AND a.wait_event_type = 'Lock'
  ORDER BY a.query_start LIMIT 100
), one AS (SELECT pid FROM waiting UNION SELECT unnest(blocked_by) FROM waiting)
SELECT one.pid, left(coalesce(nullif(a.application_name, ''), a.usename::text, a.backend_type, ''), 40) AS who,
  a.state, extract(epoch FROM clock_timestamp() - a.xact_start) AS age,
  extract(epoch FROM clock_timestamp() - coalesce(waiting.since, a.query_start)) AS waits,
  waiting.blocked_by, waiting.relation
FROM one LEFT JOIN pg_stat_activity a ON a.pid = one.pid LEFT JOIN waiting ON waiting.pid = one.pid ORDER BY one.pid
"""
"""Sessions that wait (``blocked_by`` is theirs alone) and those that they wait for. A pid of 0 is a transaction that
was prepared and has no session. The relation is one of this database, by its name."""
MOST = 3


def blocking(rows: Sequence[Mapping[str, Any]]) -> str:
    """``pid 7 (psql, idle in transaction for 3m) blocks pid 9 (api, waiting 12s for "User")``; whoever began it first.

    Empty where nobody waits any more.
    """
    known = {int(row["pid"]): row for row in rows}
    behind: dict[int, list[int]] = {}
    for pid, row in known.items():
        for other in dict.fromkeys(row["blocked_by"] or ()):
            behind.setdefault(int(other), []).append(pid)
    waiting = {pid for pid, row in known.items() if row["blocked_by"]}
    first = [pid for pid in behind if pid not in waiting] or sorted(behind)[:1]  # or each waits for another in a ring
    heads = sorted(first, key=lambda pid: len(_all_behind(pid, behind)), reverse=True)
    told = [_chain(pid, behind, known) for pid in heads[:MOST]]
    return "; ".join([*told, *([f"and {len(heads) - MOST} more hold others up"] if len(heads) > MOST else [])])


def _chain(head: int, behind: Mapping[int, Sequence[int]], known: Mapping[int, Mapping[str, Any]]) -> str:
    next_ones, all_of_them = behind[head], _all_behind(head, behind)
    words = f"{_session(head, known)} blocks {', '.join(_session(pid, known) for pid in next_ones[:MOST])}"
    rest = len(all_of_them) - len(next_ones[:MOST])
    return words + (f" and {many(rest, 'other')} behind" if rest > 0 else "")


def _all_behind(head: int, behind: Mapping[int, Sequence[int]]) -> set[int]:
    found: set[int] = set()
    ahead = list(behind.get(head, ()))
    while ahead:
        pid = ahead.pop()
        if pid not in found and pid != head:
            found.add(pid)
            ahead += behind.get(pid, ())
    return found


def _session(pid: int, known: Mapping[int, Mapping[str, Any]]) -> str:
    row = known.get(pid, {})
    if pid == 0:
        return "a prepared transaction"
    words = [str(row["who"])] if row.get("who") else []
    if row.get("blocked_by"):
        words.append("waiting" + _for(row.get("waits")) + (f" for {row['relation']}" if row.get("relation") else ""))
    elif row.get("state"):
        words.append(f"{row['state']}{_for(row.get('age'))}")
    return f"pid {pid}" + (f" ({', '.join(words)})" if words else "")


def _for(seconds: float | None) -> str:
    return "" if seconds is None else f" {passed_text(seconds)}"
