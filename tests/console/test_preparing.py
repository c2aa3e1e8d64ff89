"""Messages, notes, targets, answers, decisions: what is asked, what is sent, and what is refused on the way."""

from __future__ import annotations

import asyncio

import pytest
from textual.widgets import Input, OptionList, Select

from tests.console.conftest import Start
from tests.console.facts import BAD, GOOD, OLDER
from tests.console.pages import releases_page
from tests.console.story import Story
from warroom.model import live as lv
from warroom.model.decision import TreeAnswer, TreeReading
from warroom.model.event import MessageQueued, TargetChosen, TreeChanged
from warroom.model.intent import (
    Acknowledge,
    AddNote,
    AnswerQuestion,
    ChooseTarget,
    Decide,
    Escalate,
    Notify,
    ProposePlan,
    SentByHand,
)


def opened() -> Story:
    story = Story()
    story.fires()
    story.opened("High error rate")
    return story


async def test_a_message_is_previewed_changed_and_sent(start: Start) -> None:
    story = opened()
    async with start(story) as console:
        await console.press("m")
        assert "to team-chat" in console.text()
        assert "Impact: sign-in fails for some users" in console.text()
        await console.type("NOTE ")
        await console.press("ctrl+s")
        sent = console.last()
        assert isinstance(sent, Notify)
        assert sent.template == "started"
        assert sent.text.startswith("NOTE ROLLBACK IN PROGRESS\n")
        assert console.on_top == "MainScreen"


async def test_without_a_channel_the_message_is_copied_and_then_said_to_be_sent(begin: Start) -> None:
    story = opened()
    story.on[SentByHand] = lambda intent: None
    story.push(MessageQueued(message="m1", template="started", channel="by hand", text="ROLLBACK IN PROGRESS"))
    async with begin(story, (120, 40)) as console:
        await console.press("m")
        assert "waits for you to send it" in console.text()
        await console.focus("#by-hand")
        await console.press("enter")
        assert console.last() == SentByHand(message="m1")


async def test_a_note_of_several_lines(start: Start) -> None:
    story = opened()
    async with start(story) as console:
        await console.press("l")
        await console.type("beta.3 reads a column\nthat is not there")
        await console.press("ctrl+s")
        assert console.last() == AddNote(text="beta.3 reads a column\nthat is not there", about="cause")


async def test_what_a_note_is_about_may_be_chosen_while_the_dialog_goes(start: Start) -> None:
    """Its parts go one by one: a choice that comes in between must not end the console."""
    async with start(opened()) as console:
        await console.press("l")
        about = console.app.screen.query_one("#about", Select)
        await about.query_one("#label").remove()
        about.value = "impact"
        await console.press("escape")
        assert console.on_top == "MainScreen"


async def test_keys_do_nothing_while_text_is_typed(start: Start) -> None:
    story = opened()
    async with start(story) as console:
        await console.press("slash")
        assert console.app.check_action("act", ("run",)) is False  # whatever key it is bound to
        await console.type("RAXcq")
        assert story.intents == []
        assert console.on_top == "MainScreen"
        await console.press("escape", "l")
        await console.type("RAXcq")
        assert story.intents == []
        assert console.on_top == "NoteScreen"


async def test_another_target_is_picked_or_typed_and_a_wrong_one_is_refused_in_words(start: Start) -> None:
    story = opened()
    async with start(story) as console:
        await console.press("g")
        assert "3_session_last_seen" in console.text()  # what going back takes away
        await console.press("down", "enter")
        assert console.last() == ChooseTarget(text=OLDER.digest or "")
        await console.press("g")
        await console.focus("#typed-target")
        await console.type("v9")
        await console.press("enter")
        assert console.last() == ChooseTarget(text="v9")
        assert "No release 'v9' is known" in console.text()
        assert console.on_top == "TargetScreen"


async def test_a_line_of_the_list_before_it_was_filtered_is_left_alone(start: Start) -> None:
    """Typed faster than what was highlighted is told, the list is shorter by then."""
    async with start(opened()) as console:
        await console.press("g")
        screen = console.app.screen
        choice = screen.query_one("#releases", OptionList)
        last = choice.option_count - 1
        told = OptionList.OptionHighlighted(choice, choice.get_option_at_index(last), last)
        with screen.prevent(OptionList.OptionHighlighted):
            await console.focus("#typed-target")
            await console.type(OLDER.version)
        assert choice.option_count == 1 <= last
        screen.post_message(told)
        await console.press("enter")
        assert console.last() == ChooseTarget(text=OLDER.digest or "")


@pytest.mark.parametrize("tabs", [0, 1])
async def test_what_is_typed_at_the_list_or_at_what_is_told_of_a_release_filters(begin: Start, tabs: int) -> None:
    """On a small screen tab reaches what is told first: letters were lost there, and enter did nothing."""
    async with begin(opened(), (80, 24)) as console:
        await console.press("g", *["j"] * (1 - tabs), *["tab"] * tabs)
        await console.type("v9")
        box = console.app.screen.query_one("#typed-target", Input)
        assert box.value == "v9"
        assert "none of these has" in console.flat()
        await console.press("enter")
        assert console.last() == ChooseTarget(text="v9")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 50), (60, 16)])
