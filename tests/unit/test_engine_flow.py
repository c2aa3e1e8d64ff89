"""What a person answers, who may act, the ways on, and what can be read back: each on the small real world."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engines import OP1, OP2, World, a_running
from tests.world import effects, until
from warroom.cli.sitting import left_behind
from warroom.engine.core import ENGINE
from warroom.errors import BadInput
from warroom.journal.folder import StateFolder
from warroom.model import intent as it
from warroom.model.event import Actor, Body, EvidenceSealed, RunEnded, VerificationEnded
from warroom.model.kinds import KINDS, kind_of
from warroom.model.live import (
    DraftPage,
    DraftQuery,
    IncidentsPage,
    IncidentsQuery,
    TimelinePage,
    TimelineQuery,
    WaysPage,
    WaysQuery,
)
from warroom.model.pages import IncidentSummary
from warroom.model.units import many
from warroom.session import Accepted

ASKED = {
    "identity": {"sentence": "The target runs", "use": "running-is-target"},
    "users": {"sentence": "Two users can sign in", "use": "ask-a-person", "proves": "users-verified"},
}


async def ran(world: World) -> None:
    plan_hash = await world.planned()
    assert isinstance(await world.run(plan_hash), Accepted)
    await until(lambda: world.state.plan.status == "done")


async def verified(world: World) -> str:
    assert await world.ok(it.Verify()) == f"verifying: {many(len(world.engine.core.runbook.verification), 'check')}"
    await until(lambda: world.state.verification.verdict is not None)
    return str(world.state.verification.verdict)


async def test_the_last_answer_that_was_missing_has_all_of_it_looked_at_again(tmp_path: Path) -> None:
    async with a_running(tmp_path, verification=ASKED) as world:
        await ran(world)
        assert await verified(world) == "inconclusive"
        assert "needs words" in await world.refused(it.AnswerCheck(check="users", verdict="pass", words=" "))
        assert "no check that a person" in await world.refused(
            it.AnswerCheck(check="identity", verdict="pass", words="I say so")
        )
        said = await world.ok(it.AnswerCheck(check="users", verdict="pass", words="Ana and Bo can"), OP2)
        assert "again" in said
        await until(lambda: world.state.verification.verdict == "pass")
        assert world.state.verification.results["users"].words == "op2: Ana and Bo can"
        assert "users-verified" in world.state.proofs


async def test_what_can_never_be_proven_may_be_closed_as_mitigated(tmp_path: Path) -> None:
    async with a_running(tmp_path, verification=ASKED) as world:
        await ran(world)
        assert await verified(world) == "inconclusive"
        assert [way.kind for way in world.state.verification.next][:2] == ["verify-again", "close"]
        page = await world.session(OP2).query(WaysQuery())
        assert isinstance(page, WaysPage)
        assert [way.kind for way in page.ways][:2] == ["verify-again", "close"]
        await world.ok(it.AnswerCheck(check="users", verdict="fail", words="Bo sees an empty page"))
        await until(lambda: world.state.verification.verdict == "fail")
        assert "close" not in [way.kind for way in world.state.verification.next]


async def test_a_person_who_says_that_it_does_not_work_fails_the_verification(tmp_path: Path) -> None:
    async with a_running(tmp_path, verification=ASKED) as world:
        await ran(world)
        await world.ok(it.AnswerCheck(check="users", verdict="fail", words="Bo sees an empty page"))
        assert await verified(world) == "fail"


async def test_an_answer_is_about_the_run_before_it_and_no_later_one(tmp_path: Path) -> None:
    async with a_running(tmp_path, verification=ASKED) as world:
        await ran(world)
        await world.ok(it.AnswerCheck(check="users", verdict="pass", words="they can"))
        await world.ok(it.ChooseTarget(text="v1"))
        await world.ok(it.ProposePlan(procedure="swap"))
        await world.run(world.state.plan.hash)
        await until(lambda: world.state.plan.status == "done" and len(effects(world.folder)) == 2)
        assert world.state.answered == {}
        assert await verified(world) == "inconclusive"


def held_after(world: World, monkeypatch: pytest.MonkeyPatch, kind: type[Body]) -> Callable[[], None]:
    """Whoever records one of ``kind`` gets no further, though it is published, until the returned is called."""
    record, gone_on = world.core.record, asyncio.Event()

    async def late(*bodies: Body, actor: Actor = ENGINE) -> int:
        seq: int = await record(*bodies, actor=actor)
        if any(isinstance(body, kind) for body in bodies):
            await gone_on.wait()
        return seq

    monkeypatch.setattr(world.core, "record", late)
    return gone_on.set


async def test_who_sees_a_verdict_may_act_on_it_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict is out before the task that found it has ended: that task's last moment refuses nobody."""
    async with a_running(tmp_path, verification=ASKED) as world:
        await ran(world)
        go_on = held_after(world, monkeypatch, VerificationEnded)
        assert await verified(world) == "inconclusive"
        assert await verified(world) == "inconclusive"
        await world.ok(it.CloseIncident(outcome="unresolved", reason="a person goes on"))
        go_on()


