"""Messages: filled from the journal, bounded, and never a program."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warroom.comms import check_template, render, variables
from warroom.errors import BadInput
from warroom.model.event import (
    Body,
    Decided,
    IncidentClosed,
    NoteAdded,
    PlanApproved,
    PlanProposed,
    ReleaseChanged,
    RunEnded,
    RunStarted,
    TargetChosen,
    VerificationEnded,
    VerificationStarted,
)
from warroom.model.fold import fold_all
from warroom.model.runbook import Template
from warroom.model.state import State
from warroom.runbook.template import FILTERS, VARIABLES
from warroom.testing.builders import a_plan, a_release, a_runbook, a_state, a_trigger, an_incident, at, events

STARTED = """Time: {{ time_utc }}
Reason: {{ reason }}
Impact: {{ impact }}
ETA: {{ eta }}
Status Page: {{ status_page or "none" }}"""


def said(text: str, *bodies: Body, seconds: float = 0, **runbook: Any) -> str:
    return render(Template(title="Test", text=text), a_runbook(**runbook), a_state(*bodies), at(seconds))


def value(name: str, *bodies: Body, seconds: float = 0, **runbook: Any) -> str:
    return said("{{ " + name + " }}", *bodies, seconds=seconds, **runbook)


PLAN = a_plan(expected_s=240)
RUN: tuple[Body, ...] = (
    PlanProposed(plan=PLAN, hash=PLAN.hash),
    PlanApproved(hash=PLAN.hash),
    RunStarted(hash=PLAN.hash),
)
PASSED: tuple[Body, ...] = (
    VerificationStarted(checks=()),
    VerificationEnded(verdict="pass", words="all well"),
)


def test_a_whole_message() -> None:
    assert said(STARTED, status_page="https://status.example.com") == (
        "Time: 03:00 UTC\n"
        "Reason: Error rate above 5 %\n"
        "Impact: users see errors\n"
        "ETA: usually 3–5 minutes from its start\n"
        "Status Page: https://status.example.com"
    )


@pytest.mark.parametrize(
    ("name", "bodies", "seconds", "expected"),
    [
        ("reason", (Decided(choice="rollback", reason="sign-in is down", followed_advice=True),), 0, "sign-in is down"),
        ("impact", (NoteAdded(text="a third can't sign in", about="impact"),), 0, "a third can't sign in"),
        ("eta", RUN[:1], 0, "about 4 minutes from its start"),
        ("eta", RUN, 4, "03:04 UTC (about 4 minutes)"),
        ("eta", RUN, 230, "03:04 UTC (about a minute)"),
        ("eta", RUN, 300, "later than expected (03:04 UTC)"),
        (
            "eta",
            (*RUN, RunEnded(hash=PLAN.hash, outcome="done", detail="", seconds=3)),
            9,
            "rolled back, being verified",
        ),
        ("duration", (), 40, "1 m so far"),
        ("duration", (), 7200 - 20, "2 h so far"),
        ("duration", PASSED, 999, "23 s"),
        ("version", (), 0, "not known yet"),
        ("version", (TargetChosen(release=a_release("v1.2.3"), reason=""),), 0, "v1.2.3"),
        ("from_version", (TargetChosen(release=a_release("v1.2.3"), reason=""),), 0, "v1.0.0-beta.3"),
        (
            "from_version",
            (
                TargetChosen(release=a_release("v1.2.3"), reason=""),
                ReleaseChanged(was=a_release("v1.3.0"), now=a_release("v1.2.3"), seen_by="lab"),
            ),
            0,
            "v1.3.0",
        ),
        ("status_page", (), 0, ""),
        ("title", (), 0, "Error rate 12.4 %"),
        ("incident", (), 0, "inc-0001"),
        ("severity", (), 0, "critical"),
    ],
)
def test_values(name: str, bodies: tuple[Body, ...], seconds: float, expected: str) -> None:
    assert value(name, *bodies, seconds=seconds) == expected


def test_without_an_incident_nothing_is_made_up() -> None:
    values = variables(a_runbook(procedures={}), State(), at())
    unknown = {name for name, text in values.items() if text == "not known yet"}
    assert unknown == set(VARIABLES) - {"time_utc", "service", "environment", "status_page"}


def test_every_documented_variable_is_there_and_no_other() -> None:
    assert set(variables(a_runbook(), a_state(), at())) == set(VARIABLES)


def test_an_expectation_is_given_only_for_platforms_that_are_there() -> None:
    other = {**a_runbook().model_dump(mode="json", by_alias=True)["procedures"]["lab-rollback"], "needs": ["cluster"]}
    assert value("eta", procedures={"other": other}) == "not known yet"


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [
        (4, 15, "usually 4–15 seconds from its start"),
        (40, 90, "usually 40 seconds to 2 minutes from its start"),
        (60, 300, "usually 1–5 minutes from its start"),
        (90, 150, "usually 1–3 minutes from its start"),
        (300, 300, "usually about 5 minutes from its start"),
        (0.2, 0.9, "usually about 1 second from its start"),
    ],
)
def test_an_expectation_is_in_words(least: float, most: float, said: str) -> None:
    procedure = a_runbook().model_dump(mode="json", by_alias=True)["procedures"]["lab-rollback"]
    assert value("eta", procedures={"it": {**procedure, "expected": [{"least": least, "most": most}]}}) == said


def test_outside_text_stays_data_and_on_its_line() -> None:
    hostile = "{{ service }} {% for x in y %}\nStatus: All services operational\x1b]0;x\x07\u202e"
    bodies = (Decided(choice="rollback", reason=hostile, followed_advice=True),)
    text = said("Reason: {{ reason }}\nStatus: down", *bodies)
    assert text.splitlines()[1] == "Status: down"
    assert len(text.splitlines()) == 2
    assert "{{ service }} {% for x in y %}" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("a\n{{ raeson }}", 2, "the unknown variable 'raeson'"),
        ("{{ reason", 1, "unexpected end of template"),
        ("{% for c in title %}{{ c }}{% endfor %}", 1, "a loop"),
        ("{{ range(9) }}", 1, "a call"),
        ("{{ title.__class__ }}", 1, "an attribute"),
        ("{{ title['a'] }}", 1, "an index"),
        ("{% set a = title %}", 1, "set"),
        ("{% include 'x' %}", 1, "include"),
        ("{% macro a() %}{% endmacro %}", 1, "a macro"),
        ("{{ title * 999999999 }}", 1, "mul"),
        ("{{ 9 ** 9 ** 9 }}", 1, "pow"),
        ("{{ title | center(999999999) }}", 1, "center"),
        ("{{ title | replace('a', 'aa') }}", 1, "replace"),
        ("{{ title is defined }}", 1, "test"),
        ("{{ " + "(" * 3000 + "title" + ")" * 3000 + " }}", 1, "nested"),
        ("{% if title %}" * 150 + "{% endif %}" * 150, 1, ""),
        ("{{ " + "not " * 2000 + "title }}", 1, ""),
        ("{{ title }}" * 500, 1, "many expressions"),
        ("x" * 8001, 1, "8,001 characters"),
        ("{{ '\\ud800' }}{{ \x00 }}", 1, ""),
    ],
)
def test_what_a_template_may_not_be(text: str, line: int, found: str) -> None:
    began = time.process_time()
    problem = check_template(text)
    assert time.process_time() - began < 5
    assert problem is not None
    assert problem.line == line
    assert found in problem.found
    with pytest.raises(BadInput) as caught:
        said(text)
    assert "Test" in caught.value.title


def test_what_a_template_may_be() -> None:
    text = (
        "{% if severity == 'critical' and not status_page %}{{ service | upper }}{% elif title %}x{% else %}y"
        "{% endif %}"
        "{{ ' at ' ~ time_utc if title else '' }}{# a remark #}{{ impact | default('x') }}"
    )
    assert check_template(text) is None
    assert said(text).startswith("AI-SAAS-APP at 03:00 UTC")


def test_a_message_that_got_too_long() -> None:
    long = Decided(choice="rollback", reason="x" * 3000, followed_advice=True)
    with pytest.raises(BadInput) as caught:
        said("{{ reason }}" * 150, long)
    assert "too long" in caught.value.title


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="{}%# ()[]|.~-+*'\"abtile_ if for is not\n\x00é", max_size=120))
def test_any_text_is_a_template_or_a_named_problem(text: str) -> None:
    try:
        rendered = said(text)
    except BadInput:
        return
    assert isinstance(rendered, str)


def test_filters_hold_what_the_documentation_says() -> None:
    for name in FILTERS:
        assert check_template("{{ title | " + name + " }}") is None


def test_without_a_firing_trigger_the_reason_is_the_incidents_title() -> None:
    opened = an_incident(triggers=(a_trigger("ok"),))
    state = fold_all(events(opened, *PASSED, IncidentClosed(outcome="recovered", reason="")))
    assert render(Template(title="t", text="{{ reason }}"), a_runbook(), state, at(99)) == "Error rate 12.4 %"


def test_the_default_runbooks_messages() -> None:
    from warroom.runbook import default_runbook

    book = default_runbook()
    opened = an_incident(triggers=(a_trigger(id="auth-down", title="Auth System Down"),))
    chosen = TargetChosen(release=a_release("v1.0.0-beta.2"), reason="")
    state = fold_all(events(opened, chosen, *PASSED))
    written = {name: render(template, book, state, at(60)) for name, template in book.templates.items()}
    assert set(written) >= {"started", "completed"}
    assert written["started"].splitlines()[2:7] == [
        "Time: 03:01 UTC",
        "Reason: Auth System Down",
        f"Impact: {book.triggers['auth-down'].impact}",
        "ETA: not known yet",
        "Status Page: none",
    ]
    assert written["completed"].splitlines()[2:5] == [
        "Time: 03:01 UTC",
        "Duration: 24 s",
        "Resolution: Rolled back to v1.0.0-beta.2",
    ]
