"""Dumps read right through beside the work, one after the other, and what was learnt of them for as long as it holds.

A large dump takes minutes, and being ready is asked for in a second: whoever can't wait is told how far it is.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

from warroom.api import WarroomError
from warroom_postgres.backups.contents import Contents
from warroom_postgres.backups.finding import Found
from warroom_postgres.backups.reading import Damaged, Going
from warroom_postgres.backups.through import read_through

MOST_KEPT = 1000
Seen = Contents | Damaged


class Stopped(Exception):
    """Nobody waits for it any more."""


class Verifier:
    """One thread, that lives while there is something to read and never holds up the end of the program."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._read = threading.Condition(self._lock)
        self._known: OrderedDict[tuple[int, ...], Seen] = OrderedDict()
        self._waiting: deque[Found] = deque()
        self._thread: threading.Thread | None = None
        self._now: Found | None = None
        self._done = 0

    def known(self, found: Found) -> Seen | None:
        with self._lock:
            return self._known.get(found.stamp)

    def progress(self, found: Found) -> float:
        """How much of it is read, 0 to 1."""
        now = self._now
        return min(1.0, self._done / max(1, found.bytes)) if now is not None and now.stamp == found.stamp else 0.0

    def want(self, found: Found) -> None:
        """Reads it when its turn comes, unless that has been done."""
        with self._lock:
            queued = [*self._waiting, *([self._now] if self._now else [])]
            if found.stamp in self._known or any(one.stamp == found.stamp for one in queued):
                return
            self._waiting.append(found)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="reading backups", daemon=True)
                self._thread.start()

    def read(self, found: Found, stop: threading.Event | None = None) -> Seen:
        """Now, on the caller's thread. Raises Stopped once ``stop`` is set."""

        def going(_: int) -> None:
            if stop is not None and stop.is_set():
                raise Stopped

        return self.known(found) or self._keep(found, _seen(found, going))

    def wait_for(self, found: Found, seconds: float) -> None:
        """Until it was read, or so long."""
        with self._read:
            self._read.wait_for(lambda: found.stamp in self._known, seconds)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                self._now, self._done = self._waiting.popleft(), 0
            try:
                self._keep(self._now, _seen(self._now, self._going))
            finally:
                self._now = None

    def _going(self, more: int) -> None:
        self._done += more

    def _keep(self, found: Found, seen: Seen) -> Seen:
        with self._lock:
            self._known[found.stamp] = seen
            if len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)
            self._read.notify_all()
        return seen


def _seen(found: Found, going: Going) -> Seen:
    try:
        return read_through(found.path, found.identity, going)
    except Damaged as damaged:
        return damaged
    except OSError as error:
        return Damaged(f"can't be read: {(error.strerror or str(error)).lower()}")
    except WarroomError as error:
        return Damaged(f"can't be read: {error.title}: {error.cause}")
