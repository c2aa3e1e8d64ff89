"""Everything that goes to disk or over the wire comes back as it was: all of it, generated from its types."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from tests.strategies import JSON, members, models
from warroom.model import event as events_module
from warroom.model.base import canonical, stored
from warroom.model.event import EVENTS, Actor, Body, Event, IncidentOpened, Raw
from warroom.model.fold.registry import FOLDS
from warroom.model.intent import INTENTS, Intent
from warroom.model.live import LiveValue, Page, Query, TimelinePage
from warroom.model.runbook import Runbook
from warroom.model.signal import Sample
from warroom.model.state import State
from warroom.model.verification import CheckResult
from warroom.session import FRAMES, PAGES, QUERIES, REPLIES, Frame, Reply, Snapshot
from warroom.testing.builders import at

UNIONS: dict[str, tuple[Any, TypeAdapter[Any]]] = {
    "event": (Body, TypeAdapter(Body)),
    "intent": (Intent, INTENTS),
    "frame": (Frame, FRAMES),
    "live": (LiveValue, TypeAdapter(LiveValue)),
    "query": (Query, QUERIES),
    "page": (Page, PAGES),
    "reply": (Reply, REPLIES),
}
MEMBERS = [(name, member) for name, (union, _) in UNIONS.items() for member in members(union)]
LARGE = (IncidentOpened, Snapshot, State, Runbook, TimelinePage)
RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def examples(model: type[BaseModel]) -> settings:
    return settings(max_examples=6 if model in LARGE else 25, deadline=None, suppress_health_check=RELAXED)


def again(adapter: TypeAdapter[Any], value: BaseModel) -> None:
    """Through bytes and through plain objects, to the same value and to the same bytes."""
    data = stored(value)
    back = adapter.validate_json(data)
    assert type(back) is type(value)
    assert back == value
    assert stored(back) == data
    assert adapter.validate_python(json.loads(data)) == value


@pytest.mark.parametrize(("name", "member"), MEMBERS, ids=[f"{name}-{member.__name__}" for name, member in MEMBERS])
def test_every_member_of_every_union_survives_json(name: str, member: type[BaseModel]) -> None:
    adapter = UNIONS[name][1]

    @examples(member)
    @given(models(member))
    def survives(value: BaseModel) -> None:
        assert type(value) is member
        again(adapter, value)

    survives()


@settings(max_examples=60, deadline=None, suppress_health_check=RELAXED)
@given(st.one_of([models(member) for member in members(Body) if member not in LARGE]), models(Actor))
def test_events_survive_json_whole(body: Any, actor: Actor) -> None:
    again(EVENTS, Event(seq=1, at=at(), id="e1", actor=actor, body=body))


@pytest.mark.parametrize("model", [State, Runbook])
def test_state_and_runbook_survive_json(model: type[BaseModel]) -> None:
    @examples(model)
    @given(models(model))
    def survives(value: BaseModel) -> None:
        again(TypeAdapter(model), value)

    survives()


def test_nothing_was_left_out_of_the_union_of_events() -> None:
    """A body that is defined and not in ``Body`` could be written and never read."""
    defined = {
        thing
        for thing in vars(events_module).values()
        if isinstance(thing, type) and issubclass(thing, BaseModel) and "type" in thing.model_fields
    }
    assert defined == set(members(Body))
    assert len(members(Body)) >= 40
    assert set(FOLDS) <= defined


@pytest.mark.parametrize("name", UNIONS)
def test_each_member_has_a_tag_of_its_own(name: str) -> None:
    tag = {"event": "type", "intent": "type", "frame": "frame", "query": "ask", "reply": "reply"}.get(name, "kind")
    tags = [get_args(member.model_fields[tag].annotation)[0] for member in members(UNIONS[name][0])]
    assert len(set(tags)) == len(tags)


@pytest.mark.parametrize(("name", "member"), MEMBERS, ids=[f"{name}-{member.__name__}" for name, member in MEMBERS])
def test_an_unknown_key_is_refused_by_every_member(name: str, member: type[BaseModel]) -> None:
    assert member.model_config.get("extra") == "forbid"
    assert member.model_config.get("frozen")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_json_has_no_word_for_is_refused_where_it_is_made_and_where_it_is_written(number: float) -> None:
    for wrong in ({"words": "x", "numbers": {"a": number}}, {"words": "x", "numbers": {"a": [{"b": number}]}}):
        with pytest.raises(ValidationError):
            CheckResult.model_validate({"id": "x", "title": "x", "verdict": "pass", **wrong})
    with pytest.raises(ValidationError):
        Sample(signal="x", value=number, at=at())
    with pytest.raises(ValueError, match="JSON compliant"):
        stored(Raw.model_construct(body={"a": [number]}))


@given(JSON)
def test_canonical_json_does_not_depend_on_the_order_of_keys(value: Any) -> None:
    def turned(inner: Any) -> Any:
        if isinstance(inner, dict):
            return {key: turned(inner[key]) for key in reversed(inner)}
        return [turned(item) for item in inner] if isinstance(inner, list) else inner

    assert canonical(value) == canonical(turned(value))
    assert json.loads(stored(value)) == value
