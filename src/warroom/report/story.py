"""What the sections are told from: the journal's events by kind, and the citations that the text makes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from warroom.model.base import passed_text
from warroom.model.event import (
    Body,
    Decided,
    Event,
    IncidentClosed,
    IncidentOpened,
    NoteAdded,
    PlanProposed,
    ReleaseChanged,
    RunEnded,
    RunStarted,
    TargetChosen,
)
from warroom.model.plan import Plan
from warroom.model.release import Release, ran_then
from warroom.model.runbook import Runbook
from warroom.model.words import one_line, words
from warroom.report.markdown import escaped
from warroom.report.timings import recovery, rollbacks_done

UNKNOWN = "unknown"
B = TypeVar("B", bound=Any)


class Story:
    """The journal of one incident, read once. ``cite`` gives ``[#17]`` and remembers that entry 17 is a source."""

    def __init__(self, events: Sequence[Event], now: datetime) -> None:
        self.events = sorted(events, key=lambda event: event.seq)
        self.now = now
        self.cited: set[int] = set()
        self.plans: dict[str, Plan] = {
            e.body.hash: e.body.plan for e in self.events if isinstance(e.body, PlanProposed)
        }
        self.opening = self.first(IncidentOpened)
        self.closing = self.last(IncidentClosed)
        self.recovery = recovery(self.events)
        done = rollbacks_done(self.events)
        led_there = [e for e in done if self.recovery is None or e.seq < self.recovery.seq]
        self.rollback_done: Event | None = (led_there or done)[-1] if done else None
        self.rollback_started = self.first(RunStarted, lambda b: self.purpose(b.hash) == "rollback")

    # ---- looking things up ---------------------------------------------------------------------------------

    def all(self, kind: type[B], where: Callable[[B], bool] = lambda _: True) -> list[Event]:
        return [e for e in self.events if isinstance(e.body, kind) and where(e.body)]

    def first(self, kind: type[B], where: Callable[[B], bool] = lambda _: True) -> Event | None:
        return next(iter(self.all(kind, where)), None)

    def last(self, kind: type[B], where: Callable[[B], bool] = lambda _: True) -> Event | None:
        return next(reversed(self.all(kind, where)), None)

    @property
    def opened(self) -> IncidentOpened | None:
        return self.opening.body if self.opening is not None and isinstance(self.opening.body, IncidentOpened) else None

    @property
    def runbook(self) -> Runbook | None:
        return self.opened.runbook if self.opened is not None else None

    def purpose(self, plan_hash: str) -> str:
        return self.plans[plan_hash].purpose if plan_hash in self.plans else UNKNOWN

    def words(self, event: Event) -> str:
        """The entry's own words; a plan by its title too, since its hash says nothing to a reader."""
        said = words(event)
        plan = self.plans.get(getattr(event.body, "hash", ""))
        if plan is None or isinstance(event.body, PlanProposed):
            return said
        title = one_line(plan.name, 120)
        return re.sub(r"\bplan [0-9a-f]{6,}", lambda found: f"{found[0]} ({title})", said, count=1)

    def notes(self, about: str) -> list[Event]:
        return self.all(NoteAdded, lambda body: body.about == about)

    def decided(self) -> Event | None:
        return self.last(Decided)

    def run_target(self) -> str | None:
        """What was rolled back to: the target of the rollback that was done, else of the last plan, else chosen."""
        if self.rollback_done is not None:
            target = self.plans[body_of(self.rollback_done, RunEnded).hash].target
            if target is not None:
                return target.name
        chosen = self.last(TargetChosen)
        return body_of(chosen, TargetChosen).release.name if chosen is not None else None

    def began_on(self) -> tuple[Release | None, Event | None]:
        """What ran when the incident was opened, and the entry that says so: a later one where it was noticed late."""
        opened, opening = self.opened, self.opening
        if opened is None or opening is None:
            return None, None
        running, noticed = opened.running, opening
        for event in self.all(ReleaseChanged):
            body = body_of(event, ReleaseChanged)
            if not body.rollback and ran_then(body.now, running, opening.at):
                running, noticed = body.now, event
        return running, noticed

    def deployment(self) -> tuple[datetime, str, Event] | None:
        """(when, which release, by which entry) the release that went wrong was deployed; None where nobody knows."""
        running, noticed = self.began_on()
        if running is not None and running.deployed_at is not None and noticed is not None:
            return running.deployed_at, running.name, noticed
        started = self.rollback_started
        for event in self.all(ReleaseChanged):
            if started is not None and event.seq > started.seq:
                break
            assert isinstance(event.body, ReleaseChanged)
            if event.body.now is not None:
                return event.at, event.body.now.name, event
        return None

    # ---- saying things -------------------------------------------------------------------------------------

    def cite(self, *events: Event | None) -> str:
        """``[#17]`` for each entry, or nothing for None."""
        known = [event for event in events if event is not None]
        self.cited |= {event.seq for event in known}
        return " ".join(f"[#{event.seq}]" for event in known)

    def clock(self, moment: datetime) -> str:
        """``14:05 UTC``; with the date where it is not the day of the detection."""
        opened = self.opened
        day = f"{moment:%Y-%m-%d} " if opened is not None and moment.date() != opened.detected_at.date() else ""
        return f"{day}{moment:%H:%M} UTC"

    def after(self, moment: datetime) -> str:
        """``+1:05``: how long after the detection; empty where that is not known or before it."""
        opened = self.opened
        if opened is None or moment < opened.detected_at:
            return ""
        minutes, seconds = divmod(int((moment - opened.detected_at).total_seconds()), 60)
        return f"+{minutes}:{seconds:02}"


def length(begin: datetime | None, end: datetime | None) -> str:
    """``4 m 12 s`` between two moments; unknown where one is missing or the clock was set back between them."""
    if begin is None or end is None:
        return UNKNOWN
    seconds = (end - begin).total_seconds()
    return f"{UNKNOWN} (the clock was set back)" if seconds < 0 else passed_text(seconds)


def because(reason: str) -> str:
    return f": {escaped(reason)}" if reason.strip() else ", without a reason"


def body_of(event: Event, kind: type[B]) -> B:
    """The event's body as the kind that it was found by."""
    body: Body = event.body
    assert isinstance(body, kind)
    return body
