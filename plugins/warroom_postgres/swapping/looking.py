"""What there is on the server, besides the live database: those that warroom made or moved, and what is in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from warroom.api import BadInput, Context, Rows, StoreRefused
from warroom.model.units import listed, many
from warroom_postgres.naming import PREFIX, UNMARKED, Mark, begun, literal, marked, name_for
from warroom_postgres.reach.place import CONNECT_S, Place, itself

NO_SUCH_DATABASE = "3D000"
MAY_END = """
  (me.rolsuper OR NOT theirs.rolsuper AND (pg_has_role(me.oid, theirs.oid, 'USAGE')
    OR pg_has_role(me.oid, 'pg_signal_backend', 'USAGE')))"""
"""Whether the server would let this role (``me``) end a session of that one (``theirs``)."""

SERVER = f"""
SELECT me.rolname::text AS role, me.rolsuper AS superuser, me.rolcreatedb AS creates, pg_is_in_recovery() AS standby,
  current_setting('synchronous_commit') <> 'off' AS durable, (SELECT d.datname::text FROM pg_database d
    WHERE d.datallowconn AND d.datname <> %s AND has_database_privilege(d.oid, 'CONNECT')
      AND left(coalesce(shobj_description(d.oid, 'pg_database'), ''), {len(PREFIX)}) <> '{PREFIX}' AND NOT {UNMARKED}
    ORDER BY d.datname <> 'postgres', d.datistemplate, d.datname LIMIT 1) AS side
