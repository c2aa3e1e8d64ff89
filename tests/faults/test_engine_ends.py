"""Beginnings and ends at awkward moments: two at once, in the middle of work, and callers that go away."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from tests.engines import OP1, OP2, a_running
from tests.world import PLUGIN, Deploy, Identity, a_world, effects, load_world, until, world_runbook
from warroom.api import Context, Facts, Folder
from warroom.engine.core import Options
from warroom.engine.engine import Engine
from warroom.errors import JournalBusy, WarroomError
from warroom.journal.folder import StateFolder
from warroom.journal.store import Journal
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.model.live import TimelineQuery
from warroom.model.plan import Look
from warroom.session import Accepted, Refused, Snapshot

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def processes_of(folder: Path) -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = (Path("/proc") / pid / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words:
            found.append(f"{pid} {words!r}")
    return found


async def test_ending_in_the_middle_of_a_step_ends_what_it_started_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a program that does not want to: the next engine must not look at what is still being changed."""
    monkeypatch.setattr("tests.world.DEPLOY", STUBBORN + __import__("tests.world", fromlist=["DEPLOY"]).DEPLOY)
    async with a_running(tmp_path, seconds=60) as world:
        plan_hash = await world.planned()
        await world.run(plan_hash)
        await until(lambda: effects(world.folder))
        assert processes_of(world.folder) != []
    assert processes_of(world.folder) == []


async def test_an_intent_while_warroom_ends_is_refused_and_one_under_way_gets_an_answer(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        await world.core.turn.acquire()
        waiting = asyncio.create_task(world.ask(it.CaptureEvidence()))
        asked = asyncio.create_task(world.session(OP1).query(TimelineQuery()))
        await asyncio.sleep(0)
        await asked
        engine = world.engine
    reply = await waiting
    assert isinstance(reply, Refused)
    assert "ended before this was answered" in reply.reason
    late = await engine.submit(OP1, "late", it.AddNote(text="late"))
    assert isinstance(late, Refused)
    assert "is ending" in late.reason
    with pytest.raises(WarroomError, match="ending"):
        await engine.query(OP1, TimelineQuery())


async def test_intents_of_every_moment_of_an_ending_all_get_an_answer(tmp_path: Path) -> None:
    replies: list[asyncio.Task[Any]] = []
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="it burns"))

        async def ask_on() -> None:
            for number in range(200):
                replies.append(asyncio.create_task(world.ask(it.AddNote(text=f"note {number}"))))
                await asyncio.sleep(0.0005)

        asking = asyncio.create_task(ask_on())
        await until(lambda: len(replies) > 20)
        engine = world.engine
        folder = world.core.journal.folder
        await engine.__aexit__()
        await asking
    answers = [await reply for reply in replies]
    assert all(isinstance(answer, Accepted | Refused) for answer in answers)
    journal = Journal.open(folder)
    kept = {e.body.text for e in journal.events() if isinstance(e.body, ev.NoteAdded)}
    await journal.close()
    for number, answer in enumerate(answers):
        if isinstance(answer, Accepted):
            assert f"note {number}" in kept
        elif "nothing was done" in answer.reason:
            assert f"note {number}" not in kept


async def test_a_second_engine_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        with pytest.raises(JournalBusy):
            async with a_running(tmp_path):
                pass
        with pytest.raises(JournalBusy):
            await world.engine.__aenter__()
        await world.ok(it.AddNote(text="still here"))


@pytest.mark.parametrize("part", ["load", "resume", "recover"])
async def test_a_start_that_fails_leaves_nothing_held(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="it burns"))
    before = asyncio.all_tasks()
    load = load_world(tmp_path / "world")

    async def broken(*_: object) -> None:
        raise ZeroDivisionError(part)

    def not_loaded(*_: object) -> Any:
        raise ZeroDivisionError(part)

    with monkeypatch.context() as patch:
        patch.setattr("warroom.engine.acting.Acting.recover", broken if part == "recover" else _nothing)
        if part == "resume":
            patch.setattr("warroom.engine.engine.resume", broken)
        with pytest.raises(ZeroDivisionError, match=part):
            async with Engine(
                world_runbook(), StateFolder(tmp_path / "state"), load=not_loaded if part == "load" else load
            ):
                pass
    assert asyncio.all_tasks() - before == set()
    async with a_running(tmp_path) as world:
        assert world.state.incident is not None


async def _nothing(*_: object) -> None:
    return None


async def test_an_end_that_fails_in_one_part_still_ends_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    running = a_running(tmp_path)
    world = await running.__aenter__()
    await world.ok(it.OpenIncident(title="it burns"))
    journal = world.core.journal
    with monkeypatch.context() as patch:
        patch.setattr(world.core.http, "close", broken)
        with pytest.raises(ZeroDivisionError):
            await running.__aexit__(None, None, None)
    with pytest.raises(WarroomError, match="closed"):
        await journal.append(OP1, ev.NoteAdded(text="one"))
    async with a_running(tmp_path) as world:
        assert world.state.incident is not None


