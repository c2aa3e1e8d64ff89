"""Readiness of what a dump, a restore beside and a swap will need: programs, room and rights, told before any of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from warroom.api import Context, Ready, WarroomError
from warroom.model.units import listed, many, value_text
from warroom_postgres.asking import why
from warroom_postgres.config import Config
from warroom_postgres.naming import quoted
from warroom_postgres.reach.place import Place, asked, itself, place
from warroom_postgres.reach.tools import FLOOR, below, tools
from warroom_postgres.restoring.like import around
from warroom_postgres.restoring.room import Room, seen
from warroom_postgres.restoring.scratch import live
from warroom_postgres.swapping.looking import MAY_END

COPIES = 2
"""A restored database lies beside the live one, and what the server writes to be safe is as much again meanwhile."""
RIGHTS = f"""
SELECT quote_ident(me.rolname) AS role, me.rolname::text AS plain, me.rolsuper AS superuser, me.rolcreatedb AS creates,
  me.rolbypassrls AS sees_all, quote_ident(d.datname) AS database, quote_ident(owner.rolname) AS owner,
  pg_has_role(d.datdba, 'USAGE') AS owns, owner.rolsuper AS of_superuser, pg_is_in_recovery() AS standby,
  EXISTS (SELECT 1 FROM pg_database n WHERE n.datallowconn AND n.oid <> d.oid AND NOT n.datistemplate
    AND has_database_privilege(n.oid, 'CONNECT')) AS elsewhere,
  (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'S')
    AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT (has_schema_privilege(n.oid, 'USAGE') AND CASE c.relkind WHEN 'S'
      THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END)) AS unreadable,
  (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')
    AND n.nspname !~ '^pg_' AND c.relrowsecurity AND row_security_active(c.oid)) AS hidden,
  ARRAY(SELECT DISTINCT quote_ident(theirs.rolname) FROM pg_stat_activity a JOIN pg_roles theirs
    ON theirs.oid = a.usesysid WHERE a.datid = d.oid AND theirs.rolsuper AND NOT me.rolsuper ORDER BY 1) AS mighty,
  ARRAY(SELECT DISTINCT quote_ident(theirs.rolname) FROM pg_stat_activity a JOIN pg_roles theirs
    ON theirs.oid = a.usesysid WHERE a.datid = d.oid AND NOT theirs.rolsuper AND NOT {MAY_END} ORDER BY 1) AS others
