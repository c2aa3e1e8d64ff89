"""A restored database takes the live one's place, on real servers: there, back, and what is dropped for good."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from tests.plugins.postgres_swaps import NAME, Two, execute, planned, two
from tests.servers import PASSWORD, PostgresServer
from tests.stores import Door
from warroom.api import BadInput, Context, Plugin, Ready
from warroom.testing.conformance import Case, check_plugin
from warroom_postgres.config import Config
from warroom_postgres.naming import quoted
from warroom_postgres.swapping.discard import Discard, DiscardArgs
from warroom_postgres.swapping.kept import kept_row
from warroom_postgres.swapping.swap import Planned, Swap, SwapArgs, told


@pytest.fixture
def swapping(door: Door, postgres: PostgresServer) -> Iterator[Two]:
    with two(postgres) as made:
        door.secrets[NAME] = f"{made.url()}?schema=public"
        yield made


async def verdict(door: Door, facts: dict[str, Any]) -> tuple[str, str]:
    look = await Swap().check(door.context("database", Config), SwapArgs(), facts)
    return look.verdict, look.seen


async def test_there_and_back_again(door: Door, swapping: Two) -> None:
    swapping.beside.execute(f"COMMENT ON DATABASE {quoted(swapping.live)} IS 'the shop''s own words'".encode())
    there = psycopg.connect(swapping.url(), autocommit=True)
    facts, preview = await planned(door)
    before, after = swapping.oids[swapping.live], swapping.oids[swapping.other]
    assert preview.pinned == {f"OID of {swapping.live}": before, f"OID of {swapping.other}": after}
    assert (preview.keeps, preview.ends) == ((str(facts["kept"]),), (swapping.other,))
    ends = f"every session in {swapping.live} is ended: what writes to it is to be stopped first"
    assert preview.back == f"what was written since the swap stays behind, in {swapping.other}; {ends}"
    assert "you lose no rows; 1 row of what becomes what it was;" in preview.loses[0]
    assert f"1 session in {swapping.live} (1 of owner from 127.0.0.1) will be ended" in str(preview.notes)
    assert (preview.confirm, preview.writes.partition(" (")[0]) == (swapping.live, f"1 session in {swapping.live}")
    later = await Swap().facts(replace(door.context("database", Config), again=True), SwapArgs())
    assert later["lost"] == "", "what is only told is not counted anew while an application may stand still"
    assert await verdict(door, facts) == ("not-begun", f"{swapping.live} is the database of before (OID {before})")
    (done,) = await execute(door, *preview.calls)
    assert done.status == 0, done.text
    kept = Swap().outputs([done])["kept"]
    assert swapping.names() == {before: kept, after: swapping.live}
    assert (swapping.what(), swapping.what(kept)) == ("after", "before")
    mark = swapping.marked(kept)
    assert (mark.what, mark.state, mark.of, mark.archive) == ("before", "kept", swapping.live, "sha256:5eed")
    assert swapping.comment(swapping.live) == "the shop's own words"
    assert (await verdict(door, facts))[0] == "done"
    assert kept in (await verdict(door, facts))[1]
    with pytest.raises(psycopg.OperationalError):
        there.execute("SELECT 1")
    (again,) = await execute(door, *preview.calls)
    assert (again.status, "not those that this was planned for" in again.text) == (1, True)
    assert preview.inverse is not None
    (back,) = await execute(door, *preview.inverse)
    assert back.status == 0, back.text
    assert swapping.names() == {before: swapping.live, after: swapping.other}
    assert swapping.comment(swapping.live) == "the shop's own words"
    assert swapping.marked(swapping.other).state == "restored"
    assert (await verdict(door, facts))[0] == "not-begun"
    assert PASSWORD not in f"{facts} {preview.model_dump_json()} {door.shown}"


async def test_one_that_was_kept_goes_live_again_by_a_plan_of_its_own(door: Door, swapping: Two) -> None:
    """As after the incident is closed, when nothing captured is at hand."""
    (done,) = await execute(door, *(await planned(door))[1].calls)
    kept = Swap().outputs([done])["kept"]
    (back,) = await execute(door, *(await planned(door, kept))[1].calls)
    assert back.status == 0, back.text
    assert swapping.what() == "before"
    assert swapping.comment(swapping.live) is None
    newest = Swap().outputs([back])["kept"]
    assert (swapping.what(newest), swapping.marked(newest).what) == ("after", "before")


async def test_names_are_only_names(door: Door, postgres: PostgresServer) -> None:
    odd = """Tür's "a" \\ {b} %s $warroom$;--"""
    with two(postgres, odd) as made:
        door.secrets[NAME] = made.url()
        facts, preview = await planned(door)
        assert preview.inverse is not None
        results = await execute(door, *preview.calls, *preview.inverse, *preview.calls)
        assert [result.status for result in results] == [0, 0, 0], results
        assert made.what() == "after"
        assert (await verdict(door, facts))[0] == "done"
        with_room = max(len(name.encode()) for name in made.names().values())
        assert with_room <= 63


