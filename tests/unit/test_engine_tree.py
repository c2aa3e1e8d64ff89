"""The runbook's own tree in the engine: its timers and prompts as real ones, each answer in the journal, a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.engines import OP1, OP2, World, a_running
from tests.world import until, world_runbook
from warroom.model import intent as it
from warroom.model.decision import TreeAnswer, TreeReading
from warroom.model.event import Event, ReleaseChanged, TreeAnswered, TreeChanged
from warroom.model.next import NextAction, next_action
from warroom.model.words import words
from warroom.runbook import default_runbook

WINDOWS = {"getting-worse": 8.0, "monitored": 1.0, "hotfix-in-time": 1.5}


@asynccontextmanager
async def warned(tmp_path: Path, **windows: float) -> AsyncIterator[World]:
    """A warning fires, and its errors are level: the long way through the tree, with drill windows."""
    tree = default_runbook().tree.model_dump(by_alias=True)
    tree["questions"]["getting-worse"]["from"]["signal"] = "errors"
    triggers = world_runbook().model_dump(by_alias=True)["triggers"]
    triggers["high-error-rate"]["severity"] = "warning"
    sections: dict[str, Any] = {"tree": tree, "triggers": triggers, "drill_windows": {**WINDOWS, **windows}}
    async with a_running(tmp_path, **sections) as world:
        world.errors(0.5)
        yield world


def last(world: World) -> TreeAnswer | None:
    tree = world.state.tree
    return tree.path[-1] if tree is not None else None


async def not_worse(world: World) -> None:
    """A person says so: the trend would take its eight seconds to tell."""
    await until(lambda: world.state.tree is not None)
    await world.ok(it.AnswerQuestion(node="getting-worse", answer="no", reason="I look at it"))


async def asked(world: World, node: str) -> TreeAnswer:
    def there() -> bool:
        answer = last(world)
        return answer is not None and answer.node == node

    await until(there)
    answer = last(world)
    assert answer is not None
    return answer


def following(world: World) -> NextAction:
    return next_action(world.engine.core.runbook, world.state)


def readings(world: World) -> list[TreeReading]:
    return [event.body.reading for event in entries(world) if isinstance(event.body, TreeChanged)]


def entries(world: World) -> list[Event]:
    journal = world.engine.core.journal
    return list(journal.events()) if journal is not None else []


async def test_there_is_advice_from_the_moment_an_incident_opens(tmp_path: Path) -> None:
    """Nobody meets an incident whose tree has not been read: its first reading stands beside the opening."""
    async with warned(tmp_path) as world:
        await until(lambda: world.state.incident is not None)
        journal = world.engine.core.journal
        assert journal is not None
        assert [event.body.type for event in journal.events()[:3]] == [
            "incident-opened",
            "engine-started",
            "tree-changed",
        ]
        tree = journal.events()[2].body
        assert isinstance(tree, TreeChanged)
        assert tree.reading.path[0].answer == "yes"


async def test_monitored_then_asked_then_a_hotfix_that_runs_out_of_time(tmp_path: Path) -> None:
    async with warned(tmp_path) as world:
        waiting = await asked(world, "monitored")
        assert (waiting.answer, waiting.by) == ("waiting", "timer")
        await world.ok(it.Decide(choice="monitor"))
        question = await asked(world, "hotfix-quickly")
        assert question.answer is None
        assert following(world).sentence == "Answer: Can we hotfix quickly? (<30 min)"
        await world.ok(it.AnswerQuestion(node="hotfix-quickly", answer="yes", reason="one line"), OP2)
        await until(lambda: world.state.tree.advice == "hotfix")
        assert following(world).sentence == "Decide again: the runbook now says Deploy hotfix"
        await world.ok(it.Decide(choice="hotfix"))
        await until(lambda: world.state.tree.advice == "rollback")
        assert following(world).sentence == "Decide again: the runbook now says ROLLBACK"
        path = {step.node: step for step in world.state.tree.path}
        assert (path["getting-worse"].answer, path["getting-worse"].by) == ("no", "signals")
        assert path["getting-worse"].evidence.startswith("errors is level over 8 s, about 50 %")
        assert (path["monitored"].answer, path["monitored"].by) == ("over", "timer")
        assert (path["hotfix-quickly"].by, path["hotfix-quickly"].who) == ("person", "op2")
        assert (path["hotfix-in-time"].answer, path["hotfix-in-time"].by) == ("over", "timer")
        advised = [reading.advice for reading in readings(world) if reading.advice is not None]
        assert [a for a, b in zip(advised, [None, *advised], strict=False) if a != b][-3:] == [
            "monitor",
            "hotfix",
            "rollback",
        ]


async def test_a_hotfix_that_failed_is_said_by_a_person_with_a_reason(tmp_path: Path) -> None:
    async with warned(tmp_path, **{"hotfix-in-time": 60}) as world:
        await not_worse(world)
        await asked(world, "hotfix-quickly")
        await world.ok(it.AnswerQuestion(node="hotfix-quickly", answer="yes"))
        await asked(world, "hotfix-in-time")
        refused = await world.refused(it.AnswerQuestion(node="hotfix-in-time", answer="failed"))
        assert "The signals answer otherwise" in refused
        await world.ok(it.AnswerQuestion(node="hotfix-in-time", answer="failed", reason="it made it worse"), OP2)
        await until(lambda: world.state.tree.advice == "rollback")
        given = [(e.actor, e.body.evidence) for e in entries(world) if isinstance(e.body, TreeAnswered)]
        assert given[-1][0] == OP2
        assert "of 1:00" in given[-1][1]


async def test_the_hotfix_s_time_goes_on_through_a_restart(tmp_path: Path) -> None:
    async with warned(tmp_path, **{"hotfix-in-time": 4}) as world:
        await not_worse(world)
        await asked(world, "hotfix-quickly")
        await world.ok(it.AnswerQuestion(node="hotfix-quickly", answer="yes"), OP1)
        await asked(world, "hotfix-in-time")
        began = next(event for event in entries(world) if _reaches(event.body)).at
    async with warned(tmp_path, **{"hotfix-in-time": 4}) as world:
        await until(lambda: world.state.tree.advice == "rollback")
        at = world.engine.core.clock.now()
        assert 3.9 <= (at - began).total_seconds() < 4 + 4, "counted from before the restart, not anew"


def _reaches(body: Any) -> bool:
    return isinstance(body, TreeChanged) and any(step.node == "hotfix-in-time" for step in body.reading.path)


async def test_errors_are_told_from_the_release_and_the_rollback_is_a_mark_too(tmp_path: Path) -> None:
    """The release changes under warroom's eyes, errors begin, an incident opens: the journal says so in words."""
    async with a_running(tmp_path) as world:
        core = world.engine.core
        await until(lambda: core.running is not None)
        (world.folder / "current").write_text("v1")
        await until(lambda: core.running is not None and core.running.version == "v1")
        (world.folder / "current").write_text("v3")
        await until(lambda: core.running is not None and core.running.version == "v3")
        world.errors(0.5)
        await until(lambda: world.state.incident is not None)
        reading = world.state.triggers["high-error-rate"]
        assert reading.since_release.startswith("errors began ")
        assert reading.since_release.endswith(" s after v3")
        opened = entries(world)[0]
        assert words(opened).endswith(reading.since_release)
        signal = world.engine.sensing.signals.readings()["errors"]
        assert signal.since_release.endswith(" s after v3")
        assert [name for _, name in core.marks.changes] == ["v1", "v3"]
        plan = await world.ok(it.ChooseTarget(text="v2")) and await world.ok(it.ProposePlan(procedure="swap"))
        assert plan
        await world.run(world.state.plan.hash)
        await until(lambda: core.running is not None and core.running.version == "v2")
        await until(lambda: world.state.changes)
        assert [name for _, name in core.marks.changes] == ["v1", "v3", "rollback to v2"]
        changed = [e.body for e in entries(world) if isinstance(e.body, ReleaseChanged)]
        assert changed[-1].rollback
    async with a_running(tmp_path) as world:
        marks = world.engine.core.marks
        await until(lambda: [name for _, name in marks.changes] == ["v1", "v3", "rollback to v2"])
