"""The engine on a small real world: from a firing trigger to a closed incident, and every refusal on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engines import OP1, OP2, a_running
from tests.world import effects, until
from warroom.actions import evidence
from warroom.engine.engine import LocalSession
from warroom.model import intent as it
from warroom.model.event import EvidenceMissing, NoteAdded, StepEnded, StepIntended
from warroom.model.live import GuardsQuery, LogPage, LogQuery, ReleasesQuery
from warroom.model.plan import Plan
from warroom.session import Accepted, Events, Refused, Snapshot


async def test_from_alert_to_verified_recovery(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        await until(lambda: "trigger/high-error-rate" in world.core.hub.live)
        world.errors(0.4)
        await until(lambda: world.state.incident is not None)
        assert world.state.incident.severity == "critical"
        await until(lambda: world.state.tree is not None and world.state.tree.advice == "rollback-now")
        await world.ok(it.Decide(choice="rollback-now"))
        await world.ok(it.CaptureEvidence())
        await until(lambda: world.state.evidence.status == "sealed")
        await world.ok(it.ChooseTarget(text="v2"))
        await world.ok(it.ProposePlan(procedure="swap"))
        assert isinstance(await world.run(world.state.plan.hash), Accepted)
        await until(lambda: world.state.plan.status == "done")
        assert effects(world.folder) == ["v2"]
        await until(lambda: world.state.triggers["high-error-rate"].status == "ok")
        await world.ok(it.Verify())
        await until(lambda: world.state.verification.verdict is not None)
        assert world.state.verification.verdict == "pass", world.state.verification
        await until(lambda: world.state.watch is not None and world.state.watch.quiet is not None)
        assert world.state.watch.quiet
        await world.ok(it.CloseIncident(outcome="recovered"))
        assert Path(world.state.report).read_text().startswith("#")


async def test_intended_is_durable_before_the_effect_and_names_the_exact_calls(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        plan_hash = await world.planned()
        await world.run(plan_hash)
        await until(lambda: world.state.plan.status == "done")
        events = world.core.journal.events()
        intended = next(e.body for e in events if isinstance(e.body, StepIntended))
        assert intended.calls == world.state.plan.plan.steps[0].preview.calls
        assert intended.inverse is not None
        assert "v3" in intended.inverse[0].paste()


async def test_evidence_is_sealed_private_and_says_what_is_missing(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        await until(world.sensing.spool.heads)
        await world.ok(it.CaptureEvidence())
        assert "already" in await world.refused(it.CaptureEvidence())
        await until(lambda: world.state.evidence.status == "sealed")
        state = world.state.evidence
        path = Path(state.path)
        assert evidence.verify(path) == []
        assert evidence.seal_of(path) == state.seal
        assert state.counts == {"User": 3}
        assert {"dump", "logs", "samples", "journal", "versions"} <= set(state.kinds)
        missing = [e.body for e in world.core.journal.events() if isinstance(e.body, EvidenceMissing)]
        assert [m.collector for m in missing] == ["world.broken"]
        assert all(f.stat().st_mode & 0o077 == 0 for f in path.rglob("*"))
        dump = next(path.rglob("world.dump/world.dump"))
        dump.write_bytes(b"v9")
        assert len(evidence.verify(path)) == 1


@pytest.mark.parametrize(
    ("intent", "words"),
    [
        (it.RunPlan(hash="sha256:other"), "no plan"),
        (it.ProposePlan(procedure="swap"), "No target"),
        (it.ChooseTarget(text="v99"), "v99 can't be the target"),
        (it.ChooseTarget(text="--detach"), "can't be the target"),
        (it.Decide(choice="hotfix"), "needs a reason"),
        (it.MarkItem(item="nothing", mark="ticked"), "no checklist line"),
        (it.CloseIncident(outcome="recovered"), "not proven"),
        (it.Undo(), "Nothing has run"),
        (it.AddNote(text="  "), "empty"),
        (it.AnswerQuestion(node="degraded", answer="maybe"), "no answer"),
        (it.ReleaseWheel(), "do not drive"),
    ],
    ids=lambda value: value.type if hasattr(value, "type") else str(value),
)
async def test_a_refusal_says_why(tmp_path: Path, intent: it.Intent, words: str) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        before = world.state.seq
        assert words in await world.refused(intent)
        assert not any(e.seq > before and e.actor == OP1 for e in world.core.journal.events())


async def test_without_an_incident_nothing_acts(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        assert "No incident is open" in await world.refused(it.CaptureEvidence())


async def test_production_is_read_only_until_someone_drives_and_asks_for_the_name(tmp_path: Path) -> None:
    async with a_running(tmp_path, kind="production") as world:
        await world.ok(it.OpenIncident(title="it burns"))
        assert "take the wheel" in await world.refused(it.ChooseTarget(text="v2"))
        assert "not typed" in await world.refused(it.TakeWheel(service="wrong"))
        await world.ok(it.TakeWheel(service=world.core.runbook.service))
        await world.ok(it.ChooseTarget(text="v2"))
        await world.ok(it.ProposePlan(procedure="swap"))
        assert "op1 drives" in await world.refused(it.Undo(), OP2)
        page: Any = await world.session(OP1).query(GuardsQuery())
        soft = tuple(g.id for g in page.guards)
        run = it.RunPlan(hash=world.state.plan.hash, waive=soft, reason="r", confirm="wrong")
        assert "not typed" in await world.refused(run)
        service = run.model_copy(update={"confirm": world.core.runbook.service})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Plan, "confirm", "what is taken away")
            assert "not typed" in await world.refused(service), "a plan may ask for another name"
        await world.ok(service)
        await until(lambda: world.state.plan.status == "done")


async def test_a_pinned_fact_that_moved_voids_the_plan(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        plan_hash = await world.planned()
        (world.folder / "current").write_text("v1")
        reply = await world.run(plan_hash)
        assert isinstance(reply, Refused)
        assert "world.running" in reply.reason
        assert world.state.plan.status == "voided"
        assert effects(world.folder) == []


async def test_another_platform_under_the_same_address_stops_it(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        plan_hash = await world.planned()
        (world.folder / "id").write_text("production itself")
        reply = await world.run(plan_hash)
        assert isinstance(reply, Refused)
        assert "another one" in reply.reason
        assert effects(world.folder) == []


async def test_one_plan_at_a_time_and_an_abort_says_what_is_left(tmp_path: Path) -> None:
    async with a_running(tmp_path, seconds=30) as world:
        plan_hash = await world.planned()
        await world.run(plan_hash)
        await until(lambda: effects(world.folder))
        assert "is running" in await world.refused(it.RunPlan(hash=plan_hash))
        assert "is running" in await world.refused(it.ProposePlan(procedure="swap"))
        await world.ok(it.AbortRun(hash=plan_hash))
        await until(lambda: world.state.plan.status == "cancelled")
        step = world.state.plan.steps["deploy"]
        assert step.status == "cancelled"
        assert step.look.verdict == "partly"


async def test_a_failed_step_is_failed_by_what_check_saw_and_can_be_undone(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        plan_hash = await world.planned("v0-breaks")
        await world.run(plan_hash)
        await until(lambda: world.state.plan.ended_at is not None and not world.engine.running)
        assert world.state.plan.status == "failed"
        assert "answered 3" in world.state.plan.steps["deploy"].detail
        await world.ok(it.ResolveStep(hash=plan_hash, step="deploy", attempt=1, choice="undo"))
        undo = world.state.plan
        assert undo.plan.purpose == "undo"
        assert isinstance(await world.run(undo.hash), Accepted)
        await until(lambda: world.state.plan.ended_at is not None and not world.engine.running)
        assert world.state.plan.status == "done", world.state.plan
        assert effects(world.folder) == ["v0-breaks", "v3"]


async def test_the_same_intent_id_gets_the_first_answer(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        session: LocalSession = world.session(OP1)
        first = await session.submit("one", it.OpenIncident(title="it burns"))
        again = await session.submit("one", it.OpenIncident(title="it burns"))
        assert first == again
        assert len(world.core.folder.incidents()) == 1


async def test_a_watcher_sees_everything_in_order_and_hostile_text_only_as_data(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        session: LocalSession = world.session(OP1)
        frames = session.watch()
        first = await anext(frames)
        assert isinstance(first, Snapshot)
        await world.ok(it.OpenIncident(title="it \x1b]0;burns\x07"))
        seen: list[int] = []
        async for frame in frames:
            if isinstance(frame, Snapshot):
                seen = list(range(1, frame.state.seq + 1))
                await world.ok(it.AddNote(text="one"))
            if isinstance(frame, Events):
                seen += [event.seq for event in frame.events]
                if any(isinstance(event.body, NoteAdded) for event in frame.events):
                    break
        await frames.aclose()
        assert seen == list(range(1, len(seen) + 1))
        assert "\x1b" not in world.state.incident.title
        await until(world.sensing.spool.heads)
        page = await session.query(LogQuery())
        assert isinstance(page, LogPage)
        assert page.lines
        assert all("\x1b" not in line.text and "\x07" not in line.text for line in page.lines)


async def test_after_a_restart_the_incident_goes_on(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        await world.planned()
        incident = world.state.incident.id
    async with a_running(tmp_path) as world:
        assert world.state.incident.id == incident
        assert world.state.plan.status == "proposed"
        page: Any = await world.session(OP1).query(ReleasesQuery())
        assert page.releases[page.best].version == "v2"
        await world.run(world.state.plan.hash)
        await until(lambda: world.state.plan.status == "done")


async def test_a_run_cut_off_is_unknown_is_looked_at_and_waits_for_a_person(tmp_path: Path) -> None:
    async with a_running(tmp_path, seconds=3) as world:
        plan_hash = await world.planned()
        await world.run(plan_hash)
        await until(lambda: effects(world.folder))
    async with a_running(tmp_path) as world:
        step = world.state.plan.steps["deploy"]
        assert (world.state.plan.status, step.status, step.look.verdict) == ("unknown", "unknown", "partly")
        assert "unknown" in (await world.refused(it.RunPlan(hash=plan_hash)))
        await world.ok(it.ResolveStep(hash=plan_hash, step="deploy", attempt=1, choice="again"))
        assert effects(world.folder) == ["v2"]
        await world.run(plan_hash)
        await until(lambda: world.state.plan.status == "done")
        ended = [e.body.status for e in world.core.journal.events() if isinstance(e.body, StepEnded)]
        assert ended == ["unknown", "done"]
