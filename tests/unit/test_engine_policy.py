"""The automatic rollback, on the small world: announced, counted down, run once over the same guards, or not at all."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.engines import OP1, OP2, World, a_running
from tests.world import PLUGIN, effects, until, world_runbook
from warroom.actions.evidence import Bundle
from warroom.api import Context, Folder
from warroom.decision.policy import against, too_much
from warroom.engine import policy as policy_module
from warroom.engine.policy import POLICY, Policy
from warroom.errors import WarroomError
from warroom.model import intent as it
from warroom.model.decision import TreeReading
from warroom.model.event import (
    AutomaticAnnounced,
    AutomaticStopped,
    AutomaticVetoed,
    Decided,
    EvidenceSealed,
    MessageQueued,
    PlanApproved,
    RunEnded,
    RunStarted,
)
from warroom.model.next import next_action
from warroom.model.words import words

POLICY_ON: dict[str, Any] = {"trigger": "high-error-rate", "procedure": "swap", "countdown": 1, "rest": 0}
LONG = {**POLICY_ON, "countdown": 60}


@asynccontextmanager
async def burning(tmp_path: Path, kind: str = "drill", policy: Any = POLICY_ON, **more: Any) -> AsyncIterator[World]:
    """v3 runs and half of its requests fail; the runbook has the policy."""
    async with a_running(tmp_path, kind, automatic_rollback=policy, **more) as world:
        world.errors(0.5)
        yield world


def happened(world: World, *kinds: type[Any]) -> list[Any]:
    journal = world.engine.core.journal
    return [event for event in journal.events() if isinstance(event.body, kinds)] if journal is not None else []


@pytest.fixture(autouse=True)
def looks(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The policy looks twenty times a second here, and its looks are counted."""
    counted: Counter[str] = Counter()
    look = Policy._look

    async def counting(self: Policy, policy: Any) -> None:
        await look(self, policy)
        counted["looks"] += 1

    monkeypatch.setattr(policy_module, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(Policy, "_look", counting)
    return counted


async def looked_on(looks: Counter[str], times: int = 25) -> None:
    """Until it has looked so many times more: longer than its countdown of a second."""
    until_then = looks["looks"] + times
    await until(lambda: looks["looks"] >= until_then)


async def announced(world: World) -> None:
    await until(lambda: world.state.automatic is not None)
    assert world.state.automatic.status == "announced", world.state.automatic.reason


async def stopped(world: World) -> str:
    await until(lambda: world.state.automatic is not None and world.state.automatic.status == "stopped")
    assert effects(world.folder) == []
    assert happened(world, RunStarted) == []
    return str(world.state.automatic.reason)


@pytest.mark.parametrize("kind", ["drill", "production"])
async def test_it_runs_once_over_the_same_path_as_a_person_s(tmp_path: Path, kind: str) -> None:
    """In production nobody has to drive for it; the runbook's author has typed the name by opting in."""
    async with burning(tmp_path, kind) as world:
        await announced(world)
        (told,) = happened(world, AutomaticAnnounced)
        assert (told.actor, told.body.target, told.body.countdown_s) == (POLICY, "v2", 1)
        assert "automatic rollback to v2 announced" in words(told)
        assert effects(world.folder) == []
        await until(lambda: happened(world, RunEnded))
        assert effects(world.folder) == ["v2"]
        (decided,) = happened(world, Decided)
        (approved,) = happened(world, PlanApproved)
        (began,) = happened(world, RunStarted)
        (sealed,) = happened(world, EvidenceSealed)
        assert {decided.actor, approved.actor, began.actor} == {POLICY}
        assert decided.body.followed_advice
        assert approved.body.hash == began.body.hash == told.body.hash
        assert sealed.seq < began.seq
        assert began.at >= told.body.until
        assert world.state.automatic.status == "started"
        assert "it has begun already" in (await world.refused(it.Veto())).lower()


async def test_anyone_can_veto_it_with_one_word_and_it_is_not_tried_again(tmp_path: Path, looks: Counter[str]) -> None:
    async with burning(tmp_path, "production") as world:
        await announced(world)
        action = next_action(world.engine.core.runbook, world.state)
        assert (action.action, "automatic rollback to v2" in action.sentence) == ("veto", True)
        await world.ok(it.Veto(reason="the database is the cause"), OP2)
        (vetoed,) = happened(world, AutomaticVetoed)
        assert (vetoed.actor, vetoed.body.reason) == (OP2, "the database is the cause")
        await looked_on(looks)
        assert world.engine.sensing.readings["high-error-rate"].status == "firing"
        assert (world.state.automatic.status, world.state.automatic.by) == ("vetoed", "op2")
        assert effects(world.folder) == []
        assert len(happened(world, AutomaticAnnounced)) == 1
        assert "nothing to veto" in await world.refused(it.Veto())


async def test_the_channels_are_told_of_it_while_there_is_time(tmp_path: Path) -> None:
    async with burning(tmp_path, policy=LONG, channels={"team": {"platform": "world"}}) as world:
        await announced(world)
        await until(lambda: happened(world, MessageQueued))
        (told,) = happened(world, MessageQueued)
        assert (told.actor, told.body.channel) == (POLICY, "team")
        assert "will roll back by itself to v2 at " in told.body.text
        assert "Anyone at a console can veto it until then." in told.body.text
        assert "There is no template announced" in await world.refused(it.Notify(template="announced", text="x"))
        assert happened(world, RunStarted) == []


async def test_a_veto_before_anything_is_announced_holds_too(tmp_path: Path, looks: Counter[str]) -> None:
    async with a_running(tmp_path, automatic_rollback=POLICY_ON) as world:
        await world.ok(it.OpenIncident(title="we look"))
        await world.ok(it.Veto())
        world.errors(0.5)
        await until(lambda: world.engine.sensing.readings["high-error-rate"].status == "firing")
        await looked_on(looks)
        assert happened(world, AutomaticAnnounced, RunStarted) == []


async def test_a_veto_in_the_last_moment_is_kept(
    tmp_path: Path, looks: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is accepted while the guards are asked for the last time: then nothing may begin."""
    async with burning(tmp_path) as world:
        await announced(world)
        ask, record = world.engine._acting._still_true, world.core.record
        vetoing: list[asyncio.Task[Any]] = []
        on_its_way, go = asyncio.Event(), asyncio.Event()

        async def held(*bodies: Any, **more: Any) -> Any:
            if any(isinstance(body, AutomaticVetoed) for body in bodies):
                on_its_way.set()
                await go.wait()
            return await record(*bodies, **more)

        async def then_veto(plan: Any) -> None:
            """It is on its way to the journal, and not there yet, when the run would begin."""
            await ask(plan)
            vetoing.append(asyncio.create_task(world.ask(it.Veto(), OP2)))
            await on_its_way.wait()
            assert world.state.automatic.status == "announced"

        monkeypatch.setattr(world.core, "record", held)
        monkeypatch.setattr(world.engine._acting, "_still_true", then_veto)
        await until(lambda: vetoing)
        await looked_on(looks, 1)
        go.set()
        assert (await vetoing[0]).reply == "accepted"
        await looked_on(looks)
        assert happened(world, RunStarted) == []
        assert effects(world.folder) == []


@pytest.mark.parametrize(
    ("intent", "words"),
    [
        (it.TakeWheel(service="ai-saas-app"), "op1 took the wheel"),
        (it.Decide(choice="monitor", reason="wait"), "op1 decided"),
        (it.ChooseTarget(text="v1"), "op1 chose a target"),
        (it.ProposePlan(procedure="swap"), "op1 prepared a plan"),
        (it.AnswerQuestion(node="degraded", answer="yes", reason="x"), "op1 answered a question of the tree"),
    ],
)
async def test_a_person_who_acts_has_it_in_hand(tmp_path: Path, intent: it.Intent, words: str) -> None:
    async with burning(tmp_path, policy=LONG) as world:
        await announced(world)
        await world.ok(intent)
        assert await stopped(world) == f"a person has acted: {words}"


async def test_what_is_only_said_or_looked_at_does_not_stop_it(tmp_path: Path) -> None:
    async with burning(tmp_path) as world:
        await announced(world)
        await world.ok(it.AddNote(text="I see it"))
        await world.ok(it.Acknowledge(what="high-error-rate"))
        await until(lambda: effects(world.folder) == ["v2"])


async def test_another_platform_than_the_plan_was_made_for_is_not_touched(tmp_path: Path) -> None:
    async with burning(tmp_path) as world:
        await announced(world)
        (world.folder / "id").write_text("another world")
        assert "world is another one than the plan was made for" in await stopped(world)


async def test_another_platform_than_the_runbook_s_is_not_even_announced(tmp_path: Path) -> None:
    environment = {"kind": "production", "fingerprints": {"world": "world elsewhere"}}
    async with burning(tmp_path, environment=environment) as world:
        assert "world is another one than the runbook was written for" in await stopped(world)
        assert happened(world, AutomaticAnnounced) == []


async def test_a_trigger_that_no_longer_fires_ends_it(tmp_path: Path) -> None:
    async with burning(tmp_path, policy=LONG) as world:
        await announced(world)
        world.errors(0.0)
        assert (await stopped(world)).startswith("High error rate does not fire any more: ")


class Busy:
    words = ""

    async def deploying(self, ctx: Any) -> str:
        if self.words == "away":
            raise WarroomError("nobody answers")
        return self.words


@pytest.mark.parametrize(
    ("said", "why"), [("v4 by the train", "a deployment is in progress: v4"), ("away", "world can't tell: nobody")]
)
async def test_a_deployment_in_progress_is_not_run_into(tmp_path: Path, said: str, why: str) -> None:
    busy = Busy()
    plugin = dataclasses.replace(PLUGIN, deploying=busy)
    async with burning(tmp_path, policy=LONG, plugin=plugin) as world:
        await announced(world)
        busy.words = said
        assert why in await stopped(world)


async def test_a_release_that_changes_meanwhile_ends_it(tmp_path: Path) -> None:
    async with burning(tmp_path, policy=LONG) as world:
        await announced(world)
        world.errors(0.5)
        (world.folder / "errors").write_text("v1 0.5")
        (world.folder / "current").write_text("v1")
        assert await stopped(world) == "the running release changed during the incident, to v1"


async def test_not_twice_in_a_row_without_a_person(tmp_path: Path) -> None:
    """The second incident within an hour of the first; and with no such rest, it would go."""
    async with burning(tmp_path) as world:
        await until(lambda: happened(world, RunEnded))
        await world.ok(it.CloseIncident(outcome="mitigated", reason="a test"))
    (tmp_path / "world" / "current").write_text("v3")
    (tmp_path / "world" / "effects").unlink()
    async with burning(tmp_path, policy={**POLICY_ON, "rest": 3600}) as world:
        said = await stopped(world)
        assert re.fullmatch(r"INC-0001 was worked on \d+ s ago: not twice in a row without a person", said), said


async def test_a_restart_in_the_countdown_ends_it_and_it_is_never_taken_up(tmp_path: Path, looks: Counter[str]) -> None:
    async with burning(tmp_path, policy=LONG) as world:
        await announced(world)
    async with burning(tmp_path, policy=LONG) as world:
        assert await stopped(world) == "warroom was started anew during the countdown"
        await looked_on(looks)
        assert len(happened(world, AutomaticAnnounced)) == len(happened(world, AutomaticStopped)) == 1


async def test_without_evidence_nothing_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Bundle, *args: Any) -> Any:
        raise OSError("no room")

    monkeypatch.setattr(Bundle, "seal", fails)
    async with burning(tmp_path) as world:
        await announced(world)
        assert await stopped(world) == "No evidence is sealed: capture it"


class Waits:
    """A collector that takes as long as the test wants."""

    name = "waits"
    kinds: tuple[str, ...] = ()
    timeout_s = 60.0

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def collect(self, ctx: Context, folder: Folder) -> None:
        await self.go.wait()


async def test_evidence_that_is_still_captured_is_waited_for(tmp_path: Path, looks: Counter[str]) -> None:
    slow = Waits()
    async with burning(tmp_path, plugin=dataclasses.replace(PLUGIN, collectors=(slow,))) as world:
        await announced(world)
        until_then = world.state.automatic.until
        await until(lambda: world.engine.core.clock.now() > until_then)
        await looked_on(looks, 10)
        assert world.state.automatic.status == "announced"
        assert happened(world, RunStarted) == []
        slow.go.set()
        await until(lambda: happened(world, RunEnded))
        (sealed,), (began,) = happened(world, EvidenceSealed), happened(world, RunStarted)
        assert sealed.seq < began.seq


async def test_its_patience_with_evidence_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_module, "EVIDENCE_PATIENCE", 0.2)
    slow = Waits()
    async with burning(tmp_path, plugin=dataclasses.replace(PLUGIN, collectors=(slow,))) as world:
        await announced(world)
        assert "evidence" in (await stopped(world)).lower()
        slow.go.set()


async def test_it_goes_by_the_tree_s_advice_and_by_operations_alone(tmp_path: Path) -> None:
    async with burning(tmp_path, policy=LONG) as world:
        await announced(world)
        core, tree = world.engine.core, world.state.tree
        policy = core.runbook.automatic_rollback
        assert policy is not None
        assert tree is not None

        def why(advised: TreeReading | None) -> str:
            state = world.state.model_copy(update={"tree": advised})
            readings, now = world.engine.sensing.readings, core.clock.now()
            return against(
                core.runbook, policy, state, readings, now=now, running=core.running, deploying="", earlier=()
            )

        plan = world.state.plan.plan if world.state.plan is not None else None
        assert plan is not None
        by_hand = tuple(step.model_copy(update={"manual": True}) for step in plan.steps)
        assert too_much(plan) == ""
        assert too_much(plan.model_copy(update={"steps": by_hand})).endswith("is done by a person")
        assert why(tree) == ""
        assert why(tree.model_copy(update={"advice": "monitor"})) == "the decision tree advises monitor"
        assert why(tree.model_copy(update={"advice": None})) == "the decision tree advises nothing yet"
        assert why(None) == "the decision tree advises nothing yet"


async def test_quiet_hours_keep_it_quiet(tmp_path: Path) -> None:
    always = ({"after": "00:00", "before": "23:59"}, {"after": "23:58", "before": "00:01"})
    async with burning(tmp_path, policy={**POLICY_ON, "quiet_hours": always}) as world:
        assert (await stopped(world)).endswith("UTC is in its quiet hours")


@pytest.mark.parametrize(
    ("change", "why"),
    [({"risk": "destructive"}, "step deploy is destructive"), ({"role": "database"}, "step deploy is destructive")],
)
async def test_nothing_destructive(tmp_path: Path, change: dict[str, str], why: str) -> None:
    """A plugin may turn out riskier than it was at load; the plan itself is looked at."""
    operation = PLUGIN.operations[0]
    runbook = world_runbook()
    procedures = runbook.model_dump(by_alias=True)["procedures"]
    procedures["swap"]["steps"]["deploy"]["role"] = change.get("role", "application")

    class Riskier(type(operation)):  # type: ignore[misc]  # the class of a test's own object
        risk: Any = change.get("risk", "disruptive")

    plugin = dataclasses.replace(PLUGIN, operations=(Riskier(),))
    async with burning(tmp_path, plugin=plugin, procedures=procedures) as world:
        assert await stopped(world) == why


async def test_a_run_that_fails_is_not_tried_again(tmp_path: Path, looks: Counter[str]) -> None:
    async with burning(tmp_path, seconds=0.05) as world:
        await announced(world)
        (world.folder / "deploying").mkdir()  # the deployment can't write there: it fails
        await until(lambda: happened(world, RunEnded))
        await looked_on(looks)
        assert len(happened(world, RunStarted)) == 1
        assert len(happened(world, AutomaticAnnounced)) == 1


async def test_it_is_off_unless_the_runbook_has_it(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        world.errors(0.5)
        await until(lambda: world.state.tree is not None and world.state.tree.advice == "rollback-now")
        assert (world.state.automatic, effects(world.folder)) == (None, [])
        assert "no automatic rollback" in await world.refused(it.Veto(), OP1)
        reply = await world.ask(it.AddNote(text="x"), POLICY)
        assert reply.reply == "refused"


async def test_a_person_can_abort_it_like_any_run(tmp_path: Path) -> None:
    async with burning(tmp_path, seconds=20) as world:
        await announced(world)
        await until(lambda: effects(world.folder) == ["v2"])
        await world.ok(it.AbortRun(hash=world.state.plan.hash), OP2)
        await until(lambda: happened(world, RunEnded))
        assert world.state.plan.status in ("cancelled", "unknown")
