"""Autoscalers held still, and let go again. Nothing of them is deleted: their own policies are switched off."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, JsonValue

from warroom.api import BadInput, Context, Facts
from warroom.model.plan import Preview, Risk
from warroom_kubernetes.changes.calls import At
from warroom_kubernetes.changes.patching import noted, noted_json
from warroom_kubernetes.config import Config
from warroom_kubernetes.objects.controllers import AUTOSCALERS
from warroom_kubernetes.operations.args import WorkloadArgs
from warroom_kubernetes.operations.setting import Setting, Settings, facts_of, preview_of
from warroom_kubernetes.operations.subject import Found, Json, find, may, scaled_by
from warroom_kubernetes.reach.asking import Cluster, cluster
from warroom_kubernetes.reach.paths import VERSIONS, kubectl_name, path

KEPT = "warroom/behavior"
"""On one that is held still: its own ``behavior`` as JSON, ``null`` where it had none."""
WAYS = ("scaleUp", "scaleDown")


class HpaSuspend(Settings):
    name = "hpa-suspend"
    title = "Hold the autoscaler still"
    risk: Risk = "disruptive"
    args: type[BaseModel] = WorkloadArgs

    async def facts(self, ctx: Context, args: WorkloadArgs) -> Facts:
        async with cluster(ctx) as api:
            one, hpas = await _of(ctx, api, args)
            notes = []
            for hpa in hpas:
                spec, status = hpa.get("spec") or {}, hpa.get("status") or {}
                least, most = spec.get("minReplicas", 1), spec.get("maxReplicas")
                notes.append(
                    f"{hpa['metadata']['name']} stays between {least} and {most}, which it still enforces; "
                    f"it wants {status.get('desiredReplicas', 'no')} pods now, and will not change that for any load"
                )
            settings = [suspended(one.at, hpa) for hpa in hpas]
            for each in settings:
                await may(api, each.at)
            return await facts_of(api, settings, notes)

    def preview(self, config: Config, args: WorkloadArgs, facts: Facts) -> Preview:
        return preview_of(facts)


class HpaRestore(Settings):
    """As it was before warroom held it still."""

    name = "hpa-restore"
    title = "Let the autoscaler go on"
    risk: Risk = "disruptive"
    args: type[BaseModel] = WorkloadArgs

    async def facts(self, ctx: Context, args: WorkloadArgs) -> Facts:
        async with cluster(ctx) as api:
            one, hpas = await _of(ctx, api, args)
            settings = [restored(one.at, hpa) for hpa in hpas if KEPT in (hpa["metadata"].get("annotations") or {})]
            if not settings:
                raise BadInput(
                    f"No autoscaler of {one.title} is held still by warroom",
                    "none of them has what it was before noted on it",
                    "look at its behavior, and apply its manifest by hand",
                )
            for each in settings:
                await may(api, each.at)
            return await facts_of(api, settings, ["its own policies are put back as they were"])

    def preview(self, config: Config, args: WorkloadArgs, facts: Facts) -> Preview:
        return preview_of(facts)


async def _of(ctx: Context, api: Cluster, args: WorkloadArgs) -> tuple[Found, list[Json]]:
    one = await find(ctx, api, args.workload)
    hpas = await scaled_by(api, one)
    if not hpas:
        raise BadInput(f"{one.title} has no autoscaler", "none in its namespace has it as its target", "leave this out")
    return one, hpas


def at_of(beside: At, hpa: Json) -> At:
    """A cluster without the newest version prefers ``autoscaling/v1``, which has no ``behavior``: kubectl is told."""
    head, version = hpa["metadata"], str(hpa["apiVersion"])
    where = path(version, AUTOSCALERS, namespace=beside.namespace, name=str(head["name"]))
    called = "hpa" if version == VERSIONS[AUTOSCALERS][0] else kubectl_name(AUTOSCALERS, version)
    return At(beside.kubectl, beside.namespace, called, str(head["name"]), where, str(head["uid"]))


def suspended(beside: At, hpa: Json) -> Setting:
    at = at_of(beside, hpa)
    was: Any = (hpa.get("spec") or {}).get("behavior")
    own: Json = was or {}
    becomes: JsonValue = {**own, **{way: {**(own.get(way) or {}), "selectPolicy": "Disabled"} for way in WAYS}}
    asleep = all((own.get(way) or {}).get("selectPolicy") == "Disabled" for way in WAYS)
    if asleep:
        return Setting(at, f"HorizontalPodAutoscaler {at.name}", "behavior", "/spec/behavior", was, was)
    note = json.dumps(was, separators=(",", ":"))
    notes = hpa["metadata"].get("annotations") or {}
    after: Json = {"metadata": {"annotations": {**notes, KEPT: note}}}
    more, back = tuple(noted(hpa, KEPT, note)), tuple(noted(after, KEPT, None))
    title = f"HorizontalPodAutoscaler {at.name}"
    return Setting(at, title, "behavior", "/spec/behavior", was, becomes, more, back)


def restored(beside: At, hpa: Json) -> Setting:
    at = at_of(beside, hpa)
    notes = hpa["metadata"]["annotations"]
    try:
        becomes: Any = noted_json(notes[KEPT])
    except ValueError:
        raise BadInput(
            f"What {at.name} was before can't be read", f"its annotation {KEPT} is not what warroom notes"
        ) from None
    left = {key: value for key, value in notes.items() if key != KEPT}
    after: Json = {"metadata": {"annotations": left}}
    more, back = tuple(noted(hpa, KEPT, None)), tuple(noted(after, KEPT, notes[KEPT]))
    was = (hpa.get("spec") or {}).get("behavior")
    return Setting(at, f"HorizontalPodAutoscaler {at.name}", "behavior", "/spec/behavior", was, becomes, more, back)
