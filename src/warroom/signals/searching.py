"""Looking through chunks in the order in which a page needs them, for as long as it may take.

What is answered is sure: lines beyond the first chunk that has not been looked at yet are left for the next page, so
that nothing turns up later between lines that somebody has already read.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Sequence

from warroom.errors import TimedOut, WarroomError
from warroom.process import run
from warroom.signals import matching
from warroom.signals.filtered import ENDLESS, Filtered, Part
from warroom.signals.matching import Test

AT_ONCE = 400
"""Chunks that are handed to the other process at a time."""
LEAST_SECONDS = 0.2
"""What a process of its own is given at least: its start takes some of it."""
_GRACE = 5.0

Job = tuple[Filtered, Part]


class Search:
    """One question's search. ``lock`` is held a chunk at a time, so that what is being written is not held up."""

    def __init__(self, indexes: Sequence[Filtered], test: Test, lock: threading.RLock, deadline: float) -> None:
        self._indexes = indexes
        self._test = test
        self._lock = lock
        self._deadline = deadline
        self.problem = ""

    def back(self, edge: int, want: int) -> int:
        """Looks back from ``edge`` until ``want`` lines are found. Returns the number from which all is known."""
        jobs = [(i, p) for i in self._indexes for p in i.parts if p.first_seq < edge]
        jobs.sort(key=lambda job: job[1].upper, reverse=True)
        walked: list[tuple[int, int]] = []
        found = 0
        for at, (_, part) in enumerate(jobs):
            if not part.known:
                sure = found >= want and sum(n for first, n in walked if first >= part.upper) >= want
                if sure or not self._look(jobs[at:], want - found):
                    return part.upper
            count = part.mask.bit_count() if part.upper <= edge else 0
            walked.append((part.first_seq, count))
            found += count
        return -1

    def on(self, edge: int, want: int) -> int:
        """Looks on from ``edge``. Returns the number below which all is known."""
        jobs = [(i, p) for i in self._indexes for p in i.parts if p.upper > edge]
        jobs.sort(key=lambda job: job[1].first_seq)
        walked: list[tuple[int, int]] = []
        found = 0
        for at, (_, part) in enumerate(jobs):
            if not part.known:
                sure = found >= want and sum(n for upper, n in walked if upper <= part.first_seq) >= want
                if sure or not self._look(jobs[at:], want - found):
                    return part.first_seq
            count = part.mask.bit_count() if part.first_seq >= edge else 0
            walked.append((part.upper, count))
            found += count
        return ENDLESS

    def rest(self) -> None:
        """Uses up what is left of the time, newest first."""
        self.back(ENDLESS, ENDLESS)

    def _look(self, jobs: Sequence[Job], want: int) -> bool:
        """Whether the first of ``jobs`` is known now; False when the time is up or the search is given up."""
        index, part = jobs[0]
        if self.problem or time.monotonic() >= self._deadline:
            return False
        if self._test.has_expressions:
            self._elsewhere([job for job in jobs if not job[1].known][:AT_ONCE], max(1, want))
            return part.known
        with self._lock:
            try:
                index.look(part)
            except FileNotFoundError:  # rotated away meanwhile
                part.looked = part.lines
        return True

    def _elsewhere(self, jobs: Sequence[Job], want: int) -> None:
        with self._lock:
            jobs = [job for job in jobs if job[1].segment.log.exists()]
            chunks = [part.chunk() for _, part in jobs]
        seconds = max(LEAST_SECONDS, self._deadline - time.monotonic())
        asked = matching.request(self._test, chunks, seconds, want)
        argv = [sys.executable, "-I", "-S", matching.__file__]
        try:
            # It ends by itself, so nobody has to watch over it; this thread has no loop of its own.
            done = asyncio.run(run(argv, stdin=asked, timeout=seconds + _GRACE, dies_with_parent=False))
        except TimedOut:
            self.problem = "the search did not answer in time and was ended"
            return
        except WarroomError as error:
            self.problem = str(error)
            return
        for line in done.stdout.decode("ascii", "replace").splitlines():
            self._take(jobs, [chunk.count for chunk in chunks], line)
        if done.returncode and not self.problem:
            self.problem = f"the search failed: {done.stderr.decode('utf-8', 'replace')[-200:].strip()}"

    def _take(self, jobs: Sequence[Job], counts: Sequence[int], line: str) -> None:
        answer = matching.answers(line)
        if answer is None or answer[1] >= len(counts):
            return
        word, number, value = answer
        index, part = jobs[number]
        if word == "slow":
            self.problem = (
                f"given up: the expression takes too long on a line of {index.source.name} (line "
                f"{part.segment.first + part.start + value + 1:,}); make it simpler, without a repeat inside a repeat"
            )
            return
        with self._lock:
            part.mask, part.looked = value, counts[number]
