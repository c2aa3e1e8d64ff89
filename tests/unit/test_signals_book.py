"""Readings of signals and components, trends, the sample store, and what a release has to do with the errors."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warroom.model.signal import Sample
from warroom.model.units import count_text, listed, value_text
from warroom.signals import SampleStore, SignalBook, since_release
from warroom.signals.trend import trend
from warroom.signals.windows import Series
from warroom.testing.builders import a_runbook, a_sample, at
from warroom.testing.clock import START, VirtualClock

SIGNALS: dict[str, Any] = {
    "errors": {"title": "5xx", "unit": "ratio", "source": {"platform": "lab", "signal": "errors"}},
    "health": {"title": "health", "unit": "state", "source": {"platform": "lab", "signal": "health"}},
    "email": {"title": "e-mail", "unit": "state"},
}
COMPONENTS = {"web": {"title": "web", "signal": "health"}, "mail": {"title": "mail", "signal": "email"}}


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.book = SignalBook(a_runbook(signals=SIGNALS, components=COMPONENTS), self.clock)

    def give(self, signal: str, value: float | None, count: int | None = 50, words: str = "") -> None:
        self.clock.tick(1)
        self.book.add(Sample(signal=signal, value=value, count=count, at=self.clock.now(), words=words), signal)


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (None, "ratio", "unknown"),
        (0.124, "ratio", "12.4 %"),
        (0.0004, "ratio", "0.04 %"),
        (0.0, "ratio", "0 %"),
        (1.0, "ratio", "100 %"),
        (3120.4, "ms", "3,120 ms"),
        (1.0, "state", "well"),
        (0.0, "state", "failing"),
        (1_500_000_000, "bytes", "1.5 GB"),
        (12.0, "per-minute", "12/min"),
        (42, "count", "42"),
        (2.5, "s", "2.5 s"),
    ],
)
def test_values_read_as_people_read_them(value: float | None, unit: str, words: str) -> None:
    assert value_text(value, unit) == words


def test_small_words() -> None:
    assert count_text(4210, "ratio") == "of 4,210 requests"
    assert count_text(1, "state") == "of 1 check"
    assert count_text(None, "ratio") == count_text(3, "bytes") == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdef")) == "a, b, c, d and 2 more"


def test_a_signal_has_an_age_and_turns_stale() -> None:
    bench = Bench()
    assert bench.book.readings()["errors"].freshness == "unknown"
    bench.give("errors", 0.09)
    bench.clock.tick(4)
    fresh = bench.book.readings()["errors"]
    assert (fresh.freshness, fresh.age_s, fresh.value, fresh.limit) == ("fresh", 4, 0.09, 0.05)
    bench.clock.tick(27)
    stale = bench.book.readings()["errors"]
    assert (stale.freshness, stale.words) == ("stale", "no data for 0:31")
    bench.give("errors", None, count=None)
    assert bench.book.readings()["errors"].freshness == "unknown"


def test_recent_values_show_gaps_and_are_bounded() -> None:
    bench = Bench()
    bench.give("errors", 0.1)
    bench.clock.tick(60)
    bench.give("errors", 0.2)
    bench.give("errors", None)
    assert bench.book.readings()["errors"].recent == (0.1, None, 0.2, None)
    for i in range(1000):
        bench.give("errors", i / 1000)
    assert len(bench.book.readings()["errors"].recent) == 240


def test_components_are_well_failing_or_unknown() -> None:
    bench = Bench()
    assert bench.book.components()["web"].status == "unknown"
    bench.give("health", 1, count=None)
    assert bench.book.components()["web"].status == "ok"
    bench.give("health", 0, count=None, words="503 database disconnected")
    failing = bench.book.components()["web"]
    assert (failing.status, failing.words) == ("failing", "503 database disconnected")
    bench.give("health", 1, count=None)
    bench.clock.tick(31)
    assert bench.book.components()["web"].status == "unknown"
    mail = bench.book.components()["mail"]
    assert (mail.status, mail.words) == ("unknown", "nobody measures it")


@given(steps=st.lists(st.tuples(st.sampled_from([1, 10, 31]), st.sampled_from([None, 0.0, 1.0])), max_size=30))
@settings(max_examples=100, deadline=None)
def test_a_component_is_never_well_on_missing_data(steps: list[tuple[int, float | None]]) -> None:
    bench = Bench()
    for seconds, value in steps:
        bench.give("health", value, count=None)
        assert (bench.book.components()["web"].status == "ok") == (value == 1.0)
        bench.clock.tick(seconds)
        assert (bench.book.components()["web"].status == "ok") == (value == 1.0 and seconds <= 30)


def noisy(slope: float, noise: float, seed: int = 1, level: float = 0.03) -> list[tuple[float, float]]:
    rolls = random.Random(seed)
    return [(float(s), level + slope * s + rolls.gauss(0, noise)) for s in range(300)]


def test_a_trend_is_told_from_noise() -> None:
    rising = trend(noisy(0.0001, 0.005), 300)
    assert rising.enough
    assert rising.sure
    assert rising.change == pytest.approx(0.03, rel=0.4)
    assert not trend(noisy(0.0001, 0.005)[:100], 300).enough
    assert not trend([], 300).enough


def test_pure_noise_is_seldom_taken_for_a_trend() -> None:
    fooled = sum(trend(noisy(0, 0.01, seed), 300).sure for seed in range(200))
    assert fooled <= 20  # 5 % are to be expected: 10


def test_one_wild_point_does_not_make_a_trend() -> None:
    points = [(float(s), 0.03) for s in range(300)]
    points[-1] = (299.0, 50.0)
    assert trend(points, 300).change == 0


@pytest.mark.parametrize(
    ("values", "said", "part"),
    [
        ([0.01 + 0.0001 * s for s in range(300)], "yes", "5xx rose by 3 % over 5 m, to about 3.5"),
        ([0.04 - 0.0001 * s for s in range(300)], "no", "5xx fell by 3 %"),
        ([0.02] * 300, "no", "5xx is level over 5 m, about 2 %"),
        ([0.02 + 0.000002 * s for s in range(300)], "no", "is level"),
        ([0.02] * 60, None, "too little of 5xx yet"),
    ],
)
def test_is_it_getting_worse(values: list[float], said: str | None, part: str) -> None:
    bench = Bench()
    for value in values:
        bench.give("errors", value)
    answer, words = bench.book.trend("errors", 300)
    assert answer == said
    assert part in words


def test_a_rise_that_may_be_chance_is_neither_yes_nor_no() -> None:
    bench = Bench()
    for value in (0.02, 0.09, 0.03, 0.10, 0.02, 0.09, 0.12, 0.03, 0.11, 0.06):
        bench.clock.tick(28)
        bench.give("errors", value)
    answer, words = bench.book.trend("errors", 300)
    assert answer is None
    assert words.startswith("5xx rose by ")
    assert words.endswith("% sure): that may be chance")


def test_a_negative_count_is_no_news_that_nothing_happened() -> None:
    series = Series("ratio", 60)
    series.add(a_sample(None, count=0), 1.0)
    assert series.known
    series.add(a_sample(0.1, 1, count=-1), 2.0)
    assert not series.known


def test_a_window_moves_on_with_time_alone_and_with_every_sample() -> None:
    series = Series("ratio", 60)
    for second, value in ((1, 0.5), (2, 0.0), (3, 0.25)):
        series.add(a_sample(value, second, count=10), float(second))
    seen = [series.window(now, 2.0) for now in (3.0, 3.0, 3.5, 4.0, 9.0)]
    assert [(window.value, window.seen) for window in seen] == [(0.125, 20)] * 3 + [(0.25, 10)] * 2
    assert series.window(9.0, 60.0).value == 0.25
    series.add(a_sample(0.75, 9, count=10), 9.0)
    assert [series.window(9.0, over).value for over in (2.0, 60.0)] == [0.75, 0.375]
    assert series.window(3.0, 60.0).seen == 40, "also asked of a time before"


def test_worse_is_down_for_a_state_and_unknown_where_nothing_is_known() -> None:
    bench = Bench()
    for i in range(300):
        bench.give("health", 1 if i < 150 or i % 3 else 0, count=None)
    assert bench.book.trend("health", 300)[0] in ("yes", None)
    bench.clock.tick(31)
    assert bench.book.trend("health", 300) == (None, "health is stale")
    assert bench.book.trend("email", 300) == (None, "nobody measures e-mail")
    assert bench.book.trend("nowhere", 300)[0] is None


def test_a_trend_may_go_by_what_came_since_a_moment_alone() -> None:
    bench = Bench()
    for second in range(300):
        bench.give("errors", second / 3000)
    then = bench.clock.monotonic()
    assert bench.book.trend("errors", 300)[0] == "yes"
    bench.give("errors", 0.1)
    assert bench.book.trend("errors", 300, since=then) == (None, "too little of 5xx yet: 1 points over 0:00 of 5 m")


def test_what_a_release_has_to_do_with_the_errors() -> None:
    marks = [(at(0), "beta.2"), (at(100), "beta.3")]
    assert since_release(marks, at(140)) == "errors began 40 s after beta.3"
    assert since_release(marks, at(50)) == "errors began 50 s after beta.2"
    assert since_release(marks[1:], at(90)) == "errors began 10 s before beta.3"
    assert since_release(marks, at(100 + 3601)) == ""
    assert since_release(marks, None) == since_release([], at(0)) == ""


async def test_the_store_keeps_means_by_the_second(tmp_path: Path) -> None:
    clock = VirtualClock()
    store = SampleStore(tmp_path / "samples.db", clock)
    for value, count in ((0.5, 10), (0.1, 30)):
        store.add(a_sample(value, 0, count=count), "errors")
    store.add(a_sample(None, 1, count=None), "errors")
    store.add(a_sample(0.3, 2, count=None), "errors")
    clock.tick(5)
    found = await store.samples("errors", 60)
    assert [(s.value, s.count, s.at) for s in found] == [
        (pytest.approx(0.2), 40, START),
        (None, None, at(1)),
        (0.3, None, at(2)),
    ]
    assert await store.samples("nothing", 60) == ()
    assert stat.S_IMODE(os.stat(tmp_path / "samples.db").st_mode) == 0o600
    await store.close()
    again = SampleStore(tmp_path / "samples.db", clock)
    assert len(await again.samples("errors", 60)) == 3
    await again.close()


async def test_after_an_hour_seconds_become_tens_and_after_a_week_nothing(tmp_path: Path) -> None:
    clock = VirtualClock()
    store = SampleStore(tmp_path / "samples.db", clock)
    for second in range(100):
        store.add(a_sample(second / 100, second, count=10), "errors")
    await store.flush()
    clock.tick(3600 + 100)
    await store.flush()
    found = await store.samples("errors", 4000)
    assert len(found) == 10
    assert found[0].value == pytest.approx(0.045)
    assert found[0].count == 100
    written = await store.export(tmp_path / "samples.csv")
    lines = (tmp_path / "samples.csv").read_text().splitlines()
    assert (written, len(lines)) == (10, 11)
    assert lines[1].startswith("errors,2026-03-02T03:00:00Z,10,0.045")
    assert stat.S_IMODE(os.stat(tmp_path / "samples.csv").st_mode) == 0o600
    clock.tick(7 * 86400)
    await store.flush()
    assert await store.samples("errors", 8 * 86400) == ()
    await store.close()


async def test_a_damaged_store_is_put_aside_and_sensing_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    path.write_bytes(b"this is no database at all, " * 100)
    store = SampleStore(path, VirtualClock())
    await store.flush()
    assert "samples are not being written: file is not a database" in store.problem
    store.add(a_sample(0.1), "errors")
    await store.flush()
    assert store.problem == ""
    assert len(await store.samples("errors", 60)) == 1
    assert (tmp_path / "samples.db.damaged").read_bytes().startswith(b"this is no database")
    await store.close()
    store.add(a_sample(0.1), "errors")


async def test_a_disk_that_cannot_be_written_costs_memory_only_up_to_a_bound(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    store = SampleStore(blocked / "samples.db", VirtualClock())
    for i in range(60_000):
        store.add(a_sample(0.1, i), "errors")
    await store.flush()
    assert "samples are not being written" in store.problem
    assert len(store._waiting) <= 50_000
    assert store.dropped == 10_000
    assert "10000 were dropped so far" in store.problem
    await store.close()


async def test_the_stores_file_is_not_in_the_way_of_a_reader(tmp_path: Path) -> None:
    store = SampleStore(tmp_path / "samples.db", VirtualClock())
    store.add(a_sample(0.1), "errors")
    await store.flush()
    with sqlite3.connect(f"file:{tmp_path / 'samples.db'}?mode=ro", uri=True) as reader:
        assert reader.execute("SELECT count(*) FROM samples").fetchone() == (1,)
        store.add(a_sample(0.2), "errors")
        async with asyncio.timeout(60):
            await store.flush()
        assert store.problem == "", "one that is in the way is waited for, and then said"
    await store.close()


def test_samples_of_a_wall_clock_that_jumps_have_the_right_age() -> None:
    bench = Bench()
    bench.give("errors", 0.1)
    bench.clock.jump(-3600)
    bench.clock.tick(2)
    reading = bench.book.readings()["errors"]
    assert (reading.age_s, reading.freshness) == (2, "fresh")
    assert reading.at == START + timedelta(seconds=1)
