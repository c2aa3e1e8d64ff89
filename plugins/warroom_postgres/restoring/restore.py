"""The operation ``restore``: a backup is restored beside the live database, which serves on and is not touched.

Interrupted anywhere it leaves a database that says of itself that it is not restored, and that can be dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from warroom.api import Context, Facts, WarroomError
from warroom.model.base import Duration, Fact
from warroom.model.call import Call, CallResult, SqlCall
from warroom.model.plan import Look, Preview, Risk
from warroom.model.units import many, value_text
from warroom_postgres.config import Config
from warroom_postgres.naming import literal, marked, quoted
from warroom_postgres.reach.place import Place, asked, place
from warroom_postgres.restoring.holding import counted, sound
from warroom_postgres.restoring.like import owners, settled
from warroom_postgres.restoring.looking import UNCOUNTED, Seen, look, seen_in
from warroom_postgres.restoring.scratch import Scratch, asked_as, created, dropped, read_in, restored, scratch

BYTES_PER_S = 25 * 1024**2
"""How fast a database comes back, for what is expected."""
SAFELY = "SET LOCAL search_path = pg_catalog, pg_temp"
"""Functions and operators that the dump brought along may fit better than the server's: none of them is found."""
LEAVE_OUT = ("--no-owner", "--no-tablespaces", "--no-publications", "--no-subscriptions")
STATES = """
SELECT datname::text AS name, d.oid::bigint AS oid, shobj_description(d.oid, 'pg_database') AS comment,
  datname = current_database() AS live
FROM pg_database d WHERE datname = {name} OR shobj_description(d.oid, 'pg_database') LIKE {mark}
"""
LEFT = """
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = {role}) AS role, EXISTS (SELECT FROM pg_stat_activity
  WHERE state = 'active' AND pid <> pg_backend_pid() AND strpos(query, {id}) > 0) AS busy
"""
"""Who was cut off may have left the role alone; and a server makes or drops a database to the end, whoever has gone."""


_CONFIGURED = """
DECLARE one record;
BEGIN
  FOR one IN SELECT CASE c.relkind WHEN 'S' THEN 'UPDATE ON SEQUENCE' ELSE 'INSERT ON TABLE' END AS lent,
      c.oid::regclass::text AS name
    FROM pg_extension e JOIN pg_class c ON c.oid = ANY (e.extconfig) WHERE e.extname IN ({names})
    UNION ALL SELECT 'USAGE ON FOREIGN DATA WRAPPER', format('%I', w.fdwname)
    FROM pg_extension e JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    JOIN pg_foreign_data_wrapper w ON d.classid = 'pg_foreign_data_wrapper'::regclass AND d.objid = w.oid
    WHERE d.deptype = 'e' AND e.extname IN ({names})
  LOOP
    EXECUTE format('GRANT %s %s TO %s', one.lent, one.name, {role});
  END LOOP;
END
"""
"""A dump has the rows that were added to an extension's own tables, and servers that its wrappers of foreign data lead
to. Both are a superuser's: what is lent for them is taken back with all that its role was given."""


class RestoreArgs(Fact):
    """``backup`` is a dump's path, within the folders that the configuration names. ``jobs`` connections write."""

    backup: Annotated[str, Field(pattern=r"^/[^\x00-\x1f]+$", max_length=4000)]
    jobs: Annotated[int, Field(ge=1, le=32)] = 2
    timeout: Annotated[Duration, Field(ge=1, le=86400)] = 6 * 3600


