"""A choice that only a person can make: listed as it is now, held to that when the plan is made, bound by its hash."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.engines import OP1, OP2, World, a_running
from tests.world import PLUGIN, until
from warroom.actions import choosing
from warroom.api import Context, Option, Plugin
from warroom.errors import WarroomError
from warroom.model import intent as it
from warroom.model.live import ChoicesPage, ChoicesQuery, EmergencyPage, EmergencyQuery, WaysPage, WaysQuery
from warroom.model.words import words

GOOD = Option(value="v2", title="Tuesday's", words="proven")
DOUBTFUL = Option(value="v1", title="Monday's", words="older than the migration", verdict="doubtful")
REFUSED = Option(value="v0-breaks", title="Sunday's", words="it is torn", verdict="refused")
BACK: dict[str, Any] = {
    "title": "Go back",
    "use_when": "always",
    "needs": ["world"],
    "choices": {"backup": {"title": "The backup", "use": "world.backups"}},
    "steps": {
        "deploy": {"title": "Deploy it", "op": "world.deploy", "with": {"release": "${choice.backup}"}},
        "look": {"title": "Look", "manual": {"do": "See ${choice.backup}", "commands": ["ls ${choice.backup}"]}},
    },
}


class Backups:
    """What it lists is the test's to say: options, an error to raise, or None to never answer."""

    title = "The backup"

    def __init__(self) -> None:
        self.found: Sequence[Any] | BaseException | None = (REFUSED, GOOD, DOUBTFUL)

    async def options(self, ctx: Context) -> Sequence[Option]:
        if self.found is None:
            await asyncio.Event().wait()
        if isinstance(self.found, BaseException):
            raise self.found
        assert self.found is not None
        return self.found


def a_plugin(backups: Backups) -> Plugin:
    return dataclasses.replace(PLUGIN, choosers={"backups": backups})


async def opened(world: World) -> None:
    await world.ok(it.OpenIncident(title="it burns"))
    await world.ok(it.ChooseTarget(text="v2"))


async def listed(world: World) -> ChoicesPage:
    page = await world.engine.session(OP2).query(ChoicesQuery(procedure="back"))
    assert isinstance(page, ChoicesPage)
    return page


def proposing(value: str = "v2", name: str = "backup") -> it.ProposePlan:
    return it.ProposePlan(procedure="back", choices={name: value})


async def test_what_is_chosen_is_listed_held_to_what_there_is_and_bound(tmp_path: Path) -> None:
    backups = Backups()
    async with a_running(tmp_path, plugin=a_plugin(backups), procedures={"back": BACK}) as world:
        (found,) = (await listed(world)).choices
        assert (found.title, found.options, found.problem) == ("The backup", (REFUSED, GOOD, DOUBTFUL), "")
        await opened(world)
        for intent, why in (
            (it.ProposePlan(procedure="back"), "Go back needs to be told: The backup"),
            (proposing("v3"), "The backup: v3 is not there"),
            (proposing("v0-breaks"), "Sunday's can't be used. it is torn"),
            (proposing(name="other"), "asks for no other"),
            (it.ProposePlan(procedure="back", choices={"backup": "v2", "more": "x"}), "asks for no more"),
        ):
            assert why in await world.refused(intent)
        assert await world.ok(proposing()) == "Go back: Tuesday's: 2 steps"
        plan = world.state.plan.plan
        assert [(c.choice, c.title, c.value, c.words) for c in plan.choices] == [
            ("backup", "The backup", "v2", "Tuesday's")
        ]
        assert (plan.aim, plan.choices[0].doubt) == ("Tuesday's", "")
        assert [step.args for step in plan.steps] == [{"release": "v2"}, {}]
        assert "ls v2" in plan.steps[1].preview.calls[0].paste()
        await world.ok(proposing("v1"))
        other = world.state.plan.plan
        assert other.hash != plan.hash
        assert other.choices[0].doubt == "older than the migration"
        journal = world.engine.core.journal
        assert journal is not None
        (*_, event) = journal.events()
        assert "Monday's is doubtful: older than the migration" in words(event)
        backups.found = (DOUBTFUL.model_copy(update={"called": "unique"}),)
        await world.ok(proposing("v1"))
        (*_, event) = journal.events()
        assert "Monday's is unique: older than the migration" in words(event), "the kind of doubt is its own word"
        backups.found = ()
        assert "v1 is not there" in await world.refused(proposing("v1")), "it is looked for anew"


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (WarroomError("The folder can't be read", "no such folder"), "The folder can't be read. no such folder"),
        (ValueError("oops \x1b[31m"), "world.backups failed"),
        (("no option",), "an Option was expected, not str"),
        (None, "it took longer than 0.1 s"),
    ],
    ids=["error", "fault", "wrong type", "never"],
)
async def test_what_cannot_be_told_is_no_empty_list(
    tmp_path: Path, found: Any, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if found is None:
        monkeypatch.setattr(choosing, "LOOKS_S", 0.1)
    backups = Backups()
    backups.found = found
    async with a_running(tmp_path, plugin=a_plugin(backups), procedures={"back": BACK}) as world:
        (seen,) = (await listed(world)).choices
        assert says in seen.problem, seen.problem
        assert "\x1b" not in seen.problem
        await opened(world)
        assert "what there is can't be told" in await world.refused(proposing())


async def test_outside_words_are_cleaned_and_what_cannot_be_shown_cannot_be_chosen(tmp_path: Path) -> None:
    hostile = Option(value="v2\x1b[2J", title="v2\x1b[2J" + "x" * 990, words="\x1b]0;x\x07" * 500)
    backups = Backups()
    backups.found = [hostile, *(GOOD.model_copy(update={"title": f"no {n}"}) for n in range(choosing.MOST + 4))]
    async with a_running(tmp_path, plugin=a_plugin(backups), procedures={"back": BACK}) as world:
        (seen,) = (await listed(world)).choices
        shown = seen.options[0]
        assert "\x1b" not in f"{shown.value}{shown.title}{shown.words}"
        assert (shown.verdict, len(seen.options), seen.more) == ("refused", choosing.MOST, 5)
        page = ChoicesPage(procedure="back", choices=(seen,))
        assert ChoicesPage.model_validate_json(page.model_dump_json()) == page, "it goes over the wire"
        await opened(world)
        assert "can't be shown" in await world.refused(proposing(shown.value))


async def test_the_lane_says_that_a_person_must_choose_and_a_failed_plan_can_be_made_with_another(
    tmp_path: Path,
) -> None:
    backups = Backups()
    backups.found = (Option(value="v0-breaks", title="Sunday's"), GOOD)
    async with a_running(tmp_path, plugin=a_plugin(backups), procedures={"back": BACK}) as world:
        await opened(world)
        page = await world.engine.session(OP1).query(EmergencyQuery())
        assert isinstance(page, EmergencyPage)
        assert page.plan is None
        assert "Go back: it asks for a choice first: The backup. only a person can make it" in page.problem
        await world.ok(it.ProposePlan(procedure="back", choices={"backup": "v0-breaks"}))
        await world.run(world.state.plan.hash)
        await until(lambda: world.state.plan.status == "failed")
        ways = await world.engine.session(OP1).query(WaysQuery())
        assert isinstance(ways, WaysPage)
        assert ways.ways[0].title == "Prepare it again: Go back, with another choice than Sunday's"
        await world.ok(it.Undo())
        assert world.state.plan.plan.title.startswith("Undo Go back: Sunday's"), "it is taken back by its name"
        await world.ok(proposing())
