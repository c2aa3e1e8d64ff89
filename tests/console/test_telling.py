"""What is told outside of the screen itself: titles, bells, what a lost line would mean; and the last look at text."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from tests.console.conftest import Start
from tests.console.runbook import a_runbook
from tests.console.story import Story
from tests.tmux import Tmux
from warroom.console.appearance import Appearance, appearance, needs_a_screen, unicode_terminal
from warroom.console.keymap import DEFAULT_KEYS
from warroom.console.palettes import ANSI, DARK, HIGH_CONTRAST
from warroom.console.store import Store
from warroom.console.telling import Changes, title
from warroom.console.terminal import Harmless, NoColours
from warroom.errors import WarroomError
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.session import Events, Live, Snapshot


class Told:
    """The titles and the bells of a story, as it goes on."""

    def __init__(self, story: Story) -> None:
        self.story, self.store, self.changes = story, Store(DEFAULT_KEYS, story.now), Changes()
        self.store.apply(story._snapshot())
        self.seen = 0
        self.bells: list[bool] = []

    def now(self) -> tuple[str, bool]:
        self.store.apply(Live(at=self.story.now(), values=self.story.live_values()))
        if fresh := tuple(self.story.events[self.seen :]):
            self.store.apply(Events(events=fresh))
        self.seen = len(self.story.events)
        return title(self.store), self.changes.loud(self.store)


def test_the_title_and_the_bell_follow_the_incident() -> None:
    story = Story(a_runbook("production"))
    story.calm()
    told = Told(story)
    assert told.now() == ("PRODUCTION ai-saas-app calm", False)
    story.fires()
    assert told.now() == ("PRODUCTION ai-saas-app FIRING", True)
    story.opened("High error rate")
    assert told.now() == ("PRODUCTION ai-saas-app INC-0042 FIRING", False)
    story.push(ev.WheelTaken(), who="op2")
    assert told.now()[1] is True
    story.push(ev.WheelTaken(), who="op1")
    assert told.now()[1] is False  # oneself
    story.on[it.ProposePlan](it.ProposePlan(procedure="lab-rollback"))
    story.on[it.RunPlan](it.RunPlan(hash=story._plan.hash))
    assert told.now() == ("PRODUCTION ai-saas-app INC-0042 RUNNING", False)
    story.runs_through()
    assert told.now() == ("PRODUCTION ai-saas-app INC-0042 RUN DONE", True)
    assert told.now()[1] is False
    story.on[it.Verify](it.Verify())
    story.verified("fail")
    assert told.now() == ("PRODUCTION ai-saas-app INC-0042 NOT RECOVERED", True)
    story.push(ev.IncidentClosed(outcome="unresolved", reason="given up"))
    assert told.now() == ("PRODUCTION ai-saas-app INC-0042 CLOSED unresolved", False)
    story.pass_time(60)
    assert "NO NEWS" in title(told.store)


def test_a_crashed_run_rings_and_is_unknown() -> None:
    story = Story()
    story.opened("High error rate")
    story.on[it.ProposePlan](it.ProposePlan(procedure="lab-rollback"))
    story.on[it.RunPlan](it.RunPlan(hash=story._plan.hash))
    told = Told(story)
    told.now()
    story.crashed()
    assert told.now() == ("DRILL ai-saas-app INC-0042 UNKNOWN", True)


@pytest.mark.needs("tmux")
async def test_the_title_and_the_bell_go_through_tmux(tmp_path: Path) -> None:
    tmux = Tmux(tmp_path, {"HOME": str(tmp_path)})
    try:
        tmux.start([sys.executable, "-m", "tests.console.alone", "firing", "--kind", "production"], (80, 24))
        await tmux.shows("1 Decide")
        await tmux.until(
            lambda _: (
                tmux("display-message", "-p", "-t", "main", "#{pane_title}").strip()
                == "PRODUCTION ai-saas-app INC-0042 FIRING"
            ),
            "the title",
        )
        assert "Outside tmux" not in tmux.screen()
    finally:
        tmux.kill()


async def test_outside_tmux_it_is_said_once_and_goes_away(begin: Start) -> None:
    story = Story()
    story.calm()
    async with begin(story, look=Appearance(tmux=False)) as console:
        assert "Outside tmux or screen a lost line ends this console" in console.told()
    async with begin(story, look=Appearance(tmux=True)) as console:
        assert "Outside tmux" not in console.told()


async def test_the_line_can_be_taken_for_a_slow_one_and_back(begin: Start) -> None:
    story = Story()
    story.calm()
    async with begin(story) as console:
        for said in ("at most two frames", "fast one again"):
            console.app.toggle_slow_line()
            await console.press("question_mark", "escape")
            assert said in console.told()
        story.fires()
        await console.settle()
        assert "1 firing" in console.text()


@pytest.mark.parametrize(
    ("env", "theme", "colours"),
    [
        ({"TERM": "xterm-256color"}, DARK.name, True),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, DARK.name, True),
        ({"TERM": "linux"}, ANSI.name, True),
        ({"TERM": "screen"}, ANSI.name, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, HIGH_CONTRAST.name, False),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, DARK.name, True),
    ],
)
def test_what_suits_a_terminal(env: dict[str, str], theme: str, colours: bool) -> None:
    look = appearance(env)
    assert (look.theme, look.colours) == (theme, colours)
    assert appearance(env, theme="warroom-light").theme == "warroom-light"
    with pytest.raises(WarroomError, match="There is no theme 'plaid'"):
        appearance(env, theme="plaid")


@pytest.mark.parametrize("term", ["", "dumb", "unknown", "Dumb "])
def test_a_terminal_without_places_is_refused_in_words(term: str) -> None:
    with pytest.raises(WarroomError) as refused:
        needs_a_screen({"TERM": term})
    assert "can't draw" in refused.value.title
    needs_a_screen({"TERM": "vt100"})


def test_the_character_set_is_the_first_that_is_said() -> None:
    assert unicode_terminal({"LANG": "en_US.UTF-8"})
    assert unicode_terminal({"LC_ALL": "C.utf8", "LANG": "C"})
    assert unicode_terminal({})
    assert not unicode_terminal({"LC_ALL": "C", "LANG": "en_US.UTF-8"})
    assert not unicode_terminal({"LC_CTYPE": "de_DE@euro", "LANG": "en_US.UTF-8"})


def test_the_last_look_takes_out_what_a_terminal_obeys() -> None:
    """Whatever forgot to clean it, and without moving a column."""
    style = Style(bold=True)
    drawn = Harmless().apply([Segment("a\x1b]0;x\x07b\x9b\u202e\ud800c" + "e" + "\u0301" * 90, style)], Color(0, 0, 0))
    assert "".join(one.text for one in drawn) == "a]0;xb\N{REPLACEMENT CHARACTER}c" + "e" + "\u0301" * 4
    assert drawn[0].style is style
    assert Harmless().apply([Segment("plain", style)], Color(0, 0, 0)) == [Segment("plain", style)]


def test_without_colours_what_stood_out_is_reversed() -> None:
    def drawn(color: str, behind: str, *, reverse: bool = False) -> Style:
        style = Style(color=color, bgcolor=behind, reverse=reverse, bold=True)
        (one,) = NoColours(lambda: "#000000").apply([Segment("x", style)], Color(0, 0, 0))
        assert one.style is not None
        assert one.style.color is None
        assert one.style.bgcolor is None
        assert one.style.bold
        return one.style

    assert drawn("#000000", "#ff8888").reverse
    assert not drawn("#ffffff", "#101010").reverse
    assert drawn("#ffffff", "#000000", reverse=True).reverse
    assert not drawn("#202020", "#ff8888", reverse=True).reverse


def test_a_snapshot_alone_rings_for_nothing_but_what_fires() -> None:
    story = Story()
    story.opened("High error rate")
    store = Store(DEFAULT_KEYS, story.now)
    store.apply(Snapshot.model_validate(story._snapshot()))
    assert Changes().loud(store) is True  # it fires
    story = Story()
    story.push(ev.WheelTaken(), who="op2")
    calm = Store(DEFAULT_KEYS, story.now)
    calm.apply(story._snapshot())
    assert Changes().loud(calm) is False


async def test_on_a_small_screen_no_message_hides_what_a_dialog_asks(begin: Start) -> None:
    async with begin(Story(), (80, 24)) as console:
        console.app.tell("the console was told something before")
        await console.press("o")
        console.app.tell("INC-0042 is open")
        await console.settle()
        shown = console.text()
        assert "· INC-0042 is open" in shown
        assert "esc goes back" in shown
        console.app.tell("the line is down", bad=True)
        console.app.tell("sent")
        await console.settle()
        assert "✖ the line is down" in console.text()
        await console.press("escape")
        assert "told something before" in console.text()


async def test_on_a_large_screen_a_message_lies_beside_the_dialog(begin: Start) -> None:
    async with begin(Story(), (120, 40)) as console:
        await console.press("o")
        console.app.tell("INC-0042 is open")
        await console.settle()
        assert "INC-0042 is open" in console.told()
        assert "esc goes back" in console.text()
