"""An engine that has stopped talking: nothing that is shown may look current, and nothing unknown may look well."""

from __future__ import annotations

import re

import pytest

from tests.console.conftest import Start
from tests.console.story import Story
from warroom.console.screens.deciding import OpenScreen
from warroom.console.store import NEWS_S


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_without_news_everything_is_stale_and_with_news_it_is_current_again(
    begin: Start, size: tuple[int, int]
) -> None:
    story = Story()
    story.calm()
    async with begin(story, size) as console:
        story.pass_time(NEWS_S)
        console.app.main.tick()
        await console.settle()
        assert "NO NEWS" not in console.text()
        assert "stale" not in console.text()
        story.pass_time(7)
        console.app.main.tick()
        await console.settle()
        text = console.text()
        assert "NO NEWS for 0:12: all stale" in text
        assert re.search(r"\? 5xx .*stale 0.4 %.* 13 s", text)
        assert re.search(r"\? redis +stale answers.* 14 s", text)
        assert not re.search(r"● (5xx|redis|web|database|sign-in)", text)
        story.live()
        await console.settle()
        console.app.main.tick()
        await console.settle()
        assert "NO NEWS" not in console.text()
        assert re.search(r"● redis", console.text())


async def test_what_fires_goes_on_firing_without_news(begin: Start) -> None:
    story = Story()
    story.fires()
    story.opened("High error rate")
    async with begin(story, (120, 40)) as console:
        story.pass_time(60)
        console.app.main.tick()
        await console.settle()
        assert "NO NEWS for 1:00: all stale  CRITICAL High error rate" in console.text()
        assert "✖ 5xx" in console.text()


async def test_a_second_that_passes_while_a_dialog_is_still_being_built_ends_nothing(begin: Start) -> None:
    """On a busy machine building one takes longer than a second."""
    story = Story()
    story.calm()
    async with begin(story) as console:
        console.app.push_screen(OpenScreen(console.app.client))
        assert isinstance(console.screen, OpenScreen)
        assert not console.screen.is_mounted
        console.app._tick()
        console.screen.news()
        await console.settle()
        console.app._tick()
        assert console.on_top == "OpenScreen"
        assert console.app.is_running