async def test_what_is_beside_is_listed_and_dropped_for_good(door: Door, swapping: Two) -> None:
    ctx = door.context("database", Config)
    row = await kept_row(ctx)
    assert (row.status, row.needed, f"{swapping.other}: restored beside" in row.words) == ("ready", False, True)
    (done,) = await execute(door, *(await planned(door))[1].calls)
    kept = Swap().outputs([done])["kept"]
    row = await kept_row(ctx)
    assert (row.status, row.words.startswith("1 database, ")) == ("ready", True)
    assert f"{kept}: live before, " in row.words
    with pytest.raises(BadInput, match="is the live database"):
        await Discard().facts(ctx, DiscardArgs(database=swapping.live))
    with pytest.raises(BadInput, match="no such database beside"):
        await Discard().facts(ctx, DiscardArgs(database="postgres"))
    args = DiscardArgs(database=kept)
    facts = await Discard().facts(ctx, args)
    preview = Discard().preview(ctx.config, args, facts)
    assert (preview.inverse, "is gone for good" in preview.loses[0]) == (None, True)
    assert (preview.keeps, preview.ends) == ((), (args.database,)), "the core knows by that what is there no more"
    assert (await Discard().check(ctx, args, facts)).verdict == "not-begun"
    # It has become the live one meanwhile, or somebody marked it as something else: then nothing is dropped.
    swapping.mark(kept, **{"is": "before", "state": "kept", "id": "00000000"})
    (refused,) = await execute(door, *preview.calls)
    assert (refused.status, "marked otherwise" in refused.text) == (1, True)
    back = (await planned(door, kept))[1]
    assert [result.status for result in await execute(door, *back.calls)] == [0]
    (refused,) = await execute(door, *preview.calls)
    assert (refused.status, "not those that this was planned for" in refused.text) == (1, True)
    assert swapping.what() == "before"
    (restored,) = (name for oid, name in swapping.names().items() if oid == swapping.oids[swapping.other])
    args = DiscardArgs(database=restored)
    facts = await Discard().facts(ctx, args)
    inside = psycopg.connect(swapping.url(restored), autocommit=True)
    (dropped,) = await execute(door, *Discard().preview(ctx.config, args, facts).calls)
    assert dropped.status == 0, dropped.text
    assert (await Discard().check(ctx, args, facts)).verdict == "done"
    assert (await kept_row(ctx)).words == "there are none"
    with pytest.raises(psycopg.OperationalError):
        inside.execute("SELECT 1")


