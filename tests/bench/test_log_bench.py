"""The log spool at ten million lines (a sample otherwise): what a page costs wherever it is, and in how much memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from warroom.model.live import LogFilter, LogPage, LogQuery
from warroom.model.signal import LogLine
from warroom.redact import Redactor
from warroom.signals import LogSpool
from warroom.signals.segments import ERROR, LEVELS, Batch, Source
from warroom.testing.clock import START, VirtualClock

BATCH = 6000
RARE = 250_000
INFO = LEVELS.index("info")


@pytest.fixture(scope="module")
def count(request: pytest.FixtureRequest) -> int:
    return 10_000_000 if request.config.getoption("--full") else 200_000


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory, count: int) -> LogSpool:
    """Written as the spool writes, without what comes before that: cleaning is measured below."""
    folder = tmp_path_factory.mktemp("spool")
    sources = [Source(folder, name) for name in ("web-1", "web-2", "db")]
    start_us = int(START.timestamp() * 1_000_000)
    for start in range(0, count, BATCH):
        batches = [Batch() for _ in sources]
        for n in range(start, min(start + BATCH, count)):
            text = f"request {n} took {n % 997} ms{' needle' if n % RARE == 7 else ''}".encode()
            batches[n % 3].add(n, start_us + n * 1000, ERROR if n % 1000 == 5 else INFO, text)
        for source, batch in zip(sources, batches, strict=True):
            if batch.records:
                source.write(batch, 1 << 23)
    began = time.perf_counter()
    made = LogSpool(folder, VirtualClock(), lambda text: text, limit_bytes=1 << 34)
    print(f"opened: {(time.perf_counter() - began) * 1e3:.0f} ms")
    return made


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(spool: LogSpool, query: LogQuery) -> tuple[LogPage, float]:
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        page = spool.page(query)
        best = min(best, time.perf_counter() - began)
    return page, best


def test_every_page_of_a_long_log_costs_the_same(
    spool: LogSpool, count: int, record_property: Callable[[str, object], None]
) -> None:
    before = peak_mb()
    asked = {
        "tail": LogQuery(),
        "first_page": LogQuery(after=-1),
        "middle": LogQuery(before=count // 2),
        "jump_to_a_time": LogQuery(at=START + timedelta(milliseconds=count // 3)),
        "next_error": LogQuery(filter=LogFilter(levels=("error",)), after=count // 2, limit=1),
        "previous_error": LogQuery(filter=LogFilter(levels=("error",)), before=count // 2, limit=1),
        "last_hits_of_a_filter": LogQuery(filter=LogFilter(has=("took 5",)), spend_s=5),
        "folded_tail": LogQuery(filter=LogFilter(folded=True), spend_s=5),
        "folded_next_error": LogQuery(filter=LogFilter(levels=("error",), folded=True), after=count // 2, limit=1),
    }
    for name, query in asked.items():
        page, took = timed(spool, query)
        assert page.lines
        assert page.total == count
        record_property(f"{name}_ms", took * 1e3)
        print(f"{name}: {took * 1e3:.1f} ms")
        assert took < 1
    print(f"memory: {before:.0f} MB before, {peak_mb():.0f} MB after")
    assert peak_mb() - before < 60


@pytest.mark.parametrize(
    ("name", "passing"),
    [
        ("words", LogFilter(has=("needle",))),
        ("level", LogFilter(levels=("error",), has=("took",))),
        ("folded", LogFilter(folded=True)),
        ("expression", LogFilter(matches=("needle$",))),
    ],
)
def test_a_filter_answers_at_once_and_goes_through_everything_in_parts(
    spool: LogSpool,
    count: int,
    full: bool,
    name: str,
    passing: LogFilter,
    record_property: Callable[[str, object], None],
) -> None:
    """No question takes much longer than it may; the first hits are there long before the whole is searched.

    Beside other tests, of the processor's time: what holds up the whole machine is no question's fault.
    """
    clock = time.perf_counter if full else time.process_time
    began = time.perf_counter()
    first = longest = 0.0
    questions = 0
    memory = peak_mb()
    query = LogQuery(filter=passing, spend_s=0.5)
    while True:
        asked = clock()
        page = spool.page(query)
        longest = max(longest, clock() - asked)
        questions += 1
        if page.lines and not first:
            first = time.perf_counter() - began
        assert page.problem == ""
        if page.searched == page.of:
            break
        query = query.model_copy(update={"count": True})
    whole = time.perf_counter() - began
    figures = {"first_hit_s": first, "whole_s": whole, "longest_question_s": longest, "questions": questions}
    for figure, value in figures.items():
        record_property(f"{name}_{figure}", value)
    print(f"{name}: {', '.join(f'{key} {value:.3g}' for key, value in figures.items())}, {page.matching:,} lines")
    assert (
        page.matching
        == {
            "words": -(-(count - 7) // RARE),
            "expression": -(-(count - 7) // RARE),
            "level": count // 1000,
            "folded": count,
        }[name]
    )
    assert longest < 2.5
    assert peak_mb() - memory < 60


def test_a_flood_is_written_as_fast_as_it_comes(
    tmp_path: Path, full: bool, record_property: Callable[[str, object], None]
) -> None:
    """Through the real redactor, line by line, which is the slowest way there is."""
    spool = LogSpool(tmp_path / "spool", VirtualClock(), Redactor().clean)
    count = 500_000 if full else 50_000
    lines = [
        LogLine(
            source="web", text=f"INFO web-1 GET /api/conversations/{n} 200 12.4 ms user={n % 97} bytes=5120", at=START
        )
        for n in range(count)
    ]
    began = time.perf_counter()
    for start in range(0, count, BATCH):
        spool.append(lines[start : start + BATCH])
    rate = count / (time.perf_counter() - began)
    record_property("lines_a_second", rate)
    print(f"written: {rate:,.0f} lines/s")
    assert spool.heads()["web"].lines == count
