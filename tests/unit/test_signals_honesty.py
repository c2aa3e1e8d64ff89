"""What a rule must never do, whatever comes: fire or turn well on missing or old data, or go by a clock that jumps."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_signals_triggers import ERRORS, Bench, production
from warroom.model.runbook import Runbook, SignalDecl, SignalSource
from warroom.model.signal import Sample, TriggerReading
from warroom.runbook import default_runbook
from warroom.signals import TriggerBook
from warroom.signals.conditions import FLAPPING
from warroom.signals.sane import sane
from warroom.testing.clock import START, VirtualClock

P95 = {"signal": "p95", "above": 3000, "for": "5m", "at_least": 20}
NORMAL = {"signal": "p95", "above_baseline": 3, "for": "5m", "at_least": 20, "baseline_over": "1h"}

Nothing = st.lists(
    st.tuples(st.sampled_from([1.0, 7.0, 31.0, 600.0]), st.sampled_from(["absent", "unknown", "nothing", "few"])),
    min_size=1,
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(before=st.sampled_from([0.0, 0.049, 0.05, 0.2]), held=st.sampled_from([0, 100, 299, 320]), then=Nothing)
def test_without_data_nothing_begins_to_fire_and_nothing_turns_well(
    before: float, held: int, then: list[tuple[float, str]]
) -> None:
    """After any history: samples that are absent, could not know, saw nothing, or too little."""
    bench = Bench(production(ERRORS))
    bench.give("errors", before, seconds=held)
    was = bench.now()
    bench.pass_by(61)  # the window has nothing of what was seen
    for seconds, kind in then:
        bench.pass_by(seconds)
        if kind == "unknown":
            bench.give("errors", None, count=None)
        elif kind == "nothing":
            bench.give("errors", None, count=0)
        elif kind == "few":
            bench.give("errors", 1.0, count=1)
        reading = bench.now()
        few = sum(kind == "few" for _, kind in then)
        if few < 20:
            assert reading.status == "unknown", reading.words
        assert reading.status not in ("ok",)
        assert reading.status != "firing" or was.status == "firing"


Course = st.lists(
    st.tuples(st.sampled_from([1, 2, 5, 31]), st.sampled_from([0.0, 0.04, 0.05, 0.051, 0.4])), min_size=1, max_size=60
)


@settings(max_examples=150, deadline=None)
@given(course=Course, jumps=st.lists(st.sampled_from([0, 3600, -3600, 86_400]), min_size=60, max_size=60))
def test_a_wall_clock_that_jumps_changes_no_status_no_hold_and_no_flap(
    course: list[tuple[int, float]], jumps: list[int]
) -> None:
    one, twin = Bench(production(ERRORS)), Bench(production(ERRORS))
    for (seconds, value), jump in zip(course, jumps, strict=False):
        twin.clock.jump(jump)
        for bench in (one, twin):
            bench.pass_by(seconds)
            bench.give("errors", value)
        keys = {"status", "value", "count", "held_s", "need_s", "flaps"}
        assert one.now().model_dump(include=keys) == twin.now().model_dump(include=keys)


@settings(max_examples=60, deadline=None)
@given(counts=st.lists(st.integers(min_value=20, max_value=5000).map(lambda n: n * 20), min_size=301, max_size=320))
def test_exactly_five_per_cent_never_fires_and_one_request_more_does(counts: list[int]) -> None:
    exactly, more = Bench(production(ERRORS)), Bench(production(ERRORS))
    for count in counts:
        assert exactly.give("errors", (count // 20) / count, count=count).status == "ok"
        more.give("errors", (count // 20 + 1) / count, count=count)
    assert more.now().status == "firing"


# ---- flapping ----------------------------------------------------------------------------------------------------


def test_what_comes_and_goes_is_said_to_flap_and_counted() -> None:
    bench = Bench(production({**ERRORS, "over": "5s"}))
    for _ in range(FLAPPING):
        assert "flapping" not in bench.give("errors", 0.0, seconds=20).words
        bench.give("errors", 0.4, seconds=20)
    reading = bench.now()
    assert (reading.status, reading.flaps) == ("pending", 3)
    assert reading.words.endswith("for 0:19 of 5:00, flapping: began 3 times in 10 m")
    assert bench.give("errors", 0.4, seconds=1).flaps == 3
    steady = bench.give("errors", 0.4, seconds=600)
    assert (steady.status, steady.flaps) == ("firing", 0)
    assert "flapping" not in steady.words


def test_a_relapse_while_it_clears_is_a_flap_too_and_a_gap_is_none() -> None:
    bench = Bench(production({**ERRORS, "over": "5s"}))
    bench.give("errors", 0.4, seconds=310)
    for expected in (1, 2):
        bench.give("errors", 0.0, seconds=20)
        assert bench.give("errors", 0.4, seconds=10).flaps == expected
    bench.pass_by(40)
    assert bench.give("errors", 0.4, seconds=5).flaps == 2


# ---- what is normal ----------------------------------------------------------------------------------------------


def normally(bench: Bench, value: float, minutes: int) -> None:
    for _ in range(minutes * 6):
        bench.clock.tick(9)
        bench.give("p95", value, count=50)


def test_a_baseline_is_what_was_before_the_release_and_unknown_until_there_is_one() -> None:
    bench = Bench(production(NORMAL))
    normally(bench, 800, 30)
    assert (bench.now().status, bench.now().limit) == ("unknown", None)
    assert bench.now().words.startswith("no baseline: no release change was seen yet")
    bench.book.release_changed()
    bench.clock.tick(9)
    assert bench.give("p95", 2390, count=50, seconds=70).status == "ok"
    fired = bench.give("p95", 2410, count=50, seconds=400)
    assert (fired.status, fired.limit, fired.baseline) == ("firing", 2400, 800)
    assert "above 2,400 ms (3 times its normal 800 ms) for 6:09" in fired.words


def test_a_few_minutes_are_no_baseline() -> None:
    bench = Bench(production(NORMAL))
    normally(bench, 800, 8)
    bench.book.release_changed()
    bench.clock.tick(9)
    assert bench.give("p95", 9000, count=50, seconds=400).status == "unknown"


def test_what_was_bad_becomes_nobodys_normal() -> None:
    """The rollback ends the bad release: what it did while it was firing is not what the next is measured by."""
    bench = Bench(production(P95, NORMAL))
    normally(bench, 800, 30)
    bench.book.release_changed()
    normally(bench, 9000, 30)
    bench.book.release_changed()
    normally(bench, 900, 2)
    assert bench.now().baseline == 800


def test_the_normal_stands_beside_a_fixed_limit_in_words() -> None:
    bench = Bench(production(P95))
    normally(bench, 800, 30)
    bench.book.release_changed()
    bench.clock.tick(30)
    slow = bench.give("p95", 3400, count=50, seconds=100)
    assert slow.words == "3,400 ms of 3,000 requests, above 3,000 ms for 1:36 of 5:00, 4.2 times its normal 800 ms"
    assert slow.limit == 3000


# ---- what can't be true ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "value", "words"),
    [
        ("ratio", -0.1, "-0.1 is no ratio"),
        ("ratio", 9.1, "9.1 is no ratio"),
        ("state", 7, "7 is no state"),
        ("ms", -5, "-5 ms is absurd"),
        ("ms", 1e12, "1e+12 ms is absurd"),
        ("count", -1, "-1 is no count"),
        ("ratio", 1.02, ""),
        ("ms", 0, ""),
    ],
)
def test_absurd_values_are_no_knowledge(unit: str, value: float, words: str) -> None:
    declared = SignalDecl.model_validate({"title": "x", "unit": unit})
    seen = sane(Sample(signal="x", value=value, at=START), declared, 30, START)
    assert (seen.words, seen.value) == (words, None if words else value)


@pytest.mark.parametrize(
    ("age", "words"),
    [(3600, "measured 1:00:00 ago, by its source's clock"), (-3600, "its source's clock is 1:00:00 ahead"), (50, "")],
)
def test_a_clock_that_is_an_hour_off_is_no_knowledge(age: float, words: str) -> None:
    clock = VirtualClock()
    sample = Sample(signal="x", value=0.0, at=clock.now())
    clock.tick(age) if age > 0 else clock.jump(age)
    declared = SignalDecl.model_validate({"title": "x", "unit": "ratio"})
    seen = sane(sample, declared, 30, clock.now())
    assert (seen.words, seen.value is None) == (words, bool(words))


# ---- healthy but noisy -------------------------------------------------------------------------------------------

HEALTHY: dict[str, Any] = {"ratio": (0.0, 0.04), "ms": (300.0, 1500.0), "count": (0.0, 0.0)}


def every_signal() -> Runbook:
    book = default_runbook()
    source = {name: SignalSource(platform="lab", signal=name) for name in book.signals}
    bound = {name: signal.model_copy(update={"source": source[name]}) for name, signal in book.signals.items()}
    return book.model_copy(update={"signals": bound})


def a_healthy_value(rng: random.Random, name: str, unit: str) -> float | None:
    """Noise: a third of a percent of checks fail, a sample in fifty could not know, pools and memory breathe."""
    if rng.random() < 0.02:
        return None
    if unit == "state":
        return float(rng.random() > 0.0033)
    if name in ("memory-used", "db-pool-used"):
        return min(0.89, max(0.1, rng.gauss(0.6, 0.1)))
    if name == "http-error-ratio":
        return min(1.0, abs(rng.gauss(0.005, 0.01)) + (0.2 if rng.random() < 0.01 else 0.0))
    low, high = HEALTHY[unit]
    return rng.uniform(low, high) + (6000 if unit == "ms" and rng.random() < 0.01 else 0)


@pytest.mark.parametrize("seed", range(10))
def test_healthy_and_noisy_fires_nothing(seed: int, full: bool) -> None:
    """Runs of a quarter of an hour, with a sample each five seconds: 200 in all, where all is run."""
    runbook = every_signal()
    for run in range(20 if full else 3):
        rng = random.Random(seed * 1000 + run)
        clock = VirtualClock()
        book = TriggerBook(runbook, clock)
        for _ in range(180):
            clock.tick(5)
            for name, declared in runbook.signals.items():
                value = a_healthy_value(rng, name, declared.unit)
                count = None if value is None else rng.randint(20, 60) if declared.unit in ("ratio", "ms") else 1
                book.add(Sample(signal=name, value=value, count=count, at=clock.now()), name)
            firing: list[TriggerReading] = [r for r in book.readings().values() if r.status == "firing"]
            assert firing == [], (seed, run, firing)
