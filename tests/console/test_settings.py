"""A person's own keys and choices: taken up everywhere they are shown, or refused at start, all mistakes at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from tests.console.conftest import Start
from tests.console.story import Story
from warroom.cli.commands import app
from warroom.cli.settings import SettingsInvalid, load_settings, settings_file
from warroom.console.keymap import ACTIONS, BY_ID, BY_INTENT, DEFAULT_KEYS
from warroom.console.keys import FORBIDDEN, named
from warroom.console.settings import Settings, mistakes, reserved
from warroom.errors import WarroomError
from warroom.model import intent as it
from warroom.session import Refused

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "settings.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refused(path: Path) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(path)
    assert caught.value.hint
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def test_every_mistake_is_told_at_once_with_its_place(write: Write) -> None:
    path = write(
        """\
keys:
  target: p
  run: ctrl+d
  targt: T
  zoom: Delete
  note: F9
  verify: F9
  close: lol
  help: 1
  plan: j
theme: pink
mouse: yes
colour: red
"""
    )
    told = refused(path)
    places = [line.split(": ", 1)[0] for line in told]
    assert places == ["2:11", "3:8", "4:3", "5:9", "7:11", "8:10", "9:9", "10:9", "11:8", "12:8", "13:1"]
    flat = "\n".join(told)
    for words in (
        '2:11: found p, which "plan" is on already, expected a key of its own; give "plan" another key too',
        "3:8: found ctrl+d, which no action may stand on, expected another key; fingers delete with it",
        '4:3: found the unknown action "targt", expected an id from KEYS.md; did you mean "target"?',
        "5:9: found delete, which no action may stand on",
        '7:11: found F9, which "note" is on',
        '8:10: found "lol", which is no key, expected one character such as t or /',
        "9:9: found the number 1, expected a text; put it in quotes",
        "10:9: found j, which the log uses",
        '11:8: found the unknown theme "pink", expected one of warroom-dark',
        '12:8: found the text "yes", expected true or false',
        '13:1: found the unknown key "colour"',
    ):
        assert words in flat


@pytest.mark.parametrize("page", ["README.md", "KEYS.md"])
def test_the_examples_in_the_documents_are_taken(write: Write, page: str) -> None:
    text = (Path(__file__).parents[2] / page).read_text(encoding="utf-8")
    examples = re.findall(r"^`?(keys: \{.*?\})", text, re.MULTILINE)
    assert examples
    for example in examples:
        load_settings(write(example + "\n"))


def test_keys_may_change_places(write: Write) -> None:
    settings = load_settings(
        write('keys: {target: p, plan: g, help: F1, filter: ",", palette: "slash"}\nmouse: false\n')
    )
    keys = settings.own_keys()
    assert [keys.shown(action) for action in ("target", "plan", "help", "filter", "palette")] == [
        "p",
        "g",
        "F1",
        ",",
        "/",
    ]
    assert not settings.mouse


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "\n\n"])
def test_a_file_that_says_nothing_changes_nothing(write: Write, text: str) -> None:
    assert load_settings(write(text)) == Settings()


def test_only_the_usual_place_may_be_empty(tmp_path: Path) -> None:
    assert not settings_file().exists()
    assert load_settings() == Settings()
    with pytest.raises(WarroomError, match="There is no settings file"):
        load_settings(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("keys: [", "2:1: found text that YAML can't read"),
        ("- theme\n", "1:1: found a list, expected a group of keys"),
        ("theme: a\ntheme: b\n", '2:1: found the key "theme" again'),
        ("\x1b[2Jtheme: a\n", "1:1: found an escape character"),
        ("keys: {run: !!python/name:os.system x}\n", "1:13: found the tag"),
        ("a: &a [*a]\n", "inside its own anchor"),
    ],
)
def test_what_is_no_settings_file_is_refused_with_its_place(write: Write, text: str, words: str) -> None:
    assert words in "\n".join(refused(write(text)))


@pytest.mark.parametrize("key", sorted({*FORBIDDEN, *reserved()} - {"super+c"}))
def test_no_action_may_stand_on_a_key_that_hurts_or_is_used(key: str) -> None:
    assert mistakes(Settings(keys={"run": key}))


def test_the_keys_as_they_come_are_no_mistake() -> None:
    assert mistakes(Settings(keys={action.id: action.key for action in ACTIONS})) == []
    assert all(named(DEFAULT_KEYS.shown(action.id)) == action.key for action in ACTIONS)


def test_what_an_intent_is_reached_by_exists() -> None:
    intents = {kind.model_fields["type"].default for kind in get_args(get_args(it.Intent)[0])}
    assert set(BY_INTENT) <= intents
    assert set(BY_INTENT.values()) <= set(BY_ID)
    engine = Path(WarroomError.__init__.__code__.co_filename).parent / "engine"
    named = {one for path in engine.glob("*.py") for one in re.findall(r'helps="([a-z-]+)"', path.read_text("utf-8"))}
    assert len(named) > 8
    assert named <= set(BY_INTENT), "a refusal that names an intent shows the key of its action"


@pytest.mark.parametrize("command", [[], ["drill"]])
def test_bad_settings_are_refused_before_anything_starts(write: Write, command: list[str]) -> None:
    path = write("keys: {run: delete}\n")
    result = CliRunner().invoke(app, [*command, "--settings", str(path)])
    assert isinstance(result.exception, SettingsInvalid)
    assert result.exception.problems[0].column == 13
    result = CliRunner().invoke(app, command, env={"WARROOM_SETTINGS": str(path)})
    assert isinstance(result.exception, SettingsInvalid)


ELSEWHERE = dict(
    zip(
        [action.id for action in ACTIONS],
        [*"!\"#$%&'()*+-.;<>[]^_`{|}~", *(f"f{n}" for n in range(3, 13)), *"éüößñçàèìòùâêîôûäëïÿåøæ"],
        strict=False,
    )
)
"""Every action on a key that stands nowhere by default."""


def moved() -> Settings:
    settings = Settings(keys=ELSEWHERE)
    assert len(ELSEWHERE) == len(ACTIONS)
    assert mistakes(settings) == []
    return settings


CAPS = re.compile(r"(?:^| )([a-zA-Z]) (?:opens|takes|stops|prepares|decides|verifies|answers|leaves|runs on|chooses)\b")


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_no_old_key_is_left_where_keys_are_shown(begin: Start, size: tuple[int, int]) -> None:
    story = Story()
    story.fires()
    settings = moved()
    keys = settings.own_keys()
    async with begin(story, size, settings=settings) as console:

        async def do(action: str) -> None:
            await console.press(keys.by_action[action])

        assert f"{keys.shown('open')}  Open an incident" in console.text()
        assert f"{keys.shown('help')} help" in console.text()
        await console.press("o", "d", "g", "p", "R", "q")
        assert console.on_top == "MainScreen"
        assert not story.intents
        await do("run")
        assert f"{keys.shown('open')} opens one" in console.told()
        story.opened("High error rate")
        await console.settle()
        await do("pane-6")
        assert f"{keys.shown('target')} chooses the target, {keys.shown('plan')} prepares" in console.flat()
        await do("plan")
        assert f"({keys.shown('target')})" in console.text()
        await console.press("enter")
        assert console.on_top == "PlanScreen"
        await console.press("escape")
        await do("run")
        await console.press("enter")
        await do("quit")
        assert f"{keys.shown('abort')} stops it properly" in console.told()
        await do("help")
        shown = console.text() + console.told()
        assert "R  Run the plan" not in shown
        assert CAPS.findall(shown) == []


async def test_a_refusal_says_which_key_helps(begin: Start) -> None:
    story = Story()
    story.fires()
    story.opened("High error rate")
    story.on[it.CaptureEvidence] = lambda intent: Refused(reason="Nobody drives. take the wheel", helps="take-wheel")
    async with begin(story) as console:
        await console.press("c")
        assert "take the wheel (D)" in console.told()
    async with begin(story, settings=Settings(keys={"wheel": "f9"})) as console:
        await console.press("c")
        assert "take the wheel (F9)" in console.told()


async def test_the_palette_stays_on_ctrl_p_and_shows_own_keys(begin: Start) -> None:
    async with begin(Story(), (120, 40), settings=Settings(keys={"capture": "f9"})) as console:
        await console.press("ctrl+p")
        await console.type("evidence")
        assert "F9  Capture and seal evidence" in console.text()


async def test_the_mouse_goes_on_and_off(begin: Start) -> None:
    async with begin(Story(), settings=Settings(mouse=False)) as console:
        seen = [console.app.mouse_on]
        for _ in range(2):
            await console.press("f2")
            seen.append(console.app.mouse_on)
        assert seen == [False, True, False]
        assert "Mouse on" in console.told()


@pytest.mark.parametrize(("stamps", "shown"), [("auto", True), ("utc", True), ("off", False)])
async def test_the_logs_times_are_as_they_were_set(begin: Start, stamps: str, shown: bool) -> None:
    settings = Settings.model_validate({"timestamps": stamps})
    async with begin(Story(), (120, 40), settings=settings) as console:
        assert ("03:00:39" in console.text()) is shown
