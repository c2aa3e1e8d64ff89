"""A log through reconnects: no line twice, none missing, and a word where that can't be known."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.engines import OP1, a_running
from tests.world import PLUGIN, until
from warroom.api import Context
from warroom.engine import sensing
from warroom.model.live import LogPage, LogQuery
from warroom.model.signal import LogLine
from warroom.plugins import supervise
from warroom.signals.following import Following
from warroom.testing.clock import START


def line(number: int, *, text: str = "", timed: bool = True, source: str = "web") -> LogLine:
    at = START + timedelta(milliseconds=number * 10) if timed else None
    return LogLine(source=source, text=text or f"line {number}", at=at)


def taken(following: Following, lines: list[LogLine]) -> list[str]:
    return [each.text for one in lines for each in following.take(one, START)]


@pytest.mark.parametrize("seed", range(30))
def test_a_stream_that_is_cut_anywhere_and_begins_before_the_cut_has_no_gap_and_no_double(seed: int) -> None:
    draw = random.Random(seed)
    # Several lines of one time, the same words again and again, neighbours out of order, and lines without a time.
    written = [line(number // 3, text=draw.choice(("same", f"line {number}"))) for number in range(2000)]
    for number in range(0, 1990, 7):
        written[number], written[number + 1] = written[number + 1], written[number]
    following, came, at = Following(), [], 0
    following.begins()
    while at < len(written):
        upto = min(len(written), at + draw.randint(1, 300))
        came += taken(following, written[max(0, at - draw.randint(5, 400)) if at else 0 : upto])
        at = upto
        following.begins()
    assert came == [each.text for each in written]


def test_what_goes_with_a_line_comes_and_stays_away_with_it() -> None:
    following = Following()
    traceback = [line(1, text="ERROR x"), line(1, text="  File y", timed=False), line(2)]
    following.begins()
    first = taken(following, traceback)
    following.begins()
    assert first == ["ERROR x", "  File y", "line 2"]
    assert taken(following, [*traceback, line(3), line(3, text="  File z", timed=False)]) == ["line 3", "  File z"]


def test_a_stream_that_begins_after_the_cut_says_what_may_be_missing() -> None:
    following = Following()
    following.begins()
    taken(following, [line(1), line(2)])
    following.begins()
    warning, *rest = taken(following, [line(900), line(901)])
    assert rest == ["line 900", "line 901"]
    assert "lines may be missing from 03:00:00.020000 to 03:00:09.000000" in warning


def test_a_source_without_times_says_what_may_be_missing_or_doubled() -> None:
    following = Following()
    following.begins()
    plain = [line(n, timed=False, text="same") for n in range(3)]
    assert taken(following, plain) == ["same"] * 3
    following.begins()
    warning, *rest = taken(following, plain)
    assert rest == ["same"] * 3, "nobody can tell whether these are the same ones"
    assert "lines may be missing or doubled from" in warning


def test_other_sources_of_the_platform_are_followed_apart() -> None:
    following = Following()
    following.begins()
    taken(following, [line(5), line(1, source="db")])
    following.begins()
    assert taken(following, [line(1, source="db"), line(2, source="db"), line(5), line(6)]) == ["line 2", "line 6"]


class Breaking:
    """Breaks after every tenth line, and begins again five lines before, as what is read by offsets does."""

    def __init__(self) -> None:
        self.at = 0
        self.starts = 0

    async def follow(self, ctx: Context) -> AsyncIterator[LogLine]:
        self.starts += 1
        for number in range(max(0, self.at - 5), min(self.at + 10, 50)):
            yield line(number)
        self.at += 10
        raise ConnectionResetError("the stream broke")


async def test_the_engine_keeps_each_line_once_through_five_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensing, "supervise", partial(supervise, first_pause=0.01, longest_pause=0.01))
    logs = Breaking()
    async with a_running(tmp_path, plugin=replace(PLUGIN, logs=logs)) as world:
        await until(lambda: logs.starts > 6)
        page = await world.engine.session(OP1).query(LogQuery(first=0, limit=200))
        assert isinstance(page, LogPage)
    assert [each.text for each in page.lines if each.source == "web"] == [f"line {n}" for n in range(50)]