class Gate(Identity):
    """An identity that is read when the gate is open, and says that somebody waits for it."""

    def __init__(self) -> None:
        self.go, self.waits = asyncio.Event(), asyncio.Event()
        self.go.set()

    async def fingerprint(self, ctx: Context) -> str:
        self.waits.set()
        await self.go.wait()
        return await super().fingerprint(ctx)


async def test_who_opens_while_warroom_opens_finds_it_open(tmp_path: Path) -> None:
    gate = Gate()
    async with a_running(tmp_path, plugin=dataclasses.replace(PLUGIN, identity=gate)) as world:
        await until(lambda: "trigger/high-error-rate" in world.core.hub.live)
        gate.go.clear()
        gate.waits.clear()
        world.errors(0.4)
        await gate.waits.wait()
        asked = [asyncio.create_task(world.ask(it.OpenIncident(title="mine"), actor)) for actor in (OP1, OP2)]
        await turned(20)
        gate.go.set()
        replies = await asyncio.gather(*asked)
        assert [type(reply) for reply in replies] == [Refused, Refused], replies
        assert all("INC-0001 is open" in str(reply) for reply in replies)
        assert len(world.core.folder.incidents()) == 1


class Slow:
    """A collector that waits to be let go."""

    name = "slow"
    kinds: tuple[str, ...] = ()
    timeout_s = 60.0

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def collect(self, ctx: Context, folder: Folder) -> None:
        await self.go.wait()
        await folder.write("slow.txt", b"slow")


async def test_an_incident_is_not_closed_under_a_capture_or_a_verification(tmp_path: Path) -> None:
    slow = Slow()
    plugin = dataclasses.replace(PLUGIN, collectors=(slow,))
    async with a_running(tmp_path, plugin=plugin) as world:
        close = it.CloseIncident(outcome="false-alarm", reason="nothing burns")
        await world.ok(it.OpenIncident(title="it burns"))
        await world.ok(it.CaptureEvidence())
        assert "being captured" in await world.refused(close)
        slow.go.set()
        await until(lambda: world.state.evidence.status == "sealed")
        await world.ok(it.Verify())
        assert "being checked" in await world.refused(close)
        await until(lambda: world.state.verification.verdict is not None)
        await world.ok(close)


async def test_closing_ends_the_watch_and_the_next_incident_hears_nothing_of_it(tmp_path: Path) -> None:
    checks = {"runs": {"sentence": "The target runs", "use": "running-is-target"}}
    async with a_running(tmp_path, watch=60, verification=checks) as world:
        plan_hash = await world.planned()
        await world.run(plan_hash)
        await until(lambda: world.state.plan.status == "done")
        await world.ok(it.Verify())
        await until(lambda: world.state.watch is not None)
        assert "the watch is not over" in await world.refused(it.CloseIncident(outcome="recovered"))
        await world.ok(it.CloseIncident(outcome="recovered", reason="enough"))
        await until(lambda: not any(task.get_name() == "watch" for task in asyncio.all_tasks()))
        await world.ok(it.OpenIncident(title="another"))
        kinds = {e.body.type for e in world.core.journal.events()}
        assert kinds <= {"incident-opened", "engine-started", "tree-changed", "trigger-changed", "release-changed"}


async def test_a_plan_run_while_recovery_is_checked_is_not_proven_by_that_check(tmp_path: Path) -> None:
    late = {"sentence": "Errors", "use": "signal-within", "with": {"signal": "errors", "at_least": 10**9, "wait": 2}}
    checks = {"late": {**late, "required": False}, "runs": {"sentence": "runs", "use": "running-is-target"}}
    async with a_running(tmp_path, verification=checks) as world:
        plan_hash = await world.planned()
        await world.run(plan_hash)
        await until(lambda: world.state.plan.status == "done")
        await world.ok(it.Verify())
        await world.ok(it.ChooseTarget(text="v1"))
        await world.ok(it.ProposePlan(procedure="swap"))
        await world.run(world.state.plan.hash)
        await until(lambda: world.state.verification.verdict is not None)
        assert world.state.verification.verdict == "inconclusive"
        assert "verified" not in world.state.proofs
        assert world.state.watch is None


