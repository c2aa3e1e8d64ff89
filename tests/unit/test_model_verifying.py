"""While a verification goes on it says how far it is, what it waits for, and until when at most."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from warroom.model import event as ev
from warroom.model.finishing import finishing
from warroom.model.verification import CheckResult
from warroom.model.verifying import progress, waits
from warroom.testing.builders import a_runbook, a_state
from warroom.testing.clock import START

CHECKS: dict[str, dict[str, Any]] = {
    "web": {"sentence": "web is well", "use": "signal-within", "with": {"signal": "web", "wait": 40}},
    "errors": {"sentence": "few errors", "use": "signal-within", "with": {"signal": "errors"}},
    "quiet": {"sentence": "quiet", "use": "triggers-quiet", "with": {"wait": 20}, "required": False},
    "logs": {"sentence": "clean", "use": "logs-clean"},
    "said": {"sentence": "somebody says so", "use": "ask-a-person"},
    "wrong": {"sentence": "wrong", "use": "signal-within", "with": {"sgnal": "web"}},
}
BOOK = a_runbook(
    signals={
        "web": {"title": "web health", "unit": "state"},
        "errors": {"title": "5xx", "unit": "ratio", "source": {"platform": "lab", "signal": "errors"}},
    },
    verification=CHECKS,
)


def passed(*names: str) -> tuple[ev.Body, ...]:
    begun = ev.VerificationStarted(checks=tuple(CHECKS))
    return begun, *(ev.CheckEnded(result=CheckResult(id=n, title=n, verdict="pass", words="")) for n in names)


@pytest.mark.parametrize(
    ("ended", "words", "seconds"),
    [
        ((), "web health, 5xx and 2 more (nobody measures 1 of them)", 60),
        (("errors", "logs"), "web health and triggers to be quiet (nobody measures 1 of them)", 40),
        (("errors", "logs", "quiet"), "web health (nobody measures it)", 40),
        (("errors", "web", "quiet"), "log lines", 5),
        (("errors", "web", "quiet", "logs"), "", 0),
    ],
)
def test_it_names_what_it_waits_for_and_the_longest_of_it(ended: tuple[str, ...], words: str, seconds: float) -> None:
    state = a_state(*passed(*ended))
    checked = state.verification
    assert checked is not None
    assert progress(BOOK, checked) == f"{len(ended)} of 6 checks, 5 of them required"
    wait = waits(BOOK, state, checked.began_at)
    assert (wait.words if wait else "", wait.until - checked.began_at if wait else timedelta()) == (
        words,
        timedelta(seconds=seconds),
    )
    advice = finishing(BOOK, state)
    assert advice is not None
    assert advice.sentence == f"Verifying: {len(ended)} of 6 checks, 5 of them required"
    assert (f"waits for {words}, until " in advice.why) == bool(words)
    assert waits(BOOK, state, START + timedelta(hours=1)) is None, "what is over is waited for no more"


def test_where_every_check_is_required_that_is_not_said_and_an_end_ends_it() -> None:
    book = a_runbook(verification={name: CHECKS[name] for name in ("errors", "said")})
    state = a_state(ev.VerificationStarted(checks=("errors", "said")))
    assert state.verification is not None
    assert progress(book, state.verification) == "0 of 2 checks"
    over = a_state(
        ev.VerificationStarted(checks=("errors",)), ev.VerificationEnded(verdict="fail", words="no", next=())
    )
    assert waits(BOOK, over, START) is None
