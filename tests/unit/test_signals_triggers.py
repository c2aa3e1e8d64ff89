"""Triggers on a virtual clock, with production's real windows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warroom.model.runbook import Runbook
from warroom.model.signal import Sample, TriggerReading
from warroom.signals import TriggerBook
from warroom.testing.builders import a_runbook
from warroom.testing.clock import VirtualClock

SIGNALS: dict[str, Any] = {
    "errors": {"title": "5xx", "unit": "ratio", "source": {"platform": "lab", "signal": "errors"}},
    "p95": {"title": "p95", "unit": "ms", "source": {"platform": "lab", "signal": "p95"}},
    "memory": {"title": "memory", "unit": "ratio", "source": {"platform": "lab", "signal": "memory"}},
    "auth": {"title": "sign-in", "unit": "state", "source": {"platform": "lab", "signal": "auth"}},
    "jwt": {"title": "JWT refresh", "unit": "ratio"},
}


def production(*conditions: dict[str, Any], **overrides: Any) -> Runbook:
    """One trigger ``t`` with the conditions ``c0``, ``c1`` …; no drill windows unless given."""
    named = {f"c{i}": {"sentence": f"condition {i}", **c} for i, c in enumerate(conditions)}
    trigger = {"title": "High error rate", "severity": "critical", "conditions": named}
    return a_runbook(**{"signals": SIGNALS, "triggers": {"t": trigger}, "drill_windows": {}, **overrides})


ERRORS = {"signal": "errors", "above": 0.05, "for": "5m", "over": "1m", "at_least": 20, "clear_for": "1m"}


class Bench:
    """A book, a clock, and a source that gives a sample a second."""

    def __init__(self, runbook: Runbook) -> None:
        self.clock = VirtualClock()
        self.book = TriggerBook(runbook, self.clock)

    def give(self, signal: str, value: float | None, count: int | None = 50, seconds: int = 1) -> TriggerReading:
        for _ in range(seconds):
            self.clock.tick(1)
            self.book.add(Sample(signal=signal, value=value, count=count, at=self.clock.now()), signal)
        return self.now()

    def pass_by(self, seconds: float) -> TriggerReading:
        self.clock.tick(seconds)
        return self.now()

    def now(self) -> TriggerReading:
        return self.book.readings()["t"]


def test_where_one_look_is_enough_what_it_says_is_told() -> None:
    """Who changed something is in the source's words, and in nothing else that the journal keeps."""
    bench = Bench(production({"signal": "auth", "below": 1}))
    assert bench.give("auth", 1.0, count=1, seconds=5).status == "ok"

    def looks(value: float, words: str) -> TriggerReading:
        bench.clock.tick(2)
        sample = Sample(signal="auth", value=value, count=1, at=bench.clock.now(), words=words)
        bench.book.add(sample, "auth")
        return bench.now()

    fires = looks(0.0, "ci changed it")
    assert (fires.status, fires.words) == ("firing", "ci changed it")
    assert looks(1.0, "as it was left").words.startswith("1 of 7 checks failed")


def test_it_counts_towards_firing_in_sight_and_fires_after_five_minutes() -> None:
    bench = Bench(production(ERRORS))
    assert bench.give("errors", 0.09, seconds=1).status == "pending"
    halfway = bench.give("errors", 0.09, seconds=192)
    assert (halfway.status, halfway.held_s, halfway.need_s) == ("pending", 192, 300)
    assert halfway.words == "9 % of 3,000 requests, above 5 % for 3:12 of 5:00"
    assert bench.give("errors", 0.09, seconds=107).status == "pending"
    fired = bench.give("errors", 0.09)
    assert (fired.status, fired.held_s) == ("firing", 300)
    assert fired.production_need_s is None
    assert fired.words == "9 % of 3,000 requests, above 5 % for 5:00"


def test_exactly_at_the_limit_is_not_above_it() -> None:
    assert Bench(production(ERRORS)).give("errors", 0.05, seconds=600).status == "ok"


def test_a_ratio_is_weighted_by_requests() -> None:
    bench = Bench(production(ERRORS))
    bench.give("errors", 1.0, count=1, seconds=10)
    quiet = bench.give("errors", 0.01, count=1000, seconds=10)
    assert quiet.status == "ok"
    assert quiet.value == pytest.approx((10 * 1.0 + 10_000 * 0.01) / 10_010)


def test_a_percentile_goes_by_the_median_so_one_slow_sample_is_no_outage() -> None:
    bench = Bench(production({"signal": "p95", "above": 3000, "for": "5m"}))
    bench.give("p95", 900, count=40, seconds=30)
    assert bench.give("p95", 200_000, count=40).status == "ok"
    assert bench.give("p95", 3200, count=40, seconds=40).status == "pending"


def test_too_few_requests_are_unknown_whatever_they_say() -> None:
    bench = Bench(production(ERRORS))
    reading = bench.give("errors", 1.0, count=1, seconds=19)
    assert reading.status == "unknown"
    assert reading.value is None
    assert "only 19 of the 20 observations needed in 1 m" in reading.words
    assert bench.give("errors", 1.0, count=1).status == "pending"


