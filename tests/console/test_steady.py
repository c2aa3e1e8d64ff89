"""A key that is held, struck twice, pasted or clicked confirms nothing; one that is meant is never lost."""

from __future__ import annotations

import io

from textual.drivers.linux_driver import LinuxDriver
from textual.widgets import Button

from tests.console.conftest import Start
from tests.console.driving import Driver
from tests.console.hand import Hand, ready
from warroom.console.mouse import switch
from warroom.console.screens.base import Choice
from warroom.console.steady import GLANCE_S, PAUSE_S, REPEAT_S
from warroom.errors import WarroomError
from warroom.model import intent as it
from warroom.session import Reply


def test_the_key_that_opened_a_dialog_confirms_it_only_after_a_rest_or_another_key() -> None:
    hand = Hand()
    assert hand.press("enter", "plan")
    assert not hand.press("enter", "run", 0.66)  # the first repetition of a held key
    assert [hand.press("enter", "run", 0.03) for _ in range(50)] == [False] * 50
    assert hand.press("enter", "run", PAUSE_S)
    hand = Hand()
    assert hand.press("enter", "plan")
    assert not hand.press("enter", "run", 0.2)
    assert hand.press("tab", "run", 0.2)
    assert hand.press("enter", "run", 0.2)


def test_another_key_opens_and_enter_confirms_at_once() -> None:
    hand = Hand()
    assert hand.press("R", "main")
    assert hand.press("enter", "run", 0.05)
    assert not hand.press("enter", "run", REPEAT_S / 2)
    assert hand.press("enter", "run", REPEAT_S * 1.5)  # meant: pressed again


def test_a_dialog_that_comes_by_itself_takes_no_confirmation_at_once() -> None:
    hand = Hand()
    assert hand.press("g", "main")
    hand.steady.came()
    assert not hand.press("enter", "ways", GLANCE_S / 2)
    assert hand.press("down", "ways", 0.01)
    assert hand.press("enter", "ways", GLANCE_S)


def test_where_text_is_typed_keys_may_repeat() -> None:
    hand = Hand()
    assert hand.press("l", "main")
    assert [hand.press("enter", "note", 0.03, typing=True) for _ in range(5)] == [True] * 5


async def planned(console: Driver) -> None:
    await console.press("g", "enter", "p", "enter")
    assert console.on_top == "PlanScreen"


async def test_a_held_enter_goes_through_no_dialog_that_it_opened(begin: Start) -> None:
    hand = Hand()
    async with begin(ready("drill"), (100, 32), steady=hand.steady) as console:

        async def press(key: str, after: float) -> None:
            hand.now += after
            await console.press(key)

        for key in ("g", "enter", "p", "enter"):
            await press(key, 2)
        await console.focus("#run")
        await press("enter", 2)
        assert console.on_top == "RunScreen"
        await console.focus("#run")
        for after in (0.66, *[0.03] * 20):
            await press("enter", after)
        assert (console.on_top, console.sent("run-plan")) == ("RunScreen", [])
        await press("enter", PAUSE_S)
        assert len(console.sent("run-plan")) == 1


async def test_enter_right_after_a_lost_answer_is_taken(begin: Start) -> None:
    """Textual's button takes no press for 0.2 s after the last one; the second one here comes sooner."""
    story, lost = ready("drill"), ["the line is down"]
    answer = story.submit

    async def submit(intent_id: str, intent: it.Intent) -> Reply:
        if lost and isinstance(intent, it.Decide):
            raise WarroomError(lost.pop())
        return await answer(intent_id, intent)

    story.submit = submit  # type: ignore[method-assign]  # the line fails once
    async with begin(story, (100, 32)) as console:
        await console.press("d")
        await console.pilot.press("enter")
        await console.pilot.pause()
        while console.app.screen.query_one("#problem").display is False:
            await console.pilot.pause()
        await console.pilot.press("enter")
        await console.settle()
        assert len(console.sent("decide")) == 1


async def test_a_click_goes_there_and_confirms_nothing(begin: Start) -> None:
    async with begin(ready("drill"), (100, 32)) as console:
        await planned(console)
        await console.press("escape", "R")
        for _ in range(3):
            await console.pilot.click("#run")
            await console.settle()
        assert isinstance(console.app.focused, Button)
        assert console.app.focused.id == "run"
        assert console.sent("run-plan") == []
        await console.pilot.click("#cancel")
        await console.settle()
        assert console.on_top == "MainScreen"
        await console.press("g")
        choice = console.screen.query_one("#releases", Choice)
        await console.pilot.click("#releases", offset=(5, 0))
        await console.settle()
        assert (console.on_top, choice.highlighted) == ("TargetScreen", 0)
        assert len(console.sent("choose-target")) == 1  # the one of before


def test_the_terminal_is_told_of_the_mouse() -> None:
    written = io.StringIO()

    class Told(LinuxDriver):
        def __init__(self) -> None:
            self._mouse = False

        def write(self, data: str) -> None:
            written.write(data)

        def flush(self) -> None:
            pass

    driver = Told()
    assert switch(driver, True)
    assert "\x1b[?1006h" in written.getvalue()
    assert switch(driver, False)
    assert written.getvalue().endswith("\x1b[?1006l")
    assert not switch(None, True)
