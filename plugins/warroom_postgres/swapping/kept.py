"""What lies beside the live database: kept ones, restored ones, and what an interrupted step left. From the server."""

from __future__ import annotations

from datetime import datetime

from warroom.api import Context, Ready, WarroomError
from warroom.model.base import passed_text
from warroom.model.units import many, value_text
from warroom_postgres.asking import why
from warroom_postgres.reach.place import place
from warroom_postgres.swapping.looking import Database, Seen, seen_by_name

KINDS = {"before": "live before", "scratch": "restored beside", "proof": "left by a proof"}
ROW = "postgres-kept"


def kind(of: Database) -> str:
    mark = of.mark
    assert mark is not None
    if of.unmarked:
        return "begun and not finished"
    return "not restored to its end" if (mark.what, mark.state) == ("scratch", "restoring") else KINDS[mark.what]


def line(of: Database, now: datetime) -> str:
    """``ai_saas~before~…: live before, 1.2 GB, 3 h old, nobody in it``."""
    mark = of.mark
    assert mark is not None
    size = "size unknown" if of.bytes is None else value_text(of.bytes, "bytes")
    age = passed_text((now - mark.at).total_seconds())
    inside = many(of.sessions, "session") if of.sessions else "nobody"
    return f"{of.name}: {kind(of)}, {size}, {age} old, {inside} in it"


def left_over(of: Database) -> bool:
    """Of no use to anybody: a proof's, or one whose restore did not end."""
    return of.mark is not None and (of.mark.what == "proof" or of.mark.state == "restoring")


async def kept_row(ctx: Context) -> Ready:
    title = f"{ctx.platform}: databases beside the live one"
    try:
        found = await seen_by_name(ctx, place(ctx))
    except WarroomError as error:
        return Ready(ROW, title, "unknown", why(error, fix=False), error.hint or "see that it answers", needed=False)
    lines = [line(one, ctx.clock.now()) for one in newest_first(found)]
    if found.live is None:
        words = "; ".join([f"nothing is called {found.where.database}", *_with_oids(found)])
        fix = f"ALTER DATABASE … RENAME TO {found.where.database}: the one that is to serve"
        return Ready(ROW, title, "not-ready", words, fix)
    if not lines:
        return Ready(ROW, title, "ready", "there are none", needed=False)
    known = [one.bytes for one in found.beside if one.bytes is not None]
    words = f"{many(len(lines), 'database')}, {value_text(sum(known), 'bytes')}: {'; '.join(lines)}"
    if over := [one.name for one in found.beside if left_over(one)]:
        return Ready(ROW, title, "unknown", words, f"discard {', '.join(over)}, unless it is being made", needed=False)
    return Ready(ROW, title, "ready", words, needed=False)


def newest_first(found: Seen) -> list[Database]:
    marks = [(one.mark.at, one.oid, one) for one in found.beside if one.mark is not None]
    return [one for *_, one in sorted(marks, reverse=True)]


def _with_oids(found: Seen) -> list[str]:
    return [f"{one.name} (OID {one.oid})" for one in newest_first(found)] or ["nor is there any that warroom knows"]