async def test_one_that_was_begun_is_dropped_unless_it_is_marked_meanwhile(door: Door, swapping: Two) -> None:
    ctx, args = door.context("database", Config), DiscardArgs(database=swapping.other)
    await door.stores.close()
    swapping.beside.execute(f"COMMENT ON DATABASE {quoted(swapping.other)} IS NULL".encode())
    with pytest.raises(BadInput, match="can't become"):
        await Swap().facts(ctx, SwapArgs(database=swapping.other))
    preview = Discard().preview(ctx.config, args, await Discard().facts(ctx, args))
    assert (preview.confirm, "begun and not finished" in preview.loses[0]) == ("ab12cd34", True)
    swapping.mark(swapping.other, **{"is": "scratch", "state": "restored"})
    (refused,) = await execute(door, *preview.calls)
    assert (refused.status, "marked otherwise" in refused.text) == (1, True)
    swapping.beside.execute(f"COMMENT ON DATABASE {quoted(swapping.other)} IS NULL".encode())
    (dropped,) = await execute(door, *preview.calls)
    assert (dropped.status, list(swapping.names().values())) == (0, [swapping.live]), dropped.text


async def test_a_left_over_and_a_missing_name_are_told(door: Door, swapping: Two) -> None:
    ctx = door.context("database", Config)
    facts, _ = await planned(door)
    swapping.beside.execute(f"COMMENT ON DATABASE {quoted(swapping.other)} IS NULL".encode())
    row = await kept_row(ctx)
    assert (row.status, f"{swapping.other}: begun and not finished, " in row.words) == ("unknown", True)
    swapping.mark(swapping.other, **{"is": "scratch", "state": "restoring"})
    row = await kept_row(ctx)
    assert (row.status, row.fix.startswith(f"discard {swapping.other}")) == ("unknown", True)
    assert "not restored to its end" in row.words
    elsewhere = f"{swapping.live}_moved"
    await door.stores.close()
    swapping.beside.execute(f"ALTER DATABASE {quoted(swapping.live)} RENAME TO {quoted(elsewhere)}".encode())
    row = await kept_row(ctx)
    assert (row.status, f"nothing is called {swapping.live}" in row.words) == ("not-ready", True)
    assert f"OID {swapping.oids[swapping.other]}" in row.words
    found, words = await verdict(door, facts)
    assert (found, f"OID {swapping.oids[swapping.live]}, live before, is {elsewhere}" in words) == ("partly", True)


async def test_the_operations_conform(door: Door, swapping: Two) -> None:
    only = Plugin(name="postgres", version="1", config=Config, operations=(Swap(), Discard()), readiness=Kept())
    cases = [Case("swap"), Case("swap", {"database": swapping.other}), Case("discard", {"database": swapping.other})]
    await check_plugin(only, door.context("database", Config), cases=cases)
    assert (swapping.what(), swapping.names()[swapping.oids[swapping.other]]) == ("before", swapping.other)


class Kept:
    async def ready(self, ctx: Context) -> Sequence[Ready]:
        return [await kept_row(ctx)]


@pytest.mark.parametrize(
    ("found", "verdict", "words"),
    [
        pytest.param({1: "shop", 2: "new"}, "not-begun", "shop is the database of before (OID 1)", id="before"),
        pytest.param({1: "shop"}, "not-begun", "new (OID 2) is gone", id="dropped"),
        pytest.param({1: "kept", 2: "shop"}, "done", "kept as kept", id="done"),
        pytest.param({2: "shop"}, "done", "(OID 1) is gone", id="discarded"),
        pytest.param({1: "kept", 2: "new"}, "partly", "nothing is called shop: OID 1, live before, is kept", id="none"),
        pytest.param({1: "kept", 2: "new", 3: "shop"}, "partly", "neither of the two, but OID 3", id="third"),
    ],
)
def test_the_oids_tell_what_is_so(found: dict[int, str], verdict: str, words: str) -> None:
    one = {"bytes": 1, "sessions": 0, "comment": None}
    live, other = {**one, "name": "shop", "oid": 1}, {**one, "name": "new", "oid": 2}
    of = {"secret": NAME, "side": "postgres", "durable": True, "live": live, "other": other, "kept": "kept"}
    look = told(found, Planned.model_validate({**of, "kept_comment": ""}))
    assert (look.verdict, words in look.seen) == (verdict, True), look.seen
