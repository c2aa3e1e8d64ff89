"""A cut-over that failed: what is said, what a person may choose, and that nothing comes back without a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.engines import OP1, World, a_running
from tests.world import effects, until, world_runbook
from warroom.model import intent as it
from warroom.model.event import RunStarted
from warroom.model.live import EmergencyPage, EmergencyQuery, GuardsPage, GuardsQuery, WaysPage, WaysQuery
from warroom.model.next import next_action
from warroom.session import Accepted, Refused

STOP: dict[str, Any] = {
    "title": "Stop all writes",
    "use_when": "data is damaged",
    "kind": "stop-writes",
    "needs": ["world"],
    "steps": {"stop": {"title": "Stop", "op": "world.deploy", "with": {"release": "v1"}, "role": "stop-writes"}},
}
DEPLOY = {"title": "Deploy", "op": "world.deploy", "with": {"release": "${target.version}"}, "role": "application"}
HALT = {"title": "Stop writes first", "op": "world.deploy", "with": {"release": "v1"}, "role": "stop-writes"}
SWAP = {
    "title": "Swap the release",
    "use_when": "always",
    "needs": ["world"],
    "steps": {"halt": {**HALT, "if_needed": True}, "deploy": DEPLOY},
}


def careful(**said: bool) -> dict[str, Any]:
    """The world's sections with what its one trigger asks for."""
    triggers = world_runbook().model_dump(mode="json", by_alias=True)["triggers"]
    return {
        "triggers": {name: {**trigger, **said} for name, trigger in triggers.items()},
        "procedures": {"swap": SWAP, "stop-writes": STOP},
    }


async def ended(world: World, status: str = "done") -> None:
    """The run's end is recorded a moment before another may begin."""
    await until(lambda: world.state.plan.status == status and not world._acting.running)


async def failed(world: World) -> None:
    """On fire, and the rollback's cut-over failed."""
    world.errors(0.5)
    await until(lambda: world.state.incident is not None)
    await world.ok(it.Decide(choice="rollback-now", reason="it burns"))
    await world.ok(it.ChooseTarget(text="v0-breaks"))
    await world.ok(it.ProposePlan(procedure="swap"))
    await world.run(world.state.plan.hash)
    await ended(world, "failed")


async def ways(world: World) -> WaysPage:
    page = await world.session(OP1).query(WaysQuery())
    assert isinstance(page, WaysPage)
    return page


async def waits(world: World) -> tuple[str, str]:
    found = next_action(world.core.runbook, world.state)
    return found.action, found.sentence


async def test_a_failed_cut_over_is_said_plainly_and_nothing_is_put_back_by_itself(tmp_path: Path) -> None:
    async with a_running(tmp_path, **careful()) as world:
        await failed(world)
        assert await waits(world) == ("choose-way", "The cut-over to v0-breaks failed: choose the way on")
        page = await ways(world)
        assert page.words.startswith("FAIL: v0-breaks did not come up (Deploy): v3 runs")
        assert [(way.kind, way.title) for way in page.ways] == [
            ("older-release", "Go back to v2 instead"),
            ("stop-writes", "Stop all writes"),
            ("put-back", "Put v3 back"),
            ("escalate", "Escalate: call the whole team"),
        ]
        assert effects(world.folder) == ["v0-breaks"]


async def test_putting_back_is_a_plan_that_asks_for_a_reason_where_the_trigger_says_so(tmp_path: Path) -> None:
    async with a_running(tmp_path, **careful(put_back_needs_reason=True)) as world:
        await failed(world)
        way = next(way for way in (await ways(world)).ways if way.kind == "put-back")
        assert way.title == "Put v3 back, with a reason"
        await world.ok(it.Undo(run=way.run or ""))
        plan = world.state.plan
        assert plan.plan.title == "Undo Swap the release: back to v3"
        guards = await world.session(OP1).query(GuardsQuery())
        assert isinstance(guards, GuardsPage)
        soft = tuple(guard.id for guard in guards.guards)
        assert "put-back" in soft
        others = tuple(name for name in soft if name != "put-back")
        refused = await world.ask(it.RunPlan(hash=plan.hash, waive=others, reason="no word on putting back"))
        assert isinstance(refused, Refused)
        assert "putting back what ran before needs a reason" in refused.reason
        assert "Waiving needs a reason" in await world.refused(it.RunPlan(hash=plan.hash, waive=soft))
        assert effects(world.folder) == ["v0-breaks"]
        why = "only v3 can read what was written today"
        assert isinstance(await world.ask(it.RunPlan(hash=plan.hash, waive=soft, reason=why)), Accepted)
        await ended(world)
        assert effects(world.folder) == ["v0-breaks", "v3"]
        started = [event.body for event in world.core.journal.events() if isinstance(event.body, RunStarted)]
        assert any(waived.startswith("put-back: ") and why in waived for waived in started[-1].waived)
        assert (await waits(world))[0] == "choose-way"
        page = await ways(world)
        assert "v3 was put back, in place of v0-breaks" in page.words
        assert page.ways[0].title == "Go back to v2 instead"
        assert all(step.preview.notes == () for step in world.state.plan.plan.steps)


