"""Release changes beside what was seen: in words, on monotonic time; and how sure a trend is."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from tests.unit.test_signals_triggers import ERRORS, production
from warroom.model.signal import Sample
from warroom.signals import SignalBook, TriggerBook
from warroom.signals.correlation import Marks
from warroom.signals.trend import trend
from warroom.testing.clock import VirtualClock


class Seen:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.marks = Marks(self.clock)
        runbook = production({**ERRORS, "over": "30s"})
        self.triggers = TriggerBook(runbook, self.clock, self.marks)
        self.signals = SignalBook(runbook, self.clock, self.marks)

    def give(self, value: float, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.tick(1)
            sample = Sample(signal="errors", value=value, count=50, at=self.clock.now())
            self.triggers.add(sample, "errors")
            self.signals.add(sample, "errors")

    def said(self) -> tuple[str, str]:
        return self.triggers.readings()["t"].since_release, self.signals.readings()["errors"].since_release


@pytest.mark.parametrize("jump", [0, 3600, -3600])
def test_errors_began_so_long_after_the_release_whatever_the_wall_clock_does(jump: float) -> None:
    """From the first bad sample, not from when the window's mean went over its limit."""
    seen = Seen()
    seen.give(0.0, 60)
    seen.marks.add("v1.0.0-beta.3")
    seen.clock.jump(jump)
    seen.give(0.0, 39)
    seen.give(0.09, 30)
    words = "errors began 40 s after v1.0.0-beta.3"
    assert seen.said()[0] == words
    reading = seen.triggers.readings()["t"]
    assert reading.words.endswith(f" of 5:00; {words}")
    assert reading.began_at is not None
    assert (seen.clock.now() - reading.began_at) == timedelta(seconds=29)
    assert seen.said()[1] in (words, "it began 40 s after v1.0.0-beta.3")
    seen.give(0.0, 120)
    assert seen.said() == ("", "")


def test_what_is_of_now_begins_no_sooner_than_the_newest_release_change() -> None:
    seen = Seen()
    assert seen.marks.lately == (seen.clock.now() - timedelta(minutes=5), "in 5 m")
    seen.marks.add("v2")
    at = seen.clock.now()
    seen.clock.tick(299)
    assert seen.marks.lately == (at, "since v2")
    seen.clock.tick(2)
    assert seen.marks.lately == (seen.clock.now() - timedelta(minutes=5), "in 5 m")


def test_a_rollback_is_a_mark_of_its_own_and_what_was_known_is_marked_at_its_time() -> None:
    seen = Seen()
    seen.give(0.0, 100)
    assert seen.marks.add("v3", at=seen.clock.now() - timedelta(seconds=90))
    assert not seen.marks.add("v3", at=seen.clock.now() - timedelta(seconds=88))
    assert seen.marks.add("v2", kind="rollback")
    assert [name for _, name in seen.marks.changes] == ["v3", "rollback to v2"]
    assert [(seen.clock.now() - at).total_seconds() for at, _ in seen.marks.changes] == [90, 0]
    seen.give(0.2, 30)
    assert seen.said()[0] == "errors began 1 s after rollback to v2"


def test_a_release_of_yesterday_is_not_blamed() -> None:
    seen = Seen()
    seen.marks.add("v3")
    seen.clock.tick(3700)
    seen.give(0.2, 40)
    assert seen.said() == ("", "")


@pytest.mark.parametrize(
    ("rise", "noise", "sure", "words"),
    [(0.3, 0.01, True, "more than 99.9 % sure"), (0.0, 0.05, False, ""), (0.02, 0.001, True, "more than 99.9 % sure")],
)
def test_a_trend_says_how_sure_it_is(rise: float, noise: float, sure: bool, words: str) -> None:
    rng = random.Random(7)
    points = [(float(t), 0.1 + rise * t / 300 + rng.gauss(0, noise)) for t in range(300)]
    seen = trend(points, 300)
    assert (seen.enough, seen.sure, seen.slices) == (True, sure, 60)
    assert seen.sure == (seen.confidence >= 0.95)
    assert not words or seen.confidence_words == words


def test_noise_is_called_a_trend_in_one_case_of_twenty_and_no_more() -> None:
    """The test's own promise, on 400 windows of noise: what it calls 95 % sure is wrong in about 5 %."""
    rng = random.Random(3)
    wrong = sum(trend([(float(t), rng.gauss(1, 0.2)) for t in range(0, 300, 5)], 300).sure for _ in range(400))
    assert wrong <= 0.08 * 400
