"""What a swap would leave behind, told before anybody approves it: rows, and who is still writing some."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from warroom.api import Context, WarroomError
from warroom.model.base import Fact, Instant, passed_text
from warroom.model.units import listed, many
from warroom_postgres.asking import why
from warroom_postgres.naming import quoted
from warroom_postgres.reach.place import Place
from warroom_postgres.restoring.comparing import loss, tables_of
from warroom_postgres.swapping.looking import Database, read

LOOK_S = 12.0
"""Seconds that a plan waits for it. What takes longer is a procedure of its own."""
COUNT_S = 5.0
"""Seconds that a swap's result waits for what was written just before it."""
WHO = """
SELECT a.usename::text AS role, coalesce(a.application_name, '') AS application,
  coalesce(host(a.client_addr), 'this machine') AS host, count(*) AS sessions
FROM pg_stat_activity a WHERE a.datid = %s::bigint::oid AND a.usesysid IS NOT NULL
  AND a.application_name IS DISTINCT FROM 'warroom' GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT 5
"""


class Compared(Fact):
    """The figures behind a sentence about loss. ``rows``: by schema and table, whether it has partitions, and how many
    the live one had then. ``tables`` is for the report, as the step ``compare`` gives it.
    """

    at: Instant
    rows: tuple[tuple[str, str, bool, int], ...]
    tables: str


async def would_lose(ctx: Context, where: Place, other: Database) -> tuple[str, Compared | None]:
    """A sentence. What can't be told in time is UNKNOWN, with the reason, what was told before, and what to do."""
    now = ctx.clock.now()
    try:
        async with asyncio.timeout(LOOK_S):
            found = await loss(ctx, where, other.name, timeout=LOOK_S)
        rows = tuple((table.schema, table.name, table.parted, table.rows_here) for table in found.tables)
        return f"compared at {now:%H:%M:%S} UTC: {found.words()}", Compared(at=now, rows=rows, tables=tables_of(found))
    except TimeoutError:
        reason = f"comparing the two takes longer than {LOOK_S:g} s"
    except WarroomError as error:
        reason = why(error, fix=False)
    return f"what would be lost is UNKNOWN: {reason}. {_before(ctx, other, now)}", None


async def written_since(ctx: Context, where: Place, kept: str, compared: Compared) -> str:
    """A sentence: what the one that was live has more than when the two were compared, as its sessions are ended now.

    How many there are is all that is counted, within seconds: the application is waiting.
    """
    begun = f"{compared.at:%H:%M:%S} UTC"
    more: list[str] = []
    try:
        async with asyncio.timeout(COUNT_S):
            for schema, name, parted, had in compared.rows:
                source = ("" if parted else "ONLY ") + quoted(schema, name)
                statement = f"SELECT pg_catalog.count(*) AS rows FROM {source}"
                rows = (await read(ctx, where, statement, database=kept)).each()[0]["rows"]
                way = "more" if rows > had else "fewer"
                more += [f"{many(abs(rows - had), 'row')} {way} of {name}"] if rows != had else []
    except TimeoutError:
        return _uncounted(begun, kept, f"counting takes longer than {COUNT_S:g} s", more)
    except WarroomError as error:
        return _uncounted(begun, kept, why(error, fix=False), more)
    if more:
        return f"BEYOND the loss that was accepted: since the comparison at {begun} {kept} has {listed(more)}"
    return f"{kept} has as many rows as at the comparison, {begun}"


def _uncounted(begun: str, kept: str, reason: str, more: Sequence[str]) -> str:
    words = f" ({listed(list(more))}, at least)" if more else ""
    return f"what was written after {begun}{words} is lost too, and was not counted: {reason}. Compare {kept} by hand"


def _before(ctx: Context, other: Database, now: datetime) -> str:
    """What the step ``compare`` has told of it in this incident."""
    told = [one for one in ctx.acted() if one.operation == "compare" and not one.open and one.outputs.get("words")]
    mine = [one for one in told if one.outputs.get("oid") == str(other.oid)]
    if not mine:
        return "Compare it first, which is a procedure of its own and takes its time, and prepare this plan again"
    age = passed_text((now - mine[-1].at).total_seconds())
    return f"It was compared {age} ago: {mine[-1].outputs['words']}. More may have been written since: compare it again"


async def who(ctx: Context, where: Place, live: Database, side: str) -> str:
    """Who is connected to the live one, by role, program and place; empty where nobody is."""
    if not live.sessions:
        return ""
    rows = (await read(ctx, where, WHO, live.oid, database=side)).each()
    each = [f"{row['sessions']} of {row['role']}{_called(row['application'])} from {row['host']}" for row in rows]
    return f"{many(live.sessions, 'session')} in {live.name} ({listed(each)})" if each else ""


def _called(application: str) -> str:
    return f" ({application[:40]})" if application else ""