FROM pg_database d JOIN pg_roles owner ON owner.oid = d.datdba, pg_roles me
WHERE d.datname = current_database() AND me.rolname = current_user
"""


SUPERUSERS = "SELECT rolname::text FROM pg_roles WHERE rolsuper"
AS_SUPERUSER = "name a superuser's address as direct"
"""Where a superuser owns some of it: whoever were made a member of that would be one too."""


async def tools_row(ctx: Context) -> Ready:
    """The programs that dump and restore, and whether they and the server itself are mended."""
    config: Config = ctx.config
    needed = config.dump.take
    row, title = "postgres-tools", f"{ctx.platform}: PostgreSQL's programs fit the server"
    try:
        where = place(ctx)
        server = (await itself(ctx, where)).each()[0]
        major, minor = divmod(int(server["number"]), 10_000)
        found = await tools(ctx, where, major)
    except WarroomError as error:
        fix = error.hint or "see what its evidence needs"
        return Ready(row, title, "not-ready", why(error, fix=False), fix, needed=needed)
    at = f"in {where.through.service}" if where.through else found.folder
    size = value_text(server["bytes"], "bytes")
    words = [f"pg_dump, pg_restore and psql {found.version} ({at}) for a server {major}.{minor} with {size}"]
    fixes = []
    if found.outdated:
        words.append(f"the programs are not patched: {found.outdated}; they restore nothing")
        fixes.append(f"install a newer postgresql-client-{found.major}")
    if unknown := found.unknown_to(major):
        words.append(f"{unknown}: of the dumps only plain ones are restored with it")
        fixes.append(f"install postgresql-client-{major}")
    if old := below(FLOOR, major, minor, "security problems"):
        words.append(f"the server itself is not patched: {old}")
        fixes.append(f"update the server to the newest {major}, once this is over")
    if found.psql_outdated:
        words.append(
            "a plain dump is restored only once it was read through: psql is older than what mends CVE-2026-18408"
        )
    return Ready(row, title, "unknown" if fixes else "ready", "; ".join(words), "; ".join(fixes), needed=needed)


async def space_row(ctx: Context) -> Ready:
    """Room for twice the database where the server keeps it."""
    title = f"{ctx.platform}: room for the database once more"
    try:
        found = await seen(ctx, place(ctx))
    except WarroomError as error:
        found = Room(why=why(error, fix=False), fix=error.hint)
    return space(found, title)


def space(found: Room, title: str) -> Ready:
    row = "postgres-space"
    wanted = "" if found.size is None else f"{value_text(COPIES * found.size, 'bytes')} are wanted"
    if found.free is None or found.size is None:
        words = "; ".join(part for part in (found.why, wanted) if part)
        return Ready(row, title, "unknown", words, found.fix or "look where the server keeps its data", needed=False)
    words = f"{value_text(found.free, 'bytes')} are free in {found.folder}"
    words += f", where the database has {value_text(found.size, 'bytes')}"
    if found.free >= COPIES * found.size:
        return Ready(row, title, "ready", words, needed=False)
    short = "not even one copy fits" if found.free < found.size else f"one copy fits, barely: {wanted}"
    return Ready(row, title, "not-ready", f"{words}: {short}", "free some disk there, or let it grow", needed=False)


async def rights_row(ctx: Context) -> Ready:
    """All that dumping, restoring beside and swapping will ask of the role, with the lines that give it."""
    config: Config = ctx.config
    row, title = "postgres-rights", f"{ctx.platform}: the role may dump, restore beside and swap"
    try:
        where = place(ctx)
        about = (await asked(ctx, where, RIGHTS)).each()[0]
        lacks = lacking(about)
        if config.restore_as is not None:
            where = place(ctx, config.restore_as)
        lacks += await _to_restore(ctx, where)
    except WarroomError as error:
        return Ready(row, title, "unknown", why(error, fix=False), error.hint or "see that it answers", needed=False)
    if not lacks:
        how = "is a superuser: what is restored belongs to a role without rights meanwhile, made for it"
        how = how if about["superuser"] else "owns the database, and may make others"
        return Ready(row, title, "ready", f"{about['plain']} {how}", needed=False)
    fixes = "; ".join(dict.fromkeys(line for _, line in lacks if line))
    words = "; ".join(dict.fromkeys(words for words, _ in lacks))
    return Ready(row, title, "not-ready", words, fixes or "let a superuser see to it", needed=False)


def lacking(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the role lacks for the dump and for the swap, each with the line that gives it."""
    role, plain = about["role"], about["plain"]
    lacks: list[tuple[str, str]] = []
    if about["standby"]:
        words = "restore and swap: this server is a standby, which takes no changes"
        lacks.append((words, "name the primary's address as direct"))
    if about["superuser"]:
        return lacks
    if about["unreadable"]:
        words = f"dump: {plain} can't read {many(about['unreadable'], 'table or sequence', 'tables and sequences')}"
        lacks.append((words, f"GRANT pg_read_all_data TO {role}"))
    if about["hidden"] and not about["sees_all"]:
        words = f"dump: row-level security hides rows of {many(about['hidden'], 'table')} from {plain}"
        lacks.append((words, f"ALTER ROLE {role} BYPASSRLS"))
    if not about["creates"]:
        lacks.append((f"swap: {plain} may rename no database", f"ALTER ROLE {role} CREATEDB"))
    if not about["owns"]:
        words = f"swap: the database belongs to {about['owner']}, not to {plain}"
        lacks.append((words, AS_SUPERUSER if about["of_superuser"] else f"GRANT {about['owner']} TO {role}"))
    if not about["elsewhere"]:
        words = f"swap: {plain} may connect to no other database, and none is renamed from within"
        lacks.append((words, f"GRANT CONNECT ON DATABASE postgres TO {role}"))
    if about["others"]:
        words = f"swap: {plain} can't end sessions of {listed(about['others'])}, which are there now"
        lacks.append((words, f"GRANT pg_signal_backend TO {role}"))
    if about["mighty"]:
        words = f"swap: only a superuser can end the sessions of {listed(about['mighty'])}, which are there now"
        lacks.append((words, ""))
    return lacks


async def _to_restore(ctx: Context, where: Place) -> list[tuple[str, str]]:
    """The same for what is restored: it is to have the owners, rights and settings of the live one."""
    of = await live(ctx, where)
    if of.superuser:
        return []
    found, role = await around(ctx, where), quoted(of.role)
    lacks = [] if of.creates else [(f"restore: {of.role} can make no database", f"ALTER ROLE {role} CREATEDB")]
    if of.mighty:
        words = f"restore: {of.role} may reach beyond its databases ({of.mighty}), and a dump's functions run as it"
        lacks.append((words, "name the address of a role that may not as restore_as"))
    words = "; ".join(f"restore: {each}" for each in found.lacking(of.role, frozenset()))
    owners = {each.owner for each in found.owned if not each.member} | {d.role for d in found.defaults if not d.member}
    owners |= set() if found.member else {found.owner}
    supers = {str(row[0]) for row in (await asked(ctx, where, SUPERUSERS)).rows}
    lines = [AS_SUPERUSER] if owners & supers else []
    lines += [f"GRANT {quoted(name)} TO {role}" for name in sorted(owners - supers - {of.role})]
    if any(each.free and each.role not in ("", of.role) for each in found.settings) and not found.roles:
        lines.append(f"ALTER ROLE {role} CREATEROLE")
    if not found.tablespace_free:
        lines.append(f"GRANT CREATE ON TABLESPACE {quoted(found.tablespace)} TO {role}")
    return [*lacks, (words, "; ".join(lines))] if words else lacks
