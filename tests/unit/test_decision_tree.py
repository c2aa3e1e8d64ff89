"""The default runbook's tree, on a virtual clock, with its real windows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warroom.decision import Stopped, TreeReader, reached_times, shape
from warroom.decision.answers import known
from warroom.model.decision import TreeAnswer, TreeReading
from warroom.model.runbook import Runbook, SignalSource
from warroom.model.signal import Sample, TriggerReading
from warroom.model.state import Override
from warroom.runbook import default_runbook
from warroom.signals import SignalBook, TriggerBook
from warroom.testing.builders import a_runbook
from warroom.testing.clock import START, VirtualClock

RATIO = "http-error-ratio"


def level_trend(signal: str, over: float) -> tuple[str | None, str]:
    return "no", f"{signal} is level"


def saying(said: str | None) -> Callable[[str, float], tuple[str | None, str]]:
    return lambda signal, over: (said, "words")


def measured(*signals: str) -> Runbook:
    """The default runbook with a source for the signals named (all of them without names)."""
    runbook = default_runbook()
    bound = {
        name: signal.model_copy(update={"source": SignalSource(platform="lab", signal=name)})
        for name, signal in runbook.signals.items()
        if not signals or name in signals
    }
    return runbook.model_copy(update={"signals": {**runbook.signals, **bound}})


def readings(runbook: Runbook, **statuses: str) -> dict[str, TriggerReading]:
    """Every trigger ok, but for those named (with ``_`` for ``-``)."""
    return {
        trigger_id: TriggerReading.model_validate(
            {
                "id": trigger_id,
                "title": trigger.title,
                "severity": trigger.severity,
                "status": statuses.get(trigger_id.replace("-", "_"), "ok"),
                "words": "some words",
                "held_s": 72,
                "need_s": 300,
            }
        )
        for trigger_id, trigger in runbook.triggers.items()
    }


class Bench:
    def __init__(self, runbook: Runbook | None = None) -> None:
        self.runbook = runbook or measured()
        self.clock = VirtualClock()
        self.reader = TreeReader(self.runbook, self.clock)
        self.overrides: dict[str, Override] = {}
        self.trend: Callable[[str, float], tuple[str | None, str]] = level_trend

    def answer(self, node: str, said: str) -> None:
        self.overrides[node] = Override(answer=said, by="op1", reason="I looked", at=self.clock.now())

    def read(self, **statuses: str) -> TreeReading:
        return self.reader.read(readings(self.runbook, **statuses), self.overrides, self.trend)


def path(reading: TreeReading) -> list[tuple[str, str | None, str]]:
    return [(step.node, step.answer, step.by) for step in reading.path]


def last(reading: TreeReading) -> TreeAnswer:
    return reading.path[-1]


def test_all_quiet_is_continue_monitoring() -> None:
    reading = Bench().read()
    assert path(reading) == [("degraded", "no", "signals")]
    assert (reading.advice, reading.title) == ("monitor", "Continue monitoring")
    assert reading.would_change == "If a trigger fired: then ROLLBACK IMMEDIATELY"


def test_a_critical_trigger_is_roll_back_immediately_with_its_numbers() -> None:
    reading = Bench().read(high_error_rate="firing", redis_failing="firing")
    assert path(reading) == [("degraded", "yes", "signals"), ("severity", "critical", "signals")]
    assert reading.advice == "rollback-now"
    assert last(reading).evidence == "High Error Rate: some words"
    assert reading.reason == "Is service degraded? YES (High Error Rate: some words, and 1 more). How severe? CRITICAL"
    assert reading.would_change == "If High Error Rate and Redis cache failures cleared: then Continue monitoring"


def test_a_reason_is_short_and_says_each_number_once() -> None:
    bench = Bench()
    many = readings(bench.runbook, high_error_rate="firing")
    words = "28 % of 870 requests, above 5 % for 0:20; session check could not be measured: not reached: no sign-in"
    many["high-error-rate"] = many["high-error-rate"].model_copy(update={"words": words})
    reading = bench.reader.read(many, {}, level_trend)
    number = "High Error Rate: 28 % of 870 requests, above 5 % for 0:20"
    assert reading.reason == f"Is service degraded? YES ({number}). How severe? CRITICAL"
    assert [step.evidence for step in reading.path] == [number, number]


def test_a_long_way_is_told_by_its_last_answers_and_stop_writes_never_goes() -> None:
    bench = Bench()
    for node, said in (("degraded", "yes"), ("severity", "warning"), ("getting-worse", "no"), ("monitored", "over")):
        bench.answer(node, said)
    reading = bench.read(security="firing", redis_failing="firing")
    assert reading.path[-1].node == "hotfix-quickly"
    bench.overrides = {n: o.model_copy(update={"reason": "because " * 40}) for n, o in bench.overrides.items()}
    bench.answer("hotfix-quickly", "no")
    reason = bench.read(security="firing", redis_failing="firing").reason
    said = "Stop writes first: Critical Security Vulnerability. After 1 answer. How severe? WARNING. "
    assert reason.startswith(said)
    assert reason.endswith("Can we hotfix quickly? (<30 min) NO (op1: I looked)")
    assert len(reason) <= 220


def test_corruption_and_security_say_stop_writes_first() -> None:
    assert Bench().read(security="firing").reason.startswith("Stop writes first: Critical Security Vulnerability. ")
    assert "Stop writes" not in Bench().read(high_error_rate="firing").reason


def test_clearing_still_counts_and_unknown_opens_the_question() -> None:
    bench = Bench()
    assert bench.read(high_error_rate="clearing").advice == "rollback-now"
    unknown = bench.read(high_error_rate="unknown")
    assert path(unknown) == [("degraded", None, "open")]
    assert unknown.advice is None
    assert last(unknown).evidence == "no trigger fires, but High Error Rate is unknown (some words)"
    assert "no → Continue monitoring, yes → “How severe?”" in unknown.would_change


def test_triggers_that_nobody_measures_leave_the_answer_known_but_said() -> None:
    bench = Bench(measured(RATIO))
    reading = bench.read(**dict.fromkeys(["auth_down", "security", "performance"], "unknown"))
    assert path(reading) == [("degraded", "no", "signals")]
    assert last(reading).evidence == "no trigger fires; 3 of 10 triggers are not measured"
    nothing = Bench(default_runbook())
    blind = nothing.reader.read({}, {}, level_trend)
    assert path(blind) == [("degraded", None, "open")]
    assert last(blind).evidence == "nobody measures any trigger of this runbook"


def test_an_alarm_that_says_nothing_of_the_service_answers_nothing_while_it_is_quiet() -> None:
    """With it alone measured, nobody knows how the service is; once it fires it counts as any other."""
    runbook = measured("http-p95")
    about = {"performance": runbook.triggers["performance"].model_copy(update={"of_health": False})}
    runbook = runbook.model_copy(update={"triggers": {**runbook.triggers, **about}})
    others = {name.replace("-", "_"): "unknown" for name in runbook.triggers}
    for status in ("ok", "unknown"):
        seen = known(runbook, readings(runbook, **{**others, "performance": status}))
        assert len(seen.unmeasured) == seen.total == len(runbook.triggers) - 1
        assert seen.unknown == ()
    assert Bench(runbook).read(**{**others, "performance": "ok"}).advice is None
    seen = known(runbook, readings(runbook, **{**others, "performance": "firing"}))
    assert [each.id for each in seen.firing] == ["performance"]


def test_a_pending_trigger_is_named_with_what_it_would_change() -> None:
    reading = Bench().read(high_error_rate="pending")
    assert reading.advice == "monitor"
    assert "High Error Rate: some words" in last(reading).evidence
    assert reading.would_change == ("High Error Rate fires if it holds for another 3:48: then ROLLBACK IMMEDIATELY")


def test_a_warning_is_watched_for_ten_minutes_and_then_a_person_is_asked() -> None:
    bench = Bench()
    reading = bench.read(redis_failing="firing")
    assert path(reading)[2:] == [("getting-worse", "no", "signals"), ("monitored", "waiting", "timer")]
    assert reading.title == "Monitor for 10 minutes"
    bench.clock.tick(192)
    reading = bench.read(redis_failing="firing")
    assert last(reading).evidence == "3:12 of 10:00"
    assert reading.would_change.startswith("In 6:48 “Monitored for 10 minutes?” is over: then the question “Can we hot")
    bench.clock.tick(600 - 192)
    reading = bench.read(redis_failing="firing")
    assert path(reading)[3:] == [("monitored", "over", "timer"), ("hotfix-quickly", None, "open")]
    assert reading.advice is None
    bench.answer("hotfix-quickly", "yes")
    assert bench.read(redis_failing="firing").advice == "hotfix"
    bench.answer("hotfix-quickly", "no")
    assert bench.read(redis_failing="firing").advice == "rollback"


def hotfixing() -> Bench:
    """The ten minutes are over, and a person has said that a hotfix is quick."""
    bench = Bench()
    bench.read(redis_failing="firing")
    bench.clock.tick(600)
    bench.read(redis_failing="firing")
    bench.answer("hotfix-quickly", "yes")
    assert last(bench.read(redis_failing="firing")).evidence == "0:00 of 30:00"
    return bench


def test_a_hotfix_has_thirty_minutes_and_then_it_is_a_rollback() -> None:
    bench = hotfixing()
    bench.clock.tick(1799)
    waiting = bench.read(redis_failing="firing")
    assert (waiting.advice, last(waiting).evidence) == ("hotfix", "29:59 of 30:00")
    assert waiting.would_change == "In 0:01 “Hotfix in time? (30 min)” is over: then ROLLBACK"
    bench.clock.tick(1)
    over = bench.read(redis_failing="firing")
    assert (over.advice, last(over).by) == ("rollback", "timer")
    assert over.reason.endswith("Hotfix in time? (30 min) OVER (30:00 have passed)")


def test_a_hotfix_that_failed_is_a_rollback_at_once_and_one_that_works_ends_the_matter() -> None:
    bench = hotfixing()
    bench.clock.tick(60)
    bench.answer("hotfix-in-time", "failed")
    failed = bench.read(redis_failing="firing")
    assert (failed.advice, last(failed).by, last(failed).who) == ("rollback", "person", "op1")
    assert last(failed).evidence == "signals say waiting: 1:00 of 30:00"
    assert hotfixing().read().title == "Continue monitoring"


@pytest.mark.parametrize("since", [1700, 1801])
def test_the_thirty_minutes_go_on_through_a_restart(since: float) -> None:
    bench = hotfixing()
    journaled = [(bench.clock.now(), bench.read(redis_failing="firing"))]
    bench.clock.tick(since)
    bench.reader = TreeReader(bench.runbook, bench.clock, reached_times(journaled))
    assert bench.read(redis_failing="firing").advice == ("hotfix" if since < 1800 else "rollback")


def test_getting_worse_beats_the_hotfix() -> None:
    bench = hotfixing()
    bench.trend = saying("yes")
    assert bench.read(redis_failing="firing").advice == "rollback"


def test_a_drill_shortens_the_trends_window_too() -> None:
    bench = Bench(measured().model_copy(update={"drill_windows": {"getting-worse": 40.0}}))
    asked = []
    bench.trend = lambda signal, over: (asked.append(over), ("no", ""))[1]  # type: ignore[func-returns-value]
    bench.read(redis_failing="firing")
    assert set(asked) == {40.0}


def test_a_warning_that_gets_worse_is_a_rollback() -> None:
    bench = Bench()
    bench.trend = lambda signal, over: ("yes", f"{signal} rose over {over:g} s")
    reading = bench.read(email_down="firing")
    assert reading.advice == "rollback"
    assert last(reading).evidence == "http-error-ratio rose over 300 s"
    bench.trend = lambda signal, over: (None, "too little yet")
    assert path(bench.read(email_down="firing"))[-1] == ("getting-worse", None, "open")


def test_a_person_overrides_signals_and_what_they_say_is_kept_as_evidence() -> None:
    bench = Bench()
    bench.answer("degraded", "yes")
    reading = bench.read()
    assert path(reading) == [("degraded", "yes", "person"), ("severity", None, "open")]
    assert (reading.path[0].who, reading.path[0].reason) == ("op1", "I looked")
    assert reading.path[0].evidence == "signals say no: no trigger fires"
    bench.answer("severity", "critical")
    assert bench.read().advice == "rollback-now"
    bench.answer("severity", "no such answer")
    assert path(bench.read())[-1] == ("severity", None, "open")


def test_the_timer_goes_on_through_a_gap_and_begins_anew_on_another_way() -> None:
    bench = Bench()
    bench.read(redis_failing="firing")
    bench.clock.tick(300)
    bench.read(redis_failing="unknown")
    bench.clock.tick(10)
    assert last(bench.read(redis_failing="firing")).evidence == "5:10 of 10:00"
    bench.clock.tick(10)
    bench.read(redis_failing="firing", high_error_rate="firing")
    assert last(bench.read(redis_failing="firing")).evidence == "0:00 of 10:00"
    bench.clock.tick(60)
    bench.read()
    assert last(bench.read(redis_failing="firing")).evidence == "0:00 of 10:00"


def test_a_timer_that_is_reached_by_another_way_begins_anew() -> None:
    either = {
        "root": "office",
        "questions": {
            "office": {"ask": "Is anybody there?", "answers": {"yes": "wait", "no": "wait"}},
            "wait": {
                "ask": "Waited?",
                "from": {"by": "timer", "wait": "10m"},
                "answers": {"waiting": "look", "over": "go"},
            },
        },
        "leaves": {"look": {"advice": "monitor", "title": "Look"}, "go": {"advice": "rollback", "title": "Go"}},
    }
    bench = Bench(a_runbook(tree=either))
    bench.answer("office", "yes")
    bench.read()
    bench.clock.tick(300)
    assert last(bench.read()).evidence == "5:00 of 10:00"
    bench.answer("office", "no")
    assert last(bench.read()).evidence == "0:00 of 10:00"
    bench.clock.tick(5)
    assert last(bench.read()).evidence == "0:05 of 10:00"


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_wall_clock_that_jumps_ends_no_timer(jump: float) -> None:
    bench = Bench()
    bench.read(redis_failing="firing")
    bench.clock.tick(60)
    bench.clock.jump(jump)
    assert last(bench.read(redis_failing="firing")).evidence == "1:00 of 10:00"


def test_after_a_restart_the_timer_goes_on_from_the_journal() -> None:
    bench = Bench()
    journaled = [(bench.clock.now(), bench.read(high_error_rate="firing"))]
    bench.clock.tick(30)
    journaled.append((bench.clock.now(), bench.read(redis_failing="firing")))
    bench.clock.tick(30)
    journaled.append((bench.clock.now(), bench.read(redis_failing="unknown")))
    reached = reached_times(journaled)
    assert (reached["monitored"] - START).total_seconds() == 30
    assert {node: (at - START).total_seconds() for node, at in bench.reader.reached().items()}["monitored"] == 30
    bench.clock.tick(240)
    bench.reader = TreeReader(bench.runbook, bench.clock, reached)
    bench.read(redis_failing="unknown")
    assert last(bench.read(redis_failing="firing")).evidence == "4:30 of 10:00"
    bench.read()
    assert last(bench.read(redis_failing="firing")).evidence == "0:00 of 10:00"


def test_drill_windows_shorten_timers() -> None:
    bench = Bench(measured().model_copy(update={"drill_windows": {"monitored": 20.0}}))
    bench.read(redis_failing="firing")
    bench.clock.tick(20)
    assert path(bench.read(redis_failing="firing"))[3] == ("monitored", "over", "timer")


def test_the_shape_ignores_the_words_that_count_seconds() -> None:
    bench = Bench()
    first = bench.read(redis_failing="firing")
    bench.clock.tick(1)
    second = bench.read(redis_failing="firing")
    assert first != second
    assert shape(first) == shape(second)
    assert shape(second) != shape(bench.read())


STATUSES = ["ok", "pending", "firing", "clearing", "unknown"]


@given(
    steps=st.lists(
        st.tuples(
            st.dictionaries(
                st.sampled_from(["high_error_rate", "redis_failing", "auth_down", "email_down"]),
                st.sampled_from(STATUSES),
            ),
            st.sampled_from(["yes", "no", None]),
            st.sampled_from([0, 1, 300, 601]),
        ),
        max_size=12,
    )
)
@settings(max_examples=100, deadline=None)
def test_every_reading_is_a_path_of_the_runbook_and_unknown_is_never_called_well(
    steps: list[tuple[dict[str, str], str | None, int]],
) -> None:
    bench = Bench()
    tree = bench.runbook.tree
    for statuses, said, seconds in steps:
        bench.trend = saying(said)
        reading = bench.read(**statuses)
        node = tree.root
        for step in reading.path:
            assert step.node == node
            assert step.answer is None or step.answer in tree.questions[node].answers
            node = tree.questions[node].answers[step.answer] if step.answer else ""
        assert (reading.leaf is None) == (last(reading).answer is None)
        assert reading.leaf is None or node == reading.leaf
        if "unknown" in statuses.values():
            assert reading.title != "Continue monitoring"
        if not {"firing", "clearing"} & set(statuses.values()):
            assert reading.advice in (None, "monitor")
        bench.clock.tick(seconds)


def test_from_requests_to_advice_with_productions_windows() -> None:
    """Samples in, advice out: five minutes of 9 % errors, then a recovery that has to hold."""
    runbook = measured(RATIO, "http-p95")
    clock = VirtualClock()
    triggers, signals = TriggerBook(runbook, clock), SignalBook(runbook, clock)
    reader = TreeReader(runbook, clock)

    def play(seconds: int, ratio: float) -> TreeReading:
        for _ in range(seconds):
            clock.tick(1)
            for name, value in ((RATIO, ratio), ("http-p95", 800.0)):
                sample = Sample(signal=name, value=value, count=40, at=clock.now())
                triggers.add(sample, name)
                signals.add(sample, name)
        return reader.read(triggers.readings(), {}, signals.trend)

    assert play(60, 0.001).advice == "monitor"
    pending = play(290, 0.09)
    assert pending.advice == "monitor"
    assert pending.would_change.startswith("High Error Rate fires if it holds for another 0:")
    fired = play(45, 0.09)
    assert fired.advice == "rollback-now"
    assert "9 % of 2,400 requests, above 5 % for 5:" in fired.reason
    assert play(50, 0.0).advice == "rollback-now"
    assert play(120, 0.0).advice == "monitor"


def test_writes_that_were_stopped_are_no_all_clear_until_fresh_numbers_say_so() -> None:
    """What was measured before says nothing of now, who can't write can't fail, and what goes wrong isn't well yet."""
    runbook = measured(RATIO, "http-p95")
    clock = VirtualClock()
    triggers, signals = TriggerBook(runbook, clock), SignalBook(runbook, clock)
    reader = TreeReader(runbook, clock)

    def each_second(seconds: int, ratio: float | None, count: int, stopped_at: float | None = None) -> list[TreeAnswer]:
        said = []
        for _ in range(seconds):
            clock.tick(1)
            for name, value in ((RATIO, ratio), ("http-p95", 800.0 if count else None)):
                sample = Sample(signal=name, value=value, count=count, at=clock.now())
                triggers.add(sample, name)
                signals.add(sample, name)
            found = triggers.readings()
            writes = Stopped("Writes are stopped", triggers.older(stopped_at)) if stopped_at is not None else None
            said.append(last(reader.read(found, {}, partial(signals.trend, since=stopped_at or 0.0), writes)))
        return said

    assert each_second(120, 0.001, 40)[-1].answer == "no"
    stop = clock.monotonic()
    quiet = each_second(90, None, 0, stop)
    assert {step.answer for step in quiet} == {None}
    before = "Writes are stopped: no trigger fires, but fresh numbers are waited for of High Error Rate and "
    assert quiet[0].evidence == before + "Performance Degradation"
    few = each_second(10, 0.0, 1, stop)
    assert {step.answer for step in few} == {None}
    assert few[-1].evidence.endswith("are unknown")
    fresh = each_second(60, 0.0, 40, stop)[-1]
    assert fresh.answer == "no"
    assert fresh.evidence.startswith("no trigger fires; Writes are stopped, so what writing would meet is not seen")
    burns = each_second(60, 0.9, 40, stop)
    assert {step.answer for step in burns[-30:]} == {None}
    assert burns[-1].evidence.startswith("Writes are stopped: no trigger fires, but High Error Rate: ")
    assert each_second(300, 0.9, 40, stop)[-1].answer == "critical"


def test_what_was_measured_before_writes_were_stopped_makes_no_trend() -> None:
    bench = Bench()
    bench.trend = saying(None)
    stopped = Stopped("Writes are stopped")
    reading = bench.reader.read(readings(bench.runbook, redis_failing="firing"), {}, bench.trend, stopped)
    assert last(reading).node == "getting-worse"
    assert last(reading).evidence == "Writes are stopped, and only what came since counts: words"
