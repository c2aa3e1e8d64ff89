"""Warroom, its tools and the server killed anywhere between a backup and the live name: that always serves, whole, and
the next start says how things stand, with a way on that works. Nothing is done twice.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import re
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.faults.postgres_child import Way, go
from tests.faults.postgres_site import Site, Truth
from tests.faults.postgres_walk import Walk
from tests.world import until
from warroom.model.plan import Step
from warroom.session import Refused

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.faults.postgres_child", "psycopg"])
CREATING, SAYING = "held:pg_database", "held:pg_shdescription"
"""Where the server stands still: as it writes down a new database, and a comment on one, or its end."""


@dataclass(frozen=True)
class Moment:
    """``at`` is a point of the child's, or what it runs into; a number is a part of the time that it may take.

    ``before``: how things have to stand.
    """

    before: Literal["clean", "restored", "swapped"]
    phases: tuple[str, ...]
    at: str | float
    strike: Literal["warroom", "tool", "kill", "restart"] = "warroom"

    def __str__(self) -> str:
        return f"{self.strike} during {'+'.join(self.phases)} at {self.at}"


RESTORE, SWAP, BACK, DISCARD = ("restore",), ("swap",), ("swap", "undo"), ("discard",)
CHOSEN = (
    Moment("clean", RESTORE, "after:step-intended:restore"),
    Moment("clean", RESTORE, CREATING, "kill"),
    Moment("clean", RESTORE, SAYING),
    Moment("clean", RESTORE, SAYING, "restart"),
    Moment("clean", RESTORE, "held:restoring"),
    Moment("clean", RESTORE, "held:restoring", "tool"),
    Moment("clean", RESTORE, "held:restoring", "kill"),
    Moment("clean", RESTORE, "after:call-made:restore:2", "restart"),
    Moment("clean", RESTORE, "before:call-made:restore:5"),
    Moment("restored", SWAP, SAYING),
    Moment("restored", SWAP, SAYING, "kill"),
    Moment("restored", SWAP, SAYING, "restart"),
    Moment("restored", SWAP, "after:step-intended:swap"),
    Moment("restored", SWAP, "before:call-made:swap"),
    Moment("restored", BACK, "before:call-made:undo-swap"),
    Moment("restored", BACK, "after:step-intended:undo-swap"),
    Moment("swapped", DISCARD, SAYING),
)


WAY = ("restore", "compare", "swap", "discard")
SHARE = {WAY: 1.0, BACK: 0.4, DISCARD: 0.12}
"""How much of the time that all of it takes each of these may take."""
KILLED: tuple[Any, ...] = ("warroom", "warroom", "kill", "restart")


def some(number: int, seed: int) -> list[Moment]:
    """Anywhere on the way, struck in any manner: those on all of it first, then those of the exchange, then the end."""
    chance = random.Random(seed)
    there, half = number - number // 2, number // 4
    found = [Moment("clean", WAY, chance.random(), chance.choice((*KILLED, "tool"))) for _ in range(there)]
    found += [Moment("restored", BACK, chance.random(), chance.choice(KILLED)) for _ in range(number - there - half)]
    return found + [Moment("swapped", DISCARD, chance.random(), chance.choice(KILLED)) for _ in range(half)]


SAMPLE = {
    "making": CHOSEN[:4],
    "restoring": CHOSEN[4:9],
    "anywhere": some(3, seed=1),
    "exchanging": CHOSEN[9:13],
    "exchanged": CHOSEN[13:],
}
PARTS: dict[str, Sequence[Moment]] = SAMPLE | {f"random-{number}": some(20, seed=number) for number in range(2, 11)}
"""200 in the full run, 20 else."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "part" in metafunc.fixturenames:
        metafunc.parametrize("part", list(PARTS if metafunc.config.getoption("--full") else SAMPLE))


