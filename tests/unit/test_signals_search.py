"""Filters, searches and jumps in the log spool: exact, in parts, and bounded in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_signals_spool import asked, spool_in, spool_of, texts, whole
from warroom.errors import BadInput
from warroom.model.live import LogFilter, LogPage, LogQuery
from warroom.model.signal import LogLine
from warroom.signals import LogSpool, filtered, matching, paging
from warroom.testing.clock import START

COUNT = 3000
SLOW = r"(a+)+$"


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogSpool]:
    """Chunks of 100 lines, so that a small spool has many."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (paging, filtered):
            patch.setattr(module, "CHUNK", 100)
        yield spool_of(tmp_path_factory.mktemp("spool"), COUNT, segment_bytes=20_000)


Passes = Callable[[int], bool]
FILTERS: dict[str, tuple[LogFilter, Passes]] = {
    "all": (LogFilter(), lambda i: True),
    "errors": (LogFilter(levels=("error",)), lambda i: i % 7 == 0),
    "no errors": (LogFilter(levels=("unknown", "info")), lambda i: i % 7 != 0),
    "two words": (LogFilter(has=("Number", "FINE")), lambda i: i % 7 != 0),
    "without": (LogFilter(has=("number",), lacks=("größe", "error")), lambda i: i % 7 != 0 and i % 100 != 0),
    "expression": (LogFilter(matches=(r"^number \d*5 ", "err(or)?$")), lambda i: i % 10 == 5 and i % 7 == 0),
    "not like": (LogFilter(unlike=("error", r"\b\d{1,3}\b")), lambda i: i % 7 != 0 and i >= 1000),
    "a source": (LogFilter(sources=("db",), has=("error",)), lambda i: i % 3 == 0 and i % 7 == 0),
    "by prefix": (LogFilter(sources=("web",)), lambda i: i % 3 != 0),
    "not a source": (LogFilter(without=("web-1",), matches=("error",)), lambda i: i % 3 != 1 and i % 7 == 0),
    "nothing": (LogFilter(has=("nowhere",)), lambda i: False),
    "folded": (LogFilter(folded=True), lambda i: True),
}


@pytest.mark.parametrize("name", FILTERS)
@given(edge=st.integers(-5, COUNT + 5), limit=st.integers(1, 300))
@settings(max_examples=12)
def test_before_and_after_any_line_is_what_reading_it_all_would_give(
    spool: LogSpool, name: str, edge: int, limit: int
) -> None:
    passing, good = FILTERS[name]
    every = [i for i in range(COUNT) if good(i)]
    assert whole(spool, LogQuery(filter=passing)).matching == len(every)
    before = spool.page(LogQuery(filter=passing, before=edge, limit=limit))
    wanted = [i for i in every if i < edge][-limit:]
    assert [line.index for line in before.lines] == wanted
    assert before.first == max(0, sum(i < edge for i in every) - limit)
    after = spool.page(LogQuery(filter=passing, after=edge, limit=limit))
    assert [line.index for line in after.lines] == [i for i in every if i > edge][:limit]
    assert after.first == sum(i <= edge for i in every)
    since = spool.page(LogQuery(filter=passing, at=START + timedelta(seconds=edge - 0.5), limit=limit))
    assert [line.index for line in since.lines] == [i for i in every if i >= edge][:limit]
    assert since.matching == before.matching == len(every)


def test_the_first_answer_is_the_newest_lines_and_says_how_far_it_has_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtered, "CHUNK", 100)
    spool = spool_of(tmp_path, COUNT, segment_bytes=20_000)
    query = asked(has=("fine",), first=-10, limit=10)
    page = spool.page(query)
    assert [line.index for line in page.lines] == [i for i in range(COUNT) if i % 7][-10:]
    assert 0 < page.searched < page.of == COUNT
    page = whole(spool, query)
    assert (page.searched, page.matching) == (COUNT, sum(i % 7 != 0 for i in range(COUNT)))


def test_without_time_nothing_is_claimed(tmp_path: Path) -> None:
    spool = spool_of(tmp_path, COUNT)
    page = spool.page(LogQuery(filter=LogFilter(has=("fine",)), spend_s=0))
    assert (page.lines, page.searched, page.of, page.problem) == ((), 0, COUNT, "")


def test_nothing_turns_up_later_between_lines_that_were_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet source's old line must not slip in above what was already read as the newest."""
    monkeypatch.setattr(filtered, "CHUNK", 10)
    spool = spool_in(tmp_path)
    spool.append([LogLine(source="quiet", text=f"hit {i}") for i in range(15)])
    spool.append([LogLine(source="loud", text="hit" if i % 40 == 0 else "hay") for i in range(400)])
    query = LogQuery(filter=LogFilter(has=("hit",)), limit=12, first=-12)
    looks = 0
    real = filtered.Filtered.look

    def limited(self: filtered.Filtered, part: filtered.Part) -> int:
        nonlocal looks
        looks += 1
        return real(self, part)

    monkeypatch.setattr(filtered.Filtered, "look", limited)
    shown: list[int] = []
    for _ in range(200):
        page = spool.page(query.model_copy(update={"spend_s": 0.001, "before": shown[0] if shown else None}))
        assert all(line.index < shown[0] for line in page.lines if shown)
        shown = [line.index for line in page.lines] + shown
        if len(shown) == 25:
            break
    assert shown == [*range(15), *range(15, 415, 40)]
    assert looks < 60


