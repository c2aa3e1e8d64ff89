"""What the engine holds to for drills' sake: who may act, who is waited for, when a watch is over."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.world import a_world, load_world, until, world_runbook
from warroom.engine.core import Options
from warroom.engine.engine import Engine
from warroom.errors import JournalBusy
from warroom.journal.folder import StateFolder
from warroom.model import intent as it
from warroom.model.event import Actor, Event, EvidenceMissing, WatchStarted
from warroom.model.live import GuardsPage, GuardsQuery
from warroom.session import Accepted, Refused, Snapshot

PERSON = Actor(name="op1", uid=1001)
AUTOPILOT = Actor(name="autopilot", kind="autopilot")


def an_engine(tmp_path: Path, kind: str = "drill", **overrides: object) -> Engine:
    folder = tmp_path / "world"
    if not folder.exists():
        a_world(folder)
    return Engine(world_runbook(kind, **overrides), StateFolder(tmp_path / "state"), load=load_world(folder))


async def ask(engine: Engine, intent: it.Intent, actor: Actor = PERSON) -> Accepted | Refused:
    return await engine.session(actor).submit(uuid.uuid4().hex, intent)


@pytest.mark.parametrize("kind", ["production", "staging"])
async def test_the_autopilot_is_refused_outside_drills(tmp_path: Path, kind: str) -> None:
    """By the engine, whatever client it comes by; a person may do the same."""
    async with an_engine(tmp_path, kind) as engine:
        reply = await ask(engine, it.OpenIncident(title="it burns"), AUTOPILOT)
        assert isinstance(reply, Refused)
        assert reply.reason.startswith(f"The autopilot is for drill environments. this is {kind}")
        assert engine.core.state.incident is None
        assert isinstance(await ask(engine, it.OpenIncident(title="it burns")), Accepted)
        assert isinstance(await ask(engine, it.AddNote(text="hello"), AUTOPILOT), Refused)


async def test_the_autopilot_may_act_in_a_drill(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        assert isinstance(await ask(engine, it.OpenIncident(title="it burns"), AUTOPILOT), Accepted)


@pytest.mark.parametrize(("watcher", "waited_for"), [(PERSON, True), (AUTOPILOT, False)])
async def test_a_picture_is_waited_for_from_people_only(tmp_path: Path, watcher: Actor, waited_for: bool) -> None:
    async with an_engine(tmp_path) as engine:
        frames = engine.session(watcher).watch()
        assert isinstance(await anext(frames), Snapshot)
        await ask(engine, it.OpenIncident(title="it burns"))
        await ask(engine, it.CaptureEvidence())
        core: Any = engine.core
        await until(lambda: core.state.evidence.status == "sealed")
        assert ("console" in core.state.evidence.collectors) is waited_for
        missing = {e.body.collector for e in core.journal.events() if isinstance(e.body, EvidenceMissing)}
        assert ("console" in missing) is waited_for
        await frames.aclose()


async def test_a_watch_is_not_over_while_a_trigger_counts_towards_firing(tmp_path: Path) -> None:
    """A window as short as a drill's could otherwise end quietly with the next fire already to be seen."""
    condition = {"sentence": "5xx", "signal": "errors", "above": 0.05, "for": 4, "over": 0.3, "at_least": 10}
    trigger = {"title": "High error rate", "severity": "critical", "conditions": {"error-rate": condition}}

    def fails_from_the_watch_on(events: Sequence[Event]) -> None:
        if any(isinstance(event.body, WatchStarted) for event in events):
            (tmp_path / "world" / "errors").write_text("v2 0.5")

    async with an_engine(tmp_path, triggers={"high-error-rate": trigger}, watch=3) as engine:
        core: Any = engine.core
        await ask(engine, it.OpenIncident(title="it burns"))
        await ask(engine, it.CaptureEvidence())
        await until(lambda: core.state.evidence.status == "sealed")
        await ask(engine, it.ChooseTarget(text="v2"))
        await ask(engine, it.ProposePlan(procedure="swap"))
        page = await engine.session(PERSON).query(GuardsQuery())
        assert isinstance(page, GuardsPage)
        soft = tuple(guard.id for guard in page.guards)
        run = it.RunPlan(hash=core.state.plan.hash, waive=soft, reason="a test")
        assert isinstance(await ask(engine, run), Accepted)
        await until(lambda: core.state.plan.status == "done")
        core.journal.subscribe(fails_from_the_watch_on)
        await ask(engine, it.Verify())
        await until(lambda: core.state.watch is not None and core.state.watch.quiet is not None)
        assert core.state.watch.quiet is False
        assert core.state.watch.words.startswith("High error rate fires: 50 % of")


async def test_a_verdict_that_stands_is_not_waited_for(tmp_path: Path) -> None:
    """Once a required check has failed, the time that triggers are given to clear changes nothing any more."""
    checks = {
        "errors": {"sentence": "Errors", "use": "signal-within", "with": {"signal": "errors", "below": 0.05}},
        "triggers": {"sentence": "Quiet", "use": "triggers-quiet", "with": {"wait": 600}},
    }
    async with an_engine(tmp_path, verification=checks) as engine:
        core: Any = engine.core
        (tmp_path / "world" / "errors").write_text("v3 0.5")
        await until(lambda: core.state.incident is not None)
        await ask(engine, it.Verify())
        await until(lambda: core.state.verification.verdict is not None)
        assert core.state.verification.verdict == "fail"
        assert core.state.verification.words == "1 of 2 required checks failed: Errors"
        quiet = core.state.verification.results["triggers"]
        assert (quiet.verdict, quiet.words) == (
            "inconclusive",
            "not waited for, since another check failed: High error rate",
        )


async def test_a_drill_takes_up_nothing_and_keeps_the_lock_it_was_given(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    a_world(tmp_path / "world")
    load = load_world(tmp_path / "world")
    with folder.lock() as lock:
        for _ in range(2):
            options = Options(resume=False)
            async with Engine(world_runbook(), folder, load=load, lock=lock, options=options) as engine:
                assert engine.core.state.incident is None
                assert isinstance(await ask(engine, it.OpenIncident(title="it burns")), Accepted)
        with pytest.raises(JournalBusy):
            folder.lock()
    assert [one.closed for one in folder.incidents()] == [None, None]


def test_drills_are_counted_apart(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    assert state.new_incident_id() == "INC-0001"
    assert state.drills.new_incident_id() == "DRILL-0001"
    assert state.drills.path == tmp_path / "drills"
    assert state.holding("DRILL-0007").path == state.drills.path
    assert state.holding("INC-0007").path == state.path