def test_no_traffic_at_all_is_unknown_not_healthy() -> None:
    assert Bench(production({**ERRORS, "at_least": 0})).give("errors", None, count=0, seconds=90).status == "unknown"


def test_a_second_without_requests_does_not_interrupt_what_is_known() -> None:
    bench = Bench(production(ERRORS))
    bench.give("errors", 0.09, seconds=100)
    assert bench.give("errors", None, count=0).held_s == 100


@pytest.mark.parametrize(("value", "status"), [(None, "unknown"), (0.0, "ok"), (0.2, "pending")])
def test_could_not_know_is_not_zero(value: float | None, status: str) -> None:
    assert Bench(production(ERRORS)).give("errors", value, count=None if value is None else 50).status == status


def test_old_data_is_unknown_and_the_hold_starts_anew_after_the_gap() -> None:
    bench = Bench(production(ERRORS))
    bench.give("errors", 0.09, seconds=290)
    assert bench.pass_by(30).status == "pending"
    stale = bench.pass_by(1)
    assert (stale.status, stale.value) == ("unknown", None)
    assert "no data for 0:31" in stale.words
    assert bench.give("errors", 0.09, seconds=299).status == "pending"
    assert bench.give("errors", 0.09, seconds=2).status == "firing"


def test_a_gap_nobody_looked_at_resets_the_hold_too() -> None:
    bench = Bench(production(ERRORS))
    bench.give("errors", 0.09, seconds=290)
    bench.clock.tick(60)
    assert bench.give("errors", 0.09, seconds=1).held_s == 0


def test_missing_data_neither_fires_nor_clears_and_says_that_it_was_firing() -> None:
    bench = Bench(production(ERRORS))
    bench.give("errors", 0.09, seconds=301)
    lost = bench.pass_by(3600)
    assert lost.status == "unknown"
    assert "it was firing at 03:05 UTC" in lost.words
    assert bench.give("errors", 0.09).status == "firing"
    bench.pass_by(3600)
    assert bench.give("errors", 0.0).status == "clearing"


def test_it_clears_only_after_holding_and_a_relapse_fires_at_once() -> None:
    bench = Bench(production({**ERRORS, "over": "1s", "clear_below": 0.02}))
    bench.give("errors", 0.09, seconds=301)
    assert bench.give("errors", 0.03).status == "firing"  # below the limit, not below where it clears
    clearing = bench.give("errors", 0.01, seconds=31)
    assert (clearing.status, clearing.held_s, clearing.need_s) == ("clearing", 30, 60)
    assert clearing.words == "1 % of 50 requests, no longer above 5 % for 0:30 of 1:00"
    assert bench.give("errors", 0.06).status == "firing"
    assert bench.give("errors", 0.01, seconds=60).status == "clearing"
    bench.pass_by(31)
    assert bench.give("errors", 0.01, seconds=60).status == "clearing"  # the gap took the hold back
    assert bench.give("errors", 0.01).status == "ok"
    assert bench.give("errors", 0.06).status == "pending"


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_wall_clock_that_jumps_an_hour_changes_nothing(jump: float) -> None:
    bench = Bench(production(ERRORS))
    bench.give("errors", 0.09, seconds=200)
    bench.clock.jump(jump)
    assert bench.give("errors", 0.09).held_s == 200
    assert bench.give("errors", 0.09, seconds=99).status == "pending"
    assert bench.give("errors", 0.09).status == "firing"
    bench.clock.jump(-jump)
    assert bench.now().status == "firing"


def test_a_source_that_repeats_itself_goes_stale() -> None:
    bench = Bench(production(ERRORS))
    stuck = Sample(signal="errors", value=0.09, count=50, at=bench.clock.now())
    for _ in range(40):
        bench.clock.tick(1)
        bench.book.add(stuck, "errors")
    assert bench.now().status == "unknown"


def test_a_state_fires_while_it_fails_and_one_success_ends_the_hold() -> None:
    bench = Bench(production({"signal": "auth", "equals": 0, "for": "20s", "clear_for": "10s"}))
    assert bench.give("auth", 1, count=None, seconds=30).words == "well over 1 m, not failing"
    bench.give("auth", 0, count=None, seconds=20)
    assert bench.give("auth", 1, count=None).status == "ok"
    assert bench.give("auth", 0, count=None, seconds=21).status == "firing"


def test_below_a_half_says_that_most_of_a_minutes_checks_failed() -> None:
    bench = Bench(production({"signal": "auth", "below": 0.5, "at_least": 3}))
    assert bench.give("auth", 0, count=None, seconds=2).status == "unknown"
    fired = bench.give("auth", 0, count=None)
    assert (fired.status, fired.words) == ("firing", "3 of 3 checks failed, more than half for 0:00")
    clearing = bench.give("auth", 1, count=None, seconds=3)
    assert clearing.words == "3 of 6 checks failed, no longer more than half for 0:00 of 1:00"


