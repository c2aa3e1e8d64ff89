"""What is normal survives a restart: the same rules, by what is on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.test_signals_honesty import NORMAL
from tests.unit.test_signals_triggers import production
from warroom.model.signal import Sample, TriggerReading
from warroom.signals.correlation import Marks
from warroom.signals.past import Past
from warroom.signals.store import Ran, SampleStore
from warroom.signals.triggers import TriggerBook
from warroom.testing.builders import a_release
from warroom.testing.clock import VirtualClock

GOOD, BAD = a_release("beta.2"), a_release("beta.3")
RELATIVE = {**NORMAL, "clear_for": 60}


class Start:
    """One run of warroom over the same disk and clock; the next one knows only what this one wrote."""

    def __init__(self, path: Path, clock: VirtualClock) -> None:
        self.clock = clock
        self.store = SampleStore(path, clock)
        self.marks = Marks(clock)
        self.book = TriggerBook(production(RELATIVE), clock, self.marks)
        self.past = Past(self.store, self.book.baselines, self.marks, clock)

    async def begins(self, running: object = GOOD) -> None:
        await self.past.recall()
        assert isinstance(running, type(GOOD))
        self.past.first(running)

    def give(self, value: float, minutes: int, count: int = 50) -> TriggerReading:
        for _ in range(minutes * 6):
            self.clock.tick(10)
            sample = Sample(signal="p95", value=value, count=count, at=self.clock.now(), source="app")
            self.book.add(sample, "p95")
            self.store.add(sample, "p95", normal=not self.book.baselines.paused)
            self.book.readings()
        return self.now()

    def now(self) -> TriggerReading:
        return next(iter(self.book.readings().values()))

    def deploy(self, release: object = BAD, ago: float = 0.0) -> None:
        assert isinstance(release, type(GOOD))
        self.past.changed(release, self.clock.now() - timedelta(seconds=ago))


class Runs:
    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, VirtualClock()
        self._now: Start | None = None

    async def again(self, running: object = GOOD, away: float = 5.0) -> Start:
        if self._now is not None:
            await self._now.store.close()
        self.clock.tick(away)
        # another process: its monotonic clock began elsewhere
        other = VirtualClock(self.clock.now())
        other.tick(12_345)
        other.jump(-12_345)
        self.clock = other
        self._now = Start(self.path, self.clock)
        await self._now.begins(running)
        return self._now

    async def end(self) -> None:
        if self._now is not None:
            await self._now.store.close()


@pytest.fixture
async def runs(tmp_path: Path) -> AsyncIterator[Runs]:
    made = Runs(tmp_path / "samples.db")
    yield made
    await made.end()


async def test_a_baseline_survives_a_restart_and_fires_after_it(runs: Runs) -> None:
    run = await runs.again()
    run.give(800, 30)
    run.deploy()
    assert run.give(900, 2).baseline == 800
    run = await runs.again(BAD)
    assert run.give(900, 2).baseline == 800
    assert run.now().status == "ok"
    fired = run.give(2500, 7)
    assert (fired.status, fired.limit, fired.baseline) == ("firing", 2400, 800)
    assert "3 times its normal 800 ms" in fired.words


async def test_what_was_measured_before_a_restart_is_normal_for_a_change_after_it(runs: Runs) -> None:
    run = await runs.again()
    run.give(700, 20)
    run = await runs.again()
    run.give(900, 20)
    assert run.now().baseline is None
    run.deploy()
    assert run.now().baseline == pytest.approx(800, abs=100)
    run.give(5000, 1)
    assert (await runs.again(BAD)).now().baseline == pytest.approx(800, abs=100)


async def test_a_release_that_came_while_nobody_looked_is_compared_with_what_was_seen_before_it(runs: Runs) -> None:
    run = await runs.again()
    run.give(800, 30)
    ended = run.clock.now()
    run = await runs.again(BAD, away=8 * 3600)
    assert run.now().baseline == 800
    ((at, words),) = run.marks.changes
    assert (words, abs(at - ended) <= timedelta(seconds=1)) == ("beta.3", True)
    deployed = run.clock.now() - timedelta(hours=1)
    again = await runs.again(a_release("beta.4", deployed_at=deployed), away=0)
    assert again.now().baseline == 800, "no hour stands before beta.4, so what stood before stays"
    assert again.marks.changes[-1] == (deployed, "beta.4")


async def test_what_was_measured_while_it_fired_is_no_normal_after_a_restart_either(runs: Runs) -> None:
    run = await runs.again()
    run.give(800, 30)
    run.deploy()
    assert run.give(9000, 40).status == "firing"
    run.deploy(GOOD)
    run.give(850, 3)
    run = await runs.again(GOOD)
    assert run.now().baseline == 800
    with sqlite3.connect(runs.path) as db:
        (unusual,) = db.execute("SELECT count(*) FROM samples WHERE unusual > 0").fetchone()
    assert unusual > 200


async def test_too_little_before_a_change_leaves_the_baseline_before(runs: Runs) -> None:
    run = await runs.again()
    run.give(800, 30)
    run.deploy()
    run.give(1500, 5)
    run.deploy(GOOD)
    run.give(820, 1)
    assert (run.now().baseline, (await runs.again(GOOD)).now().baseline) == (800, 800)


async def test_nothing_is_normal_where_no_change_was_ever_seen(runs: Runs) -> None:
    (await runs.again()).give(800, 90)
    run = await runs.again()
    run.give(800, 2)
    assert run.now().status == "unknown"
    assert run.now().words.startswith("no baseline: no release change was seen yet")
    assert run.marks.changes == []


async def test_the_marks_are_those_of_before(runs: Runs) -> None:
    run = await runs.again(a_release("beta.1", deployed_at=runs.clock.now() - timedelta(days=2)))
    run.give(800, 1)
    run.deploy(GOOD)
    run.give(800, 1)
    run.past.changed(BAD, run.clock.now(), kind="rollback")
    before = run.marks.changes
    assert [words for _, words in before] == ["beta.1", "beta.2", "rollback to beta.3"]
    assert _rounded((await runs.again(BAD)).marks.changes) == _rounded(before)


def _rounded(marks: object) -> list[tuple[datetime, str]]:
    assert isinstance(marks, list)
    return [(at.replace(microsecond=0), words) for at, words in marks]


async def test_the_hour_before_a_change_of_days_ago_is_read_from_its_ten_second_means(runs: Runs) -> None:
    run = await runs.again()
    run.give(800, 70)
    run.deploy()
    run.give(1000, 30)
    run.clock.tick(3 * 86400)
    run.give(1000, 1)
    await run.store.flush()
    assert (await runs.again(BAD)).now().baseline == 800


async def test_a_wall_clock_that_went_back_makes_nothing_normal_that_is_not(runs: Runs) -> None:
    run = await runs.again()
    run.give(800, 30)
    run.deploy()
    run.give(900, 1)
    run.clock.jump(-86400)
    run = await runs.again(BAD)
    assert run.now().baseline is None, "what lies in the future is nothing that has been"
    assert run.marks.changes == []


async def test_an_older_files_samples_are_kept_and_are_nobodys_normal(tmp_path: Path) -> None:
    clock = VirtualClock()
    with sqlite3.connect(tmp_path / "samples.db") as db:
        db.execute(
            "CREATE TABLE samples (signal TEXT NOT NULL, at INTEGER NOT NULL, span INTEGER NOT NULL, total REAL NOT"
            " NULL, weight REAL NOT NULL, count INTEGER, unknown INTEGER NOT NULL, PRIMARY KEY (signal, at))"
            " WITHOUT ROWID"
        )
        second = int(clock.now().timestamp()) - 30
        db.execute("INSERT INTO samples VALUES ('p95', ?, 1, 8000.0, 10.0, 10, 0)", (second,))
    store = SampleStore(tmp_path / "samples.db", clock)
    assert [s.value for s in await store.samples("p95", 60)] == [800]
    assert await store.normal("p95", 0, clock.now().timestamp()) == []
    store.add(Sample(signal="p95", value=700, count=10, at=clock.now()), "p95")
    assert len(await store.normal("p95", 0, clock.now().timestamp())) == 1
    await store.close()


async def test_a_release_on_disk_that_nobody_can_read_is_left_out(tmp_path: Path) -> None:
    clock = VirtualClock()
    store = SampleStore(tmp_path / "samples.db", clock)
    store.ran(Ran(GOOD, "release", 100.0, 100.0))
    assert [each.release for each in await store.releases()] == [GOOD]
    with sqlite3.connect(tmp_path / "samples.db") as db:
        db.execute("INSERT INTO releases VALUES (200, 200, 'release', '{\"nothing\": 1}')")
    assert [each.at for each in await store.releases()] == [100]
    for at in range(300, 400):
        store.ran(Ran(BAD, "release", at, at))
    kept = await store.releases()
    assert (len(kept), kept[-1].at) == (50, 399)
    await store.close()


async def test_a_release_that_the_disk_does_not_take_is_kept_once_it_does(tmp_path: Path) -> None:
    blocked, clock = tmp_path / "file", VirtualClock()
    blocked.write_text("in the way")
    store = SampleStore(blocked / "samples.db", clock)
    came = Ran(GOOD, "release", 1.0, 1.0)
    store.ran(came)
    await store.flush()
    assert "not being written" in store.problem
    blocked.unlink()
    assert await store.releases() == [came]
    assert store.problem == ""
    await store.close()
