"""The command log: what was made, as it can be pasted; secrets stand in it by name, and their values never."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

import pytest

from warroom.actions.commands import KEPT, LONGEST, CommandLog
from warroom.model.call import Call, HttpCall, ProcessCall, Secret
from warroom.redact import Redactor

CALLS: list[Call] = [
    HttpCall(method="POST", url="http://h/x", headers={"Authorization": Secret(secret="CI_TOKEN", prefix="Bearer ")}),
    HttpCall(method="GET", url="http://h/x", headers={"Cookie": Secret(secret="CI_TOKEN", prefix="session=")}),
    ProcessCall(argv=("psql", "-h", "db"), env={"PGPASSWORD": Secret(secret="CI_TOKEN")}),
    ProcessCall(argv=("login",), stdin=Secret(secret="CI_TOKEN")),
    ProcessCall(argv=("cli",), env={"REDIS_URL": Secret(secret="CI_TOKEN", prefix="redis://:")}),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.paste()[:30])
def test_a_reference_to_a_secret_says_what_to_fill_in(call: Call) -> None:
    kept = Redactor().clean_call(call.paste())
    assert "‹secret: CI_TOKEN›" in kept
    assert shlex.split(kept), "it can be pasted: every quote is closed"


def test_a_value_that_is_a_secret_is_hidden_between_references_too() -> None:
    redactor = Redactor()
    redactor.register("s3cr3t-value-zz", "token")
    call = ProcessCall(argv=("run", "s3cr3t-value-zz", "--password=hunter2hunter2"), stdin=Secret(secret="CI_TOKEN"))
    kept = redactor.clean_call(call.paste())
    assert "s3cr3t-value-zz" not in kept
    assert "hunter2hunter2" not in kept
    assert "‹secret: CI_TOKEN›" in kept


def test_what_was_cut_says_so() -> None:
    log = CommandLog()
    log.add(datetime(2026, 3, 2, tzinfo=UTC), "read", "x" * (LONGEST + 1), 0, 0.1)
    assert log.newest(1)[0].text.endswith("cut here: it is longer")


def test_however_much_is_looked_what_changed_something_stays() -> None:
    log, at = CommandLog(), datetime(2026, 11, 23, tzinfo=UTC)
    log.add(at, "change", "kubectl rollout undo", 0, 1)
    for number in range(3 * KEPT):
        log.add(at, "read", f"look {number}", 0, 0)
    log.add(at, "change", "kubectl scale", 0, 1)
    kept = [line.text for line in log.newest(4)]
    assert kept == ["kubectl rollout undo", f"look {3 * KEPT - 2}", f"look {3 * KEPT - 1}", "kubectl scale"]
    assert [line.text for line in log.newest(1)] == ["kubectl scale"]
    assert log.newest(0) == ()
