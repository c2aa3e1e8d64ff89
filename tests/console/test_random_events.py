"""Ten thousand random events, in front of a plan that is ready, of one that runs and of each dialog: nothing fires."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

import pytest
from textual._compositor import Compositor
from textual.events import Paste

from tests.console.conftest import Start
from tests.console.driving import Driver
from tests.console.hand import Hand, ready
from tests.console.story import Story
from warroom.console.keymap import ACTIONS, BY_ID
from warroom.model import event as ev
from warroom.model import intent as it

Kind = Literal["key", "held", "paste", "click", "size"]

ACTING = ("run-plan", "take-wheel", "abort-run", "run-emergency")
KEYS = [action.key for action in ACTIONS if action.id != "quit"]
KEYS += [*"bhnstwyzji", "tab", "shift+tab", "enter", "enter", "space", "up", "down", "left", "right", "escape"]
KEYS += ["home", "end", "pageup", "pagedown", "ctrl+s", "ctrl+u"]
"""All but the letter that stops a run when that is asked, which stands on nothing else."""
KINDS: tuple[Kind, ...] = ("key", "held", "paste", "click", "size")
PASTES = ("ai-saas-app", "ai-saas-app\n", "ai-saas-app\r", "R\nai-saas-app\n\n", "\x1b[A\n", "y\ny\n", "x" * 300)
SIZES = ((80, 24), (200, 60), (60, 16), (40, 10), (120, 40))


@pytest.fixture(autouse=True)
def nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is laid out, so that a click finds what is there; to draw it as well would take most of the time."""
    monkeypatch.setattr(Compositor, "render_update", lambda *args, **options: None)


async def random_event(console: Driver, hand: Hand, dice: random.Random, kind: Kind, keys: Sequence[str]) -> None:
    hand.now += dice.choice((0.03, 0.2, 0.7, 3.0))
    if kind == "key":
        await console.pilot.press(dice.choice(keys))
    elif kind == "held":
        key = dice.choice(keys)
        for again in range(dice.randint(3, 12)):
            await console.pilot.press(key)
            hand.now += 0.03 if again else dice.choice((0.03, 0.25, 0.66))
    elif kind == "paste":
        console.app.post_message(Paste(dice.choice(PASTES)))
    elif kind == "click":
        await console.pilot.click(offset=aimed(console, dice), times=dice.choice((1, 2)))
    else:
        await console.pilot.resize_terminal(*dice.choice(SIZES))
    await console.settle()


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
        for _ in range(1700 if full else 15):
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
        for _ in range(100 if full else 2):
            while console.on_top != "MainScreen":
                await console.press("escape")
            hand.now += 2
            await console.press(key)
            assert console.on_top != "MainScreen"
            for _ in range(3):
                await random_event(console, hand, dice, kind, ("enter", "space", key))
        await console.settle()
        assert fired(story) == []
