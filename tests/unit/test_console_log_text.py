"""The log pane's pure parts: what is typed, what a line looks like, and which lines are in sight."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.console.test_text import HOSTILE
from warroom.console.panes.logfilter import LEVELS, both, parse, written
from warroom.console.panes.logmoment import parse_moment, shown_time
from warroom.console.panes.logrows import Extras, Look, Row, Shown, flowed, rows_of, structured
from warroom.console.panes.logwindow import MOST, Place, Window
from warroom.errors import BadInput
from warroom.model.live import LogFilter, LogPage
from warroom.model.signal import LogLine

NOW = datetime(2026, 3, 2, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("", LogFilter()),
        ("one two", LogFilter(has=("one", "two"))),
        ("one -two -", LogFilter(has=("one", "-"), lacks=("two",))),
        ('"two words" -"not these"', LogFilter(has=("two words",), lacks=("not these",))),
        ("/a.b/ -/c d/", LogFilter(matches=("a.b",), unlike=("c d",))),
        ("/api/health GET", LogFilter(has=("/api/health", "GET"))),
        (r"/api\/v\d/", LogFilter(matches=(r"api\/v\d",))),
        ("source:web -source:db", LogFilter(sources=("web",), without=("db",))),
        ('source:"my app"', LogFilter(sources=("my app",))),
        ("level:error,warn", LogFilter(levels=("warning", "error"))),
        ("!error", LogFilter(levels=("error",))),
        ("-level:debug", LogFilter(levels=("info", "warning", "error", "unknown"))),
        ("level:debug,info,warning,error,unknown", LogFilter()),
        ("user:12 !important", LogFilter(levels=(), has=("user:12", "!important"))),
    ],
)
def test_what_is_typed_is_read_and_written_back(typed: str, wanted: LogFilter) -> None:
    if "!important" in typed:
        with pytest.raises(BadInput, match="no level “important”"):
            parse(typed)
        return
    assert parse(typed) == wanted
    assert parse(written(wanted)) == wanted


@given(st.text(max_size=60))
def test_nothing_that_is_typed_does_more_than_complain(typed: str) -> None:
    try:
        read = parse(typed)
    except BadInput:
        return
    assert parse(written(read)) == read


@pytest.mark.parametrize(
    "typed", ["/(/", "/[/", '"open', "source:", "level:loud", "level:", "/*/", "-level:" + ",".join(LEVELS)]
)
def test_what_cannot_be_read_is_said(typed: str) -> None:
    with pytest.raises(BadInput):
        parse(typed)


def test_a_search_is_narrowed_by_the_filter() -> None:
    web = LogFilter(sources=("web",), levels=("info", "error"), has=("x",), folded=True)
    assert both(web, LogFilter(levels=("error",), matches=("y",))) == LogFilter(
        sources=("web",), levels=("error",), has=("x",), matches=("y",), folded=True
    )
    assert both(web, LogFilter(levels=("debug",))) is None
    assert both(web, LogFilter(sources=("db",))) is None
    assert both(web, LogFilter(sources=("web-1",))) == web.model_copy(update={"sources": ("web-1",)})


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("12:03", datetime(2026, 3, 2, 12, 3, tzinfo=UTC)),
        ("12:03:40", datetime(2026, 3, 2, 12, 3, 40, tzinfo=UTC)),
        ("12:31", datetime(2026, 3, 1, 12, 31, tzinfo=UTC)),
        ("-5m", NOW - timedelta(minutes=5)),
        ("-1h30m", NOW - timedelta(minutes=90)),
        ("-90s", NOW - timedelta(seconds=90)),
        ("2026-03-01 08:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("2026-03-01T08:00:00Z", datetime(2026, 3, 1, 8, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read(typed: str, wanted: datetime) -> None:
    assert parse_moment(typed, NOW, "utc") == wanted


@pytest.mark.parametrize("typed", ["", "-", "25:00", "12:99", "soon", "-5x", "12:03:99", "9" * 50])
def test_what_is_no_moment_is_said(typed: str) -> None:
    with pytest.raises(BadInput, match="That is no time"):
        parse_moment(typed, NOW, "utc")


def test_a_line_without_a_time_has_dashes() -> None:
    assert shown_time(None, "utc") == "--:--:--"


def text_of(row: Row) -> str:
    return "".join(text for text, _ in row)


def a_line(text: str, **also: object) -> Shown:
    return Shown(LogLine.model_validate({"source": "web", "text": text, "at": NOW, "index": 1, **also}))


@pytest.mark.parametrize("text", [*HOSTILE, "日本語のログ " * 40, "e\u0301" * 300, '{"a": "\\u001b[31m\\n"}', ""])
@pytest.mark.parametrize("cells", [20, 79, 200])
def test_whatever_a_line_holds_its_rows_fit_and_hold_no_control_bytes(text: str, cells: int) -> None:
    text = text.encode("utf-8", "replace").decode()
    for wrap in (False, True):
        for unfolded in (False, True):
            look = Look(cells, wrap=wrap, names=4, needles=("a", "log"))
            for row in rows_of(a_line(text), look, Extras(unfolded=unfolded, rules=(text[:50],))):
                drawn = text_of(row)
                assert cell_len(drawn) <= max(cells, 30)
                assert all(ord(char) >= 0x20 and not 0x7F <= ord(char) < 0xA0 for char in drawn)


@given(st.text(max_size=300), st.integers(8, 60), st.integers(8, 60))
def test_wrapping_loses_nothing(text: str, room: int, rest: int) -> None:
    text = text.replace("\u0301", "")
    rows = flowed([(text[:100], "a"), (text[100:], "b")], room, rest)
    assert "".join(map(text_of, rows)) == text
    assert all(cell_len(text_of(row)) <= (rest if n else room) for n, row in enumerate(rows))


def test_a_cut_line_says_so_and_a_whole_one_does_not() -> None:
    look = Look(20, stamps="off")
    assert text_of(rows_of(a_line("x" * 18), look)[0]) == "  " + "x" * 18
    assert text_of(rows_of(a_line("x" * 19), look)[0]) == "  " + "x" * 17 + "…"


def test_rows_of_two_pods_of_one_workload_are_told_apart() -> None:
    look = Look(60, stamps="off", names=14)
    pods = [f"web-7d9f8c6b5-{each}/app" for each in ("x2x4z", "8kq7m")]
    told = [text_of(rows_of(a_line("hello", source=pod), look)[0]) for pod in pods]
    assert ["x2x4z" in told[0], "8kq7m" in told[1]] == [True, True]


def test_pairs_of_a_plain_logger_are_unfolded_too() -> None:
    line = a_line('failed route="POST /x" n=3 traceback="File \\"a\\"\\n  File b\\n" bare')
    told = [text_of(row) for row in rows_of(line, Look(80), Extras(unfolded=True))]
    assert any("│ route" in row and "POST /x" in row for row in told)
    assert [row.strip(" │") for row in told if "File" in row][-2:] == ['traceback  File "a"', "File b"]


@pytest.mark.parametrize(
    "text", ["{", "{}x", '{"a":}', "[" * 5000, "{" + '"a":{' * 5000 + "}" * 5000, '{"a":' + "9" * 5000 + "}"]
)
def test_what_only_looks_structured_is_drawn_as_it_is(text: str) -> None:
    assert structured(text) is None
    assert rows_of(a_line(text), Look(80))


def test_a_search_lights_up_every_hit() -> None:
    row = rows_of(a_line("Token tokens aTOKEN"), Look(60, stamps="off", needles=("token", "ken")))[0]
    assert [text for text, style in row if style == "hit"] == ["Token", "token", "TOKEN"]
    whole = rows_of(a_line("503 bad"), Look(60, stamps="off"), Extras(hit=True))[0]
    assert [text for text, style in whole if style == "hit"] == ["503 bad"]


def page(numbers: range, matching: int, **also: object) -> LogPage:
    lines = tuple(LogLine(source="web", text=str(n), index=n * 10) for n in numbers)
    made = {"lines": lines, "first": numbers.start, "matching": matching, "total": matching, **also}
    return LogPage.model_validate(made)


def test_a_window_grows_at_both_ends_and_stays_bounded() -> None:
    window = Window()
    window.replace(page(range(5000, 5200), 10_000), at_end=False)
    for start in range(5200, 9000, 200):
        window.append(page(range(start, start + 200), 10_000))
        assert len(window) <= MOST
        assert window.first == window.lines[0].line.index // 10
    assert not window.at_start
    window.append(page(range(9000, 10_000), 10_000))
    reached = window.at_end
    assert reached
    for start in range(8300, 0, -200):
        window.prepend(page(range(start - 200, start), 10_000))
        assert len(window) <= MOST
        if window.lines[0].line.index <= 20_000:
            break
    assert not window.at_end
    assert window.find(window.lines[7].line.index - 3) == 7
    assert window.find(10**9) == len(window) - 1


def test_the_cursor_is_always_in_sight_and_no_room_is_wasted() -> None:
    """Ten thousand moves over lines of one to forty rows, on a screen of ten."""
    chance = random.Random(7)
    heights = [chance.choice((1, 1, 1, 2, 3, 40)) for _ in range(200)]
    place, rows = Place(), 10
    place.last(len(heights), heights.__getitem__, rows)
    for _ in range(10_000):
        if chance.random() < 0.9:
            place.move(chance.choice((-1, 1, 1, -3, 3)), len(heights), heights.__getitem__, rows)
        else:
            place.page(chance.choice((-1, 1)), len(heights), heights.__getitem__, rows)
        assert 0 <= place.top <= place.cursor < len(heights)
        assert 0 <= place.skip < heights[place.top]
        above = sum(heights[place.top : place.cursor]) - place.skip
        assert above < rows
        shown = sum(heights[place.top :]) - place.skip
        assert shown >= min(rows, sum(heights))


def test_a_tall_line_is_read_row_by_row() -> None:
    heights = [1, 25, 1]
    place, rows = Place(), 10
    seen: set[int] = set()
    place.last(3, heights.__getitem__, rows)
    for by in (-1,) * 40 + (1,) * 40:
        place.move(by, 3, heights.__getitem__, rows)
        if place.top == 1:
            seen |= set(range(place.skip, place.skip + rows))
    assert seen >= set(range(25))
    assert place.cursor == 2
