"""kill -9 of an engine: at each boundary of a step, in the middle of each kind of work, and at any moment."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.faults.engine_child import ME, two_steps
from tests.world import a_world, effects, load_world, until
from warroom import process
from warroom.actions import evidence
from warroom.engine.engine import Engine
from warroom.journal.codec import decode
from warroom.journal.folder import StateFolder
from warroom.journal.reading import read
from warroom.journal.verify import verify
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.model.event import Event
from warroom.model.live import GuardsPage, GuardsQuery
from warroom.session import Accepted, Refused, Reply

ROOT = Path(__file__).parents[2]


@dataclass
class Killed:
    """What a killed engine had shown, and where its things are."""

    folder: Path
    lines: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def state(self) -> StateFolder:
        return StateFolder(self.folder / "state")

    @property
    def world(self) -> Path:
        return self.folder / "world"

    def shown(self) -> dict[str, dict[int, str]]:
        """By incident: every seq that was shown, with its event's id where that was shown too."""
        seen: dict[str, dict[int, str]] = {}
        for incident, seq, *name in (line.split()[1:] for line in self.lines if line.startswith("shown ")):
            known = seen.setdefault(incident, {})
            known[int(seq)] = name[0] if name else known.get(int(seq), "")
        return seen

    def left(self) -> list[str]:
        """Processes that still run there: of its deployments, and its guardian."""
        guardian = [line.split()[1] for line in self.lines if line.startswith("guardian ")]
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = (Path("/proc") / pid / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.world).encode() in words or (pid in guardian and b"guardian" in words):
                found.append(f"{pid} {words!r}")
        return found


async def killed(folder: Path, point: str, seconds: float, wait: float) -> Killed:
    """An engine walks until ``point`` (or until its first effect), and then for ``wait`` seconds; then it is killed."""
    killed = Killed(folder)
    a_world(killed.world)

    def on_line(stream: str, line: str) -> None:
        (killed.lines if stream == "stdout" else killed.wrong).append(line)
        killed.news.set()

    def there() -> bool:
        if point.startswith("effect:"):
            return len(effects(killed.world)) == 1 + ["first", "second"].index(point.removeprefix("effect:"))
        return f"paused {point}" in killed.lines if point else bool(killed.shown())

    words = [killed.state.path, killed.world, seconds, point]
    argv = [sys.executable, "-m", "tests.faults.engine_child", *map(str, words)]
    child = await process.start(argv, cwd=ROOT, on_line=on_line)
    try:
        async with asyncio.timeout(60):
            while not there():
                assert child.returncode is None, killed.wrong
                killed.news.clear()
                try:
                    async with asyncio.timeout(0.02):
                        await killed.news.wait()
                except TimeoutError:
                    continue
        await asyncio.sleep(wait)
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
    finally:
        await child.stop(grace=0)
    assert killed.wrong == []
    return killed


async def nothing_runs(killed: Killed) -> None:
    async with asyncio.timeout(60):
        while killed.left():
            await asyncio.sleep(0.02)


def is_whole(killed: Killed) -> None:
    """Nothing acknowledged is lost; chain and head agree."""
    for incident, seen in killed.shown().items():
        folder = killed.state.folder(incident)
        found, reading = verify(folder), read(folder)
        assert found.ok, found
        assert reading.acknowledged is not None
        assert max(seen) <= reading.acknowledged.seq <= reading.last.seq == found.entries
        kept = {event.seq: event.id for event in events(killed, incident)}
        assert {seq: name for seq, name in seen.items() if name and kept.get(seq) != name} == {}


def events(killed: Killed, incident: str) -> list[Event]:
    reading = read(killed.state.folder(incident))
    return [decode(data, seq) for seq, data in sorted(reading.entries.items())]


class Next:
    """The next engine on what a killed one left."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def state(self) -> Any:
        return self.engine.core.state

    async def ask(self, intent: it.Intent) -> Reply:
        return await self.engine.session(ME).submit(uuid.uuid4().hex, intent)

    async def ok(self, intent: it.Intent) -> None:
        reply = await self.ask(intent)
        assert isinstance(reply, Accepted), reply

    async def run(self) -> Reply:
        """As a person would who has read what stands against it; so what runs must have been read, and stands there."""
        await until(lambda: self.engine.core.running is not None)
        page = await self.engine.session(ME).query(GuardsQuery())
        assert isinstance(page, GuardsPage)
        waive = tuple(guard.id for guard in page.guards if not guard.hard)
        return await self.ask(it.RunPlan(hash=self.state.plan.hash, waive=waive, reason="a test"))

    async def gone_on(self) -> None:
        reply = await self.run()
        assert isinstance(reply, Accepted), reply
        await until(lambda: self.state.plan.ended_at is not None)
        assert self.state.plan.status == "done", self.state.plan


@asynccontextmanager
async def started_again(killed: Killed) -> AsyncIterator[Next]:
    """Starting looks, and repeats nothing."""
    before = effects(killed.world)
    async with Engine(two_steps(), killed.state, load=load_world(killed.world)) as engine:
        assert effects(killed.world) == before
        yield Next(engine)


async def refused_until_resolved(after: Next, step: str, verdict: str) -> None:
    plan = after.state.plan
    state = plan.steps[step]
    assert (plan.status, state.status, state.look.verdict) == ("unknown", "unknown", verdict), plan
    assert state.look.seen in state.detail
    reply = await after.run()
    assert isinstance(reply, Refused), "an unknown step was run over"
    assert step in reply.reason
    assert state.look.seen in reply.reason


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The small sample has one point of each kind, the full run all of them."""
    if "point" in metafunc.fixturenames:
        name = metafunc.function.__name__
        chosen = POINTS[name] if metafunc.config.getoption("--full") else [p for p in POINTS[name] if p in SAMPLE]
        metafunc.parametrize("point", chosen)


