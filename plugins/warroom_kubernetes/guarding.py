"""After warroom has rolled a workload back, a change of its template by anybody else is an alarm for half an hour.

What a GitOps controller, an image updater or a pipeline puts back would otherwise look like a rollback that did not
help. Who it was is told by managedFields: the entry that owns a field of the template and has just changed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from warroom_kubernetes.calls import MANAGER
from warroom_kubernetes.live import WorkloadSeen
from warroom_kubernetes.managers import Writer
from warroom_kubernetes.measures import Value
from warroom_kubernetes.watching import Change

GUARDED = timedelta(minutes=30)
SHOWN = timedelta(minutes=1)
"""How long an alarm stands although the template is back to what it should be: it must have been seen."""
NOBODY = "an unknown field manager"


@dataclass
class Guard:
    """Of one workload. ``words`` are those of alarms that nobody has taken yet, with the time of each."""

    shown: str
    words: deque[tuple[datetime, str]] = field(default_factory=lambda: deque(maxlen=100))
    began: datetime | None = None
    _template: str = ""
    _uid: str = ""
    _now: str = ""
    _alarm: tuple[datetime, str] | None = None

    def take(self, change: Change[WorkloadSeen], now: datetime) -> None:
        old, new = change.old, change.new
        if new is None:
            return
        self._now = new.template
        written = written_by(new, MANAGER)
        if old is None or old.uid != new.uid:
            self._first(new, written, now)
        elif old.template != new.template:
            self._changed(old, new, written, now)

    def _first(self, new: WorkloadSeen, written: datetime | None, now: datetime) -> None:
        """As it is found: somebody may have been faster than the look."""
        if self._uid and self.began is not None and self._guards(now) and new.uid != self._uid:
            self._alarms(now, f"{self.shown} was deleted and made again by {_who(newest(new.writers))}")
        self._uid = new.uid
        if written is None or now - written >= GUARDED:
            return
        self.began, self._template = written, new.template
        later = [one for one in new.writers if one.manager != MANAGER and one.at is not None and one.at > written]
        if later:
            self._template = ""  # what warroom wrote is not there any more to be compared with
            self._alarms(now, self._said(newest(tuple(later))))

    def _changed(self, old: WorkloadSeen, new: WorkloadSeen, written: datetime | None, now: datetime) -> None:
        who = changed_by(old, new)
        if who is not None and who.manager == MANAGER:
            self.began, self._template, self._alarm = written or now, new.template, None
            return
        if self._guards(now) and new.template != self._template:
            self._alarms(now, self._said(who))

    def _guards(self, now: datetime) -> bool:
        return self.began is not None and now - self.began < GUARDED

    def _said(self, who: Writer | None) -> str:
        return f"template of {self.shown} changed by {_who(who)}"

    def _alarms(self, now: datetime, words: str) -> None:
        self._alarm = (now, words)
        self.words.append((now, words))

    def value(self, now: datetime) -> Value:
        """1 while the template is as warroom left it, 0 once it is not. Nothing to measure while nothing is guarded."""
        if not self._guards(now) or self.began is None:
            return None, 0, "no rollback in the last 30 minutes"
        if self._alarm is not None:
            at, words = self._alarm
            if self._now != self._template:
                return 0.0, 1, words
            if now - at < SHOWN:
                return 0.0, 1, f"{words}, and is back"
            return 1.0, 1, f"as warroom left it; {words} at {at:%H:%M:%S}, and is back"
        return 1.0, 1, f"as warroom left it at {self.began:%H:%M:%S}"


def _who(who: Writer | None) -> str:
    if who is None:
        return NOBODY
    return f"{who.manager[:128]} at {who.at:%H:%M:%S}" if who.at is not None else who.manager[:128]


def written_by(seen: WorkloadSeen, manager: str) -> datetime | None:
    """When this manager last changed what it owns of the template."""
    return max((one.at for one in seen.writers if one.manager == manager and one.at is not None), default=None)


def newest(writers: tuple[Writer, ...]) -> Writer | None:
    told = [one for one in writers if one.at is not None]
    return max(told, key=lambda one: one.at.timestamp() if one.at is not None else 0.0, default=None)


def changed_by(old: WorkloadSeen, new: WorkloadSeen) -> Writer | None:
    """Whose entry is new or has changed; of several the newest. Taking a field away changes its owners' entries too,
    without their times: so the time decides first. None where none says so: fields were only taken away."""
    moved = tuple(one for one in new.writers if one not in old.writers)
    later = tuple(
        one for one in moved if one.at not in {each.at for each in old.writers if each.manager == one.manager}
    )
    return newest(later or moved)
