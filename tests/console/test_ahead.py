"""What is struck before a dialog is up is neither lost nor taken by something else, and confirms nothing unseen."""

from __future__ import annotations

import pytest
from textual.events import Key, Paste
from textual.widgets import Input

from tests.console.conftest import Start
from tests.console.driving import Driver
from tests.console.hand import ready
from warroom.console.ahead import KEPT, LOST_S, Ahead
from warroom.console.screens.base import Reason

SERVICE = "ai-saas-app"
NAMES = {"!": "exclamation_mark", "-": "minus"}


def burst(console: Driver, *keys: str) -> None:
    """All of it in one read, as a slow line brings it: no task has had a turn between two keys."""
    for key in keys:
        console.app.post_message(Key(NAMES.get(key, key), key if len(key) == 1 else None))


async def test_the_name_struck_right_behind_the_key_is_all_there(start: Start) -> None:
    story = ready("production")
    async with start(story) as console:
        before = len(story.intents)
        burst(console, "!", *SERVICE)
        await console.settle()
        assert console.on_top == "EmergencyScreen"
        assert console.screen.query_one("#typed", Input).value == SERVICE
        assert story.intents[before:] == []
        await console.press("enter")
        assert len(console.sent("run-emergency")) == 1


async def test_enter_struck_before_the_lane_was_on_the_screen_begins_nothing_and_says_so(start: Start) -> None:
    async with start(ready("production"), (100, 32)) as console:
        burst(console, "!", *SERVICE, "enter")
        await console.settle()
        assert console.sent("run-emergency") == []
        assert "press it again" in console.flat()
        await console.press("enter")
        assert len(console.sent("run-emergency")) == 1


@pytest.mark.parametrize("key", ["enter", "space", "ctrl+s"])
async def test_what_confirms_is_not_taken_by_a_dialog_that_was_not_there(begin: Start, key: str) -> None:
    """In a drill a run asks for no name: its button has the focus."""
    story = ready("drill")
    async with begin(story, (100, 32)) as console:
        for prepared in ("g", "enter", "p", "enter", "escape"):
            await console.press(prepared)
        burst(console, "R", key)
        await console.settle()
        assert (console.on_top, console.sent("run-plan")) == ("RunScreen", [])


async def test_a_note_struck_at_once_is_whole_with_its_lines_and_nothing_else_happens(begin: Start) -> None:
    story = ready("production")
    async with begin(story, (100, 32)) as console:
        before = len(story.intents)
        burst(console, "l", *"Smc", "enter", *"kRq")
        await console.settle()
        assert console.screen.query_one(Reason).text == "Smc\nkRq"
        assert story.intents[before:] == []


async def test_a_paste_keeps_its_place_between_keys(begin: Start) -> None:
    async with begin(ready("production"), (100, 32)) as console:
        burst(console, "l", "a")
        console.app.post_message(Paste("bc"))
        burst(console, "d")
        await console.settle()
        assert console.screen.query_one(Reason).text == "abcd"


async def test_keys_that_open_and_close_go_through_in_their_order(begin: Start) -> None:
    async with begin(ready("production"), (100, 32)) as console:
        burst(console, "l", "x", "escape", "question_mark", "escape", "l", "y")
        await console.settle()
        assert console.screen.query_one(Reason).text in ("xy", "yx")  # the draft is kept, the cursor before it


def test_one_at_a_time_and_a_lost_one_holds_nothing_up_for_good() -> None:
    now = [0.0]
    ahead, main = Ahead(lambda: now[0]), object()
    key = Key("a", "a")
    assert not ahead.holds(key, main, seen=True)
    ahead.began()
    assert ahead.holds(key, main, seen=True)
    assert not ahead.lost()
    now[0] += LOST_S + 0.1
    assert ahead.holds(key, main, seen=True)
    assert ahead.lost()
    assert ahead.next("dialog") == (key, main)
    ahead.began()
    assert ahead.next("dialog") == (key, main)
    assert ahead.next("dialog") is None
    assert not ahead.holds(key, "dialog", seen=True)


def test_what_is_struck_at_a_drawn_dialog_is_meant_for_it_however_busy_the_console_is() -> None:
    ahead, key = Ahead(lambda: 0.0), Key("enter", None)
    assert not ahead.holds(key, "main", seen=True)
    ahead.began()
    assert ahead.holds(key, "dialog", seen=False)
    assert ahead.holds(key, "dialog", seen=True)
    assert ahead.next("dialog") == (key, "main")
    assert ahead.next("dialog") == (key, "dialog")


def test_a_key_held_for_minutes_fills_no_memory() -> None:
    ahead = Ahead(lambda: 0.0)
    ahead.began()
    assert all(ahead.holds(Key("j", "j"), None, seen=True) for _ in range(10 * KEPT))
    assert sum(ahead.next(None) is not None for _ in range(10 * KEPT)) == KEPT
