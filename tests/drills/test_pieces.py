"""A drill's pieces without a lab: what it came to, what ends it early, and the runbook it is played with."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest

from warroom.cli.drilling import choose
from warroom.drills.autopilot import Autopilot
from warroom.drills.drill import LabDrill, playing
from warroom.drills.result import result, verified
from warroom.drills.scenarios import LAB, SCENARIOS, scenario
from warroom.errors import BadInput, Refusal, WarroomError
from warroom.journal.folder import StateFolder
from warroom.model import event as ev
from warroom.model.base import span_text
from warroom.model.runbook import FromTimer
from warroom.model.state import State
from warroom.runbook import default_runbook
from warroom.session import Snapshot
from warroom.testing.builders import a_plan, a_release, a_runbook, a_state, at

BAD_RELEASE = SCENARIOS["bad-release"]
CHECKING = ev.VerificationStarted(checks=("health",))


def ended(verdict: Any) -> ev.VerificationEnded:
    return ev.VerificationEnded(verdict=verdict, words="as it says", next=())


WATCHING = ev.WatchStarted(until=at(20), production_s=1800, window_s=20)


@pytest.mark.parametrize(
    ("bodies", "verdict"),
    [
        ((), "inconclusive"),
        ((CHECKING,), "inconclusive"),
        ((CHECKING, ended("inconclusive")), "inconclusive"),
        ((CHECKING, ended("fail")), "fail"),
        ((CHECKING, ended("pass")), "pass"),
        ((CHECKING, ended("pass"), WATCHING), "pass"),
        ((CHECKING, ended("pass"), WATCHING, ev.WatchEnded(quiet=True, words="quiet")), "pass"),
        ((CHECKING, ended("pass"), WATCHING, ev.WatchEnded(quiet=False, words="it burns")), "fail"),
        ((CHECKING, ended("fail"), CHECKING, ended("pass")), "pass"),
    ],
)
def test_what_a_drill_came_to(bodies: tuple[ev.Body, ...], verdict: str) -> None:
    assert verified(a_state(*bodies)) == verdict


def test_a_target_that_did_not_come_up_is_a_fail_though_nothing_was_verified() -> None:
    plan = a_plan()
    step = {"plan": plan.hash, "step": plan.steps[0].id, "attempt": 1, "status": "failed", "detail": "exited (1)"}
    bodies: tuple[ev.Body, ...] = (
        ev.TargetChosen(release=a_release(), reason="the newest before"),
        ev.PlanProposed(plan=plan, hash=plan.hash),
        ev.RunStarted(hash=plan.hash),
        ev.StepEnded.model_validate(step),
        ev.RunEnded(hash=plan.hash, outcome="failed", detail="exited (1)", seconds=3),
    )
    assert verified(a_state(*bodies)) == "fail"
    assert verified(a_state(*bodies, CHECKING, ended("pass"))) == "pass"


def test_a_drill_in_which_nothing_happened_has_every_key_all_the_same() -> None:
    assert result("bad-release", State(), [], None, None) == {
        "scenario": "bad-release",
        "incident": None,
        "from": None,
        "to": None,
        "rolled_back": False,
        "verified": "inconclusive",
        "timings": dict.fromkeys(("detected", "decided", "evidence", "rolled_back", "verified")),
        "kept": None,
        "lost": None,
        "journal": None,
        "evidence": None,
        "report": None,
    }


def test_the_windows_of_production_stand_beside_the_drills() -> None:
    """Of every window that is shortened, in the file itself; and every one is shorter."""
    text = LAB.read_text()
    block = text.split("drill_windows:\n", 1)[1].split("\n\n", 1)[0]
    lines = [re.fullmatch(r"  ([a-z0-9-]+): (\d+[sm])  # production (\d+[sm])", line) for line in block.splitlines()]
    said = {match[1]: (match[2], match[3]) for match in lines if match is not None}
    assert len(said) == len(lines) > 10
    book = default_runbook()
    production = {name: one.for_ or one.over for _, _, name, one in book.conditions()}
    timers = {n: q.from_.wait for n, q in book.tree.questions.items() if isinstance(q.from_, FromTimer)}
    production |= {"watch": book.watch, **timers}
    for name, (short, long) in said.items():
        assert span_text(production[name]).replace(" ", "") == long, name
        assert seconds(short) < seconds(long), name
    assert said["error-rate"] == ("20s", "5m")


def seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


def test_no_scenario_but_those_there_are() -> None:
    assert scenario("bad-release") is BAD_RELEASE
    with pytest.raises(
        BadInput, match=re.escape(r"There is no scenario 'bad\x1b'. known: bad-release, data-corruption")
    ):
        scenario("bad\x1b")


def test_a_broken_target_is_not_for_every_scenario() -> None:
    """What is restored has the schema of the release that is gone back to, so nothing would be broken in it."""
    choose("bad-release", None, "", "", None, True)
    choose("data-corruption", None, "", "", None, False)
    with pytest.raises(BadInput, match="--fault-in-target is not for data-corruption"):
        choose("data-corruption", None, "", "", None, True)


# ---- what ends a drill early -------------------------------------------------------------------------------------


def a_drill(begin: Any, pid: int) -> LabDrill:
    """With nothing behind it but a process that stands for the lab."""
    lab: Any = type("Lab", (), {"pid": pid, "state_dir": Path("/drills/lab")})()
    nothing: Any = None
    where = "its logs are in /drills/lab/logs"
    return LabDrill(
        name="told", lab=lab, engine=nothing, runbook=a_runbook(), quiet=0, begin=partial(begin, lab), where=where
    )


async def begins(lab: object) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


async def cannot(lab: object) -> NoReturn:
    raise WarroomError("beta.3 was not deployed", "the disk is full")


async def test_the_work_goes_on_when_the_fault_has_begun() -> None:
    drill = a_drill(begins, os.getpid())

    async def work() -> str:
        while drill.fault_at is None:
            await asyncio.sleep(0.01)
        return "done"

    assert await drill.while_it_lasts(work()) == "done"


async def test_a_fault_that_cannot_be_brought_about_ends_the_drill() -> None:
    with pytest.raises(WarroomError) as told:
        await a_drill(cannot, os.getpid()).while_it_lasts(asyncio.sleep(60))
    assert told.value.title == "The fault could not be brought about"
    assert told.value.cause == "told: beta.3 was not deployed. the disk is full"
    assert told.value.hint == "its logs are in /drills/lab/logs"


async def test_a_lab_that_ends_ends_the_drill() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        drilling = asyncio.create_task(a_drill(begins, process.pid).while_it_lasts(asyncio.sleep(60)))
        await asyncio.sleep(0.1)
        process.kill()
        process.wait()
        with pytest.raises(WarroomError, match="The lab ended by itself"):
            await drilling


async def test_nothing_is_started_where_a_drill_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a lab was started")

    monkeypatch.setattr("warroom.drills.drill.running_lab", started)
    with StateFolder(tmp_path).lock(), pytest.raises(WarroomError, match="Another warroom is at work here"):
        async with playing("bad-release", tmp_path):
            pass


@pytest.mark.parametrize("kind", ["production", "staging"])
async def test_the_autopilot_does_not_even_look_on_outside_drills(kind: str) -> None:
    """The engine refuses what it asks; it does not ask, either."""

    class Elsewhere:
        async def watch(self, since: int | None = None) -> Any:
            runbook = a_runbook(environment={"kind": kind, "name": kind}, drill_windows={})
            yield Snapshot(version="1", me="autopilot", writable=True, at=at(), state=State(), runbook=runbook)

    session: Any = Elsewhere()
    with pytest.raises(Refusal, match=f"The autopilot flies drills only. this is {kind}"):
        await Autopilot(session, print).fly()
