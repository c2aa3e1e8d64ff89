"""Writes that stand stopped, on a small real world: the rollback starts them again, and the way on is offered first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.engines import World, a_running
from tests.unit.test_engine_put_back import DEPLOY, HALT, STOP, careful, ended, ways
from tests.world import until
from warroom.model import intent as it
from warroom.model.decision import TreeAnswer
from warroom.model.event import RunEnded, TreeChanged
from warroom.model.halted import halted

RELEASE = {"release": "${target.version}"}
START = {**DEPLOY, "title": "Start the writers again", "with": RELEASE, "after_stop": True}
SWAP: dict[str, Any] = {
    "title": "Swap the release",
    "use_when": "always",
    "needs": ["world"],
    "steps": {"halt": {**HALT, "if_needed": True}, "deploy": DEPLOY, "start": START},
}
RESUME: dict[str, Any] = {
    "title": "Let writes go on",
    "use_when": "the cause is gone",
    "kind": "resume-writes",
    "needs": ["world"],
    "steps": {"start": {**DEPLOY, "with": {"release": "v2"}}},
}
BOOK = {**careful(), "procedures": {"swap": SWAP, "stop-writes": STOP, "resume-writes": RESUME}}


async def does(world: World, intent: Any) -> list[str]:
    """Proposed and run to its end; its steps."""
    await world.ok(intent)
    plan = world.state.plan
    await world.run(plan.hash)
    await ended(world)
    return [step.id for step in plan.plan.steps]


async def test_what_an_undo_stopped_again_has_a_way_on_and_starts_with_the_next_rollback(tmp_path: Path) -> None:
    async with a_running(tmp_path, **BOOK) as world:
        await until(lambda: world.core.running is not None)
        world.errors(0.5)
        await until(lambda: world.state.incident is not None)
        await world.ok(it.Decide(choice="rollback-now", reason="it burns"))
        await does(world, it.ProposePlan(procedure="stop-writes"))
        halt = halted(world.core.runbook, world.state)
        assert halt is not None
        await world.ok(it.ChooseTarget(text="v2"))
        page = await ways(world)
        assert page.words == halt.words
        assert page.ways[0].title.startswith("Let writes go on (starts v")
        assert [(way.title, way.procedure) for way in page.ways if way.kind == "older-release"] == [
            ("Go back to v2", "swap")
        ], "nothing was tried yet: the best is the best, by the way there is"
        assert await does(world, it.ProposePlan(procedure="swap")) == ["deploy", "start"]
        assert halted(world.core.runbook, world.state) is None
        await does(world, it.Undo(run=world.state.plan.hash))
        first = (await ways(world)).ways[0]
        assert (first.kind, first.procedure) == ("procedure", "resume-writes")
        assert first.title.startswith("Let writes go on (starts v3; stopped since ")
        assert "stop-writes" not in [way.kind for way in (await ways(world)).ways], "it is stopped"
        assert await does(world, it.ProposePlan(procedure="swap")) == ["deploy", "start"]
        assert halted(world.core.runbook, world.state) is None


async def test_the_tree_gives_no_all_clear_by_what_was_measured_before_the_stop(tmp_path: Path) -> None:
    async with a_running(tmp_path, **BOOK) as world:
        await until(lambda: world.core.running is not None)
        await world.ok(it.OpenIncident(title="rows are missing"))
        await until(lambda: world.state.tree is not None and world.state.tree.path[0].answer == "no")
        await does(world, it.ProposePlan(procedure="stop-writes"))
        halt = halted(world.core.runbook, world.state)
        assert halt is not None

        def after_the_stop() -> list[TreeAnswer]:
            events = [event.body for event in world.core.journal.events()]
            stopped = next(n for n, body in enumerate(events) if isinstance(body, RunEnded))
            return [body.reading.path[0] for body in events[stopped:] if isinstance(body, TreeChanged)]

        await until(lambda: len(after_the_stop()) == 2)
        waits, fresh = after_the_stop()
        assert waits.answer is None
        assert waits.evidence.startswith(f"{halt.words}: no trigger fires, but ")
        assert fresh.answer == "no", "by enough of what came since"
