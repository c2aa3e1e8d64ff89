"""The test tools themselves: a clock that moves only when told, a door and a folder that are strict."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from warroom.errors import StoreRefused, Unreachable, WarroomError
from warroom.model.call import CallResult
from warroom.model.event import PlanProposed
from warroom.testing.builders import a_plan, a_runbook, a_state, an_event, at, events
from warroom.testing.clock import START, VirtualClock
from warroom.testing.fakes import FakeFolder, FakeReadDoor, FakeSecrets, UnexpectedCall, a_context


async def test_sleepers_wake_in_order_and_at_their_own_time() -> None:
    clock, woken = VirtualClock(), list[tuple[str, float]]()

    async def sleeper(name: str, *pauses: float) -> None:
        for pause in pauses:
            await clock.sleep(pause)
            woken.append((name, (clock.now() - START).total_seconds()))

    tasks = [asyncio.create_task(sleeper("a", 3, 3)), asyncio.create_task(sleeper("b", 1, 1, 0))]
    await clock.advance(0.5)
    assert (woken, clock.sleepers) == ([], 2)
    await clock.advance(10)
    assert woken == [("b", 1), ("b", 2), ("b", 2), ("a", 3), ("a", 6)]
    assert clock.now() == START + timedelta(seconds=10.5)
    assert clock.sleepers == 0
    await asyncio.gather(*tasks)


async def test_a_jump_of_the_wall_clock_wakes_nobody() -> None:
    clock = VirtualClock()
    task = asyncio.create_task(clock.sleep(10))
    await clock.settle()
    before = clock.monotonic()
    clock.jump(-3600)
    await clock.settle()
    assert (clock.monotonic(), clock.now(), task.done()) == (before, START - timedelta(hours=1), False)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await clock.advance(20)


async def test_the_door_answers_what_was_expected_and_fails_on_anything_else() -> None:
    with FakeReadDoor() as door:
        door.on_run(["ls", "-l"], "total 0").on_http("GET", "http://x/", {"a": 1}).on_stream("http://x/log", ["a", "b"])
        door.on_http("GET", "http://x/", Unreachable("gone"))
        assert (await door.run(["ls", "-l"], timeout=1)).text == "total 0"
        assert (await door.http("GET", "http://x/", timeout=1)).data == {"a": 1}
        with pytest.raises(Unreachable):
            await door.http("GET", "http://x/", timeout=1)
        assert [line async for line in await door.stream("http://x/log")] == ["a", "b"]
    assert [made.kind for made in door.made] == ["run", "http", "http", "stream"]


async def test_an_unexpected_call_is_remembered_even_when_it_was_caught() -> None:
    door = FakeReadDoor().on_run(["ls"])
    for call in (door.run(["rm"], timeout=1), door.http("GET", "http://y", timeout=1)):
        with pytest.raises(UnexpectedCall):
            await call
    with pytest.raises(UnexpectedCall, match=r"unexpected: run rm; unexpected: http GET http://y; expected 1, came 0"):
        door.verify()


async def test_expectations_look_at_the_rest_of_a_call_and_count() -> None:
    door = FakeReadDoor()
    door.on_http("POST", "u", 1, times=2, when=lambda made: made.body == {"a": 1})
    door.on_http("POST", "u", CallResult(status=401), times=None)
    statuses = [(await door.http("POST", "u", timeout=1, body={"a": a})).status for a in (1, 2, 1, 1)]
    assert statuses == [200, 401, 200, 401]
    door.verify()


async def test_a_folder_takes_plain_names_and_keeps_what_ended_well(tmp_path: Path) -> None:
    folder = FakeFolder(tmp_path)
    await folder.write("a.json", b"{}", kind="config")

    async def torn() -> None:
        async with folder.file("b.dump") as part:
            part.write_text("half")
            raise ValueError("torn")

    with pytest.raises(ValueError, match="torn"):
        await torn()
    for name in ("../x", "/x", ".x", "a/b"):
        with pytest.raises(WarroomError):
            await folder.write(name, b"")
    assert folder.kinds == {"a.json": "config"}


def test_secrets_that_are_missing_are_named() -> None:
    secrets = FakeSecrets({"env:A": "b"})
    assert secrets("env:A") == "b"
    with pytest.raises(WarroomError, match="env:C"):
        secrets("env:C")
    assert secrets.given == {"b"}
    assert a_context(None).platform == "lab"


def test_builders_give_valid_facts() -> None:
    plan = a_plan()
    state = a_state(PlanProposed(plan=plan, hash=plan.hash))
    assert state.plan is not None
    assert (state.seq, state.plan.status, state.at) == (2, "proposed", at(2))
    assert [e.seq for e in events(an_event().body, an_event().body, first=5)] == [5, 6]
    with pytest.raises(ValidationError):
        a_runbook(unknown={})


async def test_the_door_to_databases_answers_what_was_expected_and_fails_on_anything_else() -> None:
    with FakeReadDoor() as door:
        door.on_sql("env:A", "SELECT  a\nFROM {t}", [{"a": 1}, {"a": 2}], when=lambda made: made.names == {"t": "T"})
        door.on_sql("env:A", "SELECT 1", StoreRefused("no", code="42501"))
        door.on_redis("env:B", "INFO", answer="a:1")
        rows = await door.sql("env:A", "SELECT a FROM {t}", timeout=1, names={"t": "T"}, at_most=1)
        assert (rows.each(), rows.more) == ([{"a": 1}], True)
        with pytest.raises(StoreRefused):
            await door.sql("env:A", "SELECT 1", timeout=1)
        assert await door.redis("env:B", "INFO", timeout=1) == "a:1"
    for call in (door.sql("env:B", "SELECT 1", timeout=1), door.redis("env:B", "PING", timeout=1)):
        with pytest.raises(UnexpectedCall):
            await call
    with pytest.raises(UnexpectedCall, match="unexpected: sql env:B SELECT 1; unexpected: redis env:B PING"):
        door.verify()
