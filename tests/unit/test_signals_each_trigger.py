"""Each of the default runbook's conditions with production's windows: it fires in time, and clears after recovery.

On a virtual clock, a sample each ``EVERY`` seconds. What the drill lab can really break is broken there as well.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.engines import a_running
from tests.world import PLUGIN, until
from warroom.api import Context, SignalOffer
from warroom.engine.core import Options
from warroom.model.intent import CloseIncident
from warroom.model.runbook import Condition, Runbook, SignalSource
from warroom.model.signal import Sample
from warroom.runbook import default_runbook
from warroom.signals import TriggerBook
from warroom.testing.clock import VirtualClock

EVERY = 5.0
DEFAULT = default_runbook()
CONDITIONS = {name: (trigger, condition) for trigger, _, name, condition in DEFAULT.conditions()}


def measured() -> Runbook:
    bound = {
        name: signal.model_copy(update={"source": SignalSource(platform="lab", signal=name)})
        for name, signal in DEFAULT.signals.items()
    }
    return DEFAULT.model_copy(update={"signals": bound})


def well(condition: Condition) -> float:
    return 1.0 if condition.below is not None else 0.0


def bad(condition: Condition) -> float:
    if condition.below is not None:
        return 0.0
    assert condition.above is not None
    return {"ratio": min(1.0, condition.above + 0.05), "ms": condition.above + 500}.get(unit(condition), 3.0)


def unit(condition: Condition) -> str:
    return DEFAULT.signals[condition.signal].unit


class Play:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.book = TriggerBook(measured(), self.clock)

    def until_status(self, name: str, value: float, wanted: str, at_most: float) -> float:
        """Gives ``value`` until the condition's trigger has the status; how long that took."""
        _, condition = CONDITIONS[name]
        count = 60 if unit(condition) in ("ratio", "ms") else 1
        began = self.clock.monotonic()
        while True:
            self.clock.tick(EVERY)
            sample = Sample(signal=condition.signal, value=value, count=count, at=self.clock.now())
            self.book.add(sample, condition.signal)
            self.book.readings()
            if self.book.condition(name).status == wanted:
                return self.clock.monotonic() - began
            assert self.clock.monotonic() - began <= at_most, (name, self.book.condition(name).words())


def test_there_are_the_six_and_the_four() -> None:
    severities = [trigger.severity for trigger in DEFAULT.triggers.values()]
    assert (severities.count("critical"), severities.count("warning")) == (6, 4)
    assert len(CONDITIONS) == 20


@pytest.mark.parametrize("name", CONDITIONS)
def test_it_fires_within_its_window_and_one_interval_and_clears_again(name: str) -> None:
    """From well to bad: the window has to be half full of the bad where it is a mean, then it has to hold."""
    trigger, condition = CONDITIONS[name]
    play = Play()
    play.until_status(name, well(condition), "ok", condition.over + 100)
    for _ in range(int(condition.over / EVERY)):
        play.until_status(name, well(condition), "ok", EVERY)
    took = play.until_status(name, bad(condition), "firing", condition.over + condition.for_ + EVERY)
    assert took >= condition.for_
    reading = play.book.readings()[trigger]
    assert (reading.status, reading.condition) == ("firing", condition.sentence)
    assert reading.words
    clear_within = condition.over + condition.clear_for + 2 * EVERY
    play.until_status(name, well(condition), "ok", clear_within)


ROWS = [name for name, (_, condition) in CONDITIONS.items() if unit(condition) == "count"]


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_told_by_the_newest_count_and_by_no_mean_with_those_of_before(name: str) -> None:
    trigger, _ = CONDITIONS[name]
    play = Play()
    play.until_status(name, 0, "ok", 100)
    for _ in range(5):
        play.until_status(name, 0, "ok", EVERY)
    play.until_status(name, 53, "firing", EVERY)
    assert play.book.readings()[trigger].value == 53
    play.until_status(name, 0, "clearing", EVERY)
    assert play.book.readings()[trigger].value == 0


@pytest.mark.parametrize("name", CONDITIONS)
def test_at_its_limit_exactly_it_stays_quiet(name: str) -> None:
    _, condition = CONDITIONS[name]
    limit = condition.above if condition.above is not None else condition.below
    assert limit is not None
    play = Play()
    for _ in range(int((condition.over + condition.for_) / EVERY) + 10):
        sample = Sample(signal=condition.signal, value=limit, count=60, at=play.clock.now())
        play.clock.tick(EVERY)
        play.book.add(sample, condition.signal)
        play.book.readings()
        assert play.book.condition(name).status in ("ok", "unknown")
    assert play.book.condition(name).status == "ok"


# ---- through the engine, for what the lab has no part for --------------------------------------------------------

NOT_IN_THE_LAB = ("memory", "csrf", "rate-limit", "auth-bypass", "ai-provider", "email", "feature")


