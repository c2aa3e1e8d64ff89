"""A key that is held, struck twice, pasted or clicked confirms nothing; one that is meant is never lost."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from typing import Literal

import pytest
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key, Paste
from textual.widgets import Button

from tests.console.conftest import Start
from tests.console.driving import Driver
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.keymap import ACTIONS, BY_ID
from warroom.console.mouse import switch
from warroom.console.screens.base import Choice
from warroom.console.steady import GLANCE_S, PAUSE_S, REPEAT_S, Steady
from warroom.errors import WarroomError
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.session import Reply


class Hand:
    """A clock that tests move, and the guard on it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steady = Steady(lambda: self.now)

    def press(self, key: str, top: object, after: float = 0.3, *, typing: bool = False) -> bool:
        self.now += after
        return self.steady.takes(key, top, typing=typing)


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


def ready(kind: str, *, wheel: bool = True) -> Story:
    """Everything is prepared: one confirmation is all that is missing."""
    story = Story(a_runbook(kind))
    story.fires()
    story.opened("High error rate")
    if wheel:
        story.push(ev.WheelTaken(), who="op1")
    return story


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


# Ten thousand random events

Kind = Literal["key", "held", "paste", "click", "size"]

ACTING = ("run-plan", "take-wheel", "abort-run", "run-emergency")
KEYS = [*(action.key for action in ACTIONS if action.id != "quit"), *"bhnstwyz", "tab", "shift+tab", "enter", "space"]
KEYS += [
    "up",
    "down",
    "left",
    "right",
    "j",
    "i",
    "escape",
    "home",
    "end",
    "pageup",
    "pagedown",
    "ctrl+s",
    "ctrl+u",
    "enter",
]
"""All but the letter that stops a run when that is asked, which stands on nothing else."""
KINDS: tuple[Kind, ...] = ("key", "held", "paste", "click", "size")
PASTES = ("ai-saas-app", "ai-saas-app\n", "ai-saas-app\r", "R\nai-saas-app\n\n", "\x1b[A\n", "y\ny\n", "x" * 300)
SIZES = ((80, 24), (200, 60), (60, 16), (40, 10), (120, 40))


async def random_event(console: Driver, hand: Hand, dice: random.Random, kind: Kind, keys: Sequence[str]) -> None:
    app = console.app
    hand.now += dice.choice((0.03, 0.2, 0.7, 3.0))
    if kind == "key":
        await console.pilot.press(dice.choice(keys))
    elif kind == "held":
        key = dice.choice(keys)
        for _ in range(dice.randint(3, 12)):
            hand.now += 0.03
            app.post_message(Key(key, key if len(key) == 1 else None))
    elif kind == "paste":
        app.post_message(Paste(dice.choice(PASTES)))
    elif kind == "click":
        await console.pilot.click(offset=aimed(console, dice), times=dice.choice((1, 2)))
    else:
        await console.pilot.resize_terminal(*dice.choice(SIZES))
    await console.pilot.pause()


def aimed(console: Driver, dice: random.Random) -> tuple[int, int]:
    """Where something can be pressed, half of the time; else anywhere."""
    width, height = console.app.size
    found = [
        w.region for w in console.screen.query("Button, OptionList, Input") if w.region and w.region.bottom <= height
    ]
    if found and dice.random() < 0.5:
        region = dice.choice(found)
        x, y = region.x + dice.randrange(region.width), region.y + dice.randrange(region.height)
        return max(0, min(width - 1, x)), max(0, min(height - 1, y))
    return dice.randrange(width), dice.randrange(height)


def fired(story: Story) -> list[it.Intent]:
    return [intent for intent in story.intents if intent.type in ACTING]


@pytest.mark.parametrize("runs", [False, True], ids=["ready", "running"])
@pytest.mark.parametrize("seed", range(3))
async def test_random_events_fire_nothing_in_production(begin: Start, full: bool, seed: int, runs: bool) -> None:
    """A plan is ready and somebody drives: the service's name, typed, is all that is missing. It is never typed.

    Or that plan runs: one letter is missing that stops it. That is never pressed, nor is any other key, click, paste
    or size enough.
    """
    hand, story, dice = Hand(), ready("production"), random.Random(f"{seed} {runs}")
    async with begin(story, (100, 32), steady=hand.steady) as console:
        for key in ("g", "enter", "p", "enter", "escape"):
            hand.now += 2
            await console.press(key)
        assert story.state.plan is not None
        if runs:
            story.push(ev.RunStarted(hash=story.state.plan.hash), who="op1")
            story.step_begins("deploy")
        for _ in range(1700 if full else 25):
            kind = dice.choices(KINDS, (50, 12, 12, 20, 6))[0]
            await random_event(console, hand, dice, kind, KEYS)
        assert fired(story) == []


@pytest.mark.parametrize("name", ["run", "abort", "emergency", "wheel"])
@pytest.mark.parametrize("kind", ["held", "paste", "click", "size"])
async def test_paste_repeat_mouse_and_sizes_confirm_no_dialog(begin: Start, full: bool, name: str, kind: Kind) -> None:
    """Each dialog is opened on purpose, again and again; then one kind of event rains on it."""
    hand, dice = Hand(), random.Random(f"{name} {kind}")
    story = ready("production", wheel=name != "wheel")
    async with begin(story, (100, 32), steady=hand.steady) as console:
        if name in ("run", "abort"):
            for key in ("g", "enter", "p", "enter", "escape"):
                hand.now += 2
                await console.press(key)
        if name == "abort":
            assert story.state.plan is not None
            story.push(ev.RunStarted(hash=story.state.plan.hash), who="op1")
            story.step_begins("deploy")
            await console.settle()
        key = BY_ID[name].key
        for _ in range(100 if full else 3):
            while console.on_top != "MainScreen":
                await console.press("escape")
            hand.now += 2
            await console.press(key)
            assert console.on_top != "MainScreen"
            for _ in range(3):
                await random_event(console, hand, dice, kind, ("enter", "space", key))
        await console.settle()
        assert fired(story) == []
