"""The emergency lane on a small real world: what holds it, what it waives, and that what was shown is what runs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engines import OP1, OP2, World, a_running
from tests.world import PLUGIN, Deploy, Releases, effects, until
from warroom.api import Context, Folder, Ready
from warroom.errors import BadInput, Unreachable
from warroom.model import intent as it
from warroom.model.event import (
    Decided,
    EvidenceCollected,
    EvidenceStarted,
    PlanApproved,
    PlanProposed,
    RunStarted,
    StepIntended,
    TargetChosen,
    WheelTaken,
)
from warroom.model.live import EmergencyPage, EmergencyQuery
from warroom.model.plan import Preview
from warroom.model.release import Release

STOP = {
    "title": "Stop all writes",
    "use_when": "Data is being damaged",
    "kind": "stop-writes",
    "needs": ["world"],
    "steps": {"stop": {"title": "Stop", "op": "world.deploy", "with": {"release": "v1"}, "role": "stop-writes"}},
}


async def shown(world: World, actor: Any = OP1, **asked: Any) -> EmergencyPage:
    page = await world.session(actor).query(EmergencyQuery(**asked))
    assert isinstance(page, EmergencyPage)
    return page


def bodies(world: World) -> list[Any]:
    return [event.body for event in world.core.journal.events()]


def the_service(world: World) -> str:
    return str(world.core.runbook.service)


async def test_from_nothing_to_a_rollback_with_one_typed_name(tmp_path: Path) -> None:
    async with a_running(tmp_path, kind="production") as world:
        await until(lambda: world.core.running is not None)
        page = await shown(world)
        assert (page.problem, page.held, page.opens) == ("", (), True)
        assert page.plan is not None
        assert page.plan.target is not None
        assert page.plan.target.version == "v2"
        assert world.core.journal is None, "asking opens nothing"
        assert {"decision", "notified", "evidence", "cause", "second-person"} <= {g.id for g in page.waives}
        wrong = it.RunEmergency(hash=page.hash, confirm="wrong")
        assert "was not typed" in await world.refused(wrong)
        assert world.core.journal is None, "a wrong name opens nothing"
        await world.ok(it.RunEmergency(hash=page.hash, confirm=the_service(world)))
        await until(lambda: world.state.plan.status == "done")
        assert effects(world.folder) == ["v2"]
        assert world.state.driver == "op1"
        assert world.state.plan.hash == page.hash, "what was shown is what ran"
        kinds = [type(body) for body in bodies(world)]
        order = [WheelTaken, Decided, TargetChosen, PlanProposed, PlanApproved, RunStarted]
        assert [kind for kind in kinds if kind in order] == order
        assert kinds.index(RunStarted) < kinds.index(StepIntended)
        waived = " ".join(world.state.plan.waived)
        assert all(f"{guard.id}: " in waived for guard in page.waives)
        assert "waived by the typed name, emergency lane" in waived


async def test_what_was_waived_stays_on_the_checklist(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        page = await shown(world)
        await world.ok(it.RunEmergency(hash=page.hash))
        await until(lambda: world.state.plan.status == "done")
        assert world.state.marks == {}
        assert "stakeholders-notified" not in world.state.proofs
        assert "cause-noted" not in world.state.proofs


async def test_it_works_whatever_the_tree_and_the_signals_say(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        await world.ok(it.Decide(choice="monitor", reason="let us see"))
        page = await shown(world)
        assert (page.opens, page.held) == (False, ())
        await world.ok(it.RunEmergency(hash=page.hash, reason="it got worse"))
        await until(lambda: world.state.plan.status == "done")
        assert world.state.decision.choice == "rollback-now"
        assert not world.state.decision.followed_advice
        assert "it got worse" in world.state.decision.reason


async def test_asking_changes_nothing_and_journals_nothing(tmp_path: Path) -> None:
    async with a_running(tmp_path, kind="production") as world:
        await world.ok(it.OpenIncident(title="it burns"))
        before = world.state
        for _ in range(3):
            await shown(world)
            await shown(world, purpose="stop-writes")
        assert world.state == before
        assert effects(world.folder) == []


async def test_a_fingerprint_that_was_read_and_differs_holds_it(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        page = await shown(world)
        (world.folder / "id").write_text("another world")
        assert "another one" in await world.refused(it.RunEmergency(hash=page.hash))
        assert effects(world.folder) == []


async def test_a_plan_that_is_not_what_was_shown_does_not_run(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        page = await shown(world)
        (world.folder / "current").write_text("v1")
        assert "changed since you saw it" in await world.refused(it.RunEmergency(hash=page.hash))
        assert "changed since you saw it" in await world.refused(it.RunEmergency(hash="sha256:never shown"))
        assert effects(world.folder) == []


async def test_another_plan_that_runs_holds_it(tmp_path: Path) -> None:
    async with a_running(tmp_path, seconds=3) as world:
        page = await shown(world)
        await world.ok(it.RunEmergency(hash=page.hash))
        assert [guard.id for guard in (await shown(world)).held] == ["plan-running"]
        assert "is running" in await world.refused(it.RunEmergency(hash=page.hash))
        await world.ok(it.AbortRun(hash=page.hash))
        await until(lambda: world.state.plan.status != "running")


class Gone(Releases):
    async def resolve(self, ctx: Context, text: str) -> Release:
        raise BadInput(f"the image of {text} was deleted", "", "")


class Away(Releases):
    async def history(self, ctx: Context) -> list[Release]:
        raise Unreachable("the registry does not answer", "", "")

    async def resolve(self, ctx: Context, text: str) -> Release:
        raise Unreachable("the registry does not answer", "", "")


async def test_a_target_that_is_proven_missing_holds_it(tmp_path: Path) -> None:
    async with a_running(tmp_path, plugin=replace(PLUGIN, releases=Gone())) as world:
        page = await shown(world)
        assert [guard.id for guard in page.held] == ["target-missing"]
        assert "the image of" in page.held[0].words
        assert "was deleted" in await world.refused(it.RunEmergency(hash=page.hash))


async def test_a_history_out_of_reach_leaves_typing_and_is_a_warning(tmp_path: Path) -> None:
    async with a_running(tmp_path, plugin=replace(PLUGIN, releases=Away())) as world:
        page = await shown(world)
        assert page.plan is None
        assert "does not answer" in page.problem
        typed = await shown(world, target="v1")
        assert (typed.problem, typed.held) == ("", ())
        assert "target-unseen" in {guard.id for guard in typed.waives}
        await world.ok(it.RunEmergency(hash=typed.hash))
        await until(lambda: world.state.plan.status == "done")
        assert effects(world.folder) == ["v1"]
        assert world.state.target.typed


async def test_the_name_takes_the_wheel_from_who_has_it(tmp_path: Path) -> None:
    async with a_running(tmp_path, kind="production") as world:
        await world.ok(it.OpenIncident(title="it burns"))
        await world.ok(it.TakeWheel(service=the_service(world)), OP2)
        page = await shown(world)
        assert any("op2 drives" in guard.words for guard in page.waives)
        await world.ok(it.RunEmergency(hash=page.hash, confirm=the_service(world)))
        assert world.state.driver == "op1"
        await until(lambda: world.state.plan.status == "done")


class Destroying(Deploy):
    risk: Any = "destructive"

    def preview(self, config: Any, args: Any, facts: Any) -> Preview:
        return super().preview(config, args, facts).model_copy(update={"destroys": ("slow",)})


class Slow:
    name = "slow"
    kinds: tuple[str, ...] = ("slow",)
    timeout_s = 30.0
    gate = asyncio.Event()

    async def collect(self, ctx: Context, folder: Folder) -> None:
        await self.gate.wait()
        await folder.write("slow.txt", b"kept", kind="slow")


def a_swap(role: str) -> dict[str, Any]:
    step = {"title": "Go", "op": "world.deploy", "with": {"release": "${target.version}"}, "role": role}
    return {"swap": {"title": "Swap", "use_when": "always", "needs": ["world"], "steps": {"deploy": step}}}


@pytest.mark.parametrize("role", ["database", "caches", "other"])
async def test_a_destructive_step_that_is_not_the_applications_never_uses_this_lane(tmp_path: Path, role: str) -> None:
    plugin = replace(PLUGIN, operations=(Destroying(),))
    async with a_running(tmp_path, plugin=plugin, procedures=a_swap(role)) as world:
        page = await shown(world)
        assert page.plan is None
        assert "destructive" in page.problem
        assert "The normal way" in page.problem


async def test_why_a_way_was_passed_over_is_said_beside_the_one_that_is_offered(tmp_path: Path) -> None:
    ways = {**a_swap("database"), "other": a_swap("application")["swap"]}
    async with a_running(tmp_path, plugin=replace(PLUGIN, operations=(Destroying(),)), procedures=ways) as world:
        page = await shown(world)
        assert page.plan is not None
        assert page.plan.procedure == "other"
        passed = [guard.words for guard in page.waives if guard.id == "passed-over"]
        assert len(passed) == 1
        assert "Swap: Go is destructive" in passed[0]
        page = await shown(world, procedure="other")
        assert not any(guard.id == "passed-over" for guard in page.waives), "it was asked for"


async def test_evidence_that_the_plan_destroys_comes_first_and_an_abort_does_not_wait_for_it(tmp_path: Path) -> None:
    slow = Slow()
    slow.gate = asyncio.Event()
    plugin = replace(PLUGIN, operations=(Destroying(),), collectors=(slow,))
    async with a_running(tmp_path, plugin=plugin, procedures=a_swap("application")) as world:
        page = await shown(world)
        assert (page.first, page.first_s) == (("slow",), 10)
        await world.ok(it.RunEmergency(hash=page.hash))
        await until(lambda: any(isinstance(body, EvidenceStarted) for body in bodies(world)))
        assert world.state.plan.status == "running"
        assert not any(isinstance(body, StepIntended) for body in bodies(world))
        slow.gate.set()
        await until(lambda: world.state.plan.status == "done")
        said = [b.collector if isinstance(b, EvidenceCollected) else "INTENDED" for b in bodies(world)
                if isinstance(b, EvidenceCollected | StepIntended)]  # fmt: skip
        assert said.index("world.slow") < said.index("INTENDED")
        await until(lambda: world.state.evidence.status == "sealed")


async def test_evidence_that_does_not_come_holds_it_up_no_longer_than_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warroom.engine.emergency.FIRST_S", 0.1)
    slow = Slow()
    slow.gate = asyncio.Event()
    plugin = replace(PLUGIN, operations=(Destroying(),), collectors=(slow,))
    async with a_running(tmp_path, plugin=plugin, procedures=a_swap("application")) as world:
        page = await shown(world)
        await world.ok(it.RunEmergency(hash=page.hash))
        await until(lambda: world.state.plan.status == "done")
        assert world.state.evidence.status == "collecting", "it goes on beside the run"
        slow.gate.set()
        await until(lambda: world.state.evidence.status == "sealed")


async def test_writes_are_stopped_before_a_target_is_chosen_or_anything_decided(tmp_path: Path) -> None:
    async with a_running(tmp_path, kind="production", procedures={**a_swap("application"), "stop": STOP}) as world:
        page = await shown(world, purpose="stop-writes")
        assert page.plan is not None
        assert (page.plan.purpose, page.plan.target) == ("stop-writes", None)
        assert not {"decision", "notified"} & {guard.id for guard in page.waives}
        await world.ok(it.RunEmergency(hash=page.hash, confirm=the_service(world)))
        await until(lambda: world.state.plan.status == "done")
        assert effects(world.folder) == ["v1"]
        assert world.state.decision is None
        assert world.state.target is None


async def test_a_runbook_without_the_procedure_says_so(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        assert "no procedure that stops writes" in (await shown(world, purpose="stop-writes")).problem


async def test_a_journal_that_cannot_be_written_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        page = await shown(world)
        monkeypatch.setattr(type(world.core.journal), "low_on_room", property(lambda journal: True))
        assert [guard.id for guard in (await shown(world)).held] == ["journal"]
        assert "Nothing can be journaled" in await world.refused(it.RunEmergency(hash=page.hash))


async def test_a_closed_incident_is_followed_by_a_new_one(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="the first"))
        await world.ok(it.CloseIncident(outcome="false-alarm", reason="nothing"))
        page = await shown(world)
        assert page.opens
        await world.ok(it.RunEmergency(hash=page.hash))
        await until(lambda: world.state.plan is not None and world.state.plan.status == "done")
        assert world.state.incident.id.endswith("0002")


async def test_the_autopilot_has_no_lane_outside_drills(tmp_path: Path) -> None:
    from warroom.model.event import Actor

    async with a_running(tmp_path, kind="production") as world:
        page = await shown(world)
        pilot = Actor(name="autopilot", kind="autopilot")
        asked = it.RunEmergency(hash=page.hash, confirm=the_service(world))
        assert "autopilot" in await world.refused(asked, pilot)


class Unready:
    async def ready(self, ctx: Context) -> list[Ready]:
        return [
            Ready(id="image", title="The image", status="not-ready", words="it is not pulled yet"),
            Ready(id="pin", title="no image is pinned", status="unknown", words="a pin is there"),
            Ready(id="disk", title="The disk", status="ready", words="41 GB free"),
        ]


class Hanging:
    async def ready(self, ctx: Context) -> list[Ready]:
        await asyncio.sleep(3600)
        return []


@pytest.mark.parametrize(
    ("readiness", "words"),
    [
        (Unready(), "The image is not ready: it is not pulled yet"),
        (Unready(), "no image is pinned? a pin is there"),
        (Hanging(), "is ready is not known"),
    ],
)
async def test_what_is_not_ready_is_listed_and_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readiness: Any, words: str
) -> None:
    monkeypatch.setattr("warroom.engine.emergency.READY_S", 0.1)
    async with a_running(tmp_path, plugin=replace(PLUGIN, readiness=readiness)) as world:
        page = await shown(world)
        assert any(words in guard.words for guard in page.waives)
        assert not any("The disk" in guard.words for guard in page.waives)
        await world.ok(it.RunEmergency(hash=page.hash))
        await until(lambda: world.state.plan.status == "done")


async def test_a_diff_that_takes_too_long_is_gone_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warroom.engine.emergency.DIFF_S", 0.1)

    class Slowly(Releases):
        async def diff(self, ctx: Context, older: Release, newer: Release) -> Any:
            await asyncio.sleep(3600)

    async with a_running(tmp_path, plugin=replace(PLUGIN, releases=Slowly())) as world:
        await until(lambda: world.core.running is not None)
        page = await shown(world)
        assert page.diff is None
        assert page.plan is not None
        assert "schema" in {guard.id for guard in page.waives}


BY_HAND = {
    "title": "Re-run the last good workflow",
    "use_when": "Deployed elsewhere",
    "steps": {"go": {"title": "Go", "manual": {"do": "Press the button.", "proof": "It is green."}}},
}


async def test_what_is_done_by_hand_elsewhere_is_not_offered_where_the_platform_has_its_own_way(tmp_path: Path) -> None:
    """Also once that has failed for this very release: the hand's way is another service's."""
    async with a_running(tmp_path, procedures={"by-hand": BY_HAND, **a_swap("application")}) as world:
        page = await shown(world, target="v0-breaks")
        assert page.plan is not None
        assert page.plan.procedure == "swap"
        await world.ok(it.RunEmergency(hash=page.hash))
        await until(lambda: world.state.plan.status == "failed" and not world._acting.running)
        page = await shown(world, target="v0-breaks")
        assert page.plan is not None
        assert page.plan.procedure == "swap"


async def test_where_the_platforms_own_way_cannot_be_had_a_person_is_shown_one_by_hand(tmp_path: Path) -> None:
    plugin = replace(PLUGIN, operations=(Destroying(),))
    ways = {"by-hand": BY_HAND, **a_swap("database")}
    async with a_running(tmp_path, plugin=plugin, procedures=ways) as world:
        page = await shown(world)
        assert page.plan is not None
        assert page.plan.procedure == "by-hand"
        assert "passed-over" in [guard.id for guard in page.waives]
