"""The operation that puts a database in the live one's place. The other way round is its inverse.

What is put there is one that was restored beside, or one that was live before and has been kept.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

from warroom.api import BadInput, Context, Facts, WarroomError
from warroom.model.base import Fact
from warroom.model.call import CallResult
from warroom.model.plan import Look, Preview, Risk
from warroom.model.units import many, value_text
from warroom_postgres.config import Config
from warroom_postgres.naming import LONGEST, Mark, marked, name_for
from warroom_postgres.reach.place import place
from warroom_postgres.swapping.exchanging import NOW, SINCE, Moved, Side, exchanged
from warroom_postgres.swapping.looking import Database, Seen, names, seen
from warroom_postgres.swapping.losing import Compared, who, would_lose, written_since

DatabaseName = Annotated[str, Field(min_length=1, max_length=LONGEST, pattern=r"^[^\x00-\x1f\x7f]+$")]


class SwapArgs(Fact):
    """``database`` is the one that becomes live. Left out: the only one that was restored beside."""

    database: DatabaseName | None = None


class One(Fact):
    """``comment`` is the one that is put on it when it is, again, where it was. Bytes None: not known."""

    name: str
    oid: int
    bytes: int | None
    sessions: int
    comment: str | None


class Planned(Fact):
    """The facts. ``live`` and ``other`` are as they are before; ``kept`` is the live one's name after.

    ``lost``, ``writers`` and ``unproven`` are told to people: what is left behind, who is connected to the live one,
    and why the rows of the other may not be those that it should have. ``compared`` are the figures of ``lost``.
    """

    secret: str
    side: str
    durable: bool
    live: One
    other: One
    kept: str
    kept_comment: str
    lost: str = ""
    compared: Compared | None = None
    writers: str = ""
    unproven: str = ""


class Swap:
    name = "swap"
    title = "Put a restored database in the live one's place"
    risk: Risk = "destructive"
    args: type[BaseModel] = SwapArgs

    async def facts(self, ctx: Context, args: SwapArgs) -> Facts:
        """Raises BadInput with all that is in the way."""
        found = await seen(ctx, place(ctx))
        live = found.live
        if live is None:
            raise BadInput(f"nothing is called {found.where.database}", f"on {found.where.where}")
        other = chosen(found, args)
        if blocks := in_the_way(found, live, other):
            raise BadInput(
                f"{other.name} can't become {live.name} now",
                "; ".join(blocks),
                "nothing was changed; see to that first",
            )
        now, number = ctx.clock.now(), secrets.token_hex(4)
        archive = other.mark.archive if other.mark and other.mark.what == "scratch" else ""
        mark = {"is": "before", "of": live.name, "state": "kept", "id": number, "at": NOW, "archive": archive}
        lost, compared = ("", None) if ctx.again else await would_lose(ctx, found.where, other)
        planned = Planned(
            secret=found.where.secret,
            side=found.server.side,
            durable=found.server.durable,
            live=_one(live, None if live.mark else live.comment),
            other=_one(other, other.comment),
            kept=name_for(live.name, "before", now, number),
            kept_comment=Mark.model_validate(mark).comment(),
            lost=lost,
            compared=compared,
            writers="" if ctx.again else await who(ctx, found.where, live, found.server.side),
            unproven=other.mark.unproven if other.mark else "",
        )
        return planned.model_dump(mode="json")

    def preview(self, config: Config, args: SwapArgs, facts: Facts) -> Preview:
        planned = Planned.model_validate(facts)
        live, other = planned.live, planned.other
        side = Side(planned.secret, planned.side, config.through.relay if config.through else (), planned.durable)
        kept = Moved(live.oid, planned.kept, planned.kept_comment, stamped=True)
        entering, again = Moved(other.oid, other.name, live.comment), Moved(live.oid, planned.kept, live.comment)
        back = Moved(other.oid, other.name, _served(other.comment), stamped=True)
        pinned: dict[str, JsonValue] = {f"OID of {one.name}": one.oid for one in (live, other)}
        return Preview(
            calls=(exchanged(side, live.name, kept, entering),),
            inverse=(exchanged(side, live.name, back, again),),
            pinned=pinned,
            changes=(*pinned, "live database"),
            notes=_notes(planned),
            confirm=live.name,
            writes=f"{planned.writers} may write what is left behind: stop them first" if planned.writers else "",
            unproven=planned.unproven,
            loses=(*([planned.lost] if planned.lost else []), _ends(planned)),
            leaves=_leaves(planned),
            keeps=(planned.kept,),
            ends=(other.name,),
            tells=True,
            back=_back(planned),
            expected_s=1,
            timeout_s=60,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        """``kept``: the name that the database of before has now."""
        data = results[-1].data if results else None
        done = data.get("statements") if isinstance(data, dict) else None
        rows = done[-1].get("rows") if isinstance(done, list) and done and isinstance(done[-1], dict) else None
        row = rows[0] if isinstance(rows, list) and rows else None
        return {"kept": str(row[0])} if isinstance(row, list) and row else {}

    async def check(self, ctx: Context, args: SwapArgs, facts: Facts) -> Look:
        planned = Planned.model_validate(facts)
        oids, name = (planned.live.oid, planned.other.oid), planned.live.name
        try:
            found, held = await names(ctx, place(ctx), oids, name, planned.side)
        except WarroomError as error:
            return Look(verdict="cannot-tell", seen=str(error))
        if held:
            return Look(verdict="cannot-tell", seen="the server is still at it; look again")
        look = told(found, planned)
        if look.verdict != "done" or planned.compared is None:
            return look
        since = await written_since(ctx, place(ctx), planned.kept, planned.compared)
        outputs = {"words": planned.lost, "tables": planned.compared.tables, "since_compared": since}
        return Look(verdict="done", seen=f"{since}; {look.seen}", outputs=outputs)


def told(found: Mapping[int, str], planned: Planned) -> Look:
    """By the OIDs: ``found`` are the names that these databases, and the one with the live name, have now."""
    name, before, after, other = planned.live.name, planned.live.oid, planned.other.oid, planned.other.name
    serving = next((oid for oid, named in found.items() if named == name), None)
    left, came = found.get(before, "gone"), found.get(after, "gone")
    if serving == before:
        where = "" if came == other else f"; {other} (OID {after}) is {came}"
        return Look(verdict="not-begun", seen=f"{name} is the database of before (OID {before}){where}")
    if serving == after:
        words = f"{name} is what was {other} (OID {after}); the one of before (OID {before}) is "
        return Look(verdict="done", seen=f"{words}kept as {left}" if left == planned.kept else f"{words}{left}")
    both = f"OID {before}, live before, is {left}; OID {after}, meant to take its place, is {came}"
    if serving is None:
        return Look(verdict="partly", seen=f"nothing is called {name}: {both}; a person is to rename the right one")
    return Look(verdict="partly", seen=f"{name} is neither of the two, but OID {serving}; {both}")


def chosen(found: Seen, args: SwapArgs) -> Database:
    """Raises BadInput where it can't be told which."""
    if args.database is not None:
        return found.named(args.database)
    restored = [one for one in found.beside if one.mark and (one.mark.what, one.mark.state) == ("scratch", "restored")]
    if len(restored) == 1:
        return restored[0]
    if not restored:
        raise BadInput("no database has been restored beside the live one", f"on {found.where.where}", "restore one")
    raise BadInput(
        f"{many(len(restored), 'database')} have been restored beside the live one",
        ", ".join(one.name for one in restored),
        "name the one that is meant, as database",
    )


