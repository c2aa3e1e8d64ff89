"""Every pilot test runs twice: on the scripted session itself, and on JSON lines over a pair of sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import Any

import pytest
from textual._styles_cache import StylesCache
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

from tests.console.driving import Driver, until_idle
from tests.console.story import Story
from warroom.console.app import WarroomConsole
from warroom.console.steady import Steady
from warroom.session.wire import paired

Start = Callable[..., AbstractAsyncContextManager[Driver]]


@pytest.fixture(autouse=True)
def idle_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pilots wait for what is under way, not for the clock: as fast as the machine, and the same on a busy one."""
    monkeypatch.setattr("textual.pilot.wait_for_idle", until_idle)
    monkeypatch.setattr("textual.app.wait_for_idle", until_idle)


@pytest.fixture(autouse=True)
def frames_are_drawn_when_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pilot draws whenever it pauses; frames in between, sixty a second, differ from one run to the next anyway."""
    monkeypatch.setattr("textual.screen.UPDATE_PERIOD", 0.5)


@pytest.fixture(autouse=True)
def what_was_drawn_is_let_go() -> Iterator[None]:
    """Textual keeps a thousand widgets' lines by a cache's keys: the garbage collector would look through them all."""
    yield
    StylesCache.get_inner_outer.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def styles_are_parsed_once() -> Iterator[None]:
    """One console after the other reads the same styles. What is read depends on the theme's colours and the text."""
    read: dict[tuple[Any, ...], list[RuleSet]] = {}
    parse = Stylesheet._parse_rules

    def parse_rules(self: Stylesheet, *args: Any, **options: Any) -> list[RuleSet]:
        key = (frozenset(self._variables.items()), args, frozenset(options.items()))
        if key not in read:
            read[key] = parse(self, *args, **options)
        return read[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", parse_rules)
        yield


def unhurried() -> Steady:
    """Ten seconds lie between any two keys: nothing that is pressed here is a key held down."""
    clock = count(step=10.0)
    return Steady(lambda: next(clock))


@asynccontextmanager
async def _started(transport: str, story: Story, size: tuple[int, int], **options: Any) -> AsyncIterator[Driver]:
    options.setdefault("steady", unhurried())
    if transport == "in-process":
        async with _shown(WarroomConsole(story, now=story.now, tick_s=0, **options), story, size) as driver:
            yield driver
    else:
        async with paired(story) as session:
            async with _shown(WarroomConsole(session, now=story.now, tick_s=0, **options), story, size) as driver:
                yield driver
            story.end()


@asynccontextmanager
async def _shown(app: WarroomConsole, story: Story, size: tuple[int, int]) -> AsyncIterator[Driver]:
    async with app.run_test(size=size, notifications=True) as pilot:
        driver = Driver(app, pilot, story)
        await driver.settle()
        yield driver
    assert story.unexpected == []


@pytest.fixture(params=["in-process", "json-lines"])
def start(request: pytest.FixtureRequest) -> Start:
    """``async with start(story, size) as console:`` on both transports."""

    def begin(story: Story, size: tuple[int, int] = (80, 24), **options: Any) -> AbstractAsyncContextManager[Driver]:
        return _started(request.param, story, size, **options)

    return begin


@pytest.fixture
def begin() -> Start:
    """As ``start``, in process only: for what has nothing to do with the transport. ``options`` are the console's."""

    def begin(story: Story, size: tuple[int, int] = (80, 24), **options: Any) -> AbstractAsyncContextManager[Driver]:
        return _started("in-process", story, size, **options)

    return begin