class Restore:
    name = "restore"
    title = "Restore a backup beside the live database"
    risk: Risk = "disruptive"
    args: type[BaseModel] = RestoreArgs

    async def facts(self, ctx: Context, args: RestoreArgs) -> Facts:
        return await look(ctx, args.backup)

    def preview(self, config: Config, args: RestoreArgs, facts: Facts) -> Preview:
        seen = seen_in(facts)
        where, made = seen.place(config), scratch(seen.of, seen.mark)
        calls = _calls(seen, where, made, args)
        return Preview(
            calls=calls,
            inverse=(dropped(where, made),),
            pinned={
                "backup": seen.sha256,
                "server": seen.system,
                "version": seen.server,
                "live database": seen.oid,
            },
            notes=_notes(seen, made),
            keeps=(made.name,),
            expected_s=round(min(args.timeout, 2 + seen.of.bytes / BYTES_PER_S)),
            timeout_s=sum(call.timeout_s for call in calls) + 60,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        """``seconds`` that it took. What was made is told by ``check``, which looks."""
        return {"seconds": f"{sum(result.seconds for result in results):.1f}"}

    async def check(self, ctx: Context, args: RestoreArgs, facts: Facts) -> Look:
        """By the comment that the database bears, and by its OID."""
        seen = seen_in(facts)
        name = scratch(seen.of, seen.mark).name
        role = f"warroom~{seen.mark.id}"  # where one had to be made for it
        left = LEFT.format(id=literal(f"~{seen.mark.id}"), role=literal(role))
        statement = STATES.format(name=literal(name), mark=literal(f'warroom:%"id":"{seen.mark.id}"%'))
        try:
            rest = (await asked(ctx, place(ctx), left)).each()[0]
            found = (await asked(ctx, place(ctx), statement)).each()
        except WarroomError as error:
            return Look(verdict="cannot-tell", seen=str(error))
        if rest["busy"]:
            return Look(verdict="cannot-tell", seen=f"the server is still at it, with {name}; look again")
        if not found and rest["role"]:
            words = f"there is no database {name}, but its role {role}: take it back, and restore again"
            return Look(verdict="partly", seen=words)
        if not found:
            return Look(verdict="not-begun", seen=f"there is no database {name}")
        row, mark = found[0], marked(found[0]["comment"])
        outputs = {"database": str(row["name"]), "oid": str(row["oid"])}
        if row["live"]:
            return Look(verdict="done", seen=f"{row['name']} is what was restored, and live", outputs=outputs)
        if mark is None or mark.id != seen.mark.id or mark.state != "restored":
            words = f"{name} is there, and not restored to its end: take it back, which drops it, and restore again"
            return Look(verdict="partly", seen=words, outputs=outputs)
        return Look(verdict="done", seen=f"{row['name']} is restored, and holds what was counted", outputs=outputs)


def _calls(seen: Seen, where: Place, made: Scratch, args: RestoreArgs) -> tuple[Call, ...]:
    around, dump = seen.around, Path(seen.path)
    tablespace = "" if around.tablespace == "pg_default" else around.tablespace
    calls: list[Call] = [created(where, seen.of, made, tablespace=tablespace)]
    if before := _extensions(seen, made):
        calls.append(_within(where, made, before, args.timeout, "make extensions that need a superuser"))
    if seen.format == "plain":
        calls.append(read_in(where, seen.tools, made, dump, feeding=seen.feeding, timeout_s=args.timeout))
    else:
        leave, entries = LEAVE_OUT, seen.archive.entries
        calls.append(
            restored(
                *(where, seen.tools, made, dump),
                jobs=args.jobs,
                timeout_s=args.timeout,
                leave_out=leave,
                entries=entries,
            )
        )
    held = ["SET row_security = off", *counted(seen.rows), sound()]
    calls.append(_within(where, made, ["ANALYZE"], args.timeout, "gather statistics"))
    if made.login is not None:
        calls.append(asked_as(where, seen.tools, made, [SAFELY, *held], timeout_s=args.timeout))
    else:
        calls.append(_within(where, made, held, args.timeout, "hold its rows against what was counted"))
    if given := owners(around, made.owner, made.name):
        calls.append(_within(where, made, given, 600, "give everything to its owner"))
    done = made.mark.model_copy(update={"state": "restored"})
    last = [*settled(around, made.name, seen.oid), *_forgotten(made)]
    last.append(f"COMMENT ON DATABASE {quoted(made.name)} IS {literal(done.comment())}")
    # From within it: only there can what a role was given in it be taken back.
    calls.append(_within(where, made, last, 120, "rights and settings as the live database has them"))
    return tuple(calls)


def _within(where: Place, made: Scratch, statements: Sequence[str], timeout: float, brief: str) -> SqlCall:
    return SqlCall(
        secret=where.secret,
        through=where.relay,
        database=made.name,
        statements=("SET TRANSACTION READ WRITE", SAFELY, *statements),
        timeout_s=timeout,
        brief=brief,
    )


def _extensions(seen: Seen, made: Scratch) -> list[str]:
    """Those in the dump that its own role can't make; the dump's own statement then finds them made."""
    if made.login is None:
        return []
    statements: list[str] = []
    names: list[str] = []
    for each in seen.around.extensions:
        if not each.superuser or each.name not in seen.archive.extensions or each.name == "plpgsql":
            continue
        schema = seen.around.placed.get(each.name)
        if schema:
            statements.append(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)} AUTHORIZATION {quoted(made.login.role)}")
        within = f" SCHEMA {quoted(each.schema_name)}" if each.schema_name else ""
        statements.append(f"CREATE EXTENSION IF NOT EXISTS {quoted(each.name)}{within} CASCADE")
        names.append(each.name)
    if names:
        known = ", ".join(literal(name) for name in names)
        body = _CONFIGURED.format(names=known, role=literal(quoted(made.login.role)))
        statements.append(f"DO {literal(body)}")
    return statements


def _forgotten(made: Scratch) -> list[str]:
    return [f"DROP OWNED BY {quoted(made.owner)}", f"DROP ROLE {quoted(made.owner)}"] if made.owner else []


def _notes(seen: Seen, made: Scratch) -> tuple[str, ...]:
    notes = [f"restored into {made.name}: the live database is not touched, but its server bears the load and the room"]
    if seen.verdict != "good":
        notes.append(f"nothing vouches for it: the backup {'; '.join(seen.reasons)}")
        if seen.around.maker is not None:
            notes.append(f"what it brings along runs as {seen.around.maker}, who may change the live database too")
    if seen.around.placed_apart:
        apart = many(seen.around.placed_apart, "table or index", "tables and indexes")
        notes.append(f"{apart} of the live one in tablespaces of their own: here all lies in {seen.around.tablespace}")
    if not seen.rows:
        notes.append(f"{UNCOUNTED}, and they can't be held against anything")
    elif seen.mark.doubt == UNCOUNTED:
        notes.append(f"{UNCOUNTED}: they are held against those that stand in it now")
    if seen.free is None:
        notes.append(f"how much room there is can't be seen from here: {value_text(seen.of.bytes, 'bytes')} are needed")
    elif seen.free < 2 * seen.of.bytes:
        notes.append(f"room is scarce: {value_text(seen.free, 'bytes')} for {value_text(seen.of.bytes, 'bytes')}")
    if seen.archive.dropped:
        notes.append(f"left out, to be made by hand: {'; '.join(seen.archive.dropped[:5])}")
    if seen.beside:
        notes.append(f"there already: {many(len(seen.beside), 'restored database')}, {'; '.join(seen.beside[:3])}")
    return tuple(notes)
