"""The log spool, on real files."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
import tracemalloc
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from warroom.model.live import LogFilter, LogPage, LogQuery
from warroom.model.signal import LogLine
from warroom.signals import LogSpool, pump
from warroom.signals.levels import level_of
from warroom.signals.paging import TAIL
from warroom.signals.segments import room_for
from warroom.signals.spool import BATCH
from warroom.testing.clock import START, VirtualClock


def spool_in(folder: Path, **limits: Any) -> LogSpool:
    return LogSpool(folder / "spool", VirtualClock(), lambda text: text, **limits)


def line(text: str, source: str = "web-1") -> LogLine:
    return LogLine(source=source, text=text)


def asked(*, first: int = -200, limit: int = 200, **parts: Any) -> LogQuery:
    return LogQuery(filter=LogFilter(**parts), first=first, limit=limit)


def whole(spool: LogSpool, query: LogQuery) -> LogPage:
    """The page once everything has been looked at, however long this machine takes."""
    page = spool.page(query)
    while page.searched < page.of and not page.problem:
        page = spool.page(query.model_copy(update={"count": True}))
    return page


def spool_of(folder: Path, count: int, **limits: int) -> LogSpool:
    """Three sources that take turns, with an error every seventh line."""
    spool = spool_in(folder, **limits)
    made = [
        LogLine(
            source=("db", "web-1", "web-2")[i % 3],
            text=f"number {i} {'ERROR' if i % 7 == 0 else 'fine'}{' GRÖSSE Größe' if i % 100 == 0 else ''}",
            at=START + timedelta(seconds=i),
        )
        for i in range(count)
    ]
    for start in range(0, count, 333):
        spool.append(made[start : start + 333])
    return spool


def texts(page: LogPage) -> list[str]:
    return [entry.text for entry in page.lines]


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ('{"level":"error","msg":"x"}', "error"),
        ('{"time":1,"severity": "WARNING"}', "warning"),
        ('{"level":50,"msg":"pino"}', "error"),
        ('{"level":30,"msg":"pino ERROR in text"}', "info"),
        ('{"levelname": "DEBUG"}', "debug"),
        ("ts=1 level=warn msg=x", "warning"),
        ("2026-03-02 03:00:00 ERROR could not", "error"),
        ("Traceback (most recent call last):", "error"),
        ("ValueError: no such user", "error"),
        ("E0102 03:00:00.000 1 main.go] x", "error"),
        ("2026/03/02 [error] 7#7: upstream", "error"),
        ("error: relation does not exist", "error"),
        ('GET "/api HTTP/1.1" 503 12', "error"),
        ('GET "/api HTTP/1.1" 200 500', "unknown"),
        ("PANIC: could not write", "error"),
        ("LOG:  checkpoint starting", "info"),
        ("WARNING: low", "warning"),
        ("0 errors, all well", "unknown"),
        ("no error handler was called", "unknown"),
        ("", "unknown"),
        ("x" * 2000 + " ERROR", "unknown"),
    ],
)
def test_a_line_says_how_bad_it_is(text: str, level: str) -> None:
    assert level_of(text) == level


def test_lines_of_all_sources_come_back_in_the_order_they_came(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.append([line("one", "web-1"), line("two", "db"), line("three ERROR", "web-1")])
    page = spool.page(LogQuery())
    assert texts(page) == ["one", "two", "three ERROR"]
    assert [entry.index for entry in page.lines] == [0, 1, 2]
    assert [entry.source for entry in page.lines] == ["web-1", "db", "web-1"]
    assert (page.first, page.matching, page.total, page.dropped) == (0, 3, 3, 0)
    assert page.lines[0].at == START
    heads = spool.heads()
    assert (heads["web-1"].lines, heads["web-1"].errors, heads["db"].errors) == (2, 1, 0)


def test_errors_are_counted_from_a_moment_on_by_their_own_time(tmp_path: Path) -> None:
    spool = spool_of(tmp_path, 2100, segment_bytes=8192)
    assert sum(head.lately for head in spool.heads().values()) == 0, "nobody asks"
    for seconds in (0, 1, 700, 2094, 2095, 9000):
        heads = spool.heads(START + timedelta(seconds=seconds))
        assert sum(head.lately for head in heads.values()) == sum(n % 7 == 0 for n in range(seconds, 2100))
        assert sum(head.errors for head in heads.values()) == 300
    for path in (tmp_path / "spool").rglob("*.err"):
        path.unlink()
    assert {head.lately for head in spool.heads(START).values()} == {0}, "and all else of them is told"


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (LogQuery(), list(range(10_000))),
        (asked(sources=("db",)), [i for i in range(10_000) if i % 3 == 0]),
        (asked(levels=("error",)), [i for i in range(10_000) if i % 7 == 0]),
        (asked(has=("NUMBER 99",)), [i for i in range(10_000) if str(i).startswith("99")]),
        (
            asked(has=("number 99",), levels=("error",), sources=("db",)),
            [i for i in range(10_000) if str(i).startswith("99") and i % 21 == 0],
        ),
        (asked(has=("größe",)), [i for i in range(10_000) if i % 100 == 0]),
        (asked(has=("nowhere",)), []),
        (asked(sources=("nobody",)), []),
        (asked(has=("2026-03-02",)), []),
    ],
)
def test_every_page_of_every_filter_is_what_reading_it_all_would_give(
    tmp_path: Path, query: LogQuery, wanted: list[int]
) -> None:
    spool = spool_of(tmp_path, 10_000, segment_bytes=20_000)
    for first in (0, 1, 500, 501, 502, 2999, len(wanted) - 1, len(wanted) - TAIL - 5, len(wanted) + 10):
        if first < 0:
            continue
        page = whole(spool, query.model_copy(update={"first": first, "limit": 50}))
        assert [entry.index for entry in page.lines] == wanted[first : first + 50]
        assert page.matching == len(wanted)
    last = whole(spool, query.model_copy(update={"first": -20, "limit": 20}))
    assert [entry.index for entry in last.lines] == wanted[-20:]
    assert last.first == max(0, len(wanted) - 20)


def test_a_search_goes_on_where_it_left_off(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.append([line("needle 1"), line("hay")])
    assert whole(spool, asked(has=("needle",))).matching == 1
    spool.append([line("Needle 2"), line("hay")])
    assert texts(whole(spool, asked(has=("needle",)))) == ["needle 1", "Needle 2"]


def test_beyond_its_size_the_largest_source_loses_its_oldest_and_says_how_many(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, limit_bytes=400_000, segment_bytes=40_000)
    for part in range(9):
        spool.append([line(f"the quiet one speaks, {part} {i}", "db") for i in range(100)])
    whole(spool, asked(has=("flood",)))
    for start in range(0, 10_000, 100):
        spool.append([line(f"flood {i}", "web-1") for i in range(start, start + 100)])
    page = whole(spool, asked(has=("flood",), first=0, limit=5))
    heads = spool.heads()
    assert heads["web-1"].lines == 10_000
    assert heads["web-1"].dropped == page.dropped > 0
    assert page.lines[0].text == f"flood {heads['web-1'].dropped}"
    assert page.matching == 10_000 - heads["web-1"].dropped
    assert heads["db"].dropped == 0
    assert len(list((tmp_path / "spool").glob("db@*.log"))) == 2
    assert whole(spool, asked(sources=("db",))).matching == 900
    on_disk = sum(path.stat().st_size for path in (tmp_path / "spool").iterdir())
    assert on_disk <= 400_000


def test_files_are_for_the_owner_only_and_a_source_is_copied_whole(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        spool = spool_in(tmp_path, segment_bytes=200)
        for i in range(20):
            spool.append([line(f"line {i}", "web-1"), line(f"row {i}", "../../etc/passwd")])
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "spool").iterdir()} == {0o600}
    copy = tmp_path / "copy.log"
    copy.write_text("what stood there before " * 100)
    spool.copy_source("web-1", copy)
    kept = copy.read_text().splitlines()
    assert kept == [f"2026-03-02T03:00:00.000Z line {i}" for i in range(20)]


def test_what_is_written_has_been_cleaned_and_a_huge_line_is_cut_with_a_mark(tmp_path: Path) -> None:
    spool = LogSpool(tmp_path, VirtualClock(), lambda text: text.replace("hunter2", "‹secret›"))
    spool.append(
        [
            line("password hunter2", "src-hunter2"),
            line("x" * 1_048_576),
            line("a\nb\rc"),
            LogLine(source="web-1", text=b"caf\xe9 \xff".decode("utf-8", "surrogateescape")),
        ]
    )
    page = spool.page(LogQuery())
    assert page.lines[0].text == "password ‹secret›"
    assert page.lines[0].source == "src-‹secret›"
    assert page.lines[1].text.endswith("[cut: the line had 1,048,576 characters]")
    assert len(page.lines[1].text) < 17_000
    assert page.lines[2].text == "a␊b␍c"
    assert page.lines[3].text == "caf? ?"
    assert b"hunter2" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not any("hunter2" in path.name for path in tmp_path.iterdir())


def test_a_flood_of_source_names_ends_in_one_source(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.append([line(f"hello {i}", f"pod-{i}") for i in range(400)])
    assert len(spool.heads()) == 257
    assert spool.heads()["other sources"].lines == 144
    assert texts(whole(spool, asked(sources=("other sources",), first=0, limit=1))) == ["pod-256: hello 256"]


def test_opened_again_it_goes_on_and_indexes_what_a_crash_left(tmp_path: Path) -> None:
    first = spool_in(tmp_path, segment_bytes=2000)
    first.append([line(f"line {i}{' ERROR' if i % 10 == 0 else ''}") for i in range(100)])
    first.append([line("last indexed")])
    log = max((tmp_path / "spool").glob("*.log"))
    with log.open("ab") as file:
        file.write(b"2026-03-02T03:00:09.000Z ERROR unindexed\n2026-03-02T03:00:09.000Z half a li")
    with log.with_suffix(".idx").open("ab") as file:
        file.write(b"torn")
    again = spool_in(tmp_path, segment_bytes=2000)
    again.append([line("after")])
    page = again.page(LogQuery(first=-3, limit=3))
    assert texts(page) == ["last indexed", "ERROR unindexed", "after"]
    assert [entry.index for entry in page.lines] == [100, 101, 102]
    assert page.matching == 103
    assert again.heads()["web-1"].errors == 11
    assert again.page(asked(levels=("error",))).matching == 11


def test_an_index_that_points_past_its_data_is_cut_back(tmp_path: Path) -> None:
    spool_in(tmp_path).append([line("one"), line("two ERROR")])
    (log,) = (tmp_path / "spool").glob("*.log")
    os.truncate(log, 30)
    again = spool_in(tmp_path)
    assert texts(again.page(LogQuery())) == ["one"]
    assert again.heads()["web-1"].errors == 0


def test_a_disk_that_refuses_is_said_with_what_was_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = spool_in(tmp_path)
    spool.append([line("kept")])

    def full(handle: int, data: memoryview, offset: int) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", full)
        spool.append([line("lost"), line("lost too")])
    head = spool.heads()["web-1"]
    assert (head.lines, head.dropped, head.note) == (3, 2, "lines are not being kept: No space left on device")
    spool.append([line("kept again")])
    assert texts(spool.page(LogQuery())) == ["kept", "kept again"]
    assert spool.heads()["web-1"].note == ""


def test_the_first_error_after_a_deploy_is_found(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    for i in range(100):
        at = START + timedelta(seconds=i)
        spool.append([LogLine(source=f"web-{i % 2}", text=f"{'ERROR' if i % 10 == 5 else 'ok'} {i}", at=at)])
    found = spool.first_error(START + timedelta(seconds=16))
    assert found is not None
    assert found.text == "ERROR 25"
    assert spool.first_error(START + timedelta(hours=1)) is None


def test_everything_since_a_moment_is_counted_however_much_it_is(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, segment_bytes=100_000)
    for i in range(0, 20_000, 1000):
        spool.append(
            [
                LogLine(source=f"web-{n % 2}", text="ERROR" if n % 100 == 0 else "ok", at=START + timedelta(seconds=n))
                for n in range(i, i + 1000)
            ]
        )
    lines, errors, first = spool.since(START + timedelta(seconds=5000), most=3)
    assert (lines, errors) == (15_000, 150)
    assert [entry.index for entry in first] == [5000, 5100, 5200]
    assert spool.since(START + timedelta(hours=10)) == (0, 0, ())


async def test_a_pump_writes_everything_and_passes_on_what_breaks(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)

    async def lines() -> AsyncIterator[LogLine]:
        for i in range(5000):
            yield line(f"{i}")
        raise RuntimeError("the stream broke")

    with pytest.raises(RuntimeError, match="the stream broke"):
        await pump(lines(), spool)
    assert spool.heads()["web-1"].lines == 5000


async def test_a_cancelled_pump_still_writes_what_it_has(tmp_path: Path) -> None:
    """Ten lines have gathered while the first is being written, and then it is cancelled."""
    writing, go_on, gathered = threading.Event(), threading.Event(), asyncio.Event()

    def clean(text: str) -> str:
        writing.set()
        go_on.wait()
        return text

    spool = LogSpool(tmp_path / "spool", VirtualClock(), clean)

    async def lines() -> AsyncIterator[LogLine]:
        yield line("first")
        await asyncio.to_thread(writing.wait)
        for i in range(10):
            yield line(f"{i}")
        gathered.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(pump(lines(), spool))
    await gathered.wait()
    go_on.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert spool.heads()["web-1"].lines == 11


async def test_a_pump_cancelled_while_it_waits_for_its_turn_at_the_disk_loses_nothing(tmp_path: Path) -> None:
    """All threads are held, as by names that can't be looked up."""
    spool, free, taken = spool_in(tmp_path), threading.Event(), asyncio.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    holding = asyncio.create_task(asyncio.to_thread(free.wait, 30))

    async def lines() -> AsyncIterator[LogLine]:
        yield line("first")
        taken.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(pump(lines(), spool))
    await taken.wait()
    for _ in range(10):
        await asyncio.sleep(0)  # the batch stands in the queue
    task.cancel()
    await asyncio.wait({task}, timeout=0.1)
    free.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await holding
    assert spool.heads()["web-1"].lines == 1