async def test_who_sees_a_run_or_a_capture_end_may_go_on_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_running(tmp_path, verification=ASKED) as world:
        go_on = held_after(world, monkeypatch, RunEnded)
        await ran(world)
        await world.ok(it.Undo())
        await world.run(world.state.plan.hash)
        await until(lambda: world.state.plan.status == "done")
        go_on()
        go_on = held_after(world, monkeypatch, EvidenceSealed)
        for number in (1, 2):
            await world.ok(it.CaptureEvidence())
            await until(lambda number=number: len(world.state.sealed) == number)
        await world.ok(it.CloseIncident(outcome="unresolved", reason="a person goes on"))
        go_on()


async def test_a_claim_is_answered_with_what_was_claimed(tmp_path: Path) -> None:
    """The answer stands alone among the messages."""
    look = {"title": "Look at the pods", "manual": {"do": "Look"}}
    by_hand = {"title": "By hand", "use_when": "always", "kind": "other", "steps": {"look": look}}
    async with a_running(tmp_path, procedures={"hand": by_hand}) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        await world.ok(it.ProposePlan(procedure="hand"))
        plan = world.state.plan
        assert isinstance(await world.run(plan.hash), Accepted)
        await until(lambda: world.state.plan.steps["look"].status == "intended")
        said = await world.ok(it.ClaimStep(hash=plan.hash, step="look", attempt=1))
        assert said == "claimed as done: Look at the pods"
        await until(lambda: world.state.plan.status == "done")


ACTING: list[it.Intent] = [
    it.Decide(choice="rollback-now", reason="now"),
    it.ChooseTarget(text="v2"),
    it.ProposePlan(procedure="swap"),
    it.ApprovePlan(hash="sha256:x"),
    it.RunPlan(hash="sha256:x"),
    it.ResolveStep(hash="sha256:x", step="deploy", attempt=1, choice="skip", reason="r"),
    it.ClaimStep(hash="sha256:x", step="deploy", attempt=1),
    it.Undo(),
    it.Verify(),
    it.CloseIncident(outcome="mitigated", reason="r"),
]


@pytest.mark.parametrize("intent", ACTING, ids=lambda intent: intent.type)
async def test_nothing_acts_in_production_until_someone_drives_nor_beside_who_does(
    tmp_path: Path, intent: it.Intent
) -> None:
    async with a_running(tmp_path, kind="production") as world:
        await world.ok(it.OpenIncident(title="it burns"))
        assert "read-only until someone drives" in await world.refused(intent)
        await world.ok(it.TakeWheel(service=world.core.runbook.service), OP2)
        assert "op2 drives" in await world.refused(intent)
        assert world.state.plan is None
        assert world.state.decision is None


def test_every_intent_that_changes_the_world_is_in_that_list() -> None:
    from warroom.engine.desk import WHEEL

    assert set(WHEEL) == {type(intent) for intent in ACTING}


async def ways(world: World) -> WaysPage:
    page = await world.session(OP1).query(WaysQuery())
    assert isinstance(page, WaysPage)
    return page


async def test_a_run_that_was_stopped_has_ways_on_too(tmp_path: Path) -> None:
    async with a_running(tmp_path, seconds=5) as world:
        await world.run(await world.planned())
        await until(lambda: world.state.plan.steps["deploy"].status == "intended")
        await world.ok(it.AbortRun(hash=world.state.plan.hash))
        await until(lambda: world.state.plan.status in ("cancelled", "unknown"))
        page = await ways(world)
        again = ["procedure"] if world.state.plan.status == "cancelled" else []
        assert [way.kind for way in page.ways] == [*again, "older-release", "put-back", "escalate"]
        older = page.ways[len(again)].release
        assert older is not None
        assert older.version == "v1", "further back than what was just tried"


