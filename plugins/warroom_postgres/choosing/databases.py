"""Which of the databases beside the live one: to put in its place, or to drop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from warroom.api import BadInput, Context, Option, WarroomError
from warroom.model.choice import OptionVerdict
from warroom.model.units import many
from warroom_postgres.backups.contents import Contents
from warroom_postgres.backups.listing import VERIFIER, searched, vouched
from warroom_postgres.config import Config
from warroom_postgres.reach.place import place
from warroom_postgres.swapping import discard, swap
from warroom_postgres.swapping.kept import kind, left_over, newest_first
from warroom_postgres.swapping.looking import Database, Seen, seen, seen_by_name

ONLY = "unique"
"""What is doubtful about dropping what no other place has."""


class RestoredChooser:
    """Those that were restored, newest first; then those that were live before, which is the way back."""

    title = "The database to put in the live one's place"

    async def options(self, ctx: Context) -> Sequence[Option]:
        found = await seen(ctx, place(ctx))
        if found.live is None:
            raise BadInput(f"nothing is called {found.where.database}", f"on {found.where.where}")
        live, dumps = found.live, await _dumps(ctx)
        options = [_entering(found, live, one, dumps) for one in newest_first(found)]
        order = ("good", "doubtful", "refused")
        return sorted(options, key=lambda option: order.index(option.verdict))


class KeptChooser:
    """All of them: what an interrupted step left first, then what was restored, and last what was live before."""

    title = "The database to drop"

    async def options(self, ctx: Context) -> Sequence[Option]:
        found = await seen_by_name(ctx, place(ctx))
        options = [(_place(one), _doomed(found, one)) for one in reversed(newest_first(found))]
        return [option for _, option in sorted(options, key=lambda each: (each[1].verdict == "refused", each[0]))]


async def _dumps(ctx: Context) -> Mapping[str, str]:
    """The names of dumps by their hashes: of those that were read through lately, else by their own manifests."""
    config: Config = ctx.config
    if config.backups is None:
        return {}
    try:
        found = await searched(ctx, config.backups)
    except WarroomError:
        return {}  # it is called by its hash, then
    vouching = await asyncio.to_thread(lambda: [vouched(each).manifest for each in found.found])
    told = {
        one.sha256: one.file for one, each in zip(vouching, found.found, strict=True) if one and one.file == each.name
    }
    seen = ((VERIFIER.known(each), each.name) for each in found.found)
    return told | {contents.sha256: name for contents, name in seen if isinstance(contents, Contents)}


def _entering(found: Seen, live: Database, one: Database, dumps: Mapping[str, str]) -> Option:
    mark = one.mark
    assert mark is not None
    if blocks := swap.in_the_way(found, live, one):
        return _option(one, "refused", "; ".join(blocks))
    if mark.what == "before":
        again = f"; {mark.was_live}" if mark.served else ""
        return _option(one, "doubtful", f"it was live until {mark.at:%Y-%m-%d %H:%M} UTC, and was left then{again}")
    dump = dumps.get(mark.archive) or f"the dump {mark.archive.removeprefix('sha256:')[:12]}"
    words = f"restored from {dump}" if mark.archive else "restored"
    words += f"; {mark.was_live}" if mark.served else ""
    words += f"; unproven: {mark.doubt}" if mark.doubt else ""
    return _option(one, "doubtful" if mark.unproven else "good", words)


def _doomed(found: Seen, one: Database) -> Option:
    mark = one.mark
    assert mark is not None
    if blocks := discard.in_the_way(found, one):
        return _option(one, "refused", "; ".join(blocks))
    if mark.what == "before":
        words = f"it was live until {mark.at:%Y-%m-%d %H:%M} UTC: no other place has its data"
        return _option(one, "doubtful", words, ONLY)
    if one.unmarked:
        words = "it bears no mark: warroom was cut off while it made it, or is at it now; look into it first"
        return _option(one, "doubtful", words)
    if left_over(one):
        what = "left by a proof" if mark.what == "proof" else "not restored to its end, unless that is going on now"
        return _option(one, "good", what)
    if mark.served:
        return _option(one, "doubtful", f"restored beside; {mark.was_live}: no other place has that", ONLY)
    return _option(one, "good", "restored beside; its backup can be restored again")


def _place(one: Database) -> int:
    mark = one.mark
    assert mark is not None
    return 0 if left_over(one) else 2 if mark.what == "before" else 1


def _option(one: Database, verdict: OptionVerdict, words: str, called: str = "") -> Option:
    """Called by what tells it from the others: their names begin alike."""
    mark = one.mark
    assert mark is not None
    told = [words, *([f"{many(one.sessions, 'session')} in it"] if one.sessions else [])]
    title = f"{kind(one)}, {mark.id}"
    said = "; ".join(told)
    return Option(value=one.name, title=title, words=said, verdict=verdict, called=called, at=mark.at, bytes=one.bytes)
