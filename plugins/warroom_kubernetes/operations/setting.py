"""Changes of single fields, each by one guarded patch: what it was, what it becomes, and the way back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import JsonValue

from warroom.api import Context, Facts, WarroomError
from warroom.model.call import ApiCall, CallResult
from warroom.model.plan import Look, Preview
from warroom_kubernetes import calls
from warroom_kubernetes.asking import Cluster, NotThere, cluster
from warroom_kubernetes.calls import At
from warroom_kubernetes.operations.scene import listing, mapping, tried, unseen
from warroom_kubernetes.patching import Op, put, remove, test, value_at

EXPECTED_S = 2.0


@dataclass(frozen=True)
class Setting:
    """``field`` is where in the object ``title`` it is, ``called`` what people call it; None: it is not there.

    ``more`` and ``more_back`` are changed with it. ``line`` and ``line_back`` where kubectl has one for the same.
    """

    at: At
    title: str
    called: str
    field: str
    was: JsonValue
    becomes: JsonValue
    more: tuple[Op, ...] = ()
    more_back: tuple[Op, ...] = ()
    line: str = ""
    line_back: str = ""

    @property
    def ops(self) -> list[Op]:
        return [*_guarded(self.at, self.field, self.was, self.becomes), *self.more]

    def back(self) -> list[Op]:
        return [*_guarded(self.at, self.field, self.becomes, self.was), *self.more_back]

    def told(self) -> dict[str, JsonValue]:
        return {
            "at": self.at.told(),
            "title": self.title,
            "called": self.called,
            "field": self.field,
            "was": self.was,
            "becomes": self.becomes,
            "ops": list(self.ops),
            "back": list(self.back()),
            "line": self.line,
            "line_back": self.line_back,
        }


def _guarded(at: At, field: str, was: JsonValue, becomes: JsonValue) -> list[Op]:
    change = [] if becomes is None and was is None else [remove(field) if becomes is None else put(field, becomes)]
    return [test("/metadata/uid", at.uid), test(field, was), *change]


async def facts_of(api: Cluster, settings: Sequence[Setting], notes: Sequence[str], **more: JsonValue) -> Facts:
    """Each that changes something is tried on the server. Raises BadInput where it would be refused."""
    told: list[JsonValue] = []
    said = list(notes)
    for each in settings:
        one = each.told()
        if each.was == each.becomes:
            said.append(f"there is no change to make: {each.called} of {each.title} is {words(each.was)} already")
        else:
            outcome = await tried(api, each.at, each.ops, f"to change {each.called} of {each.title}")
            if outcome.object is not None:
                # The server adds its defaults, and what is to be taken back must be recognised.
                settled = _settled(each, value_at(outcome.object, each.field))
                one |= {
                    "becomes": settled,
                    "back": [*_guarded(each.at, each.field, settled, each.was), *each.more_back],
                }
            said += [outcome.why] if outcome.why else []
        told.append(one)
    return {"settings": told, "notes": list(said), **more}


def _settled(each: Setting, told: Any) -> JsonValue:
    """What it will be, by a dry run's answer. Of an autoscaler's ``behavior`` that is to go, an older server
    answers that it stays: what it says has not changed is not believed. No server adds one by itself."""
    if told == each.was:
        return each.becomes
    if isinstance(told, dict) and isinstance(each.becomes, dict) and "behavior" not in each.becomes:
        return {key: value for key, value in told.items() if key != "behavior"}
    return cast(JsonValue, told)


def words(value: JsonValue) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:80] if isinstance(value, (str, int, float)) else json.dumps(value)[:80]


def pinned_name(one: Mapping[str, Any]) -> str:
    return f"{one['called']} of {one['title']}"


def preview_of(
    facts: Facts, *, waits: Sequence[ApiCall] = (), no_inverse: str = "", destroys: tuple[str, ...] = ()
) -> Preview:
    """``waits`` come after the changes. Where nothing changes, what is there is looked at."""
    each = [mapping(one) for one in listing(facts["settings"])]
    changing = [one for one in each if one["was"] != one["becomes"]]
    made = [_call(one, "ops", "line", "becomes") for one in changing]
    back = [_call(one, "back", "line_back", "was") for one in reversed(changing)]
    why = no_inverse or ("" if back else "nothing is changed")
    return Preview(
        calls=(*(made or [calls.look(calls.at(each[0]["at"]))]), *waits),
        inverse=None if why else tuple(back),
        no_inverse=why,
        pinned={
            **{f"{one['title']} in {one['at']['namespace']}": str(one["at"]["uid"]) for one in each},
            **{pinned_name(one): one["was"] for one in each},
        },
        changes=tuple(pinned_name(one) for one in changing),
        destroys=destroys,
        notes=tuple(str(note) for note in listing(facts["notes"])),
        expected_s=EXPECTED_S * max(1, len(made)),
        timeout_s=sum(call.timeout_s for call in (*made, *waits)) + calls.PATCH_S + 30,
    )


def _call(one: Mapping[str, Any], ops: str, line: str, to: str) -> ApiCall:
    brief = f"{pinned_name(one)} to {words(one[to])}, by one guarded patch"
    return calls.patch(calls.at(one["at"]), one[ops], str(one[line]), brief)


async def look_of(ctx: Context, facts: Facts) -> Look:
    """``done``: each field is what it was to become."""
    verdicts, seen = [], []
    try:
        async with cluster(ctx) as api:
            for one in map(mapping, listing(facts["settings"])):
                verdict, told = await _look(api, one)
                verdicts.append(verdict)
                seen.append(told)
    except WarroomError as error:
        return unseen(error)
    said = "; ".join(seen)
    if all("done" in each for each in verdicts):
        return Look(verdict="done", seen=said)
    if all("not-begun" in each for each in verdicts):
        return Look(verdict="not-begun", seen=said)
    return Look(verdict="partly", seen=said)


async def _look(api: Cluster, one: Mapping[str, Any]) -> tuple[set[str], str]:
    """Both where nothing was to be changed."""
    try:
        thing = await api.get(str(one["at"]["path"]))
    except NotThere:
        return set(), f"{one['title']} is gone"
    if thing["metadata"].get("uid") != one["at"]["uid"]:
        return set(), f"{one['title']} is another one now: it was deleted and made again"
    now = value_at(thing, str(one["field"]))
    verdict = {name for name, value in (("done", one["becomes"]), ("not-begun", one["was"])) if now == value}
    return verdict, f"{one['called']} of {one['title']} is {words(now)}"


class Settings:
    """What operations on single fields have in common."""

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {}

    async def check(self, ctx: Context, args: Any, facts: Facts) -> Look:
        return await look_of(ctx, facts)