async def test_there_are_no_ways_on_from_where_nothing_went_wrong(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        with pytest.raises(Exception, match="Nothing has gone wrong"):
            await ways(world)


async def timeline(world: World, **asked: Any) -> TimelinePage:
    page = await world.session(OP1).query(TimelineQuery(**asked))
    assert isinstance(page, TimelinePage)
    return page


async def test_the_timeline_is_filtered_and_paged_back_to_its_beginning(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        for number in range(30):
            await world.ok(it.AddNote(text=f"note number {number}"))
            await world.ok(it.Acknowledge(what="x"))
        notes = await timeline(world, kinds=("notes",), limit=10)
        assert [event.body.text for event in notes.events if event.body.type == "note-added"] == [
            f"note number {n}" for n in range(20, 30)
        ]
        seen = list(notes.events)
        page = notes
        while page.looked > 1:
            page = await timeline(world, kinds=("notes",), limit=10, before=page.looked)
            seen = [*page.events, *seen]
        assert len(seen) == 30
        assert len({event.seq for event in seen}) == 30
        found = await timeline(world, contains="NUMBER 7")
        assert len(found.events) == 1
        assert (await timeline(world, contains="nobody wrote this")).events == ()
        everything = await timeline(world, limit=1000)
        assert everything.looked == 1
        assert {kind_of(event) for event in everything.events} <= set(KINDS)


async def test_earlier_incidents_are_listed_and_read_without_being_opened(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="the first"))
        first = world.state.incident.id
        await world.ok(it.CloseIncident(outcome="false-alarm", reason="nothing"))
        await world.ok(it.OpenIncident(title="the second"))
        page = await world.session(OP1).query(IncidentsQuery())
        assert isinstance(page, IncidentsPage)
        assert page.total == 2
        assert {(each.title, each.closed, each.here) for each in page.incidents} == {
            ("the second", None, True),
            ("the first", "false-alarm", False),
        }
        (older,) = [each for each in page.incidents if each.id == first]
        rest = await world.session(OP1).query(IncidentsQuery(before=page.incidents[0].id))
        assert isinstance(rest, IncidentsPage)
        assert [each.id for each in rest.incidents] == [page.incidents[1].id]
        read = await timeline(world, incident=older.id, limit=1)
        assert read.events[0].body.type in ("incident-closed", "report-written")
        assert (await timeline(world, incident=older.id, kinds=("evidence",))).events == ()
        assert world.state.incident.title == "the second"
        with pytest.raises(BadInput, match="There is no"):
            await timeline(world, incident="INC-9999")


async def test_a_journal_that_did_not_change_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_running(tmp_path) as world:
        await world.ok(it.OpenIncident(title="the first"))
        await world.ok(it.CloseIncident(outcome="false-alarm", reason="nothing"))
        await world.ok(it.OpenIncident(title="the second"))
        read: list[str] = []
        folder = type(world.core.folder)
        real: Callable[[StateFolder, str], IncidentSummary] = folder.summary

        def counted(self: StateFolder, name: str) -> IncidentSummary:
            read.append(name)
            return real(self, name)

        monkeypatch.setattr(folder, "summary", counted)
        for _ in range(3):
            await world.session(OP1).query(IncidentsQuery())
        closed = [name for name in read if name != world.state.incident.id]
        assert len(closed) == 1


async def test_a_draft_is_shown_as_it_would_be_kept_and_nothing_is(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        page = await world.session(OP1).query(DraftQuery(text="the password=hunter2hunter2 was\nin the log \x1b[2J"))
        assert isinstance(page, DraftPage)
        assert "hunter2hunter2" not in page.text
        assert page.hidden == 1
        assert "\x1b" not in page.text
        assert world.core.journal is None


async def test_who_leaves_the_console_is_told_what_nobody_watches_now(tmp_path: Path) -> None:
    async with a_running(tmp_path) as world:
        assert left_behind(world.engine) == ""
        await world.ok(it.OpenIncident(title="it burns"))
        still = f"{world.state.incident.id} is still open"
        assert left_behind(world.engine) == f"{still}, and nobody watches it now: `warroom` goes on with it"
        await world.ok(it.CloseIncident(outcome="mitigated", reason="enough"))
        assert left_behind(world.engine) == ""
