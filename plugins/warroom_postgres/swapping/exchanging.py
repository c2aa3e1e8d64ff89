"""The one transaction in which two databases exchange their names. Pure.

Cut off at any moment it is taken back as a whole, so that the live name always serves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from warroom.model.call import SqlCall
from warroom_postgres.naming import literal, quoted
from warroom_postgres.swapping.looking import MAY_END

LOCK_S = 2
"""Seconds that newcomers wait at most because the lock can't be had."""
NOW = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""Stands in a mark for the moment at which it is put on."""
SINCE = NOW - timedelta(seconds=1)
"""Stands in a mark for the moment that is in the mark of the other of the two: since when this one is live."""
STATEMENT_S = 4
"""Seconds for one rename: it waits until nobody is left in the database."""


@dataclass(frozen=True)
class Moved:
    """A database, the name that it has while it is not the live one, and its comment once all is done.

    ``stamped``: with the server's moments, where ``NOW`` and ``SINCE`` stand in the comment.
    """

    oid: int
    elsewhere: str
    comment: str | None
    stamped: bool = False


@dataclass(frozen=True)
class Side:
    """Where it is done from: ``database`` is neither of the two. ``relay``: what carries the connection.

    ``durable`` False: this server acknowledges what it may still lose, unless it is told otherwise.
    """

    secret: str
    database: str
    relay: tuple[str, ...] = ()
    durable: bool = True


def exchanged(side: Side, live: str, leaving: Moved, entering: Moved) -> SqlCall:
    """``leaving`` is the live one until then, ``entering`` from then on."""
    statements = [
        "SET TRANSACTION READ WRITE",
        "SET LOCAL search_path = pg_catalog",
        f"SET LOCAL lock_timeout = '{LOCK_S}s'",
        f"SET LOCAL statement_timeout = '{STATEMENT_S}s'",
        *([] if side.durable else ["SET LOCAL synchronous_commit = on"]),
        holds({leaving.oid: live, entering.oid: entering.elsewhere}),
        f"ALTER DATABASE {quoted(live)} RENAME TO {quoted(leaving.elsewhere)}",
        f"ALTER DATABASE {quoted(entering.elsewhere)} RENAME TO {quoted(live)}",
        holds({entering.oid: live, leaving.oid: leaving.elsewhere}),
        _comment(leaving.elsewhere, leaving, entering.oid),
        _comment(live, entering, leaving.oid),
        f"SELECT {literal(leaving.elsewhere)} AS kept, {entering.oid} AS oid",
    ]
    return SqlCall(
        secret=side.secret,
        database=side.database,
        through=side.relay,
        statements=tuple(statements),
        meanwhile=ended((leaving.oid, entering.oid), leaving.oid, live),
        timeout_s=30,
        brief=f"{live} becomes {leaving.elsewhere}, {entering.elsewhere} becomes {live}"[:200],
    )


def holds(expected: dict[int, str]) -> str:
    """Raises on the server unless these OIDs have these names. Within a transaction it also sees what that did."""
    pairs = ", ".join(f"('{oid}'::pg_catalog.oid, {literal(name)}::pg_catalog.name)" for oid, name in expected.items())
    body = (
        f"BEGIN IF (SELECT count(*) FROM pg_catalog.pg_database WHERE (oid, datname) IN ({pairs})) <> {len(expected)} "
        "THEN RAISE EXCEPTION 'the databases are not those that this was planned for'; END IF; END"
    )
    return f"DO {literal(body)}"


def ended(oids: tuple[int, ...], live: int, name: str) -> str:
    """Ends the sessions in them that this role may end, and nobody's too early or too late.

    Only while newcomers are held at the door, or it would be for nothing, and only as long as ``live`` has that
    name.
    """
    listed = ", ".join(f"'{oid}'" for oid in oids)
    return f"""
SELECT count(pg_catalog.pg_terminate_backend(a.pid)) FROM pg_catalog.pg_stat_activity a
  JOIN pg_catalog.pg_roles theirs ON theirs.oid = a.usesysid, pg_catalog.pg_roles me
WHERE me.rolname = current_user AND a.datid IN ({listed}) AND {MAY_END.strip()}
  AND EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.locktype = 'object' AND l.granted
    AND l.classid = 'pg_catalog.pg_database'::pg_catalog.regclass AND l.objid IN ({listed})
    AND l.mode = 'AccessExclusiveLock')
  AND EXISTS (SELECT FROM pg_catalog.pg_database d WHERE d.oid = '{live}' AND d.datname = {literal(name)})
""".strip()


def _comment(name: str, of: Moved, other: int) -> str:
    """That of the one that leaves is put on first, and sees the other's mark as it was."""
    if of.comment is None or not of.stamped:
        return f"COMMENT ON DATABASE {quoted(name)} IS {'NULL' if of.comment is None else literal(of.comment)}"
    now = "pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    marked = f"pg_catalog.substring(pg_catalog.shobj_description('{other}', 'pg_database'), {literal(_AT)})"
    words = f"pg_catalog.replace({literal(of.comment)}, {literal(_stamp(NOW))}, {now})"
    words = f"pg_catalog.replace({words}, {literal(_stamp(SINCE))}, coalesce({marked}, {now}))"
    body = f"BEGIN EXECUTE pg_catalog.format('COMMENT ON DATABASE %I IS %L', {literal(name)}, {words}); END"
    return f"DO {literal(body)}"


def _stamp(moment: datetime) -> str:
    """As a mark's JSON spells it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


_AT = r'"at":"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]+)?Z)"'