class Child:
    """The engine that is struck."""

    def __init__(self, site: Site, moment: Moment, state: Path) -> None:
        truth = site.truth()
        database = truth.kept if moment.phases == DISCARD else truth.restored
        point = moment.at if isinstance(moment.at, str) and not moment.at.startswith("held:") else ""
        way = Way(state, site.folder, site.server.programs, site.backup, moment.phases, database or "none", point)
        self.heard: list[tuple[str, ...]] = []
        self._ear: Connection
        self._ear, mouth = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=go, args=(way, mouth))
        self.process.start()
        mouth.close()

    def told(self, what: str) -> bool:
        """Whether it said so, or has ended."""
        try:
            while self._ear.poll():
                self.heard.append(self._ear.recv())
        except (EOFError, ConnectionError):
            return True
        return any(heard[0] == what for heard in self.heard)

    @property
    def over(self) -> bool:
        return self.told("ended") or not self.process.is_alive()

    def tool(self) -> int | None:
        """The number of its pg_restore."""
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = (Path("/proc") / entry / "cmdline").read_bytes().split(b"\0")
                parents = (Path("/proc") / entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if words[0].endswith(b"/pg_restore") and int(parents[1]) == self.process.pid:
                return int(entry)
        return None

    def gone(self) -> None:
        self.process.join(60)
        self.process.kill()
        self.process.join()


def struck(site: Site, moment: Moment, state: Path) -> list[tuple[str, ...]]:
    """What the child said."""
    at = moment.at
    with ExitStack() as stack:
        hold = at.removeprefix("held:") if isinstance(at, str) and at.startswith("held:") else ""
        met = stack.enter_context(site.holding(hold))
        child = Child(site, moment, state)
        try:
            if isinstance(at, float):
                site.wait(lambda: child.told("began") or child.over, "the run")
                if moment.strike == "tool":
                    site.wait(lambda: child.tool() is not None or child.over, "pg_restore")
                    time.sleep(at * site.whole * 0.02)
                else:
                    time.sleep(at * site.whole * SHARE[moment.phases])
            else:
                site.wait(lambda: child.told("paused") or met() or child.over, at)
                assert not child.over, child.heard
            strike(site, moment, child)
        finally:
            child.gone()
    return child.heard


def strike(site: Site, moment: Moment, child: Child) -> None:
    if moment.strike == "warroom":
        child.process.kill()
    elif moment.strike == "tool":
        if (tool := child.tool()) is not None:
            os.kill(tool, signal.SIGKILL)
    else:
        site.killed(signal.SIGKILL if moment.strike == "kill" else signal.SIGQUIT)
    if moment.strike != "warroom":
        if isinstance(moment.at, str) and not moment.at.startswith("held:"):
            child.process.kill()
        site.wait(lambda: child.over, "how it ended")


WORDS = {
    ("restore", "not-begun"): "^there is no database shop~scratch~",
    ("restore", "partly"): "take it back,( which drops it,)? and restore again$",
    ("restore", "done"): "^shop~scratch~.* is restored, and holds what was counted$",
    ("compare", "done"): "you lose no rows( of what was compared)?; 40 rows of .* become what they were",
    ("swap", "not-begun"): "^shop is the database of before",
    ("swap", "done"): "(^|; )shop is what was shop~scratch~.*; the one of before .* is kept as shop~before~",
    ("discard", "not-begun"): "^shop~before~.* is there$",
    ("discard", "done"): "^shop~before~.* is gone$",
}
"""What is said, by operation and by what is seen: which state it is, and the way on where that is not plain."""


def stands(step: Step, truth: Truth) -> str:
    """How a step stands, by what is on the server."""
    facts: Any = step.facts
    if step.operation == "restore":
        number = facts["restore"]["mark"]["id"]
        mark = next((mark for name, (_, mark) in truth.beside.items() if name.endswith(f"~{number}")), "none")
        if mark == "none":
            return "partly" if f"warroom~{number}" in truth.roles else "not-begun"
        return "done" if mark is not None and not isinstance(mark, str) and mark.state == "restored" else "partly"
    if step.operation == "swap":
        return {facts["live"]["oid"]: "not-begun", facts["other"]["oid"]: "done"}[truth.live]
    if step.operation == "discard":
        return "not-begun" if facts["oid"] in [oid for oid, _ in truth.beside.values()] else "done"
    return "done"


def open_steps(walk: Walk) -> list[Step]:
    states = walk.plan.steps if walk.plan is not None else {}
    wanted = ("unknown", "failed", "cancelled")
    return [step for step in (walk.plan.plan.steps if states else ()) if states[step.id].status in wanted]


TURNED = {"done": "not-begun", "not-begun": "done", "partly": "partly"}
"""How an undo stands, by how what it takes back does."""


def can_be_told(walk: Walk, step: str) -> bool:
    return bool(walk.plan.steps[step].look.verdict != "cannot-tell")


async def told(site: Site, walk: Walk) -> list[Step]:
    """The steps that are a person's to decide about: each is said to stand as it does."""
    for step in open_steps(walk):
        try:
            await until(partial(can_be_told, walk, step.id), seconds=60)
        except TimeoutError:
            raise AssertionError(f"it can't be told: {walk.plan.steps[step.id]}") from None
        look, forward = walk.plan.steps[step.id].look, stands(step, site.truth())
        assert look.verdict == (TURNED[forward] if step.undoes else forward), (step.id, look, site.truth())
        assert re.search(WORDS[step.operation, forward], look.seen), look
        if walk.plan.steps[step.id].status == "unknown":
            refused = await walk.begin()
            assert isinstance(refused, Refused), "an unknown step was run over"
    return open_steps(walk)


async def brought(site: Site, walk: Walk, to: str) -> None:
    """Things stand like that, by whatever is to be done for it."""
    truth = site.truth()
    if truth.kept and to != "swapped":
        await (walk.through("undo") if to == "restored" else walk.through("discard", truth.kept))
        truth = site.truth()
    if truth.restored and to == "clean":
        await walk.through("discard", truth.restored)
        truth = site.truth()
    if not truth.kept:
        site.damaged()
        if not truth.restored and to != "clean":
            await walk.through("restore")
        if to == "swapped":
            await walk.through("swap", site.truth().restored)


async def survived(site: Site, moment: Moment, state: Path, then: str) -> str:
    """One moment, and the next start. What was found."""
    wrong = len(site.reader.wrong)
    heard = await asyncio.to_thread(struck, site, moment, state)
    await asyncio.to_thread(site.serves)
    turns = site.reader.turns
    await asyncio.to_thread(site.wait, site.quiet, "the server's end of it")
    sent = site.changes()
    async with site.walking(state) as walk:
        found = await told(site, walk)
        assert site.changes() == sent, "it was done again unasked"
        assert site.serves() == ("now" if site.truth().live == site.damaged_oid else "then")
        verdicts = [f"{step.id} {walk.plan.steps[step.id].look.verdict}" for step in found]
        if found:
            await walk.follow(found[0].id)
            if verdicts[0].endswith("done"):
                assert [line for line in site.changes() if line not in sent] == [], "it was done twice"
        truth = site.truth()
        assert truth.roles == (), truth
        assert all(mark is not None and mark.state != "restoring" for _, mark in truth.beside.values()), truth
        await brought(site, walk, then)
    await asyncio.to_thread(site.wait, lambda: site.reader.turns > turns + 1, "the reader")
    assert site.reader.wrong[wrong:] == [], moment
    return f"{', '.join(verdicts) or 'nothing open'} ({heard[-1][0] if heard else 'silent'})"


async def measured(site: Site, state: Path) -> None:
    """How long all of it takes, so that moments are dealt over all of it."""
    began = 0.0
    child = Child(site, Moment("clean", WAY, ""), state)
    try:
        await asyncio.to_thread(site.wait, lambda: child.told("began"), "the run")
        began = time.monotonic()
        await asyncio.to_thread(site.wait, lambda: child.over, "its end")
    finally:
        child.gone()
    assert child.heard[-1][:2] == ("ended", "done"), child.heard
    site.whole = time.monotonic() - began
    site.damaged()


@pytest.mark.needs("userns")
async def test_whatever_is_killed_the_live_name_serves_and_the_next_start_says_how_it_stands(
    postgres_site: Site, tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = postgres_site
    monkeypatch.setattr("warroom.engine.relooking.FIRST_S", 0.1)
    if any(isinstance(moment.at, float) for moment in PARTS[part]):
        await measured(site, tmp_path / "measured")
    async with site.walking(tmp_path / "first") as walk:
        await brought(site, walk, PARTS[part][0].before)
    for number, moment in enumerate(PARTS[part]):
        then = PARTS[part][number + 1].before if number + 1 < len(PARTS[part]) else "clean"
        began = time.monotonic()
        found = await survived(site, moment, tmp_path / str(number), then)
        print(f"{number:4} {moment}: {found} {time.monotonic() - began:.1f} s")
    assert site.truth().beside == {}


@pytest.mark.needs("userns")
async def test_what_the_server_still_does_is_not_told_too_early(
    postgres_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warroom is gone, and the server makes the database all the same, once it can."""
    site = postgres_site
    monkeypatch.setattr("warroom.engine.relooking.FIRST_S", 0.1)
    with site.holding("pg_database") as met:
        child = Child(site, Moment("clean", RESTORE, ""), tmp_path)
        await asyncio.to_thread(site.wait, met, "the new database")
        child.process.kill()
        child.gone()
        async with site.walking(tmp_path) as walk:
            look = walk.plan.steps["restore"].look
            assert (look.verdict, "the server is still at it" in look.seen) == ("cannot-tell", True), look
    async with site.walking(tmp_path) as walk:
        (step,) = await told(site, walk)
        await walk.follow(step.id)
        assert site.truth().beside == {}
