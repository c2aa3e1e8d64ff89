"""What only a person can choose: looked for through a plugin's chooser, and held to it when a plan is made."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from warroom.actions.patience import within
from warroom.actions.platform import ActivePlatform
from warroom.errors import PluginBroken, Refusal, WarroomError
from warroom.model.choice import LONGEST_TITLE, LONGEST_VALUE, LONGEST_WORDS, LOOKS_S, ChoiceList, Chosen, Option
from warroom.model.runbook import ChoiceDecl, Procedure
from warroom.model.units import listed
from warroom.plugins import isolated
from warroom.redact import Redactor

MOST = 200
"""Options on a page: nobody reads more, and the best come first."""


async def choices(
    procedure: Procedure, platforms: Mapping[str, ActivePlatform], redactor: Redactor
) -> tuple[ChoiceList, ...]:
    """One list for each choice, looked for beside each other. What can't be told is said in its list."""
    found = await asyncio.gather(*(_listed(*each, platforms, redactor) for each in procedure.choices.items()))
    return tuple(found)


async def chosen(
    procedure: Procedure, given: Mapping[str, str], platforms: Mapping[str, ActivePlatform], redactor: Redactor
) -> tuple[Chosen, ...]:
    """What was chosen, held to what there is now.

    Raises Refusal for a choice that nobody made, or that is not there (any more), or was never to be made.
    """
    if unknown := [name for name in given if name not in procedure.choices]:
        asked = listed(list(procedure.choices)) or "nothing"
        raise Refusal(f"{procedure.title} asks for no {unknown[0]}", f"it asks for: {asked}", "prepare it again")
    if missing := [choice.title for name, choice in procedure.choices.items() if name not in given]:
        title = f"{procedure.title} needs to be told: {listed(missing)}"
        raise Refusal(
            title, "only a person can choose that", "choose it where the plan is prepared", helps="propose-plan"
        )
    made = list[Chosen]()
    for name, options in zip(procedure.choices, await choices(procedure, platforms, redactor), strict=True):
        option = _taken(options, given[name])
        doubt = (option.words or "it is not said why") if option.verdict == "doubtful" else ""
        chosen = Chosen(choice=name, title=options.title, value=option.value, words=option.title, doubt=doubt)
        made.append(chosen.model_copy(update={"called": option.called or chosen.called}))
    return tuple(made)


def _taken(options: ChoiceList, value: str) -> Option:
    if options.problem:
        raise Refusal(f"{options.title}: what there is can't be told", options.problem, "try again")
    same = [option for option in options.options if option.value == value]
    if not same:
        raise Refusal(f"{options.title}: {value} is not there", "", "choose another")
    if refused := [option for option in same if option.verdict == "refused"]:
        title = f"{options.title}: {refused[0].title} can't be used"
        raise Refusal(title, refused[0].words, "choose another")
    return same[0]


def best(lists: Sequence[ChoiceList]) -> tuple[ChoiceList, ...]:
    """As much of them as a page shows."""
    return tuple(
        each.model_copy(update={"options": each.options[:MOST], "more": len(each.options) - MOST})
        if len(each.options) > MOST
        else each
        for each in lists
    )


async def _listed(
    name: str, decl: ChoiceDecl, platforms: Mapping[str, ActivePlatform], redactor: Redactor
) -> ChoiceList:
    try:
        options, problem = await _options(decl, platforms), ""
    except WarroomError as error:
        options, problem = (), redactor.clean(str(error)) or "it can't be told"
    shown = tuple(_shown(option, redactor) for option in options)
    return ChoiceList(choice=name, title=decl.title, options=shown, problem=problem)


async def _options(decl: ChoiceDecl, platforms: Mapping[str, ActivePlatform]) -> Sequence[Option]:
    """Raises WarroomError, with the reason, where it can't be told what there is."""
    platform_id, _, name = decl.use.partition(".")
    platform = platforms.get(platform_id)
    if platform is None:
        raise WarroomError(f"The platform {platform_id} is not there", "", "see its row")
    chooser = platform.plugin.choosers.get(name)
    if chooser is None:
        known = ", ".join(platform.plugin.choosers) or "none"
        raise WarroomError(f"{platform_id} gives no choice {name}", f"its choices are: {known}", "correct the runbook")

    async def ask() -> tuple[Option, ...]:
        found = tuple(await chooser.options(platform.context))
        if strange := [each for each in found if type(each) is not Option]:
            raise PluginBroken(f"{decl.use} failed", f"an Option was expected, not {type(strange[0]).__name__}")
        return found

    try:
        return await within(LOOKS_S, isolated(decl.use, ask()))
    except TimeoutError:
        raise WarroomError(f"{decl.use} did not answer", f"it took longer than {LOOKS_S:g} s") from None


def _shown(option: Option, redactor: Redactor) -> Option:
    """As clients may see it. What can't be shown as it is can't be chosen: what is approved is what was read."""
    value = redactor.clean(option.value)
    cleaned = {
        "title": redactor.clean(option.title)[:LONGEST_TITLE],
        "words": redactor.clean(option.words)[:LONGEST_WORDS],
    }
    if value != option.value:
        said = "its name holds a secret, or what can't be shown: rename it, and look again"
        cleaned |= {"value": value[:LONGEST_VALUE], "verdict": "refused", "words": said}
    return option.model_copy(update=cleaned)