FROM pg_roles me WHERE me.rolname = current_user
"""
"""``side``: a database to be connected to meanwhile, since none can be renamed or dropped from within."""

DATABASES = f"""
SELECT d.oid::bigint AS oid, d.datname::text AS name, pg_get_userbyid(d.datdba)::text AS owner,
  d.datallowconn AS lets_in, shobj_description(d.oid, 'pg_database') AS comment,
  concat_ws(' ', pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, to_jsonb(d) ->> 'datlocprovider',
    to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', to_jsonb(d) ->> 'daticurules') AS sorting,
  pg_has_role(me.oid, d.datdba, 'USAGE') AS owned,
  CASE WHEN has_database_privilege(d.oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
    THEN pg_database_size(d.oid) END AS bytes,
  d.datconnlimit || ' ' || md5(coalesce((SELECT string_agg(setrole || array_to_string(setconfig, ' '), ' '
    ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid), '')) AS settings,
  (SELECT string_agg(concat_ws(' ', g.grantee, g.privilege_type, g.is_grantable), ', '
      ORDER BY g.grantee, g.privilege_type)
    FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) g) AS grants,
  (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid AND a.usesysid IS NOT NULL
    AND a.application_name IS DISTINCT FROM 'warroom') AS sessions,
  ARRAY(SELECT DISTINCT theirs.rolname::text FROM pg_stat_activity a JOIN pg_roles theirs ON theirs.oid = a.usesysid
    WHERE a.datid = d.oid AND NOT {MAY_END} ORDER BY 1) AS others,
  ARRAY(SELECT DISTINCT concat('session ', l.pid, ' (', concat_ws(', ', a.usename, nullif(a.application_name, '')), ')')
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'object' AND l.granted
      AND l.classid = 'pg_database'::regclass AND l.objid = d.oid AND l.pid <> pg_backend_pid()
      AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'AccessExclusiveLock') ORDER BY 1) AS changing,
  ARRAY(SELECT p.gid FROM pg_prepared_xacts p WHERE p.database = d.datname ORDER BY p.prepared, p.gid) AS prepared,
  ARRAY(SELECT s.slot_name::text FROM pg_replication_slots s
    WHERE s.database = d.datname AND NOT s.temporary ORDER BY 1) AS slots,
  ARRAY(SELECT s.subname::text FROM pg_subscription s WHERE s.subdbid = d.oid ORDER BY 1) AS subscriptions
FROM pg_database d, pg_roles me WHERE me.rolname = current_user AND (d.datname = %s
  OR left(shobj_description(d.oid, 'pg_database'), {len(PREFIX)}) = '{PREFIX}' OR {UNMARKED}) ORDER BY d.oid
"""


@dataclass(frozen=True)
class Server:
    role: str
    superuser: bool
    creates: bool
    standby: bool
    durable: bool
    side: str


@dataclass(frozen=True)
class Database:
    """``bytes`` None: this role may not know. ``sessions``: warroom's own are left out.

    ``others``: roles with sessions in it that this one can't end. ``changing``: who is changing or copying it, from
    wherever, and would be waited for.

    ``settings``, ``grants`` and ``sorting`` (encoding and locale) are only good for being compared.
    """

    oid: int
    name: str
    owner: str
    lets_in: bool
    comment: str | None
    sorting: str
    owned: bool
    bytes: int | None
    settings: str
    grants: str | None
    sessions: int
    others: tuple[str, ...]
    changing: tuple[str, ...]
    prepared: tuple[str, ...]
    slots: tuple[str, ...]
    subscriptions: tuple[str, ...]

    @property
    def mark(self) -> Mark | None:
        return begun(self.name) if self.comment is None else marked(self.comment)

    @property
    def unmarked(self) -> bool:
        """Whoever made it was cut off before anything was said of it: only its name tells."""
        return self.comment is None and self.mark is not None

    def beside(self, live: str) -> bool:
        """Whether warroom made or moved it, of that live database."""
        mark = self.mark
        if mark is None or self.name == live:
            return False
        return self.name == name_for(live, mark.what, mark.at, mark.id) if self.unmarked else mark.of == live

    @property
    def in_the_way(self) -> list[str]:
        """What would be left behind, or keeps it from being renamed or dropped."""
        found = []
        if self.changing:
            found.append(f"{self.name} is being changed or copied by {listed(self.changing)}: wait for that, or end it")
        if self.prepared:
            words = f"{many(len(self.prepared), 'prepared transaction')}, {_named(self.prepared)}"
            found.append(f"{self.name} has {words}: COMMIT PREPARED or ROLLBACK PREPARED each, connected to it")
        if self.slots:
            words = f"{many(len(self.slots), 'logical slot')}, {_named(self.slots)}"
            found.append(f"{self.name} has {words}: end what reads it, then SELECT pg_drop_replication_slot('…')")
        if self.subscriptions:
            words = f"{many(len(self.subscriptions), 'subscription')}, {_named(self.subscriptions)}"
            found.append(
                f"{self.name} has {words}: DROP SUBSCRIPTION, connected to it; where its publisher can't be"
                " reached, ALTER SUBSCRIPTION … DISABLE and SET (slot_name = NONE) first"
            )
        if self.others:
            found.append(f"{self.name} has sessions of {', '.join(self.others)}, which warroom's role can't end")
        return found


@dataclass(frozen=True)
class Seen:
    """``beside``: those that warroom made or moved, of this live database. ``live`` None: nothing has that name."""

    where: Place
    server: Server
    live: Database | None
    beside: tuple[Database, ...]

    def named(self, name: str) -> Database:
        """Raises BadInput where warroom knows no such database beside the live one."""
        found = next((one for one in self.beside if one.name == name), None)
        if found is None:
            known = ", ".join(one.name for one in self.beside) or "there are none"
            raise BadInput(
                "there is no such database beside the live one", name[:100], f"known by their marks: {known}"
            )
        return found


def _named(names: Sequence[str]) -> str:
    """A transaction's name may be any text of 200 bytes."""
    return listed([literal(name[:80]) for name in names])


async def read(ctx: Context, where: Place, statement: str, *parameters: JsonValue, database: str | None = None) -> Rows:
    return await ctx.read.sql(
        where.secret, statement, timeout=CONNECT_S, parameters=parameters, database=database, through=where.relay
    )


async def seen(ctx: Context, where: Place) -> Seen:
    """Raises StoreRefused through a pooler, BadInput where no other database lets this role in."""
    await itself(ctx, where)
    row = (await read(ctx, where, SERVER, where.database)).each()[0]
    if row["side"] is None:
        raise BadInput(
            f"{row['role']} may connect to no other database of {where.where}",
            "none can be renamed or dropped from within",
            f"GRANT CONNECT ON DATABASE postgres TO {row['role']}",
        )
    return await _databases(ctx, where, Server(**row))


async def _databases(ctx: Context, where: Place, server: Server) -> Seen:
    rows = (await read(ctx, where, DATABASES, where.database, database=server.side)).each()
    every = tuple(database_from(row) for row in rows)
    live = next((one for one in every if one.name == where.database), None)
    beside = tuple(one for one in every if one.beside(where.database))
    return Seen(where, server, live, beside)


async def seen_by_name(ctx: Context, where: Place) -> Seen:
    """As ``seen``, for where perhaps nothing has the live database's name: then it is asked from ``postgres``."""
    try:
        return await seen(ctx, where)
    except StoreRefused as error:
        if error.code != NO_SUCH_DATABASE:
            raise
    row = (await read(ctx, where, SERVER, where.database, database="postgres")).each()[0]
    return await _databases(ctx, where, Server(**row))


def database_from(row: dict[str, Any]) -> Database:
    lists = {name: tuple(row[name]) for name in ("others", "changing", "prepared", "slots", "subscriptions")}
    return Database(**{**row, **lists})


NAMES = "SELECT oid::bigint, datname::text FROM pg_database WHERE oid = ANY(%s::bigint[]::oid[]) OR datname = %s"
HELD = """
SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass
  AND objid = ANY(%s::bigint[]::oid[]) AND mode = 'AccessExclusiveLock'
"""


async def names(ctx: Context, where: Place, oids: Sequence[int], name: str, side: str) -> tuple[dict[int, str], bool]:
    """The databases with these OIDs, and that with this name; and whether something is being done to one just now.

    The locks are looked at first: where there is none, what the names say stays so.
    """
    wanted: list[JsonValue] = list(oids)
    held = (await read(ctx, where, HELD, wanted, database=side)).rows[0][0]
    found = await read(ctx, where, NAMES, wanted, name, database=side)
    return {int(oid): str(named) for oid, named in found.rows}, bool(held)
