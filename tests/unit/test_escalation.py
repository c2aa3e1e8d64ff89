"""The escalation path as a clock."""

from __future__ import annotations

from typing import Any

import pytest

from warroom.model.escalation import call_id, due, due_after, open_calls, said, who_decides
from warroom.model.event import Acknowledged, Body, Escalated, IncidentClosed, VerificationEnded, VerificationStarted
from warroom.model.runbook import EscalationStep, Runbook
from warroom.testing.builders import a_runbook, a_state, at

PATH: list[dict[str, Any]] = [
    {"after": 0, "sentence": "On-call engineer decides", "contacts": ["on-call"]},
    {"after": "5m", "sentence": "Notify CTO", "contacts": ["cto"]},
    {"after": "15m", "sentence": "Full team escalation", "contacts": ["cto", "on-call"]},
]


def runbook(*path: dict[str, Any]) -> Runbook:
    contacts = {"on-call": {"title": "On-Call Engineer"}, "cto": {"title": "CTO"}}
    return a_runbook(escalation=list(path), contacts=contacts)


@pytest.mark.parametrize(
    ("elapsed", "words"),
    [
        (-5, "on-call engineer decides until 05:00"),
        (0, "on-call engineer decides until 05:00"),
        (299.9, "on-call engineer decides until 05:00"),
        (300, "notify CTO; 15:00 full team escalation"),
        (899, "notify CTO; 15:00 full team escalation"),
        (900, "full team escalation"),
        (90000, "full team escalation"),
    ],
)
def test_who_decides(elapsed: float, words: str) -> None:
    assert who_decides(runbook(*PATH), elapsed) == words
    assert who_decides(runbook(*reversed(PATH)), elapsed) == words


def test_other_paths() -> None:
    assert who_decides(runbook(), 10) == ""
    assert who_decides(runbook(PATH[1]), 10) == "05:00 notify CTO"
    assert who_decides(runbook(PATH[0]), 10) == "on-call engineer decides"
    assert who_decides(runbook({"after": "1h5m", "sentence": "Wake the board."}), 0) == "1:05:00 wake the board"


@pytest.mark.parametrize(
    ("sentence", "short"),
    [
        ("First 5 minutes: On-call engineer decides", "on-call engineer decides"),
        ("After 5 minutes: Notify CTO", "notify CTO"),
        ("After 15 minutes: Full team escalation", "full team escalation"),
        ("CTO is called", "CTO is called"),
        ("After: ", "after:"),
    ],
)
def test_the_clock_stands_beside_the_sentence(sentence: str, short: str) -> None:
    assert said(EscalationStep(after=0, sentence=sentence)) == short


@pytest.mark.parametrize(
    ("elapsed", "already", "indexes"),
    [(-1, (), []), (0, (), [0]), (300, {0}, [1]), (1000, {0}, [1, 2]), (1000, {0, 1, 2}, [])],
)
def test_due(elapsed: float, already: set[int], indexes: list[int]) -> None:
    assert [index for index, _ in due_after(runbook(*PATH), elapsed, already)] == indexes
    assert [index for index, _ in due(runbook(*PATH), at(0), at(elapsed), already)] == indexes


def test_due_is_in_the_order_of_time_though_the_runbook_is_not() -> None:
    assert [index for index, _ in due_after(runbook(PATH[2], PATH[0]), 1000, ())] == [1, 0]


def test_the_default_runbooks_path() -> None:
    from warroom.runbook import default_runbook

    book = default_runbook()
    assert who_decides(book, 192) == "on-call engineer decides until 05:00"
    assert [index for index, _ in due_after(book, 900, ())] == [0, 1, 2]


REACHED: dict[str, dict[str, str]] = {
    "on-call": {"title": "On-Call Engineer"},
    "cto": {"title": "CTO", "reach": "+49 1"},
}


def called(*steps: int) -> list[Body]:
    return [
        Escalated(step=step, sentence=PATH[step]["sentence"], contacts=tuple(PATH[step]["contacts"]), elapsed_s=0)
        for step in steps
    ]


def test_a_call_that_is_due_is_announced_until_somebody_says_it_is_done() -> None:
    book = a_runbook(escalation=PATH, contacts=REACHED)
    quiet = a_state(*called(0))
    assert open_calls(book, quiet) == []
    assert who_decides(book, 10, quiet) == "on-call engineer decides until 05:00"
    due_now = a_state(*called(0, 1))
    assert who_decides(book, 301, due_now) == "CALL NOW: notify CTO (CTO +49 1)"
    other = a_state(*called(0, 1), Acknowledged(what="errors"), Acknowledged(what=call_id(2)))
    assert [step for step, _ in open_calls(book, other)] == [1]
    known = a_state(*called(0, 1), Acknowledged(what=call_id(1)))
    assert known.escalations[1].acknowledged == "op1"
    assert who_decides(book, 301, known) == "notify CTO; 15:00 full team escalation"
    later = a_state(*called(0, 1), Acknowledged(what=call_id(1)), *called(2))
    assert who_decides(book, 901, later) == "CALL NOW: full team escalation (CTO +49 1, On-Call Engineer)"


def test_nobody_is_called_any_more_when_it_is_over() -> None:
    book = a_runbook(escalation=PATH, contacts=REACHED)
    over = a_state(*called(0, 1), IncidentClosed(outcome="mitigated", reason="x"))
    assert open_calls(book, over) == []


def test_once_recovery_is_verified_nobody_is_called_any_more() -> None:
    passed = a_state(VerificationStarted(checks=()), VerificationEnded(verdict="pass", words="all well"))
    assert who_decides(runbook(*PATH), 901, passed) == "recovery is verified"
    assert who_decides(runbook(), 901, passed) == ""


def test_a_call_that_was_due_is_open_no_more_once_recovery_is_verified() -> None:
    ended = (VerificationStarted(checks=()), VerificationEnded(verdict="pass", words="all well"))
    assert open_calls(a_runbook(escalation=PATH, contacts=REACHED), a_state(*called(0, 1), *ended)) == []


def test_a_step_that_the_runbook_does_not_have_calls_nobody() -> None:
    assert open_calls(a_runbook(escalation=PATH[:1]), a_state(*called(0, 1))) == []