async def test_a_flood_is_taken_whole_in_bounded_memory(tmp_path: Path) -> None:
    """40,000 lines as fast as they can be made. None is lost."""
    spool = spool_in(tmp_path)

    async def lines() -> AsyncIterator[LogLine]:
        for i in range(40_000):
            yield line(f"ERROR request {i} failed with status 500 after 3 ms")

    tracemalloc.start()
    await pump(lines(), spool)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert spool.heads()["web-1"].lines == 40_000
    assert peak < 30_000_000
    assert spool.page(LogQuery(first=-1, limit=1)).lines[0].text.startswith("ERROR request 39999 ")


async def test_a_source_waits_while_nothing_can_be_written(tmp_path: Path) -> None:
    """It is asked for no more than is being written and as much again; later all of it is there, each line cleaned."""
    writing, go_on = threading.Event(), threading.Event()
    made = 0

    def clean(text: str) -> str:
        writing.set()
        go_on.wait()
        return text.replace("hunter2", "‹secret›")

    async def lines() -> AsyncIterator[LogLine]:
        nonlocal made
        while made < 5 * BATCH:
            made += 1
            yield line(f"{made} hunter2")

    spool = LogSpool(tmp_path / "spool", VirtualClock(), clean)
    task = asyncio.create_task(pump(lines(), spool))
    await asyncio.to_thread(writing.wait)
    for _ in range(100):  # turns that the source could take
        await asyncio.sleep(0)
    assert made == 2 * BATCH
    go_on.set()
    await task
    assert spool.heads()["web-1"].lines == made == 5 * BATCH
    written = b"".join(path.read_bytes() for path in (tmp_path / "spool").glob("*.log"))
    assert written.count("‹secret›".encode()) == made
    assert b"hunter2" not in written


@pytest.mark.parametrize(("free", "wanted"), [(10**15, 4 * 2**30), (4 * 2**30, 2**30), (0, 64 * 2**20)])
def test_the_log_leaves_most_of_the_disk_to_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, wanted: int
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(total=2 * free, used=free, free=free))
    assert room_for(tmp_path) == wanted