class Channel:
    """A notifier that keeps a message until it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.sent: list[str] = []

    async def send(self, ctx: Context, message_id: str, text: str) -> str:
        await self.go.wait()
        self.sent.append(text)
        return "receipt 1"


async def test_a_message_outlives_its_incident_and_is_receipted_there(tmp_path: Path) -> None:
    channel = Channel()
    plugin = dataclasses.replace(PLUGIN, notifier=channel)
    async with a_running(tmp_path, plugin=plugin, channels={"team": {"platform": "world"}}) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        await world.ok(it.Notify(template="started", text="we are on it"))
        first = world.core.journal.folder
        close = it.CloseIncident(outcome="false-alarm", reason="")
        assert "reason" in await world.refused(close)
        await world.ok(close.model_copy(update={"reason": "nothing burns"}))
        await world.ok(it.OpenIncident(title="another"))
        channel.go.set()
        await until(lambda: not any(t.get_name().startswith("message") for t in asyncio.all_tasks()))
        assert channel.sent == ["we are on it"]
        assert not any(isinstance(e.body, ev.MessageSent) for e in world.core.journal.events())
        assert world.state.messages == {}
        assert world.state.seq == world.core.journal.last_seq
    journal = Journal.open(first)
    assert [e.body.receipt for e in journal.events() if isinstance(e.body, ev.MessageSent)] == ["receipt 1"]
    await journal.close()


async def turned(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def test_a_caller_that_goes_away_at_any_moment_ends_only_its_own_waiting(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        for moment in range(40):
            caller = asyncio.create_task(world.session(OP1).submit(f"note {moment}", it.AddNote(text=f"note {moment}")))
            await turned(moment)
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)
        again = [await world.session(OP1).submit(f"note {n}", it.AddNote(text="another")) for n in range(1, 40)]
        assert all(isinstance(reply, Accepted) for reply in again)
        texts = [e.body.text for e in world.core.journal.events() if isinstance(e.body, ev.NoteAdded)]
        assert sorted(texts) == sorted(f"note {n}" for n in range(1, 40)), "each once; the first was never sent"
        await world.ok(it.AddNote(text="the inbox works"))


async def test_whoever_asked_for_a_run_may_go_away_and_it_ends_once(tmp_path: Path, full: bool) -> None:
    for moment in range(1, 60 if full else 30, 1 if full else 4):
        folder = tmp_path / str(moment)
        folder.mkdir()
        async with a_running(folder) as world:
            plan_hash = await world.planned()
            page = await world.session(OP1).query(_guards())
            waive = tuple(guard.id for guard in page.guards)
            run = it.RunPlan(hash=plan_hash, waive=waive, reason="a test")
            caller = asyncio.create_task(world.session(OP1).submit("run", run))
            await turned(moment)
            caller.cancel()
            await until(lambda: world.state.plan.status == "done")
            assert effects(world.folder) == ["v2"]
            again = await world.session(OP1).submit("run", run)
            assert isinstance(again, Accepted)
            assert effects(world.folder) == ["v2"]
            ends = [e for e in world.core.journal.events() if isinstance(e.body, ev.RunEnded)]
            assert len(ends) == 1


def _guards() -> Any:
    from warroom.model.live import GuardsQuery

    return GuardsQuery()


class Mad(Deploy):
    """An operation that fails in its own code where it is told to."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.armed = False

    def _maybe(self, here: str) -> None:
        if self.armed and here == self.where:
            raise ZeroDivisionError(here)

    async def facts(self, ctx: Context, args: Any) -> Facts:
        self._maybe("facts")
        return await super().facts(ctx, args)

    def outputs(self, results: Any) -> Any:
        self._maybe("outputs")
        return super().outputs(results)

    async def check(self, ctx: Context, args: Any, facts: Facts) -> Look:
        self._maybe("check")
        return await super().check(ctx, args, facts)


@pytest.mark.parametrize(
    ("where", "status", "step", "done"),
    [
        ("facts", "voided", "planned", []),
        ("outputs", "done", "done", ["v2"]),
        ("check", "unknown", "unknown", ["v2"]),
    ],
)
async def test_a_plugins_own_fault_ends_a_run_with_an_outcome(
    where: str, status: str, step: str, done: list[str], tmp_path: Path
) -> None:
    deploy = Mad(where)
    async with a_running(tmp_path, plugin=dataclasses.replace(PLUGIN, operations=(deploy,))) as world:
        plan_hash = await world.planned()
        deploy.armed = True
        reply = await world.run(plan_hash)
        if where == "facts":
            assert isinstance(reply, Refused)
            assert "ZeroDivisionError" in reply.reason
        else:
            await until(lambda: world.state.plan.ended_at is not None and not world.engine.running)
        assert (world.state.plan.status, world.state.plan.steps["deploy"].status) == (status, step)
        assert effects(world.folder) == done
        assert not world.engine.running


async def test_a_task_that_fails_is_shown_as_a_red_row(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:

        async def broken() -> None:
            raise ZeroDivisionError

        world.core.spawn("some work", broken())
        await until(lambda: "platform/warroom some work" in world.core.hub.live)
        assert world.core.hub.live["platform/warroom some work"].status == "broken"
        frames = world.session(OP1).watch()
        assert isinstance(await anext(frames), Snapshot)
        await frames.aclose()


async def test_a_look_that_fails_is_shown_and_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_running(tmp_path) as world:
        with monkeypatch.context() as patch:
            patch.setattr(world.sensing.tree, "read", lambda *_: 1 / 0)
            await until(lambda: "platform/warroom sensing" in world.core.hub.live)
        await until(lambda: world.core.hub.live["platform/warroom sensing"].status == "ok")


async def test_an_engine_that_only_watches_ends_with_nothing_left(tmp_path: Path) -> None:
    a_world(tmp_path / "world")
    async with a_running(tmp_path, options=Options(open_on_firing=False)) as world:
        await until(lambda: "tree" in world.core.hub.live)
        assert world.core.journal is None
