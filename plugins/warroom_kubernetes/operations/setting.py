"""Changes of single fields, each by one guarded patch: what it was, what it becomes, and the way back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import JsonValue

from warroom.api import Context, Facts, WarroomError
from warroom.model.call import ApiCall, CallResult
from warroom.model.plan import Look, Preview
from warroom_kubernetes.changes import calls
from warroom_kubernetes.changes.calls import At
from warroom_kubernetes.changes.patching import Op, put, remove, test, value_at
from warroom_kubernetes.operations.subject import listing, mapping, tried, unseen
from warroom_kubernetes.reach.asking import Cluster, NotThere, cluster

EXPECTED_S = 2.0


@dataclass(frozen=True)
class Setting:
    """``field`` is where in the object ``title`` it is, ``called`` what people call it; None: it is not there.

    ``more`` and ``more_back`` are changed with it. ``line`` and ``line_back`` where kubectl has one for the same.
    ``later``: it is so only once an earlier step of the plan is done, and can't be tried before. ``moves``: between
    which two numbers somebody may move it at any time, an autoscaler: any of them counts as the one of them that it
    was, or becomes, and only 0 is held against.
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
    later: bool = False
    moves: tuple[int, int] | None = None

    @property
    def ops(self) -> list[Op]:
        return [*self._guarded(self.was, self.becomes), *self.more]

    def back(self, becomes: JsonValue) -> list[Op]:
        """From ``becomes``, with what the server has made of it."""
        return [*self._guarded(becomes, self.was), *self.more_back]

    def _guarded(self, was: JsonValue, becomes: JsonValue) -> list[Op]:
        nothing = becomes is None and was is None
        change = [] if nothing else [remove(self.field) if becomes is None else put(self.field, becomes)]
        held = [] if self.moves is not None and was else [test(self.field, was)]
        return [test("/metadata/uid", self.at.uid), *held, *change]

    def told(self) -> dict[str, JsonValue]:
        return {
            "at": self.at.told(),
            "title": self.title,
            "called": self.called,
            "field": self.field,
            "was": self.was,
            "becomes": self.becomes,
            "ops": list(self.ops),
            "back": list(self.back(self.becomes)),
            "line": self.line,
            "line_back": self.line_back,
            "moves": None if self.moves is None else list(self.moves),
        }


async def facts_of(api: Cluster, settings: Sequence[Setting], notes: Sequence[str], **more: JsonValue) -> Facts:
    """Each that changes something is tried on the server. Raises BadInput where it would be refused."""
    told: list[JsonValue] = []
    said = list(notes)
    for each in settings:
        one = each.told()
        if each.was == each.becomes:
            said.append(f"there is no change to make: {each.called} of {each.title} is {words(each.was)} already")
        elif not each.later:
            outcome = await tried(api, each.at, each.ops, f"to change {each.called} of {each.title}")
            if outcome.object is not None:
                # The server adds its defaults, and what is to be taken back must be recognised.
                settled = _settled(each, value_at(outcome.object, each.field))
                one |= {"becomes": settled, "back": list(each.back(settled))}
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
    why = no_inverse or ("" if back else "it is so already")
    return Preview(
        calls=(*(made or [calls.look(calls.at(each[0]["at"]))]), *waits),
        inverse=None if why else tuple(back),
        no_inverse=why,
        pinned={
            **{f"{one['title']} in {one['at']['namespace']}": str(one["at"]["uid"]) for one in each},
            **{pinned_name(one): _pinned(one) for one in each},
        },
        changes=tuple(pinned_name(one) for one in changing),
        destroys=destroys,
        notes=tuple(str(note) for note in listing(facts["notes"])),
        restores="",
        stops=_names(one for one in changing if _runs(one, "was") and not _runs(one, "becomes")),
        starts=_names(one for one in changing if _runs(one, "becomes") and not _runs(one, "was")),
        expected_s=EXPECTED_S * max(1, len(made)),
        timeout_s=sum(call.timeout_s for call in (*made, *waits)) + calls.PATCH_S + 30,
    )


def _names(each: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(one["at"]["name"]) for one in each))


def _runs(one: Mapping[str, Any], when: str) -> bool:
    """Whether it has pods, or makes any, as its field was, or becomes; a field of another meaning stops nothing."""
    if one["at"]["resource"] == "cronjob" and one["field"] == "/spec/suspend":
        return not one[when]
    return bool(one["field"] != "/spec/replicas" or one[when] != 0)


def _pinned(one: Mapping[str, Any]) -> JsonValue:
    """Of what an autoscaler moves, that it does so, and between which numbers."""
    moves = listing(one["moves"])
    return (
        f"{moves[0]} to {moves[1]}, as an autoscaler sets it" if moves and one["was"] else cast(JsonValue, one["was"])
    )


def _call(one: Mapping[str, Any], ops: str, line: str, to: str) -> ApiCall:
    brief = f"{_said(one, one[to])}, by one guarded patch"
    return calls.patch(calls.at(one["at"]), one[ops], str(one[line]), brief)


def _said(one: Mapping[str, Any], to: JsonValue) -> str:
    """What is suspended is a thing, no field of it."""
    if str(one["field"]).endswith("/suspend"):
        return f"suspend {one['title']}" if to is True else f"let {one['title']} go on"
    return f"{pinned_name(one)} to {words(to)}"


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
    verdict = {name for name, key in (("done", "becomes"), ("not-begun", "was")) if _is(one, now, one[key])}
    return verdict, f"{one['called']} of {one['title']} is {words(now)}"


def _is(one: Mapping[str, Any], now: Any, value: Any) -> bool:
    moves = listing(one["moves"])
    moved = bool(moves and value) and isinstance(now, int) and moves[0] <= now <= moves[1]
    return bool(now == value or moved)


class Settings:
    """What operations on single fields have in common."""

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {}

    async def check(self, ctx: Context, args: Any, facts: Facts) -> Look:
        return await look_of(ctx, facts)
