"""What tells of keys: KEYS.md, the help with its search, and the palette."""

from __future__ import annotations

import re
from pathlib import Path

from tests.console.conftest import Start
from tests.console.story import Story
from warroom.console.keymap import ACTIONS
from warroom.console.keys_md import keys_md
from warroom.console.screens.base import Choice
from warroom.console.settings import Settings, local_keys
from warroom.console.theme import THEMES

ROOT = Path(__file__).resolve().parents[2]


def test_keys_md_is_written_from_the_table() -> None:
    written = (ROOT / "KEYS.md").read_text(encoding="utf-8")
    assert written == keys_md(), "KEYS.md is stale: write it with `python -m warroom.console.keys_md`"
    assert "](KEYS.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "warroom.console.keys_md" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for action in ACTIONS:
        assert f"| `{action.id}` | {action.what} |" in written
    assert all(what in written for _, _, what in local_keys())


def opened() -> Story:
    story = Story()
    story.fires()
    story.opened("High error rate")
    return story


async def test_help_finds_by_key_id_and_words_and_says_why_not(begin: Start) -> None:
    async with begin(opened(), (120, 40)) as console:
        await console.press("question_mark")
        assert "Acknowledge what fires" in console.text()
        await console.type("evidence")
        assert "Capture and seal evidence" in console.text()
        assert "Acknowledge" not in console.text()
        await console.press("ctrl+u")
        await console.type("R")
        assert "Run the plan" in console.text()
        assert "not now: There is no plan yet: p prepares one." in console.text()
        assert "Capture" not in console.text()
        await console.press("ctrl+u")
        await console.type("stop-writes")
        assert "Stop writes before anything else" in console.text()
        await console.press("ctrl+u")
        await console.type("[red]nothing")
        assert "Nothing here is about [red]nothing." in console.text()
        assert console.story.intents == []
        await console.press("escape")
        assert console.on_top == "MainScreen"


async def test_help_scrolls_while_the_search_has_the_focus(begin: Start) -> None:
    async with begin(opened()) as console:
        await console.press("question_mark")
        before = console.text()
        await console.press("pagedown")
        assert console.text() != before
        await console.press("pageup")
        assert console.text() == before


async def test_the_palette_has_everything_and_says_why_not(begin: Start) -> None:
    story = opened()
    async with begin(story, (120, 40)) as console:
        commands = list(console.app.get_system_commands(console.screen))
        titles = [command.title for command in commands]
        helps = {command.title: command.help for command in commands}
        assert len(titles) == len(set(titles))
        for action in ACTIONS:
            if action.id != "palette":
                assert any(title.endswith(action.what) for title in titles), action.id
        for theme in THEMES:
            assert f"Theme {theme.name}" in titles
        for procedure in story.runbook.procedures.values():
            assert f"Plan: {procedure.title}" in titles
        for template in story.runbook.templates.values():
            assert f"Message: {template.title}" in titles
        assert helps["R  Run the plan"] == "There is no plan yet: p prepares one."
        await console.press("colon")
        await console.type("docker compose")
        await console.press("enter")
        assert console.on_top == "ProcedureScreen"
        assert console.screen.query_one("#procedures", Choice).highlighted == 1
        await console.press("escape", "colon")
        await console.type("rollback completed")
        await console.press("enter")
        assert console.on_top == "MessageScreen"
        assert "ROLLBACK COMPLETED" in console.text()
        assert story.intents == []


async def test_no_action_acts_while_the_palette_or_the_help_is_typed_in(begin: Start) -> None:
    for key in ("colon", "question_mark", "slash"):
        async with begin(opened(), (120, 40)) as console:
            await console.press(key)
            await console.type("cvuWSRA")
            assert console.story.intents == []


def test_the_readme_names_no_key_that_is_another_actions() -> None:
    """``d`` in the README's first incident is the decision's key, and so on."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    keys = Settings().own_keys()
    for action, words in (("decide", "records the decision"), ("message", "previews the message"), ("run", "runs it")):
        assert re.search(rf"`{re.escape(keys.shown(action))}`\s+{words}", readme), action
