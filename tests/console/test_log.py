"""The log pane with real keys: it follows and is held, filters and searches, unfolds, jumps and copies."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import pytest

from tests.console.conftest import Start
from tests.console.driving import Driver
from tests.console.pages import page_of
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.panes.log import LogPane
from warroom.console.panes.logwindow import MOST
from warroom.console.screens.logs import PassingScreen
from warroom.errors import WarroomError
from warroom.model import live as lv
from warroom.model.signal import LogHead, LogLine
from warroom.testing.clock import START


def opened() -> Story:
    story = Story(a_runbook("drill"))
    story.fires()
    story.opened("High error rate")
    return story


def telling(rows: list[LogLine], **also: object) -> Story:
    """A story whose log are these lines."""
    story = opened()
    story.pages[lv.LogQuery] = lambda query: page_of(rows, query).model_copy(update=also)
    return story


def a_row(index: int, text: str, level: str = "info", source: str = "web") -> LogLine:
    return LogLine.model_validate(
        {"source": source, "text": text, "at": START + timedelta(seconds=index), "level": level, "index": index}
    )


def pane(console: Driver) -> LogPane:
    return console.app.main.query_one(LogPane)


def here(console: Driver) -> LogLine:
    shown = pane(console).view.cursor
    assert shown is not None
    return shown.line


async def heads(console: Driver, lines: int, errors: int = 0) -> None:
    console.story.live(head=LogHead(source="web", lines=lines, errors=errors))
    await console.settle()


async def test_the_title_counts_the_errors_of_now_and_says_since_when(start: Start) -> None:
    """All that ever came says nothing of whether it goes on."""
    async with start(opened(), (120, 40)) as console:
        for lately, over in ((3, "since v1"), (0, "in 5 m")):
            each = {f"log-{name}": LogHead(source=name, lines=500, errors=80, over=over) for name in ("web", "db")}
            each["log-web"] = each["log-web"].model_copy(update={"lately": lately})
            console.story.live(**each)
            await console.settle()
            assert ("✖ 3 since v1" in console.text()) is bool(lately)
            assert "80" not in str(pane(console).border_title)


async def test_the_log_follows_is_held_and_counts_what_came(start: Start) -> None:
    story = opened()
    story.log_lines = 500
    async with start(story, (120, 40)) as console:
        await heads(console, 500, 80)
        assert "03:08:19" in console.text()
        await console.press("5", "up", "up")
        assert "HELD, 0 new, = runs on" in console.text()
        assert here(console).index == 497
        story.log_lines = 530
        await heads(console, 530, 85)
        assert "HELD, 30 new" in console.text()
        assert "03:08:49" not in console.text()
        await console.press("E", "E", "e")
        assert here(console).level == "error"
        await console.press("equals_sign")
        assert "03:08:49" in console.text()
        assert "HELD" not in console.text()


async def test_a_filter_survives_every_toggle(start: Start) -> None:
    story = opened()
    story.log_lines = 300
    async with start(story, (120, 40)) as console:
        await console.press("slash")
        await console.type("signin")
        await console.press("enter")
        assert "/ signin:" in console.text()
        assert "/api/health" not in console.text()
        for key in ("equals_sign", "w", "t", "t", "t", "F", "F", "z", "z", "2", "5", "equals_sign"):
            await console.press(key)
            assert pane(console).filter.has == ("signin",), key
        assert "/ signin:" in console.text()
        asked = story.queries[-1]
        assert isinstance(asked, lv.LogQuery)
        assert asked.filter.has == ("signin",)
        await console.press("slash", "ctrl+u", "enter")
        assert "/ signin" not in console.text()


async def test_only_a_window_of_the_log_is_kept_and_there_is_no_widget_per_line(begin: Start) -> None:
    story = opened()
    story.log_lines = 5000
    async with begin(story, (120, 40)) as console:
        await heads(console, 5000)
        await console.press("5", "home")
        assert here(console).index == 0
        for _ in range(90):
            await console.press("pagedown")
        view = pane(console).view
        assert here(console).index > 1000
        assert len(view.window) <= MOST
        assert len(list(view.children)) == 0
        assert all(query.limit <= 200 for query in story.queries if isinstance(query, lv.LogQuery))
        before = here(console).index
        await console.press("pageup", "pagedown")
        assert abs(here(console).index - before) <= view.rows
        await console.press("end")
        assert "HELD" not in console.text()


async def test_held_still_the_cursor_stays_on_its_line_when_the_filter_changes(begin: Start) -> None:
    story = opened()
    story.log_lines = 2000
    async with begin(story, (120, 40)) as console:
        await heads(console, 2000)
        await console.press("5", "home", *["pagedown"] * 8, "e")
        index = here(console).index
        await console.press("slash")
        await console.type("!error")
        await console.press("enter")
        assert here(console).index == index
        assert "/ level:error:" in console.text()
        await console.press("slash", "ctrl+u", "enter")
        assert here(console).index == index


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("/(/", "no regular expression"),
        ("level:loud", "no level “loud”"),
        ("source:", "needs a name"),
        ('"open', "never closed"),
    ],
)
async def test_what_cannot_be_read_is_said_in_the_box(begin: Start, typed: str, reason: str) -> None:
    async with begin(opened(), (120, 40)) as console:
        await console.press("slash")
        console.screen.query_one("#log-box").value = typed  # type: ignore[attr-defined]  # it is the Input
        await console.press("enter")
        assert reason in console.flat()
        await console.press("escape")
        assert pane(console).filter == lv.LogFilter(folded=True)


async def test_sources_and_levels_are_toggled_in_a_dialog_and_shown_in_the_filter(start: Start) -> None:
    story = opened()
    story.log_lines = 300
    async with start(story, (120, 40)) as console:
        await heads(console, 300)
        await console.press("5", "L")
        assert isinstance(console.screen, PassingScreen)
        await console.press("space")
        assert "filter: -source:db" in console.text()
        await console.press("escape")
        assert pane(console).filter.without == ("db",)
        assert not [shown for shown in pane(console).view.window.lines if shown.line.source == "db"]
        await console.press("L", "space", "down", "space")
        assert "-source:web" in console.text()
        await console.press("up", "space")
        assert "Nothing would be shown" in console.text()


async def test_search_lights_up_hits_and_goes_on_to_the_next(start: Start) -> None:
    story = opened()
    story.log_lines = 300
    async with start(story, (120, 40)) as console:
        await heads(console, 300)
        await console.press("5", "s")
        await console.type("sessIon.token")
        await console.press("enter")
        last = here(console).index
        assert last % 6 == 5
        await console.press("N", "N", "n")
        assert here(console).index == last - 6
        await console.press("n", "n")
        assert "No hit further down" in console.told()
        lit = [
            segment.text
            for strip in pane(console).view._strips
            for segment in strip
            if segment.style == pane(console).view.get_component_rich_style("log--hit")
        ]
        assert "Session.token" in lit


async def test_an_expression_is_searched_for_by_the_engine_and_its_hits_are_marked(begin: Start) -> None:
    story = opened()
    story.log_lines = 300
    async with begin(story, (120, 40)) as console:
        await heads(console, 300)
        await console.press("5", "s")
        console.screen.query_one("#log-box").value = "/50[3-9] col/"  # type: ignore[attr-defined]  # it is the Input
        await console.press("enter")
        assert here(console).index % 6 == 5
        hits = pane(console).view.settings.hits
        assert hits
        assert all(index % 6 == 5 for index in hits)


async def test_a_structured_line_is_compact_and_unfolds_into_its_fields(begin: Start) -> None:
    text = '{"time":"x","level":"error","msg":"could not sign in","user":"u-17","stack":"at a\\nat b","n":{"x":1}}'
    rows = [a_row(0, "plain"), a_row(1, text, "error"), a_row(2, "last")]
    async with begin(telling(rows), (160, 50)) as console:
        await console.press("5", "up")
        assert "ERROR could not sign in  user=u-17" in console.text()
        assert '"level"' not in console.text()
        await console.press("enter")
        for part in ("│ time", "2026-03-02T03:00:01.000+00:00", "│ user", "u-17", '{"x": 1}'):
            assert part in console.text()
        stack = [row for row in console.text().splitlines() if "at a" in row or "at b" in row][-2:]
        assert [row.index("at ") for row in stack] == [stack[0].index("at ")] * 2
        await console.press("enter")
        assert "│ user" not in console.text()
        await console.press("enter", "escape")
        assert "│ user" not in console.text()
        assert "HELD" in console.text()


async def test_long_lines_are_cut_or_wrapped(begin: Start) -> None:
    rows = [a_row(0, "start " + "word " * 80 + "finish"), a_row(1, "next")]
    async with begin(telling(rows), (120, 40)) as console:
        assert "finish" not in console.text()
        await console.press("w")
        assert "finish" in console.text()
        assert "wrapped" in console.text()
        await console.press("w")
        assert "finish" not in console.text()


async def test_times_are_utc_then_local_then_none(begin: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        async with begin(telling([a_row(0, "hello")]), (120, 40)) as console:
            assert "03:00:00" in console.text()
            await console.press("t")
            assert "08:30:00" in console.text()
            assert "times local +05:30" in console.text()
            await console.press("t")
            assert "08:30:00" not in console.text()
            assert "no times" in console.text()
            await console.press("t")
            assert "03:00:00" in console.text()
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_repeated_lines_are_folded_with_their_count(begin: Start) -> None:
    rows = [a_row(index, "GET /health 200" if index < 14 else f"other {index}") for index in range(20)]
    async with begin(telling(rows), (120, 40)) as console:
        assert "×14 GET /health 200" in console.text()
        await console.press("5", "z", "F")
        assert "×14" not in console.text()
        assert console.text().count("GET /health 200") == 14
        await console.press("F")
        assert "×14 GET /health 200" in console.text()


async def test_a_release_change_stands_once_though_lines_come_out_of_order(start: Start) -> None:
    rows = [a_row(index, f"line {index}") for index in range(10)]
    late = [row.model_copy(update={"at": START + timedelta(seconds=2)}) for row in rows[6:9:2]]
    mixed = [late[0] if row.index == 6 else late[1] if row.index == 8 else row for row in rows]
    async with start(telling(mixed, marks=((START + timedelta(seconds=5), "v2"),)), (120, 60)) as console:
        await console.press("5", "z")
        assert console.text().count("── v2 from") == 1


async def test_jumping_to_a_time_the_deploy_and_the_first_error_after_it(start: Start) -> None:
    rows = [a_row(index, f"line {index}", "error" if index % 100 == 50 else "info") for index in range(1000)]
    story = telling(rows, marks=((START + timedelta(seconds=500), "v1.0.0-beta.3"),))
    story.pass_time(1200)
    async with start(story, (120, 40)) as console:
        await console.press("5", "J")
        await console.type("03:10:07")
        await console.press("enter")
        assert here(console).index == 607
        await console.press("J")
        await console.type("-15m")
        await console.press("enter")
        assert here(console).index == 300
        await console.press("J", "tab", "enter")
        assert here(console).index == 500
        assert "── v1.0.0-beta.3 from 03:08:20 on ──" in console.text()
        await console.press("J", "down", "down", "enter")
        assert here(console).index == 550
        await console.press("J")
        await console.type("nonsense")
        await console.press("enter")
        assert "That is no time" in console.flat()
        await console.press("ctrl+u")
        await console.type("03:19:59")
        await console.press("enter")
        assert "No line is as late as that" in console.flat()


async def test_copying_says_copied_only_when_it_was_confirmed(begin: Start) -> None:
    given: list[str] = []

    async def copier(text: str) -> str:
        given.append(text)
        return "copied to tmux"

    async def broken(text: str) -> str:
        raise WarroomError("Not copied", "tmux says: no server")

    rows = [a_row(index, f"line {index}") for index in range(10)]
    async with begin(telling(rows), (120, 40)) as console:
        console.app.copier = copier
        await console.press("5", "up", "y")
        assert given == ["2026-03-02T03:00:08.000Z web line 8"]
        assert "1 line copied to tmux" in console.told()
        await console.press("shift+up", "shift+up", "y")
        assert given[-1].splitlines()[0] == "2026-03-02T03:00:06.000Z web line 6"
        assert "3 lines copied to tmux" in console.told()
        console.app.copier = broken
        await console.press("y")
        assert "Not copied. tmux says: no server" in console.told()


async def test_without_tmux_it_is_sent_to_the_terminal_and_nobody_says_copied(
    begin: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with begin(telling([a_row(0, "one line")]), (120, 40)) as console:
        sent: list[str] = []
        driver = console.app._driver
        assert driver is not None
        monkeypatch.setattr(driver, "write", sent.append)
        await console.press("5", "y")
        wanted = base64.b64encode(b"2026-03-02T03:00:00.000Z web one line").decode()
        assert any(f"\x1b]52;c;{wanted}" in data for data in sent)
        assert "1 line sent to the terminal; if nothing arrives" in console.told()
        assert "copied" not in console.told()


async def test_a_megabyte_line_and_bytes_that_are_no_text_are_drawn_cut(begin: Start) -> None:
    rows = [a_row(0, "x" * 1_048_576), a_row(1, b"caf\xe9 \xff\xfe\x00".decode("utf-8", "replace")), a_row(2, "end")]
    async with begin(telling(rows), (120, 40)) as console:
        await console.press("5", "w", "up", "up", "enter", "down", "down", "pageup", "w")
        assert all(len(row) <= 120 for row in console.text().splitlines())
        await console.press("equals_sign")
        assert "caf� ��␀" in console.text()


async def test_a_search_that_goes_on_says_how_far_it_is_until_it_is_done(begin: Start) -> None:
    """The engine answers with a part at a time; the pane asks on, and shows what there is meanwhile."""
    story = opened()
    rows = [a_row(index, f"line {index}") for index in range(100)]
    looked = 0
    titles: list[str] = []

    def partly(query: lv.LogQuery) -> lv.LogPage:
        nonlocal looked
        looked = min(100, looked + 20)
        titles.append(str(pane(driver[0]).border_title) if driver else "")
        return page_of(rows[100 - looked :], query).model_copy(update={"searched": looked, "of": 100})

    driver: list[Driver] = []
    story.pages[lv.LogQuery] = partly
    async with begin(story, (120, 40)) as console:
        driver.append(console)
        looked = 0
        await console.press("slash")
        await console.type("line")
        await console.press("enter")
        assert any("searched 40 %" in title and "40+" in title for title in titles)
        assert "/ line: 100 " in console.text()
        assert "searched" not in console.text()


async def test_a_search_that_was_given_up_says_why(begin: Start) -> None:
    story = telling([a_row(0, "x")], problem="given up: the expression takes too long", searched=0)
    async with begin(story, (160, 50)) as console:
        assert "✖ given up: the expression takes too long" in console.text()


Make = Callable[[Story, tuple[int, int]], AbstractAsyncContextManager[Driver]]


async def test_a_hang_up_while_the_log_is_asked_leaves_no_coroutine_behind(
    begin: Make, recwarn: pytest.WarningsRecorder
) -> None:
    import gc

    story = opened()
    async with begin(story, (120, 40)) as console:
        pane(console).pull()
        console.app.exit(0)
    gc.collect()
    assert not [str(one.message) for one in recwarn if "never awaited" in str(one.message)]