def test_an_expression_that_backtracks_for_ever_is_given_up_and_holds_up_nothing(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.append([LogLine(source="web", text="a" * 40 + "!"), LogLine(source="web", text="b")])
    beats, over = [], threading.Event()

    def beat() -> None:
        while not over.wait(0.02):
            beats.append(time.monotonic())

    heart = threading.Thread(target=beat)
    heart.start()
    began = time.monotonic()
    page = spool.page(LogQuery(filter=LogFilter(matches=(SLOW,))))
    took = time.monotonic() - began
    over.set()
    heart.join()
    assert "takes too long on a line of web (line 1)" in page.problem
    assert took < 60
    assert len(beats) > 3  # the interpreter was free all the while
    spool.append([LogLine(source="web", text="still written")])
    assert texts(whole(spool, asked(has=("still",)))) == ["still written"]


def test_the_same_expression_on_harmless_lines_is_answered(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.append([LogLine(source="web", text=text) for text in ("caaa", "b", "xa")])
    assert texts(whole(spool, asked(matches=(SLOW,)))) == ["caaa", "xa"]


@pytest.mark.parametrize("expression", ["(", "[z-a]", "a{99999999999}", "(?P<x>a)(?P<x>b)", "*"])
def test_what_is_no_expression_is_said(tmp_path: Path, expression: str) -> None:
    spool = spool_in(tmp_path)
    spool.append([LogLine(source="web", text="x")])
    with pytest.raises(BadInput, match="no regular expression"):
        spool.page(LogQuery(filter=LogFilter(matches=(expression,))))


def test_a_search_that_cannot_be_started_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = spool_in(tmp_path)
    spool.append([LogLine(source="web", text="x")])
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))
    assert "is not on this machine" in spool.page(LogQuery(filter=LogFilter(matches=("x",)))).problem


def test_lines_that_repeat_are_folded_with_their_count(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    for i in range(300):
        spool.append(
            [
                LogLine(source="web", text=f"2026-03-02T03:{i // 60:02d}:{i % 60:02d}.123Z GET /health 200"),
                LogLine(source="db", text="checkpoint" if i % 100 else f"starting {i}"),
                LogLine(source="js", text=f'{{"time":"03:00:{i % 60:02d}","level":"info","msg":"tick"}}'),
            ]
        )
    page = whole(spool, asked(folded=True))
    assert [(line.source, times) for line, times in zip(page.lines, page.repeats, strict=True)] == [
        *(("web", 300), ("db", 1), ("js", 300)),
        *(("db", 99), ("db", 1), ("db", 99), ("db", 1), ("db", 99)),
    ]
    assert whole(spool, asked()).matching == 900
    assert whole(spool, asked(folded=True, has=("health",))).matching == 1


def test_a_run_of_repeats_is_counted_anew_in_each_segment(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, segment_bytes=4000)
    for _ in range(50):
        spool.append([LogLine(source="web", text="again and again")] * 10)
    page = whole(spool, asked(folded=True))
    assert sum(page.repeats) == 500
    assert len(page.lines) == len(list((tmp_path / "spool").glob("*.log"))) > 1


def test_a_page_of_huge_lines_is_short_and_the_next_one_goes_on(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.append([LogLine(source="web", text=f"{i} " + "x" * 16_000) for i in range(200)])
    seen: list[int] = []
    page = spool.page(LogQuery(limit=200))
    assert page.first + len(page.lines) == 200
    while page.lines:
        assert sum(len(line.text) for line in page.lines) <= 1_000_000
        seen = [line.index for line in page.lines] + seen
        page = spool.page(LogQuery(before=seen[0], limit=200))
    assert seen == list(range(200))
    after = spool.page(LogQuery(after=99, limit=200))
    assert after.first == after.lines[0].index == 100


def test_a_filter_keeps_up_with_lines_that_come_and_go(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, limit_bytes=200_000, segment_bytes=20_000)
    query = asked(matches=("7$",), first=-5, limit=5)
    for start in range(0, 5000, 500):
        spool.append([LogLine(source="web", text=f"line {i}") for i in range(start, start + 500)])
        page = whole(spool, query)
        assert texts(page) == [f"line {i}" for i in range(start + 457, start + 500, 10)]
        assert page.of == page.total == start + 500 - page.dropped
    assert page.dropped > 0


def test_the_program_that_tries_expressions_answers_for_whole_chunks_only() -> None:
    assert matching.answers("done 3 ff") == ("done", 3, 255)
    assert matching.answers("done 3") is None
    assert matching.answers("") is None
    assert matching.lines_in(matching.mask_of([0, 7, 8, 4095])) == [0, 7, 8, 4095]
    assert matching.lines_in(matching.mask_of([])) == []


def test_pages_of_all_lines_need_no_search(spool: LogSpool) -> None:
    page: LogPage = spool.page(LogQuery(spend_s=0))
    assert page.searched == page.of == COUNT
