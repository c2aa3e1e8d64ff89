"""What this client knows: the last Snapshot, the events folded since, and the newest of each Live value."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from warroom.console.keys import Keys
from warroom.console.told import Telling
from warroom.model.decision import TreeReading
from warroom.model.event import Event
from warroom.model.fold import fold
from warroom.model.halted import Halt, halted, ways_to_resume
from warroom.model.live import Busy, LiveValue, PlatformReading, Presence, RunningRelease, StepProgress
from warroom.model.release import Release
from warroom.model.runbook import Runbook
from warroom.model.signal import ComponentReading, LogHead, SignalReading, TriggerReading
from warroom.model.state import Incident, PlanState, State, StepState
from warroom.session import Events, Frame, Live, Snapshot

Topic = str
"""What changed: ``state``, or the kind of a Live value."""

NEWS_S = 5.0
"""An engine says something at least every two seconds. After this long without a word, nothing shown is current."""

_WORST = {"firing": 0, "clearing": 1, "pending": 2, "unknown": 3, "ok": 4}


def utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """Folds frames. Never asks, never decides; ``apply`` says what changed so that only that is drawn again.

    ``keys`` are the person's own; whatever shows a key asks ``key``.
    """

    def __init__(self, keys: Keys, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now
        self.keys = keys
        self.told = Telling()
        self._skew = timedelta()
        self.snapshot: Snapshot | None = None
        self.state = State()
        self.problem = "connecting to the engine"
        self._live: dict[str, LiveValue] = {}
        self._heard = self._passed()

    def _passed(self) -> float:
        """Seconds on a clock that nobody sets; in tests, on the one that was handed in."""
        return time.monotonic() if self._now is utc_now else self._now().timestamp()

    def silent_s(self) -> float | None:
        """Seconds since the engine's last word; None while it talks, and where no session is."""
        silent = self._passed() - self._heard
        return silent if self.snapshot is not None and silent > NEWS_S else None

    def apply(self, frame: Frame) -> set[Topic]:
        self._heard = self._passed()
        if isinstance(frame, Snapshot):
            self.snapshot, self.state, self.problem = frame, frame.state, ""
            self._live = {}
            self._skew = frame.at - self._now()
            return {"snapshot", "state"}
        if isinstance(frame, Events):
            return self._fold(frame.events)
        if isinstance(frame, Live):
            self._skew = frame.at - self._now()
            changed = {key: value for key, value in frame.values.items() if self._live.get(key) != value}
            self._live.update(changed)
            return {value.kind for value in changed.values()}
        self.snapshot, self._live = None, {}
        self.problem = f"reading everything again: {frame.reason}"
        return {"snapshot", "state"}

    def _fold(self, events: tuple[Event, ...]) -> set[Topic]:
        fresh = [event for event in events if event.seq > self.state.seq]
        for event in fresh:
            self.state = fold(self.state, event)
        return {"state"} if fresh else set()

    def key(self, action: str) -> str:
        """The action's key, as it is drawn."""
        return self.keys.shown(action)

    # Who and where

    @property
    def runbook(self) -> Runbook | None:
        return self.snapshot.runbook if self.snapshot else None

    @property
    def me(self) -> str:
        return self.snapshot.me if self.snapshot else ""

    @property
    def writable(self) -> bool:
        return self.snapshot is not None and self.snapshot.writable

    def now(self) -> datetime:
        """The engine's clock, as near as the last frame tells it."""
        return self._now() + self._skew

    @property
    def incident(self) -> Incident | None:
        return self.state.incident

    @property
    def plan(self) -> PlanState | None:
        return self.state.plan

    def elapsed(self) -> float | None:
        """Seconds since detection; stops when the incident is closed."""
        incident = self.state.incident
        if incident is None:
            return None
        return ((incident.closed_at or self.now()) - incident.detected_at).total_seconds()

    # Live readings

    def live_values(self) -> dict[str, LiveValue]:
        return dict(self._live)

    def _readings(self) -> Iterable[LiveValue]:
        """The newest values; without news from the engine none of them is fresh, and none is known to be well."""
        silent = self.silent_s()
        return self._live.values() if silent is None else [_aged(value, silent) for value in self._live.values()]

    def signals(self) -> list[SignalReading]:
        return [value for value in self._readings() if isinstance(value, SignalReading)]

    def components(self) -> list[ComponentReading]:
        return [value for value in self._readings() if isinstance(value, ComponentReading)]

    def platforms(self) -> list[PlatformReading]:
        return [value for value in self._readings() if isinstance(value, PlatformReading)]

    def log_heads(self) -> list[LogHead]:
        return [value for value in self._live.values() if isinstance(value, LogHead)]

    def presence(self) -> tuple[str, ...]:
        return next((value.names for value in self._live.values() if isinstance(value, Presence)), ())

    def busy(self) -> tuple[str, ...]:
        return next((value.words for value in self._live.values() if isinstance(value, Busy)), ())

    def running(self) -> Release | None:
        live = next((value for value in self._live.values() if isinstance(value, RunningRelease)), None)
        return live.release if live is not None else self.state.running

    def progress(self, step: str, attempt: int) -> StepProgress | None:
        for value in self._live.values():
            if isinstance(value, StepProgress) and value.step == step and value.attempt == attempt:
                return value
        return None

    def triggers(self) -> list[TriggerReading]:
        """Worst first. Live readings count in sight; the state's are those of the last change."""
        found = dict(self.state.triggers) if self.state.incident else {}
        found.update({value.id: value for value in self._readings() if isinstance(value, TriggerReading)})
        return sorted(found.values(), key=lambda t: (_WORST[t.status], t.severity != "critical", t.id))

    def tree(self) -> TreeReading | None:
        """With an incident the tree is the journal's; in calm it is what the engine would say now."""
        if self.state.incident is not None and self.state.tree is not None:
            return self.state.tree
        return next((value for value in self._live.values() if isinstance(value, TreeReading)), self.state.tree)

    def halt(self) -> Halt | None:
        """Writes stand stopped by warroom, as far as the incident tells."""
        return halted(self.runbook, self.state) if self.runbook is not None else None

    def lets_go_on(self) -> str:
        """The title of the best procedure that lets stopped writes go on; empty where the runbook has none."""
        if self.runbook is None:
            return ""
        found = ways_to_resume(self.runbook, self.halt() or Halt())
        return self.runbook.procedures[found[0]].title if found else ""

    def firing(self) -> list[TriggerReading]:
        return [t for t in self.triggers() if t.status == "firing"]

    # Steps that wait for a person

    def waiting_steps(self) -> list[tuple[str, StepState]]:
        """Steps whose outcome a person must choose: unknown ones, failed ones, and intended ones that nobody runs."""
        plan = self.state.plan
        if plan is None:
            return []
        waits = ["unknown", "failed"] if plan.status == "running" else ["unknown", "failed", "intended"]
        return [(s, state) for s, state in plan.steps.items() if state.status in waits and not state.resolved]

    def manual_steps(self) -> list[tuple[str, StepState]]:
        """Manual steps that are under way, to be claimed."""
        plan = self.state.plan
        if plan is None:
            return []
        manual = {step.id for step in plan.plan.steps if step.manual}
        return [(s, state) for s, state in plan.steps.items() if s in manual and state.status == "intended"]

    def run_going(self) -> bool:
        return self.state.plan is not None and self.state.plan.status == "running"


def _aged(value: LiveValue, silent: float) -> LiveValue:
    """A reading that nobody has confirmed for so long. What fires goes on firing; what was well is unknown."""
    if isinstance(value, SignalReading):
        old = "stale" if value.freshness == "fresh" else value.freshness
        return value.model_copy(update={"freshness": old, "age_s": _later(value.age_s, silent)})
    if isinstance(value, ComponentReading):
        seen = {"status": "unknown"} if value.status == "ok" else {}
        return value.model_copy(update={**seen, "age_s": _later(value.age_s, silent)})
    if isinstance(value, TriggerReading | PlatformReading) and value.status == "ok":
        return value.model_copy(update={"status": "unknown", "words": "no news from the engine"})
    return value


def _later(age: float | None, silent: float) -> float | None:
    return None if age is None else age + silent
