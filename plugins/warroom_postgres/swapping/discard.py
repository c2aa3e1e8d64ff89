"""The operation that drops a database beside the live one: by its name, its OID and its mark, never the live one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from warroom.api import BadInput, Context, Facts, WarroomError
from warroom.model.base import Fact
from warroom.model.call import CallResult, SqlCall
from warroom.model.plan import Look, Preview, Risk
from warroom.model.units import many, value_text
from warroom_postgres.config import Config
from warroom_postgres.naming import literal, quoted
from warroom_postgres.reach.place import place
from warroom_postgres.swapping.exchanging import holds
from warroom_postgres.swapping.kept import KINDS, kind
from warroom_postgres.swapping.looking import Database, Seen, names, seen
from warroom_postgres.swapping.swap import DatabaseName


class DiscardArgs(Fact):
    """``database``: as it is called now."""

    database: DatabaseName


class Doomed(Fact):
    """The facts: which one it is, and what is live. ``role`` was made to restore it, and owns it still."""

    secret: str
    side: str
    live: str
    live_oid: int
    name: str
    oid: int
    kind: str
    comment: str | None
    mark_id: str
    bytes: int | None
    sessions: int
    role: str = ""


class Discard:
    name = "discard"
    title = "Drop a database that was kept or left beside"
    risk: Risk = "destructive"
    args: type[BaseModel] = DiscardArgs

    async def facts(self, ctx: Context, args: DiscardArgs) -> Facts:
        """Raises BadInput with all that is in the way."""
        found = await seen(ctx, place(ctx))
        if args.database == found.where.database:
            raise BadInput(f"{args.database} is the live database", "only what lies beside it can be dropped")
        doomed = found.named(args.database)
        if blocks := in_the_way(found, doomed):
            raise BadInput(f"{doomed.name} can't be dropped now", "; ".join(blocks), "see to that first")
        assert found.live is not None
        assert doomed.mark is not None
        return Doomed(
            secret=found.where.secret,
            side=found.server.side,
            live=found.live.name,
            live_oid=found.live.oid,
            name=doomed.name,
            oid=doomed.oid,
            kind=kind(doomed) if doomed.unmarked else KINDS[doomed.mark.what],
            comment=doomed.comment,
            mark_id=doomed.mark.id,
            bytes=doomed.bytes,
            sessions=doomed.sessions,
            role=doomed.owner if doomed.owner == f"warroom~{doomed.mark.id}" else "",
        ).model_dump(mode="json")

    def preview(self, config: Config, args: DiscardArgs, facts: Facts) -> Preview:
        doomed = Doomed.model_validate(facts)
        statements = (
            "SET search_path = pg_catalog",
            holds({doomed.oid: doomed.name, doomed.live_oid: doomed.live}),
            _marked(doomed),
            f"DROP DATABASE {quoted(doomed.name)} WITH (FORCE)",
            *([f"DROP ROLE IF EXISTS {quoted(doomed.role)}"] if doomed.role else []),
        )
        call = SqlCall(
            secret=doomed.secret,
            database=doomed.side,
            through=config.through.relay if config.through else (),
            statements=statements,
            together=False,
            timeout_s=120,
            brief=f"drop the database {doomed.name}"[:200],
        )
        size = "" if doomed.bytes is None else f" ({value_text(doomed.bytes, 'bytes')})"
        notes = [f"to run it, its number is typed: {doomed.mark_id}"]
        notes += [f"{many(doomed.sessions, 'session')} in it will be ended"] if doomed.sessions else []
        return Preview(
            calls=(call,),
            no_inverse="what it holds is in no other place that warroom knows",
            pinned={f"OID of {doomed.name}": doomed.oid, f"OID of {doomed.live}": doomed.live_oid},
            changes=(f"OID of {doomed.name}",),
            notes=tuple(notes),
            confirm=doomed.mark_id,
            loses=(f"{doomed.name}{size}, {doomed.kind}, is gone for good",),
            ends=(doomed.name,),
            expected_s=1,
            timeout_s=150,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {}

    async def check(self, ctx: Context, args: DiscardArgs, facts: Facts) -> Look:
        doomed = Doomed.model_validate(facts)
        try:
            found, held = await names(ctx, place(ctx), [doomed.oid], doomed.live, doomed.side)
        except WarroomError as error:
            return Look(verdict="cannot-tell", seen=str(error))
        if held:
            return Look(verdict="cannot-tell", seen="the server is still at it; look again")
        now = found.get(doomed.oid)
        if now is None:
            return Look(verdict="done", seen=f"{doomed.name} (OID {doomed.oid}) is gone")
        return Look(verdict="not-begun", seen=f"{now} (OID {doomed.oid}) is there")


def in_the_way(found: Seen, doomed: Database) -> list[str]:
    server, blocks = found.server, doomed.in_the_way
    if server.standby:
        blocks.insert(0, "this server is a standby: databases are dropped on the primary")
    if not doomed.owned:
        blocks.append(f"it belongs to {doomed.owner}, not to {server.role}")
    if found.live is None:
        blocks.append(f"nothing is called {found.where.database}, and this may be what was")
    return blocks


def _marked(doomed: Doomed) -> str:
    """Raises on the server unless its mark is still the one that was seen."""
    mark = "NULL" if doomed.comment is None else literal(doomed.comment)
    body = (
        f"BEGIN IF pg_catalog.shobj_description('{doomed.oid}', 'pg_database') IS DISTINCT FROM "
        f"{mark} THEN RAISE EXCEPTION 'this database is marked otherwise now'; END IF; END"
    )
    return f"DO {literal(body)}"