UNBEGUN = ("before:step-intended:first", "commit:step-intended:first")
UNKNOWN = {
    "head:step-intended:first": ("first", "not-begun", []),
    "after:step-intended:first": ("first", "not-begun", []),
    "effect:first": ("first", "partly", ["v1"]),
    "before:call-made:first": ("first", "done", ["v1"]),
    "head:call-made:first": ("first", "done", ["v1"]),
    "after:call-made:first": ("first", "done", ["v1"]),
    "commit:step-ended:first": ("first", "done", ["v1"]),
    "effect:second": ("second", "partly", ["v1", "v2"]),
    "after:call-made:second": ("second", "done", ["v1", "v2"]),
}
"""Where it is killed → the step that is UNKNOWN at the next start, what its check sees, and the effects there were."""
ENDED = {"after:step-ended:first": (["v1"], ["v2"]), "before:run-ended": (["v1", "v2"], [])}
"""Between two steps, and before the run's end → the effects there were, and those that are still to come."""
POINTS: dict[str, Sequence[str]] = {
    "test_a_step_cut_off_is_unknown_and_waits_for_a_person": list(UNKNOWN),
    "test_what_was_not_durable_was_not_begun": UNBEGUN,
    "test_a_step_that_ended_is_not_run_again": list(ENDED),
    "test_evidence_cut_off_is_not_offered_and_can_be_captured_again": (
        "after:evidence-started",
        "before:evidence-collected:samples",
        "before:evidence-sealed",
    ),
    "test_a_verification_cut_off_is_inconclusive": ("after:verification-started", "before:check-ended:errors"),
}
SAMPLE = {
    "commit:step-intended:first",
    "head:step-intended:first",
    "after:step-intended:first",
    "effect:first",
    "before:call-made:first",
    "after:call-made:second",
    *ENDED,
    "before:evidence-collected:samples",
    "before:check-ended:errors",
}


async def test_a_step_cut_off_is_unknown_and_waits_for_a_person(point: str, tmp_path: Path, full: bool) -> None:
    step, verdict, before = UNKNOWN[point]
    for number, choice in enumerate(("again", "done", "skip", "undo") if full else (choice_for(point),)):
        folder = tmp_path / str(number)
        folder.mkdir()
        seconds = 2.0 if point.startswith("effect:") else 0.05
        ended = await killed(folder, point, seconds, wait=0)
        await nothing_runs(ended)
        is_whole(ended)
        assert effects(ended.world) == before
        async with started_again(ended) as after:
            await refused_until_resolved(after, step, verdict)
            assert effects(ended.world) == before
            await resolved(after, ended, step, choice, before)
        is_whole(ended)


def choice_for(point: str) -> str:
    return ("again", "done", "skip", "undo")[sorted(UNKNOWN).index(point) % 4]


async def resolved(after: Next, ended: Killed, step: str, choice: Any, before: list[str]) -> None:
    """A person says what becomes of it; the saying alone has no effect, and what follows has exactly its own."""
    plan = after.state.plan
    resolve = it.ResolveStep(hash=plan.hash, step=step, attempt=1, choice=choice, reason="I looked")
    await after.ok(resolve)
    assert effects(ended.world) == before
    (ended.world / "deploying").unlink(missing_ok=True)
    if choice == "undo":
        assert after.state.plan.plan.purpose == "undo"
        await after.gone_on()
        assert effects(ended.world) == [*before, "v3"]
        return
    repeated = {"first": ["v1"], "second": ["v2"]}[step] if choice == "again" else []
    if choice == "again" and step == "first" and (ended.world / "current").read_text() != "v3":
        reply = await after.run()
        assert isinstance(reply, Refused), "what was approved to be run on v3 was run on something else"
        assert "world.running" in reply.reason
        return
    await after.gone_on()
    assert effects(ended.world) == [*before, *repeated, *(["v2"] if step == "first" else [])]