class Told:
    """Gives exactly what a file says, signal by signal; refuses to be asked for anything it does not offer."""

    def offers(self, config: Any) -> Mapping[str, SignalOffer]:
        return {name: SignalOffer(s.title, s.unit, active=False) for name, s in DEFAULT.signals.items()}

    async def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncIterator[Sample]:
        assert wanted <= self.offers(ctx.config).keys()
        while True:
            said = json.loads((ctx.config.folder / "signals.json").read_text())
            at = datetime.now(UTC) + timedelta(seconds=said.get("ahead", 0))
            for name in sorted(wanted):
                yield Sample(signal=name, value=said.get(name), count=1, at=at, source="told")
            await ctx.clock.sleep(0.05)


def told(tmp_path: Path, name: str, **said: float) -> dict[str, Any]:
    """A world whose signals are what the file says, and the runbook's sections for one condition of the default's."""
    trigger, condition = CONDITIONS[name]
    source = {"platform": "world", "signal": condition.signal}
    declared = {**DEFAULT.signals[condition.signal].model_dump(), "source": source}
    own = condition.model_copy(update={"over": 0.4, "for_": 0.3 if condition.for_ else 0, "clear_for": 0.3})
    about = DEFAULT.triggers[trigger].model_copy(update={"conditions": {name: own}})
    world = tmp_path / "world"
    world.mkdir()
    for file, text in (("current", "v3"), ("id", "told"), ("errors", "v3 0.0")):
        (world / file).write_text(text)
    (world / "signals.json").write_text(json.dumps(said))
    return {
        "signals": {condition.signal: declared},
        "components": {},
        "triggers": {trigger: about.model_dump(by_alias=True)},
        "verification": {},
    }


@pytest.mark.parametrize(
    ("value", "ahead", "words"),
    [
        (0.99, -3600, "could not be measured: measured 1:00:0"),
        (0.99, 3600, "could not be measured: its source's clock is "),
        (91.0, 0, "could not be measured: 91 is no ratio"),
        (-0.5, 0, "could not be measured: -0.5 is no ratio"),
    ],
)
async def test_what_can_not_be_true_reads_unknown_and_opens_nothing(
    tmp_path: Path, value: float, ahead: float, words: str
) -> None:
    sections = told(tmp_path, "memory", **{"memory-used": value, "ahead": ahead})
    async with a_running(tmp_path, plugin=replace(PLUGIN, signals=Told()), **sections) as running:
        sensing = running.engine.sensing
        await until(lambda: sensing.readings and "no data yet" not in sensing.readings["performance"].words)
        seen = sensing.readings["performance"]
        assert (seen.status, seen.words[: len(words)]) == ("unknown", words)
        assert running.state.incident is None


@pytest.mark.parametrize(("scenario", "opens"), [(None, True), ("bad-release", False)])
async def test_what_fires_after_an_incident_opens_another_but_in_a_drill(
    tmp_path: Path, scenario: str | None, opens: bool
) -> None:
    trigger, condition = CONDITIONS["memory"]
    sections, world = told(tmp_path, "memory", **{condition.signal: well(condition)}), tmp_path / "world"

    def say(value: float) -> None:
        (world / "part").write_text(json.dumps({condition.signal: value}))
        (world / "part").rename(world / "signals.json")

    options = Options(scenario=scenario)
    async with a_running(tmp_path, plugin=replace(PLUGIN, signals=Told()), options=options, **sections) as running:
        sensing = running.engine.sensing

        async def reads(status: str) -> None:
            await until(lambda: sensing.readings and sensing.readings[trigger].status == status)

        await reads("ok")
        say(bad(condition))
        await until(lambda: running.state.incident is not None)
        await running.ok(CloseIncident(outcome="unresolved", reason="it is over"))
        say(well(condition))
        await reads("ok")
        say(bad(condition))
        await reads("firing")
        read = sensing.readings
        await until(lambda: sensing.readings is not read)  # what is to be opened is known by now
        another = bool(sensing._unopened) or len(running.engine.core.folder.incidents()) == 2
        assert another == opens


@pytest.mark.parametrize("name", NOT_IN_THE_LAB)
async def test_the_engine_opens_an_incident_on_it(tmp_path: Path, name: str) -> None:
    trigger, condition = CONDITIONS[name]
    sections, world = told(tmp_path, name, **{condition.signal: well(condition)}), tmp_path / "world"
    async with a_running(tmp_path, plugin=replace(PLUGIN, signals=Told()), **sections) as running:
        readings = running.engine.sensing
        await until(lambda: readings.readings and readings.readings[trigger].status == "ok")
        (world / "part").write_text(json.dumps({condition.signal: bad(condition)}))
        (world / "part").rename(world / "signals.json")
        await until(lambda: running.state.incident is not None)
        assert running.state.incident.title == DEFAULT.triggers[trigger].title
        assert running.state.incident.severity == DEFAULT.triggers[trigger].severity
        (world / "part").write_text("{}")
        (world / "part").rename(world / "signals.json")
        await until(lambda: readings.readings[trigger].status == "unknown")
        assert "it was firing at" in readings.readings[trigger].words