async def test_a_version_is_whole_at_every_size(begin: Start, size: tuple[int, int]) -> None:
    story = opened()
    page = releases_page((BAD, GOOD, OLDER), BAD)
    named = tuple(r.model_copy(update={"version": f"v1.0.0-beta.{n}"}) for n, r in enumerate(page.releases))
    story.pages[lv.ReleasesQuery] = lambda query: page.model_copy(update={"releases": named})
    async with begin(story, size) as console:
        await console.press("g")
        assert [r.version for r in named if r.version not in console.text()] == []


async def test_the_history_out_of_reach_leaves_typing(start: Start) -> None:
    story = opened()
    story.pages[lv.ReleasesQuery] = lambda query: lv.ReleasesPage(
        releases=(), running=None, problem="git does not answer"
    )
    async with start(story) as console:
        await console.press("g")
        assert "git does not answer" in console.text()
        await console.press("enter")
        await console.focus("#typed-target")
        await console.type("v1.0.0-beta.2")
        await console.press("enter")
        assert console.last() == ChooseTarget(text="v1.0.0-beta.2")


async def test_overriding_what_was_measured_takes_a_reason(start: Start) -> None:
    story = opened()
    async with start(story) as console:
        await console.press("a")
        assert "How severe?" in console.text()
        await console.press("y")  # never means yes
        assert story.intents == []
        await console.press("enter")  # WARNING, the first word
        assert "say why" in console.flat()
        await console.type("one feature only\n")  # leads back to the word that it is for
        await console.press("enter")
        assert console.last() == AnswerQuestion(node="severity", answer="warning", reason="one feature only")


async def test_an_open_question_is_asked_and_answered_in_a_word(start: Start) -> None:
    story = opened()
    question = TreeAnswer(
        node="hotfix-quickly", ask="Can we hotfix quickly? (<30 min)", answer=None, choices=("yes", "no"), by="open"
    )
    story.push(TreeChanged(reading=TreeReading(path=(question,))))
    async with start(story) as console:
        assert "Answer: Can we hotfix quickly?" in console.text()
        await console.press("a", "right", "enter")
        assert console.last() == AnswerQuestion(node="hotfix-quickly", answer="no")


async def test_going_against_the_advice_takes_a_reason(start: Start) -> None:
    story = opened()
    async with start(story) as console:
        await console.press("d", "right", "right", "enter")
        assert "not what the tree advises" in console.text()
        await console.type("fix is ready")
        await console.focus("#choose-hotfix")
        await console.press("enter")
        assert console.last() == Decide(choice="hotfix", reason="fix is ready")


async def test_optional_steps_and_steps_by_hand_are_taken_along(start: Start) -> None:
    story = opened()
    story.push(TargetChosen(release=GOOD, reason="the newest that ran well"))
    async with start(story) as console:
        await console.press("p")
        await console.focus("#steps")
        await console.press("down", "space", "down", "space")
        await console.focus("#prepare")
        await console.press("enter")
        assert console.last() == ProposePlan(procedure="lab-rollback", include=("caches",), manual=("deploy",))


async def test_acknowledging_and_escalating(start: Start) -> None:
    story = opened()
    async with start(story) as console:
        await console.press("k")
        assert console.last() == Acknowledge(what="high-error-rate")
        await console.press("k")
        assert "Nothing fires that is not acknowledged" in console.told()
        await console.press("P")
        assert "CTO +49 30 1234" in console.text()
        await console.press("left")
        await console.focus("#escalate")
        await console.press("enter")
        assert console.last() == Escalate()


async def test_reading_screens(start: Start) -> None:
    story = opened()
    async with start(story, (120, 40)) as console:
        for key, words in (
            ("question_mark", "Run the plan"),
            ("at", "curl -fsS http://127.0.0.1"),
            ("T", "High error rate"),
        ):
            await console.press(key)
            assert words in console.text()
            await console.press("escape")
            assert console.on_top == "MainScreen"


async def test_a_lost_answer_is_asked_for_under_the_same_id(begin: Start) -> None:
    story = opened()
    async with begin(story, (120, 40)) as console:
        real, broken = story.submit, [True]

        async def flaky(intent_id: str, intent: object) -> object:
            reply = await real(intent_id, intent)  # type: ignore[arg-type]  # only passed on
            if broken.pop() if broken else False:
                raise ConnectionResetError("gone")
            return reply

        console.app.client.session.submit = flaky  # type: ignore[method-assign,assignment]  # a line that drops one answer
        await console.press("d", "enter")
        assert "it will not be done twice" in console.flat()
        async with asyncio.timeout(60):
            while console.on_top != "MainScreen":  # the first press may come before the dialog rests
                await console.press("enter")
        assert story.intents == [Decide(choice="rollback-now")]
