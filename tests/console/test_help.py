"""What tells of keys: KEYS.md, the help with its search, and the palette."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from textual.binding import Binding

from tests.console.conftest import Start
from tests.console.story import Story
from warroom.console.keymap import ACTIONS
from warroom.console.keys_md import keys_md
from warroom.console.panes.base import Pane
from warroom.console.screens.base import Choice, Dialog
from warroom.console.screens.planning import ProcedureScreen
from warroom.console.settings import Settings, local_keys, owners, screens
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
        screen, at = console.screen, console.screen.query_one("#procedures", Choice).highlighted
        assert isinstance(screen, ProcedureScreen)
        assert at is not None
        assert screen.offers[at].name == "option-b", "the one that was asked for, though it needs a target"
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


def every(kind: type) -> set[type]:
    found = {kind}
    below: list[type] = type.__subclasses__(kind)
    for one in below:
        found |= every(one)
    return found


def test_no_key_of_a_screen_or_list_is_left_out() -> None:
    import warroom.console.app  # noqa: F401 - with it every screen is known

    listed = {owner for owner, _ in (*owners(), *screens())}
    own = [kind for kind in every(Dialog) | every(Choice) | every(Pane) if vars(kind).get("BINDINGS")]
    assert len(own) > 6
    ours = [kind for kind in own if kind.__module__.startswith("warroom.")]
    assert {kind.__name__ for kind in ours} - {kind.__name__ for kind in listed} == set()
    for kind in ours:
        for made in vars(kind)["BINDINGS"]:
            assert isinstance(made, Binding)
            assert made.description, f"{kind.__name__}: {made.key} says nothing"


VERBS = (
    "opens|takes|stops|prepares|decides|verifies|answers|leaves|runs|chooses|shows|sends|writes|goes|lists|says|closes"
)
SENTENCE = re.compile(
    rf"(?:^|[ (])([a-zA-Z@!?=/]) (?:{VERBS})\b|\(([a-zA-Z@!?=/])\)|^ ([a-zA-Z@!?/]) $|`([a-zA-Z@!?=/:])`"
)


def keys_in_sentences(code: str) -> set[str]:
    """Keys that stand in a text of the code, but for those that the same file binds itself."""
    tree = ast.parse(code)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [
        n.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in docs
    ]
    named = {next(filter(None, found)) for text in texts for found in SENTENCE.findall(text)}
    return named - set(re.findall(r'Binding\("([^"]+)"', code))


def test_no_sentence_of_the_console_has_a_key_written_into_it() -> None:
    """What shows a key asks ``store.key``, or it would be wrong once a person has moved it."""
    files = sorted((ROOT / "src" / "warroom" / "console").rglob("*.py"))
    bad = {path.name: found for path in files if (found := keys_in_sentences(path.read_text(encoding="utf-8")))}
    assert bad.pop("keys_md.py", set()) <= {"?"}  # of the keys as they come
    assert bad == {}
    assert keys_in_sentences('x = "A plan is running: A stops it."') == {"A"}
    assert keys_in_sentences('x = "choose a target (g)."') == {"g"}
    assert keys_in_sentences('x = line((" r ", "reverse"))') == {"r"}
