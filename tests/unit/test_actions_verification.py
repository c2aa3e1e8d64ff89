"""Each built-in check passes, fails, or says that it can't tell; too little data never passes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from warroom.actions import verification
from warroom.actions.platform import ActivePlatform
from warroom.actions.verification import BUILT_IN, Eyes, check, verdict
from warroom.api import Context, Plugin, Probed
from warroom.model.base import Duration, Fact
from warroom.model.checks import BUILT_IN_CHECKS
from warroom.model.release import Release
from warroom.model.runbook import CheckDecl
from warroom.model.signal import LogLine, TriggerReading
from warroom.model.verification import CheckResult
from warroom.redact import Redactor
from warroom.testing.builders import a_release, a_runbook, a_trigger
from warroom.testing.clock import VirtualClock
from warroom.testing.fakes import a_context

Seen = list[tuple[float | None, int | None]]


class Impatient(VirtualClock):
    """Waiting takes no time."""

    async def sleep(self, seconds: float) -> None:
        self.tick(seconds)


def eyes(
    running: Release | None = None,
    target: Release | None = None,
    seen: Seen | None = None,
    logs: tuple[int, int] = (10, 0),
    triggers: Mapping[str, TriggerReading] | None = None,
    said: str = "",
) -> Eyes:
    async def runs() -> Release | None:
        return running

    line = LogLine(source="app", text="ERROR it broke", level="error")
    return Eyes(
        platforms={},
        running=runs,
        target=target,
        since_monotonic=0,
        seen_since=lambda signal, at: seen or [],
        log_since=lambda: (*logs, [line] * min(1, logs[1])),
        triggers=lambda: triggers or {},
        counts_then={},
        said_by_a_person=lambda check_id: ("pass", said) if said else None,
        clock=Impatient(),
        cleaner=Redactor(),
    )


V2, V3, NAMELESS = a_release("v2"), a_release("v3"), Release(version="v2")
BELOW = {"signal": "errors", "below": 0.05, "at_least": 20}
CASES: list[tuple[str, dict[str, Any], Eyes, str, str]] = [
    ("running-is-target", {}, eyes(V2, V2), "pass", "v2 runs"),
    ("running-is-target", {}, eyes(V3, V2), "fail", "not v2"),
    ("running-is-target", {}, eyes(NAMELESS, V2), "inconclusive", "no identity"),
    ("running-is-target", {}, eyes(None, V2), "inconclusive", "can't be read"),
    ("running-is-target", {}, eyes(V2, None), "inconclusive", "no target"),
    ("signal-within", BELOW, eyes(seen=[(0.0, 30)]), "pass", ""),
    ("signal-within", BELOW, eyes(seen=[(0.0, 30), (1.0, 30)]), "fail", "must be below"),
    ("signal-within", BELOW, eyes(seen=[(0.05, 30)]), "fail", "must be below"),
    ("signal-within", BELOW, eyes(seen=[(0.0, 19)]), "inconclusive", "20 are wanted"),
    ("signal-within", BELOW, eyes(seen=[(None, 500)]), "inconclusive", "0 observations"),
    ("signal-within", BELOW, eyes(), "inconclusive", "0 observations"),
    ("signal-within", {"signal": "up", "above": 0.5}, eyes(seen=[(1.0, None), (0.0, None)]), "fail", "above"),
    ("signal-within", {"nothing": 1}, eyes(), "inconclusive", "signal"),
    ("logs-clean", {}, eyes(logs=(10, 0)), "pass", "0 error lines"),
    ("logs-clean", {}, eyes(logs=(10, 1)), "fail", "it broke"),
    ("logs-clean", {"allow": 1}, eyes(logs=(10, 1)), "pass", "1 error lines"),
    ("logs-clean", {}, eyes(logs=(0, 0)), "inconclusive", "not one log line"),
    ("triggers-quiet", {}, eyes(triggers={"a": a_trigger("ok")}), "pass", "quiet"),
    (
        "triggers-quiet",
        {},
        replace(eyes(triggers={"a": a_trigger("ok")}), no_health=frozenset({a_trigger("ok").id})),
        "inconclusive",
        "not one trigger",
    ),
    ("triggers-quiet", {}, eyes(triggers={"a": a_trigger("firing")}), "fail", ""),
    ("triggers-quiet", {}, eyes(triggers={"a": a_trigger("clearing")}), "inconclusive", "clearing"),
    ("triggers-quiet", {}, eyes(triggers={"a": a_trigger("unknown")}), "inconclusive", "measured"),
    ("ask-a-person", {}, eyes(said="op1: both could sign in"), "pass", "op1"),
    ("ask-a-person", {}, eyes(), "inconclusive", "nobody"),
    ("counts-match", {"probe": "lab.row_counts"}, eyes(), "inconclusive", "no row counts"),
    ("lab.row_counts", {}, eyes(), "inconclusive", "lab is not there"),
]


@pytest.mark.parametrize(("use", "args", "seen", "wanted", "words"), CASES)
async def test_a_check(use: str, args: dict[str, Any], seen: Eyes, wanted: str, words: str) -> None:
    decl = CheckDecl.model_validate({"sentence": "it is well", "use": use, "with": args, "proves": "verified"})
    result = await check("one", decl, seen)
    assert (result.verdict, result.proves) == (wanted, "verified"), result.words
    assert words in result.words


def test_every_built_in_check_is_tried_and_has_its_arguments() -> None:
    assert set(BUILT_IN) == set(BUILT_IN_CHECKS) <= {use for use, *_ in CASES}


@pytest.mark.parametrize(
    ("verdicts", "wanted"),
    [
        (("pass", "pass", "pass"), "pass"),
        (("pass", "pass", "fail"), "pass"),
        (("pass", "inconclusive", "pass"), "inconclusive"),
        (("fail", "inconclusive", "pass"), "fail"),
        ((), "inconclusive"),
    ],
)
def test_the_verdict_is_that_of_the_worst_check_that_has_to_pass(verdicts: tuple[Any, ...], wanted: str) -> None:
    decl = {"sentence": "it is well", "use": "ask-a-person"}
    checks = {"one": decl, "two": decl, "three": {**decl, "required": False}}
    book = a_runbook(verification=checks)
    names = dict(zip(checks, verdicts, strict=False))
    results = {n: CheckResult(id=n, title=n, verdict=v, words="so") for n, v in names.items()}
    assert verdict(book, results)[0] == wanted


class Patient(Fact):
    within: Duration = 0


class Slow:
    """Answers only once everything else has had its turn."""

    name = "slow"
    args: type[BaseModel] = Patient

    async def probe(self, ctx: Context, args: Any) -> Probed:
        await asyncio.sleep(0.05)
        return Probed("pass", "at last")


@pytest.mark.parametrize(("within", "wanted"), [("10m", "pass"), ("0s", "inconclusive"), ("wrong", "inconclusive")])
async def test_a_check_has_the_time_that_its_own_arguments_give_it(
    monkeypatch: pytest.MonkeyPatch, within: str, wanted: str
) -> None:
    monkeypatch.setattr(verification, "CHECK_TIMEOUT", 0.001)
    plugin = Plugin(name="world", version="1", config=Patient, probes=(Slow(),))
    platforms = {"world": ActivePlatform("world", plugin, a_context(Patient()))}
    monkeypatch.setattr(verification, "GRACE", 0.0)
    decl = CheckDecl.model_validate({"sentence": "it is well", "use": "world.slow", "with": {"within": within}})
    result = await check("it", decl, replace(eyes(), platforms=platforms))
    assert result.verdict == wanted, result
