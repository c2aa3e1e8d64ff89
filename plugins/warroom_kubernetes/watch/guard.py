"""After warroom has rolled a workload back, a change of its template by anybody else is an alarm for half an hour.

What a GitOps controller, an image updater or a pipeline puts back would otherwise look like a rollback that did not
help. Who it was is told by managedFields: the entry that owns a field of the template and has just got a new time. A
change that only takes fields away leaves none, and of two by the same manager in one second the later shows nothing
new: so warroom's own is known by the template that the journal says it leaves, which stands there before the request
is sent.

What was changed while warroom was not running shows against that template too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from warroom.api import Acted
from warroom_kubernetes.changes.calls import MANAGER
from warroom_kubernetes.objects.managers import Writer
from warroom_kubernetes.watch.collection import Change
from warroom_kubernetes.watch.live import WorkloadSeen
from warroom_kubernetes.watch.measures import Value

GUARDED = timedelta(minutes=30)
SHOWN = timedelta(minutes=1)
"""How long an alarm stands although the template is back to what it should be: it must have been seen."""
NOBODY = "an unknown field manager"


@dataclass(frozen=True)
class Left:
    """What warroom left of a workload, or is about to, and when: the hash of its template, and which object it was."""

    template: str
    uid: str
    at: datetime


def left_of(acted: Sequence[Acted], key: str) -> Left | None:
    """By the last change of the template of the workload ``key``; None where that is not known as a whole."""
    for one in reversed(_changes([each for each in acted if not each.open], key)):
        return _left(one)
    return None


def meant_of(acted: Sequence[Acted], key: str) -> tuple[Left, ...]:
    """What the changes of its template that are being made, or whose outcome nobody knows, would leave: those since
    the last one that was seen done."""
    found: list[Left] = []
    for one in reversed(_changes(acted, key)):
        if not one.open:
            break
        if (left := _left(one)) is not None:
            found.append(left)
    return tuple(found)


def _changes(acted: Sequence[Acted], key: str) -> list[Acted]:
    return [one for one in acted if one.facts.get("workload") == key and one.operation in ("undo", "restart")]


def _left(one: Acted) -> Left | None:
    at, template = one.facts.get("at"), one.facts.get("template" if one.undone else "after")
    if one.operation == "restart" or not isinstance(at, dict) or not isinstance(template, str):
        return None
    return Left(template, str(at.get("uid")), one.at)


@dataclass
class Guard:
    """Of one workload. ``words`` are those of alarms that nobody has taken yet, with the time of each.

    ``left`` is what the journal says was left, ``meant`` what is being made, or may have been. ``ahead``: by how much
    the cluster's clock is ahead of ours. All times here are the cluster's: an hour's difference would hide a rollback
    that was just made, and our own clock may be set meanwhile.
    """

    shown: str
    left: Callable[[], Left | None] = lambda: None
    meant: Callable[[], Sequence[Left]] = tuple
    ahead: Callable[[], timedelta] = timedelta
    words: deque[tuple[datetime, str]] = field(default_factory=lambda: deque(maxlen=100))
    began: datetime | None = None
    _template: str = ""
    _uid: str = ""
    _now: str = ""
    _alarm: tuple[datetime, str] | None = None

    def take(self, change: Change[WorkloadSeen], now: datetime) -> None:
        old, new, now = change.old, change.new, now + self.ahead()
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
        known = (self._own(new) or self._on_its_clock(self.left())) if not self._uid else None
        if self._uid and self.began is not None and self._guards(now) and new.uid != self._uid:
            self._alarms(now, self._made_again(new))
        self._uid = new.uid
        if known is not None and now - known.at < GUARDED and (written is None or written <= known.at):
            self._held_against(known, new, now)
            return
        if written is None or now - written >= GUARDED:
            return
        self.began, self._template = written, new.template
        later = [one for one in new.writers if one.manager != MANAGER and one.at is not None and one.at > written]
        if later:
            self._template = ""  # what warroom wrote is not there any more to be compared with
            self._alarms(now, self._said(newest(tuple(later)), new))

    def _held_against(self, known: Left, new: WorkloadSeen, now: datetime) -> None:
        self.began, self._template = known.at, known.template
        if new.uid != known.uid:
            self._alarms(now, self._made_again(new))
        elif new.template != known.template:
            # Seconds are all that managed fields tell.
            since = known.at.replace(microsecond=0)
            later = tuple(one for one in new.writers if one.at is not None and one.at >= since)
            self._alarms(now, self._said(newest(tuple(one for one in later if one.manager != MANAGER)), new))

    def _own(self, new: WorkloadSeen) -> Left | None:
        """The change of warroom's own that this is, by the journal: managed fields need not tell it."""
        left = self.left()
        for one in (*self.meant(), *([left] if left is not None else [])):
            if (one.uid, one.template) == (new.uid, new.template):
                return self._on_its_clock(one)
        return None

    def _on_its_clock(self, one: Left | None) -> Left | None:
        return replace(one, at=one.at + self.ahead()) if one is not None else None

    def _made_again(self, new: WorkloadSeen) -> str:
        return f"{self.shown} was deleted and made again by {_who(newest(new.writers))}"

    def _changed(self, old: WorkloadSeen, new: WorkloadSeen, written: datetime | None, now: datetime) -> None:
        who, own = changed_by(old, new), self._own(new)
        if who is not None and who.manager == MANAGER:
            self.began, self._template, self._alarm = written or now, new.template, None
        elif own is not None and (new.template != self._template or self._since(own)):
            self.began, self._template, self._alarm = own.at, own.template, None
        elif self._guards(now) and new.template != self._template:
            self._alarms(now, self._said(who, new))

    def _since(self, own: Left) -> bool:
        """Whether warroom has set it again after the alarm; else somebody has put back what it had left."""
        return self._alarm is None or own.at > self._alarm[0]

    def _guards(self, now: datetime) -> bool:
        return self.began is not None and now - self.began < GUARDED

    def _said(self, who: Writer | None, new: WorkloadSeen) -> str:
        words = f"the template of {self.shown}"
        last = newest(new.writers)
        if who is None and last is not None:
            # Who takes fields away, or writes twice in a second, is not told by them.
            return f"Somebody changed {words} and left no name: in its managedFields the last to write is {_who(last)}"
        return f"{_who(who)} changed {words}"

    def _alarms(self, now: datetime, words: str) -> None:
        self._alarm = (now, words)
        self.words.append((now, words))

    @property
    def alarm(self) -> tuple[datetime, str] | None:
        """The newest, whether or not somebody has taken its words."""
        return self._alarm

    def value(self, now: datetime) -> Value:
        """1 while the template is as warroom left it, 0 once it is not. So it is while nothing is guarded."""
        now += self.ahead()
        if not self._guards(now) or self.began is None:
            return 1.0, 1, "no rollback in the last 30 minutes"
        if self._alarm is not None:
            at, words = self._alarm
            if self._now != self._template:
                return 0.0, 1, words
            if now - at < SHOWN:
                return 0.0, 1, f"{words}, and it is back"
            return 1.0, 1, f"as warroom left it; {words} (seen at {at:%H:%M:%S}), and it is back"
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
    """Whose entry has a new time; of several the newest. None where none has: fields were only taken away, which
    changes their owners' entries without their times, whoever did it; or it wrote twice in one second."""
    known = {(one.manager, one.at) for one in old.writers}
    return newest(tuple(one for one in new.writers if (one.manager, one.at) not in known))
