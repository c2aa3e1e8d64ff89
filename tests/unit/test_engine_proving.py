"""Sealed evidence is tried in the background: it gives way to plans, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.engines import World, a_running
from tests.world import PLUGIN, until
from warroom.api import Context, Folder, Probed, Trial
from warroom.engine.proving import Proving
from warroom.errors import WarroomError
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.model.call import ProcessCall, SqlCall
from warroom.session import Accepted


class Prover:
    """Makes a file, waits for as long as it is told the first time, and looks whether the file is there."""

    def __init__(self, made: Path, first_s: float = 0, problem: str = "") -> None:
        self.made = made
        self.first_s = first_s
        self.problem = problem
        self.prepared = 0

    async def prepare(self, ctx: Context, folder: Path) -> Trial | None:
        if self.problem:
            raise WarroomError(self.problem, "a reason")
        self.prepared += 1
        assert (folder / "world.dump").exists()
        wait = self.first_s if self.prepared == 1 else 0
        calls = ProcessCall(argv=("touch", str(self.made))), ProcessCall(argv=("sleep", str(wait)), timeout_s=120)
        return Trial("tried", calls, (ProcessCall(argv=("rm", "-f", "--", str(self.made))),))

    async def judge(self, ctx: Context, folder: Path, trial: Trial) -> Probed:
        return Probed("pass" if self.made.exists() else "fail", "as counted")


def proofs(world: World) -> list[Any]:
    return [e.body for e in world.core.journal.events() if isinstance(e.body, ev.ProofStarted | ev.ProofEnded)]


def a_plugin(prover: Prover) -> Any:
    return dataclasses.replace(PLUGIN, provers={"dump": prover})


async def captured(world: World) -> None:
    await world.ok(it.OpenIncident(title="it burns"))
    await world.ok(it.CaptureEvidence())
    await until(lambda: world.state.evidence.status == "sealed")


async def test_what_was_sealed_is_tried_and_nothing_is_left_of_that(tmp_path: Path) -> None:
    prover = Prover(tmp_path / "made")
    async with a_running(tmp_path, plugin=a_plugin(prover)) as world:
        await captured(world)
        await until(lambda: len(proofs(world)) == 2)
        started, ended = proofs(world)
        assert (started.collector, [call.argv[0] for call in started.calls]) == ("world.dump", ["touch", "sleep"])
        assert (ended.verdict, ended.words) == ("pass", "as counted")
        await until(lambda: world.state.evidence.proof == "dump proven")
        assert not prover.made.exists()


async def test_what_names_a_secret_is_written_down_as_it_is(tmp_path: Path) -> None:
    """A name is no secret, and what takes away what was made must be what it was when that is done."""

    class Sql(Prover):
        async def prepare(self, ctx: Context, folder: Path) -> Trial | None:
            trial = await super().prepare(ctx, folder)
            assert trial is not None
            asked = SqlCall(secret=f"file:{tmp_path / 'nowhere'}", statements=("SELECT 1",), brief="look")
            return dataclasses.replace(trial, after=(*trial.after, asked))

    async with a_running(tmp_path, plugin=a_plugin(Sql(tmp_path / "made"))) as world:
        await captured(world)
        await until(lambda: len(proofs(world)) == 2)
        started, ended = proofs(world)
        assert started.after[-1].secret == f"file:{tmp_path / 'nowhere'}"
        assert ended.words.startswith("as counted; what was made for it may be left: ")


async def test_a_plugin_finds_what_its_own_collector_gave_to_the_newest_evidence(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        look = world.core.platforms["world"].context.evidence
        assert look("dump") is None, "no incident is open"
        await captured(world)
        first = look("dump")
        assert first is not None
        assert (first / "world.dump").is_file()
        assert (look("broken"), look("another")) == (None, None)
        await world.ok(it.CaptureEvidence())
        await until(lambda: look("dump") != first)


async def test_what_can_not_be_tried_says_why(tmp_path: Path) -> None:
    prover = Prover(tmp_path / "made", problem="the disk is too small")
    async with a_running(tmp_path, plugin=a_plugin(prover)) as world:
        await captured(world)
        await until(lambda: len(proofs(world)) == 1)
        (ended,) = proofs(world)
        assert (ended.verdict, ended.words) == (
            "inconclusive",
            "it was not tried: the disk is too small. a reason",
        )


async def test_a_call_that_fails_proves_nothing_and_what_it_made_is_taken_away(tmp_path: Path) -> None:
    prover = Prover(tmp_path / "nowhere" / "made")
    async with a_running(tmp_path, plugin=a_plugin(prover)) as world:
        await captured(world)
        await until(lambda: len(proofs(world)) == 2)
        assert proofs(world)[1].verdict == "inconclusive"
        assert "call 1 answered 1" in proofs(world)[1].words


async def test_it_gives_way_to_a_plan_and_is_tried_again_after_it(tmp_path: Path) -> None:
    prover = Prover(tmp_path / "made", first_s=90)
    async with a_running(tmp_path, plugin=a_plugin(prover)) as world:
        plan_hash = await world.planned()
        await world.ok(it.CaptureEvidence())
        await until(lambda: world.state.evidence.status == "sealed" and prover.made.exists())
        assert isinstance(await world.run(plan_hash), Accepted)
        await until(lambda: world.state.plan.status == "done")
        await until(lambda: any(isinstance(each, ev.ProofEnded) for each in proofs(world)))
        assert [type(each) for each in proofs(world)] == [ev.ProofStarted, ev.ProofStarted, ev.ProofEnded]
        assert proofs(world)[-1].verdict == "pass"
        assert not prover.made.exists()


async def test_what_a_killed_warroom_left_is_taken_away_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prover = Prover(tmp_path / "made", first_s=90)

    async def nothing(*_: Any) -> str:
        return ""

    with monkeypatch.context() as patch:
        patch.setattr(Proving, "_after", nothing)  # as if it had been killed
        async with a_running(tmp_path, plugin=a_plugin(prover)) as world:
            await captured(world)
            await until(prover.made.exists)
    assert prover.made.exists()
    async with a_running(tmp_path, plugin=a_plugin(prover)) as world:
        await until(lambda: any(isinstance(each, ev.ProofEnded) for each in proofs(world)))
        assert proofs(world)[-1].verdict == "inconclusive"
        assert proofs(world)[-1].words == "warroom ended while it was tried"
        assert not prover.made.exists()
        assert prover.prepared == 1, "nothing is tried again unasked"


class Saying:
    name = "saying"
    kinds: tuple[str, ...] = ()
    timeout_s = 30.0

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def collect(self, ctx: Context, folder: Folder) -> None:
        folder.say("table 3 of 7")
        await self.go.wait()


async def test_what_a_collector_is_at_is_shown_until_it_has_ended(tmp_path: Path) -> None:
    saying = Saying()
    async with a_running(tmp_path, plugin=dataclasses.replace(PLUGIN, collectors=(saying,))) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        await world.ok(it.CaptureEvidence())
        await until(lambda: "world.saying: table 3 of 7" in getattr(world.core.hub.live.get("busy"), "words", ()))
        saying.go.set()
        await until(lambda: world.state.evidence.status == "sealed")
        await until(lambda: world.core.hub.live["busy"].words == ())