async def test_after_leaving_it_stopped_the_run_before_it_can_still_be_taken_back(tmp_path: Path) -> None:
    async with a_running(tmp_path, **careful()) as world:
        await failed(world)
        await world.ok(it.ProposePlan(procedure="stop-writes"))
        await world.run(world.state.plan.hash)
        await ended(world)
        page = await ways(world)
        older = next(way for way in page.ways if way.kind == "older-release")
        assert older.procedure == "swap", "by the way that was tried: it is the release that was bad"
        assert "stop-writes" not in [way.kind for way in page.ways], "it is stopped"
        way = next(way for way in page.ways if way.kind == "put-back")
        await world.ok(it.Undo(run=way.run or ""))
        assert [step.id for step in world.state.plan.plan.steps] == ["undo-deploy"]
        assert "is not known" in await world.refused(it.Undo(run="sha256:other"))


async def test_writes_stop_first_in_the_plan_too_and_only_once(tmp_path: Path) -> None:
    async with a_running(tmp_path, **careful(stop_writes_first=True)) as world:
        world.errors(0.5)
        await until(lambda: world.state.incident is not None)
        await world.ok(it.ChooseTarget(text="v2"))
        await world.ok(it.ProposePlan(procedure="swap"))
        assert [step.id for step in world.state.plan.plan.steps] == ["halt", "deploy"]
        lane = await world.session(OP1).query(EmergencyQuery())
        assert isinstance(lane, EmergencyPage)
        assert lane.plan is not None
        assert [step.id for step in lane.plan.steps] == ["halt", "deploy"]
        await world.ok(it.ProposePlan(procedure="stop-writes"))
        await world.run(world.state.plan.hash)
        await ended(world)
        await world.ok(it.ProposePlan(procedure="swap"))
        assert [step.id for step in world.state.plan.plan.steps] == ["deploy"]


async def test_without_such_a_trigger_nothing_is_stopped_that_nobody_asked_to(tmp_path: Path) -> None:
    async with a_running(tmp_path, **careful()) as world:
        world.errors(0.5)
        await until(lambda: world.state.incident is not None)
        await world.ok(it.ChooseTarget(text="v2"))
        await world.ok(it.ProposePlan(procedure="swap"))
        assert [step.id for step in world.state.plan.plan.steps] == ["deploy"]
        await world.ok(it.ProposePlan(procedure="swap", include=("halt",)))
        assert [step.id for step in world.state.plan.plan.steps] == ["halt", "deploy"]


async def test_what_is_seen_to_run_no_more_is_not_taken_for_what_runs(tmp_path: Path) -> None:
    """A plan that is made while nothing runs takes back nothing that has a name, and is held by no release."""
    async with a_running(tmp_path, **careful()) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        await until(lambda: world.state.running is not None)
        (world.folder / "current").write_text("none")
        await until(lambda: world.core.hub.live["running"].release is None)
        await world.ok(it.ChooseTarget(text="v3"))
        await world.ok(it.ProposePlan(procedure="swap"))
        plan = world.state.plan.plan
        assert (plan.target.name, plan.running) == ("v3", None)
        guards = await world.session(OP1).query(GuardsQuery())
        assert isinstance(guards, GuardsPage)
        assert "target-running" not in [guard.id for guard in guards.guards]
        (world.folder / "current").write_text("v3")
        await until(lambda: world.core.hub.live["running"].release is not None)
        again = await world.session(OP1).query(GuardsQuery())
        assert isinstance(again, GuardsPage)
        assert "target-running" in [guard.id for guard in again.guards]


async def test_somebody_elses_put_back_is_answered_by_going_back_again_also_after_the_fail(tmp_path: Path) -> None:
    async with a_running(tmp_path, **careful()) as world:
        await until(lambda: world.core.running is not None)
        world.errors(0.5)
        await until(lambda: world.state.incident is not None)
        await world.ok(it.ChooseTarget(text="v2"))
        await world.ok(it.ProposePlan(procedure="swap"))
        await world.run(world.state.plan.hash)
        await ended(world)
        await until(lambda: world.state.running is not None and world.state.running.name == "v2")
        (world.folder / "current").write_text("v3")
        await until(lambda: world.state.running.name == "v3")
        assert await waits(world) == ("choose-way", "Choose the way on: v3 is back in place of v2")
        await world.ok(it.Verify())
        await until(lambda: world.state.verification.verdict == "fail")
        page = await ways(world)
        assert page.words == "v3 is back in place of v2"
        assert [way.title for way in page.ways][:2] == ["Go back to v2 again", "Go back to v1 instead"]
        assert "put-back" not in [way.kind for way in page.ways]
        await world.ok(it.ProposePlan(procedure=page.ways[0].procedure or ""))
        guards = await world.session(OP1).query(GuardsQuery())
        assert isinstance(guards, GuardsPage)
        assert "target-bad" not in [guard.id for guard in guards.guards]
        lane = await world.session(OP1).query(EmergencyQuery())
        assert isinstance(lane, EmergencyPage)
        assert lane.plan is not None
        assert lane.plan.target is not None
        assert lane.plan.target.name == "v2"
