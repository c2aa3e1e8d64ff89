"""What the journal costs, as ratios measured in one run on one disk: absolute times say more about the machine."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from warroom.files import sync
from warroom.journal.store import Journal
from warroom.journal.writer import connect
from warroom.model.event import Actor, NoteAdded
from warroom.model.fold import fold_all
from warroom.testing.builders import an_incident

ME = Actor(name="op1", uid=1000)
NOTE = NoteAdded(text="x" * 200)
SIZE = 500


def seconds_each(times: int, do: Callable[[], object]) -> float:
    """The median of ``times`` runs: one slow sync of a shared disk must not decide."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        do()
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


def bare_commit(folder: Path, times: int) -> float:
    """Seconds of what can't be had cheaper: one row committed in full, and one more synced file."""
    with closing(connect(folder / "bare.db")) as connection, (folder / "bare").open("wb") as head:
        connection.execute("CREATE TABLE entry (seq INTEGER PRIMARY KEY, bytes BLOB, hash BLOB)")

        def commit() -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO entry (bytes, hash) VALUES (?, ?)", (bytes(SIZE), bytes(32)))
            connection.execute("COMMIT")
            os.pwrite(head.fileno(), bytes(512), 0)
            sync(head.fileno())

        return seconds_each(times, commit)


def report(record: Callable[[str, object], None], **figures: float) -> None:
    for name, value in figures.items():
        record(name, value)
        print(f"{name.replace('_', ' ')}: {value:.4g}")


async def lone_appends(journal: Journal, times: int) -> float:
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        await journal.append(ME, NOTE)
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


async def crowded_appends(journal: Journal, times: int, callers: int) -> float:
    """Seconds for each of ``times`` entries when so many callers wait at once."""

    async def caller() -> None:
        for _ in range(times // callers):
            await journal.append(ME, NOTE)

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return (time.perf_counter() - begun) / times


async def test_an_append_costs_little_more_than_its_syncs_and_a_crowd_shares_them(
    tmp_path: Path, full: bool, record_property: Callable[[str, object], None]
) -> None:
    times = 1000 if full else 200
    bare = bare_commit(tmp_path, times)
    journal = Journal.create(tmp_path / "INC-0001", "INC-0001")
    lone = await lone_appends(journal, times)
    crowd = await crowded_appends(journal, 10 * times, 50)
    await journal.close()
    report(
        record_property,
        bare_commit_ms=bare * 1e3,
        lone_append_ms=lone * 1e3,
        lone_append_to_bare_commit=lone / bare,
        entries_a_second_in_a_crowd_of_50=1 / crowd,
        lone_append_to_one_in_a_crowd=lone / crowd,
    )
    assert lone / bare < 8
    assert lone / crowd > (2 if full else 1)


async def test_opening_is_quicker_than_having_written(
    tmp_path: Path, full: bool, record_property: Callable[[str, object], None]
) -> None:
    """A console that comes back must not wait: reading, judging and folding against what writing took."""
    count = 20_000 if full else 4000
    folder = tmp_path / "INC-0001"
    journal = Journal.create(folder, "INC-0001")
    begun = time.perf_counter()
    await journal.append(ME, an_incident())
    for _ in range(count // 100):
        await journal.append(ME, *[NOTE] * 100)
    writing = time.perf_counter() - begun
    await journal.close()
    opening = float("inf")
    for _ in range(3):  # one that was held up by another test tells nothing
        begun = time.perf_counter()
        again = Journal.open(folder)
        opening = min(opening, time.perf_counter() - begun)
        await again.close()
    again = Journal.open(folder)
    begun = time.perf_counter()
    state = fold_all(again.events())
    folding = time.perf_counter() - begun
    page = seconds_each(50, lambda: again.page(None, 200))
    await again.close()
    assert state.seq == count + 1
    report(
        record_property,
        entries=count,
        open_us_an_entry=opening / count * 1e6,
        open_to_write=opening / writing,
        read_and_fold_to_write=folding / writing,
        page_of_200_to_open=page / opening,
    )
    assert opening / writing < 3
    assert page / opening < 0.5