def in_the_way(found: Seen, live: Database, other: Database) -> list[str]:
    server = found.server
    blocks = [*live.in_the_way, *other.in_the_way]
    if server.standby:
        blocks.insert(0, "this server is a standby: names are changed on the primary")
    if not (server.superuser or server.creates):
        blocks.append(f"{server.role} may rename no database: ALTER ROLE {server.role} CREATEDB")
    blocks += [f"{one.name} belongs to {one.owner}, not to {server.role}" for one in (live, other) if not one.owned]
    mark = other.mark
    if mark is None or mark.what == "proof" or mark.state == "restoring":
        blocks.append(f"{other.name} was not restored to its end")
    if not other.lets_in:
        blocks.append(f"{other.name} lets nobody in: ALTER DATABASE … ALLOW_CONNECTIONS true")
    if other.owner != live.owner:
        blocks.append(f"{other.name} belongs to {other.owner}, {live.name} to {live.owner}")
    if other.grants != live.grants:
        blocks.append(f"rights on {other.name} are not those on {live.name}")
    if other.sorting != live.sorting:
        blocks.append(f"{other.name} sorts and compares as {other.sorting}, {live.name} as {live.sorting}")
    if other.settings != live.settings:
        blocks.append(f"settings of {other.name} are not those of {live.name}")
    return blocks


def _served(comment: str | None) -> str | None:
    """Its own mark, once it has been the live one."""
    mark = marked(comment)
    if mark is None:
        return comment
    return mark.model_copy(update={"served": (mark.served[0] if mark.served else SINCE, NOW)}).comment()


def _ends(planned: Planned) -> str:
    live = planned.live
    if planned.writers:
        return f"{planned.writers} {'is' if live.sessions == 1 else 'are'} ended, and who comes until then"
    return f"every session in {live.name} is ended: now there is none"


def _back(planned: Planned) -> str:
    """What the undo says of itself. Whether something stops the application first is for the run to know."""
    left = f"what was written since the swap stays behind, in {planned.other.name}"
    return f"{left}; every session in {planned.live.name} is ended: what writes to it is to be stopped first"


def _one(of: Database, comment: str | None) -> One:
    return One(name=of.name, oid=of.oid, bytes=of.bytes, sessions=of.sessions, comment=comment)


def _notes(planned: Planned) -> tuple[str, ...]:
    live, other = planned.live, planned.other
    sessions = live.sessions + other.sessions
    gone = f"{many(sessions, 'session')} in the two will be ended" if sessions else "nobody is connected to the two now"
    if planned.writers:
        gone = f"{planned.writers} will be ended, unless stopped before"
    return (
        f"{live.name}{_size(live)} is kept as {planned.kept}: nothing is deleted",
        f"{gone}; who connects meanwhile waits, or gets one error, usually for less than a second",
        f"both renames are one transaction: whatever cuts it off, {live.name} serves",
        f"taken back, {other.name} has its name again, with all that was written into it until then",
    )


def _leaves(planned: Planned) -> tuple[str, ...]:
    live = planned.live
    back = f"undo this swap, or swap {planned.kept} in"
    return (
        f"the database of before{_size(live)} is kept as {planned.kept}",
        f"to go back to it: {back}. It takes room until it is discarded, which is final",
    )


def _size(of: One) -> str:
    return "" if of.bytes is None else f" ({value_text(of.bytes, 'bytes')})"