async def test_what_was_not_durable_was_not_begun(point: str, tmp_path: Path) -> None:
    ended = await killed(tmp_path, point, 0.05, wait=0.3)
    await nothing_runs(ended)
    is_whole(ended)
    assert effects(ended.world) == []
    assert not any(isinstance(e.body, ev.StepIntended) for e in events(ended, "INC-0001"))
    async with started_again(ended) as after:
        plan = after.state.plan
        assert (plan.status, plan.steps["first"].status) == ("unknown", "planned")
        assert "between two steps" in plan.detail
        await after.gone_on()
        assert effects(ended.world) == ["v1", "v2"]


async def test_a_step_that_ended_is_not_run_again(point: str, tmp_path: Path) -> None:
    before, rest = ENDED[point]
    ended = await killed(tmp_path, point, 0.05, wait=0)
    await nothing_runs(ended)
    is_whole(ended)
    assert effects(ended.world) == before
    async with started_again(ended) as after:
        assert after.state.plan.status == "unknown"
        assert after.state.plan.steps["first"].status == "done"
        await after.gone_on()
        assert effects(ended.world) == [*before, *rest]


async def test_evidence_cut_off_is_not_offered_and_can_be_captured_again(point: str, tmp_path: Path) -> None:
    ended = await killed(tmp_path, point, 0.05, wait=0)
    await nothing_runs(ended)
    is_whole(ended)
    async with started_again(ended) as after:
        assert after.state.evidence.status == "unsealed"
        assert after.state.sealed == ()
        assert "evidence-sealed" not in after.state.proofs
        await after.ok(it.CaptureEvidence())
        await until(lambda: after.state.evidence.status == "sealed")
        assert evidence.verify(Path(after.state.evidence.path)) == []
        assert not list(Path(after.state.evidence.path).rglob("*.part"))


async def test_a_verification_cut_off_is_inconclusive(point: str, tmp_path: Path) -> None:
    ended = await killed(tmp_path, point, 0.05, wait=0)
    await nothing_runs(ended)
    is_whole(ended)
    async with started_again(ended) as after:
        assert after.state.plan.status == "done"
        assert after.state.verification.verdict == "inconclusive"
        assert "verified" not in after.state.proofs
        assert effects(ended.world) == ["v1", "v2"]
        await after.ok(it.Verify())
        await until(lambda: after.state.verification.verdict == "pass")


async def test_the_watch_goes_on_after_a_kill(tmp_path: Path) -> None:
    ended = await killed(tmp_path, "after:watch-started", 0.05, wait=0)
    await nothing_runs(ended)
    is_whole(ended)
    async with started_again(ended) as after:
        assert after.state.watch is not None
        await until(lambda: after.state.watch.quiet is not None)
        assert len([e for e in after.engine.core.journal.events() if isinstance(e.body, ev.WatchEnded)]) == 1  # type: ignore[union-attr]


async def test_a_kill_at_any_moment(tmp_path: Path, full: bool) -> None:
    for number in range(60 if full else 2):
        chance = random.Random(number)
        folder = tmp_path / str(number)
        folder.mkdir()
        ended = await killed(folder, "", chance.choice((0.05, 0.3)), wait=chance.random() * 3)
        await nothing_runs(ended)
        is_whole(ended)
        last = max(ended.shown())
        left = cut_off(events(ended, last))
        closed = any(isinstance(e.body, ev.IncidentClosed) for e in events(ended, last))
        before = effects(ended.world)
        async with started_again(ended) as after:
            assert closed or after.state.incident is not None
            if not closed and after.state.incident.id == last:
                await nothing_hangs(after, left)
        assert effects(ended.world) == before, f"run {number}"
        is_whole(ended)


def cut_off(story: list[Event]) -> set[str]:
    """The steps that were intended and did not end."""
    begun = {e.body.step for e in story if isinstance(e.body, ev.StepIntended)}
    return begun - {e.body.step for e in story if isinstance(e.body, ev.StepEnded)}


async def nothing_hangs(after: Next, left: set[str]) -> None:
    state = after.state
    if state.evidence is not None:
        assert state.evidence.status in ("sealed", "unsealed")
    if state.verification is not None:
        assert state.verification.verdict is not None
    for bundle in state.sealed:
        assert evidence.verify(Path(bundle.path)) == []
        assert evidence.seal_of(Path(bundle.path)) == bundle.seal
    if state.plan is None or state.plan.began_at is None:
        assert left == set()
        return
    assert state.plan.ended_at is not None
    assert {name for name, step in state.plan.steps.items() if step.status == "unknown"} == left
    for name in left:
        assert state.plan.steps[name].look is not None
        assert isinstance(await after.run(), Refused)
