"""The plan's hash changes when what an approval binds changes, and only then."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel

from tests.strategies import models
from warroom.model.call import Ref, Secret
from warroom.model.choice import Chosen
from warroom.model.plan import Plan, Preview, Step
from warroom.testing.builders import a_call, a_plan, a_preview, a_release, a_step, an_http_call, at


def a_chosen(value: str = "/backups/a.dump", **more: str) -> Chosen:
    return Chosen(choice="backup", **{"title": "The backup", "value": value, "words": "a.dump", **more})


NOT_BOUND = {
    Plan: {"id", "title", "expected_s", "notes", "running"},
    Step: {"title", "facts"},
    Preview: {
        "expected_s",
        "notes",
        "restores",
        "stops",
        "starts",
        "confirm",
        "writes",
        "idle",
        "unproven",
        "loses",
        "leaves",
        "keeps",
        "ends",
        "back",
        "tells",
        "check_s",
    },
}
"""Names, prose, estimates, and facts that are not pinned."""

OTHER: dict[type[BaseModel], dict[str, Any]] = {
    Plan: {
        "id": "plan-2",
        "format": 2,
        "incident": "inc-0002",
        "purpose": "undo",
        "procedure": "other",
        "title": "Another title",
        "fingerprint": {"lab": "lab-0002"},
        "runbook_hash": "sha256:0",
        "target": a_release("v9"),
        "running": a_release("v8"),
        "steps": (a_step(), a_step("second")),
        "expected_s": 99.0,
        "notes": ("a note",),
        "choices": (a_chosen(),),
    },
    Step: {
        "id": "other",
        "title": "Another title",
        "platform": "other",
        "operation": "other",
        "plugin": "other",
        "plugin_version": "2",
        "args": {"component": "app"},
        "risk": "destructive",
        "role": "database",
        "preview": a_preview(a_call("another")),
        "manual": True,
        "undoes": True,
        "facts": {"pid": 7},
    },
    Preview: {
        "calls": (a_call("another"),),
        "inverse": (a_call("back"),),
        "no_inverse": "another reason",
        "pinned": {"digest": "sha256:1"},
        "changes": ("digest",),
        "destroys": ("dump",),
        "notes": ("a note",),
        "expected_s": 99.0,
        "timeout_s": 99.0,
        "restores": "v9",
        "stops": ("web",),
        "starts": ("worker",),
        "confirm": "shop",
        "writes": "3 sessions of app",
        "unproven": "nobody counted",
        "loses": ("41 users",),
        "leaves": ("shop-before is kept",),
        "keeps": ("before",),
        "ends": ("beside",),
        "back": "3 users",
        "tells": True,
        "idle": True,
        "check_s": 99.0,
    },
}


def changed(model: type[BaseModel], field: str, value: Any) -> Plan:
    plan = a_plan()
    if model is Plan:
        return plan.model_copy(update={field: value})
    step = plan.steps[0]
    if model is Step:
        step = step.model_copy(update={field: value})
    else:
        step = step.model_copy(update={"preview": step.preview.model_copy(update={field: value})})
    return plan.model_copy(update={"steps": (step,)})


def test_the_table_names_every_field() -> None:
    for model, values in OTHER.items():
        assert set(values) == set(model.model_fields), model.__name__


@pytest.mark.parametrize(("model", "field"), [(model, field) for model, values in OTHER.items() for field in values])
def test_the_hash_changes_exactly_when_bound_content_does(model: type[BaseModel], field: str) -> None:
    other = changed(model, field, OTHER[model][field])
    assert other != a_plan(), "the table must give another value"
    assert (other.hash == a_plan().hash) == (field in NOT_BOUND[model])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (a_call("rm", "a b"), a_call("rm", "a", "b")),
        (a_call("a"), a_call("a").model_copy(update={"timeout_s": 61.0})),
        (a_call("a").model_copy(update={"env": {"A": "b"}}), a_call("a").model_copy(update={"env": {"A": "c"}})),
        (a_call("a").model_copy(update={"stdin": Secret(secret="x")}), a_call("a").model_copy(update={"stdin": "x"})),
        (an_http_call(v=Ref(step="a", output="b")), an_http_call(v=Ref(step="a", output="c"))),
        (an_http_call(v=1), an_http_call(v="1")),
        (an_http_call(v=[1, 2]), an_http_call(v=[2, 1])),
    ],
)
def test_calls_that_differ_in_anything_have_another_hash(one: Any, other: Any) -> None:
    assert a_plan(a_step("s", one)).hash != a_plan(a_step("s", other)).hash


def test_which_was_chosen_is_bound_and_the_words_for_it_are_not() -> None:
    plan = a_plan().model_copy(update={"choices": (a_chosen(),)})
    assert plan.hash != a_plan().model_copy(update={"choices": (a_chosen("/backups/b.dump"),)}).hash
    assert plan.hash == a_plan().model_copy(update={"choices": (a_chosen(title="A", words="b"),)}).hash


def test_the_order_of_steps_is_bound_and_the_order_of_keys_is_not() -> None:
    first, second = a_step("a"), a_step("b")
    assert a_plan(first, second).hash != a_plan(second, first).hash
    ordered, turned = {"x": 1, "y": {"a": 1, "b": 2}}, {"y": {"b": 2, "a": 1}, "x": 1}
    assert a_plan(a_step(args=ordered)).hash == a_plan(a_step(args=turned)).hash


def test_what_is_learned_about_a_target_later_does_not_void_an_approval() -> None:
    plan = a_plan(target=a_release(verdict="unknown"))
    assert plan.hash == a_plan(target=a_release(verdict="good", note="ran for a day", deployed_at=at())).hash
    for identity in ({"digest": "sha256:1"}, {"commit": "0"}, {"version": "v3"}):
        assert plan.hash != a_plan(target=a_release().model_copy(update=identity)).hash


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(models(Plan))
def test_the_hash_survives_the_journal(plan: Plan) -> None:
    assert Plan.model_validate_json(plan.model_dump_json()).hash == plan.hash


@pytest.mark.parametrize(
    ("risks", "worst"),
    [
        (("safe",), "safe"),
        (("safe", "disruptive"), "disruptive"),
        (("disruptive", "destructive", "safe"), "destructive"),
    ],
)
def test_a_plan_is_as_risky_as_its_riskiest_step(risks: tuple[str, ...], worst: str) -> None:
    assert a_plan(*(a_step(f"s{n}", risk=risk) for n, risk in enumerate(risks))).risk == worst
