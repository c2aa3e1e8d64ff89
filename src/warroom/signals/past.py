"""What was before this start, from disk: which releases ran, and what was normal under them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from warroom.api import Clock
from warroom.model.release import Release
from warroom.signals.baseline import Baselines, Seen
from warroom.signals.correlation import MarkKind, Marks
from warroom.signals.store import Came, Ran, SampleStore


class Past:
    """``recall`` once, begun before any sample is added; then every release that is seen is told to it.

    Times on disk are the wall clock's; what is compared with now is on monotonic time, as of this start.
    """

    def __init__(self, store: SampleStore, baselines: Baselines, marks: Marks, clock: Clock) -> None:
        self._store = store
        self._baselines = baselines
        self._marks = marks
        self._clock = clock
        self._last: Release | None = None
        self._watched: float | None = None

    async def recall(self) -> bool:
        """Marks and baselines as they were. False where no release is on disk. Raises WarroomError: unreadable."""
        wall = self._clock.now().timestamp()
        watched = await self._store.watched_until()
        self._watched = min(watched, wall) if watched is not None else None
        ran = [each for each in await self._store.releases() if each.at <= wall]
        for each in ran:
            if each.came != "seen":
                self._marks.add(each.release.name, kind=each.came, at=datetime.fromtimestamp(each.at, UTC))
        self._last = ran[-1].release if ran else None
        changes = sorted(min(each.watched, wall) for each in ran if each.came != "seen")
        for signal, over in self._baselines.wanted:
            await self._recall(signal, over, changes, wall)
        return bool(ran)

    async def _recall(self, signal: str, over: float, changes: list[float], wall: float) -> None:
        """The newest change that enough stands before decides, as it did when it was seen."""
        last = changes[-1] if changes else 0.0
        since = max(last, (self._watched or wall) - 2 * over)
        self._baselines.recall_since(signal, over, self._mine(await self._store.normal(signal, since, wall)))
        for previous, change in reversed(list(pairwise([0.0, *changes]))):
            seen = await self._store.normal(signal, max(previous, change - over), change)
            if self._baselines.recall_before(signal, over, self._mine(seen), self._monotonic(change)):
                return

    def first(self, now: Release, *, rollback: bool = False) -> None:
        """The first release that is seen since this start. It may have come while nobody looked."""
        wall = self._clock.now()
        deployed = now.deployed_at if now.deployed_at is not None and now.deployed_at <= wall else None
        if self._last is None:
            if deployed is not None:
                self.changed(now, deployed)
            else:
                self._keep(now, "seen", wall, wall)
        elif self._last.same_as(now) is False:
            watched = datetime.fromtimestamp(self._watched, UTC) if self._watched is not None else wall
            at = deployed if deployed is not None and deployed > watched else watched
            self.changed(now, at, kind="rollback" if rollback else "release", watched=min(watched, at))
        elif deployed is not None:
            self._marks.add(now.name, at=deployed)

    def changed(
        self, now: Release, at: datetime, *, kind: MarkKind = "release", watched: datetime | None = None
    ) -> None:
        """``now`` runs since ``at``; the one before was looked at until ``watched`` (None: until then)."""
        until = watched if watched is not None else at
        self._marks.add(now.name, kind=kind, at=at)
        self._baselines.release_changed(self._monotonic(until.timestamp()))
        self._keep(now, kind, at, until)

    def _keep(self, now: Release, came: Came, at: datetime, watched: datetime) -> None:
        self._last = now
        self._store.ran(Ran(now, came, at.timestamp(), watched.timestamp()))

    def _mine(self, seen: list[Seen]) -> list[Seen]:
        return [(self._monotonic(at), value, weight) for at, value, weight in seen]

    def _monotonic(self, at: float) -> float:
        return self._clock.monotonic() - (self._clock.now() - datetime.fromtimestamp(at, UTC)) / timedelta(seconds=1)
