"""One table of keys: complete, without collisions, and every key that can't be used says why."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.binding import Binding

from tests.console.conftest import Start
from tests.console.story import Story
from warroom.console.actions import Actions
from warroom.console.keymap import ACTIONS, BY_ID, DEFAULT_KEYS
from warroom.console.keys import FORBIDDEN
from warroom.console.looking import Looking
from warroom.console.panes.header import _FOOTER, NEXT_KEYS
from warroom.console.settings import bound, owners, reserved, screens
from warroom.console.store import Store
from warroom.model import intent as it
from warroom.session import Snapshot


def test_every_action_has_one_key_of_its_own_and_something_to_do() -> None:
    assert len(BY_ID) == len(ACTIONS) == len({action.key for action in ACTIONS})
    for action in ACTIONS:
        assert action.id.startswith("pane-") or any(
            callable(getattr(owner, action.id.replace("-", "_"), None)) for owner in (Actions, Looking)
        )


HURTS = {"ctrl+d", "ctrl+k", "ctrl+z", "delete", "backspace"}
"""Where fingers go by themselves: nothing may stand there, whoever binds it."""


def test_nothing_stands_on_a_key_that_hurts() -> None:
    everything = {action.key for action in ACTIONS} | {
        key for owner, _ in (*owners(), *screens()) for key in own(owner)
    }
    assert len(everything) > len(ACTIONS)
    assert not HURTS & everything
    assert not HURTS - set(FORBIDDEN)


def own(owner: type) -> set[str]:
    """What our own class binds; a text field of Textual's deletes with Delete, as it should."""
    return bound(owner) if owner.__module__.startswith("warroom.console.panes") else bound_here(owner)


def bound_here(owner: type) -> set[str]:
    return {binding.key for binding in Binding.make_bindings(vars(owner).get("BINDINGS", ()))}


def test_a_pane_never_reuses_a_global_key() -> None:
    assert not set(reserved()) & {action.key for action in ACTIONS}


async def test_tab_goes_through_every_pane_and_back(begin: Start) -> None:
    story = Story()
    story.fires()
    async with begin(story, (200, 60)) as console:

        async def walk(key: str) -> list[str]:
            seen = []
            for _ in range(6):
                await console.press(key)
                pane = console.app.main.focused_pane()
                seen.append(str(pane.id) if pane is not None else "")
            return seen

        there = await walk("tab")
        assert sorted(there) == ["checklist", "decide", "health", "log", "metrics", "plan"]
        assert await walk("shift+tab") == [*reversed(there[:-1]), there[-1]]


@pytest.mark.parametrize("number", range(1, 7))
async def test_a_number_goes_to_its_pane_and_j_and_i_and_arrows_move_in_it(begin: Start, number: int) -> None:
    story = Story()
    story.fires()
    story.opened("High error rate")
    async with begin(story, (200, 60)) as console:
        await console.press(str(number))
        pane = console.app.main.focused_pane()
        assert pane is not None
        assert pane.number == number
        await console.press("j", "down", "i", "up")
        assert console.app.main.focused_pane() is pane
        assert story.intents == []


def test_the_next_action_and_the_footer_name_actions_that_exist() -> None:
    assert set(NEXT_KEYS.values()) <= set(BY_ID)
    assert set(_FOOTER) <= set(BY_ID)


def seen(story: Story) -> Store:
    store = Store(DEFAULT_KEYS, story.now)
    store.apply(
        Snapshot(
            version="0", me=story.me, writable=story.writable, at=story.now(), state=story.state, runbook=story.runbook
        )
    )
    return store


def opened() -> Story:
    story = Story()
    story.opened("High error rate")
    return story


def going() -> Story:
    story = opened()
    story.on[it.ProposePlan](it.ProposePlan(procedure="lab-rollback"))
    assert story.state.plan is not None
    story.on[it.RunPlan](it.RunPlan(hash=story.state.plan.hash))
    return story


def closed() -> Story:
    story = opened()
    story.on[it.CloseIncident](it.CloseIncident(outcome="recovered"))
    return story


def read_only() -> Story:
    story = opened()
    story.writable = False
    return story


@pytest.mark.parametrize(
    ("make", "action", "reason"),
    [
        (Story, "decide", "No incident is open"),
        (Story, "run", "No incident is open"),
        (Story, "open", ""),
        (opened, "open", "inc-0042 is open already"),
        (opened, "run", "There is no plan yet"),
        (opened, "abort", "Nothing is running"),
        (opened, "resolve", "No step waits"),
        (opened, "claim", "No manual step"),
        (opened, "ways", "Nothing has been verified"),
        (opened, "undo", "Nothing has been run"),
        (opened, "decide", ""),
        (going, "run", "It is running already"),
        (going, "target", "A plan is running"),
        (going, "verify", "A plan is running"),
        (going, "close", "A plan is running"),
        (going, "stop-writes", "A plan is running"),
        (going, "abort", ""),
        (closed, "decide", "This incident is closed"),
        (closed, "report", ""),
        (closed, "open", ""),
        (read_only, "note", "This session is read-only"),
        (read_only, "run", "This session is read-only"),
        (read_only, "help", ""),
    ],
)
def test_a_key_that_cannot_be_used_says_why(make: Callable[[], Story], action: str, reason: str) -> None:
    said = BY_ID[action].why_not(seen(make()))
    assert said.startswith(reason) if reason else said == ""


def test_before_the_first_frame_nothing_acts() -> None:
    assert BY_ID["run"].why_not(Store(DEFAULT_KEYS)).startswith("Not yet")
