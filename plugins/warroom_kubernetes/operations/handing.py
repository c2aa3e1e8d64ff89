"""Those who would put the other version back, told to leave it: Argo CD's automatic sync, Flux's reconciling."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, JsonValue

from warroom.api import BadInput, Context, Facts
from warroom.model.plan import Preview, Risk
from warroom_kubernetes.changes.calls import At
from warroom_kubernetes.changes.patching import noted, noted_json, value_at
from warroom_kubernetes.config import Config
from warroom_kubernetes.objects.controllers import APPLICATIONS, controllers
from warroom_kubernetes.operations.args import WorkloadArgs
from warroom_kubernetes.operations.setting import Setting, Settings, facts_of, preview_of
from warroom_kubernetes.operations.subject import Found, find, may
from warroom_kubernetes.reach.asking import Cluster, cluster
from warroom_kubernetes.reach.paths import path
from warroom_kubernetes.workload.contenders import Acting, acting

KEPT = "warroom/suspended"
"""On a controller that was told to leave it: what its field was, as JSON."""


class SuspendController(Settings):
    name = "suspend-controller"
    title = "Keep others from putting it back"
    risk: Risk = "disruptive"
    args: type[BaseModel] = WorkloadArgs

    async def facts(self, ctx: Context, args: WorkloadArgs) -> Facts:
        async with cluster(ctx) as api:
            one, found = await _found(ctx, api, args)
            settings = [_suspended(one, each) for each in found]
            for each in settings:
                await may(api, each.at)
            notes = [each.words for each in found]
            notes.append(
                "until it is resumed, nothing new of any release is rolled out by it: put that on the checklist"
            )
            return await facts_of(api, settings, notes)

    def preview(self, config: Config, args: WorkloadArgs, facts: Facts) -> Preview:
        return preview_of(facts)


class ResumeController(Settings):
    """Only those that warroom suspended itself, as they were."""

    name = "resume-controller"
    title = "Let its controllers go on"
    risk: Risk = "disruptive"
    args: type[BaseModel] = WorkloadArgs

    async def facts(self, ctx: Context, args: WorkloadArgs) -> Facts:
        async with cluster(ctx) as api:
            one, found = await _found(ctx, api, args)
            settings = [_resumed(one, each) for each in found if KEPT in _notes(each)]
            if not settings:
                raise BadInput(
                    f"Nothing that manages {one.title} was suspended by warroom",
                    "; ".join(each.words for each in found),
                    "resume it where it is managed",
                )
            for each in settings:
                await may(api, each.at)
            return await facts_of(api, settings, ["it puts back what its source says: have that changed first"])

    def preview(self, config: Config, args: WorkloadArgs, facts: Facts) -> Preview:
        return preview_of(facts)


async def _found(ctx: Context, api: Cluster, args: WorkloadArgs) -> tuple[Found, list[Acting]]:
    """Those whose object is in this cluster. Raises BadInput where there is none."""
    one = await find(ctx, api, args.workload)
    seen = [each for each in await acting(api, controllers(one.object)) if each.controller.touches == "template"]
    known = [each for each in seen if each.thing is not None and each.at is not None]
    if not known:
        why = (
            "; ".join(each.words for each in seen) or "none is recognised by its labels, annotations or managed fields"
        )
        raise BadInput(f"Nothing that manages {one.title} can be suspended here", why, "suspend it where it is managed")
    return one, known


def _notes(each: Acting) -> dict[str, str]:
    assert each.thing is not None
    return dict(each.thing["metadata"].get("annotations") or {})


def _place(beside: Found, each: Acting) -> tuple[At, str, str, str]:
    """Where it is, its title, its field and what that is called."""
    assert each.thing is not None
    assert each.at is not None
    name, where = str(each.at.name), each.at
    singular = where.resource.removesuffix("s")
    group_version = str(each.thing["apiVersion"])
    group = group_version.partition("/")[0]
    at = At(
        beside.at.kubectl,
        where.namespace,
        f"{singular}.{group}",
        name,
        path(group_version, where.resource, namespace=where.namespace, name=name),
        str(each.thing["metadata"]["uid"]),
    )
    if where.resource == APPLICATIONS:
        return at, f"Argo CD's application {name}", "/spec/syncPolicy/automated", "automatic sync"
    return at, f"Flux's {each.thing.get('kind') or singular} {name}", "/spec/suspend", "suspend"


def _suspended(beside: Found, each: Acting) -> Setting:
    at, title, field, called = _place(beside, each)
    was: Any = value_at(each.thing, field)
    if not each.acts:
        return Setting(at, title, called, field, was, was)
    becomes: JsonValue = None if field.endswith("automated") else True
    note = json.dumps(was, separators=(",", ":"))
    assert each.thing is not None
    after = {"metadata": {"annotations": {**_notes(each), KEPT: note}}}
    more, back = tuple(noted(each.thing, KEPT, note)), tuple(noted(after, KEPT, None))
    return Setting(at, title, called, field, was, becomes, more, back)


def _resumed(beside: Found, each: Acting) -> Setting:
    at, title, field, called = _place(beside, each)
    notes = _notes(each)
    try:
        becomes: Any = noted_json(notes[KEPT])
    except ValueError:
        raise BadInput(
            f"What {title} was before can't be read", f"its annotation {KEPT} is not what warroom notes"
        ) from None
    assert each.thing is not None
    after = {"metadata": {"annotations": {key: value for key, value in notes.items() if key != KEPT}}}
    more, back = tuple(noted(each.thing, KEPT, None)), tuple(noted(after, KEPT, notes[KEPT]))
    return Setting(at, title, called, field, value_at(each.thing, field), becomes, more, back)
