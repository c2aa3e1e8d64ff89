"""The fold: total, bounded, deterministic, and what it makes can be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tests.strategies import members, models
from warroom.model import event as ev
from warroom.model.base import stored
from warroom.model.event import Actor, Body, Event, IncidentOpened
from warroom.model.fold import fold, fold_all
from warroom.model.fold.registry import FOLDS
from warroom.model.release import Release
from warroom.model.state import KEPT, State
from warroom.model.verification import Artifact, CheckResult
from warroom.report.story import Story
from warroom.testing.builders import a_plan, a_release, a_state, a_trigger, an_event, an_incident, at, events

RELAXED = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
SMALL = [member for member in members(Body) if member is not IncidentOpened]
KINDS = [(IncidentOpened,), *(tuple(SMALL[start : start + 8]) for start in range(0, len(SMALL), 8))]
ACTORS = st.sampled_from([Actor(name="op1"), Actor(name="engine", kind="engine")])


@st.composite
def any_events(draw: st.DrawFn, least: int = 1) -> list[Event]:
    """Events in any order, in no way a story; an incident is opened among them now and then."""
    bodies: list[Any] = draw(st.lists(st.one_of([models(member) for member in SMALL]), min_size=least, max_size=12))
    if draw(st.booleans()):
        bodies.insert(draw(st.integers(0, len(bodies))), an_incident())
    actor = draw(ACTORS)
    return [Event(seq=seq, at=at(seq), id=f"e{seq}", actor=actor, body=body) for seq, body in enumerate(bodies, 1)]


@pytest.mark.parametrize("kinds", KINDS, ids=lambda kinds: kinds[0].__name__)
def test_every_event_folds_onto_any_state(kinds: tuple[type[BaseModel], ...]) -> None:
    """Each state takes an event of each of these kinds: a state is long in the making, an event is not."""

    @settings(RELAXED, max_examples=5 if IncidentOpened in kinds else 50)
    @given(models(State), st.tuples(*(models(kind) for kind in kinds)))
    def total(state: State, bodies: tuple[Any, ...]) -> None:
        for body in bodies:
            event = Event(seq=7, at=at(), id="e7", actor=Actor(name="op1"), body=body)
            after = fold(state, event)
            assert (after.seq, after.at) == (7, at()), type(body).__name__
            assert State.model_validate_json(stored(after)) == after, "what a fold makes must be valid, and be sent"

    total()


@RELAXED
@given(any_events())
def test_any_order_of_events_folds_and_in_two_parts_as_in_one(story: list[Event]) -> None:
    whole = fold_all(story)
    assert State.model_validate_json(stored(whole)) == whole
    assert fold_all(story) == whole
    half = len(story) // 2
    assert fold_all(story[half:], fold_all(story[:half])) == whole


@RELAXED
@given(any_events())
def test_a_state_is_never_changed_in_place(story: list[Event]) -> None:
    state = a_state()
    before = stored(state)
    fold_all(story, state)
    assert stored(state) == before


def test_every_event_is_folded_or_known_to_change_nothing() -> None:
    unfolded = {ev.EngineStarted, ev.Attached, ev.AbortAsked, ev.ProofStarted, ev.ProofEnded} - set(FOLDS)
    assert set(members(Body)) - set(FOLDS) == unfolded


PLAN = a_plan()


def story_of(count: int) -> Iterator[Event]:
    """An incident with ``count`` more events, of every kind that grows something, with ever new names."""
    yield an_event(an_incident(), 1)
    for n in range(count):
        yield an_event(growing(n), n + 2)


def growing(n: int) -> Any:
    x = f"x{n}"
    made: list[Callable[[], Any]] = [
        lambda: ev.TriggerChanged(was="ok", reading=a_trigger(id=x)),
        lambda: ev.ReleaseChanged(was=None, now=a_release(x), seen_by="lab"),
        lambda: ev.TreeAnswered(node=x, answer="yes", reason=x),
        lambda: ev.ItemMarked(item=x, mark="ticked"),
        lambda: ev.NoteAdded(text=x),
        lambda: ev.Acknowledged(what=x),
        lambda: ev.EvidenceCollected(
            bundle="b", collector=x, artifacts=(Artifact(name=x, collector=x, size=1, sha256="0", at=at()),)
        ),
        lambda: ev.EvidenceMissing(bundle="b", collector=x, reason=x),
        lambda: ev.PlanProposed(plan=PLAN, hash=x),
        lambda: ev.RunEnded(hash=f"x{n - 1}", outcome="failed", detail=x, seconds=1),
        lambda: ev.TargetChosen(release=Release(version=x), reason=x),
        lambda: ev.CheckEnded(result=CheckResult(id=x, title=x, verdict="pass", words=x)),
        lambda: ev.MessageQueued(message=x, template="started", channel="c", text=x),
        lambda: ev.MessageSent(message=f"x{n - 1}", receipt=x),
        lambda: ev.Escalated(step=n, sentence=x, contacts=(), elapsed_s=1),
        lambda: ev.PlanApproved(hash=f"x{n - 1}"),
        lambda: ev.Raw(body=x),
    ]
    if n % 1000 == 0:
        return ev.EvidenceStarted(bundle="b", collectors=())
    if n % 1000 == 1:
        return ev.VerificationStarted(checks=())
    if n % 1000 == 2:
        return ev.EvidenceSealed(bundle="b", path="p", seal="s", files=1, size=1, kinds=())
    if n % 1000 == 3:
        return ev.VerificationEnded(verdict="fail", words=x)
    return made[n % len(made)]()


def test_fifty_thousand_events_leave_a_bounded_state() -> None:
    sizes: dict[int, int] = {}
    state = State()
    for event in story_of(50_000):
        state = fold(state, event)
        if event.seq in (10_000, 50_000):
            sizes[event.seq] = len(stored(state))
    assert sizes[50_000] < 1.2 * sizes[10_000], "it grows with the journal"
    assert sizes[50_000] < 1_000_000
    assert state.unreadable > KEPT


def test_an_event_that_does_not_fit_changes_nothing_but_seq() -> None:
    state = a_state()
    for body in (
        ev.PlanApproved(hash="sha256:nobody"),
        ev.StepEnded(plan="p", step="s", attempt=1, status="done", detail=""),
        ev.EvidenceSealed(bundle="nobody", path="p", seal="s", files=1, size=1, kinds=()),
        ev.CheckEnded(result=CheckResult(id="x", title="x", verdict="pass", words="x")),
        ev.WatchEnded(quiet=True, words="x"),
        ev.MessageSent(message="nobody", receipt="r"),
    ):
        after = fold(state, an_event(body, 2))
        assert after.model_copy(update={"seq": state.seq, "at": state.at}) == state


def test_a_step_is_unknown_after_a_crash_until_a_person_resolves_it() -> None:
    plan = a_plan()
    hash_ = plan.hash
    at_hand: dict[str, Any] = {"plan": hash_, "step": "restart", "attempt": 1}
    bodies: list[Any] = [
        ev.PlanProposed(plan=plan, hash=hash_),
        ev.PlanApproved(hash=hash_),
        ev.RunStarted(hash=hash_),
        ev.StepIntended(**at_hand, calls=plan.steps[0].preview.calls, inverse=None),
    ]
    state = a_state(*bodies)
    assert state.plan is not None
    assert state.plan.unknown_steps() == ("restart",)
    resolved = fold_all(events(ev.StepResolved(**at_hand, choice="done", reason="seen"), first=9), state)
    assert resolved.plan is not None
    assert resolved.plan.unknown_steps() == ()
    assert resolved.plan.steps["restart"].status == "done"
    assert "application-rolled-back" in resolved.proofs


def test_a_release_that_is_noticed_late_ran_when_the_incident_was_opened() -> None:
    """By when it was deployed; one that came later, or by a plan of this incident, did not."""
    old, new = a_release("v2", deployed_at=at(-500)), a_release("v3", deployed_at=at(-2))
    later = a_release("v4", deployed_at=at(60))
    opened = an_incident(running=old)

    def began_on(*changes: ev.ReleaseChanged) -> str:
        story = events(opened, *changes)
        incident = fold_all(story).incident
        assert incident is not None
        assert incident.running is not None
        assert Story(story, at(90)).began_on()[0] == incident.running
        return incident.running.name

    def seen(release: Release, *, rollback: bool = False) -> ev.ReleaseChanged:
        return ev.ReleaseChanged(was=old, now=release, seen_by="lab", rollback=rollback)

    assert began_on() == "v2"
    assert began_on(seen(new)) == "v3"
    assert began_on(seen(new), seen(later)) == "v3"
    assert began_on(seen(later)) == "v2"
    assert began_on(seen(new, rollback=True)) == "v2"
    assert began_on(seen(new), seen(old)) == "v3"