def test_drill_windows_shorten_and_both_are_shown() -> None:
    bench = Bench(production({**ERRORS, "over": "5m"}, drill_windows={"c0": "20s"}))
    bench.give("errors", 0.0, seconds=300)
    bench.give("errors", 0.2, seconds=26)
    shown = bench.now()
    assert (shown.need_s, shown.production_need_s) == (20, 300)
    assert shown.status == "firing"


def test_a_drill_is_to_scale() -> None:
    """Five minutes with a rolling minute are twenty seconds with a rolling five: a minute would still be full of what
    was before, and clearing would take longer than all the rest.
    """
    bench = Bench(production(ERRORS, drill_windows={"c0": "20s"}))
    bench.give("errors", 0.0, seconds=60)
    assert bench.give("errors", 0.2, seconds=2).status == "pending"
    assert bench.give("errors", 0.2, seconds=18).status == "pending"
    assert bench.give("errors", 0.2, seconds=3).status == "firing"
    clearing = bench.give("errors", 0.0, seconds=5)
    assert (clearing.status, clearing.need_s, clearing.production_need_s) == ("clearing", 5, 60)
    assert bench.give("errors", 0.0, seconds=6).status == "ok"


def test_a_drill_never_makes_a_window_longer() -> None:
    short = {**ERRORS, "for": "4s", "over": "3s", "clear_for": "2s"}
    bench = Bench(production(short, drill_windows={"c0": "20s"}))
    assert bench.give("errors", 0.2, seconds=5).status == "firing"
    assert bench.give("errors", 0.0, seconds=4).need_s == 2
    assert bench.give("errors", 0.0, seconds=2).status == "ok"


def test_conditions_that_nobody_measures_do_not_turn_the_console_grey() -> None:
    bench = Bench(production(ERRORS, {"signal": "jwt", "above": 0.5}, {"signal": "jwt", "above": 0.9}))
    assert bench.now().status == "unknown"
    assert bench.now().words == "no data yet for 5xx; 2 of 3 conditions are not measured"
    quiet = bench.give("errors", 0.0, seconds=5)
    assert quiet.status == "ok"
    assert quiet.words.endswith("2 of 3 conditions are not measured")


def test_a_trigger_that_nobody_measures_is_unknown_and_says_so() -> None:
    reading = Bench(production({"signal": "jwt", "above": 0.5}, {"signal": "nowhere", "above": 1})).now()
    assert (reading.status, reading.words) == ("unknown", "nobody measures JWT refresh and nowhere")


def test_the_worst_condition_decides_and_a_known_fire_beats_an_unknown() -> None:
    bench = Bench(production(ERRORS, {"signal": "p95", "above": 3000, "for": "5m"}))
    bench.give("errors", 0.09, seconds=301)
    reading = bench.now()
    assert (reading.status, reading.condition) == ("firing", "condition 0")
    assert reading.words.endswith("; p95 is unknown")
    assert bench.give("errors", 0.0, seconds=121 + 60).status == "unknown"


def test_what_was_firing_before_a_restart_is_not_forgotten() -> None:
    before = Bench(production(ERRORS))
    fired = {"t": before.give("errors", 0.09, seconds=301)}
    after = Bench(production(ERRORS))
    after.book.restore(fired, after.clock.now())
    assert after.now().status == "unknown"
    assert "it was firing at" in after.now().words
    assert after.give("errors", 0.09).status == "firing"


Steps = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 5, 29, 31, 400]),
        st.one_of(st.none(), st.sampled_from([0.0, 0.01, 0.03, 0.05, 0.06, 0.5])),
        st.sampled_from([0, 1, 20, 500]),
        st.sampled_from([0, 0, 0, 3600, -3600]),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps=Steps)
def test_whatever_comes_missing_data_neither_fires_nor_is_well(
    steps: list[tuple[int, float | None, int, int]],
) -> None:
    """And the wall clock has no say: a twin whose clock jumps reads the same."""
    bench, twin = Bench(production(ERRORS)), Bench(production(ERRORS))
    for seconds, value, count, jump in steps:
        twin.clock.jump(jump)
        for one in (bench, twin):
            one.pass_by(seconds)
            gap = one.now()
            assert gap.status == "unknown" or seconds <= 30
            one.give("errors", value, count=None if value is None else count)
        reading = bench.now()
        if value is None or (seconds > 60 and count < 20):
            assert reading.status == "unknown"
        if reading.status in ("ok", "pending", "firing", "clearing"):
            assert reading.value is not None
        if reading.status == "pending":
            assert 0 <= reading.held_s < reading.need_s
        if reading.status == "firing" and reading.value is not None:
            assert reading.value > 0.05 or reading.held_s >= reading.need_s
        same = {"status", "value", "held_s", "count"}
        assert reading.model_dump(include=same) == twin.now().model_dump(include=same)
