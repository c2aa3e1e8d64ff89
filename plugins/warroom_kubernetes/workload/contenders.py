"""Whether what would put the other version back is at work just now, by its own object."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from warroom.api import WarroomError
from warroom.model.units import listed
from warroom_kubernetes.objects.controllers import (
    APPLICATIONS,
    ARGO_NAMESPACE,
    AUTOMATIONS,
    AUTOSCALERS,
    KUSTOMIZATIONS,
    Controller,
    Where,
)
from warroom_kubernetes.reach.asking import Cluster, Forbidden, NotThere


@dataclass(frozen=True)
class Acting:
    """``acts`` None: it can't be told, and ``words`` say why. ``thing`` is its object as it was served; ``at`` where
    that is, which is not always what the workload says."""

    controller: Controller
    acts: bool | None
    words: str
    at: Where | None = None
    thing: Mapping[str, Any] | None = None


async def acting(api: Cluster, found: Sequence[Controller]) -> list[Acting]:
    """Of each whether it acts; one that can't be asked says so instead of raising."""
    return list(await asyncio.gather(*(_one(api, controller) for controller in found)))


async def _one(api: Cluster, controller: Controller) -> Acting:
    if controller.at is None:
        return Acting(controller, None if controller.by_itself else False, controller.words)
    try:
        there = await _object(api, controller.at)
    except Forbidden as error:
        return Acting(controller, None, f"{controller.words}; whether it does can't be told: {error.cause}")
    except NotThere:
        what = f"{controller.at.resource} {controller.at.name}"
        words = f"{controller.words}; its {what} is not in this cluster: it may act from another"
        return Acting(controller, None, words)
    except WarroomError as error:
        return Acting(controller, None, f"{controller.words}; whether it does can't be told: {error}")
    where, thing = there
    acts, why = state(where, thing)
    if where.resource == KUSTOMIZATIONS:
        why += await _moved_forward(api, where, thing)
    return Acting(controller, acts, f"{controller.words}: {why}", where, thing)


async def _moved_forward(api: Cluster, where: Where, thing: Mapping[str, Any]) -> str:
    """Flux's image automation writes newer images into a source: whoever applies that source rolls them out."""
    source = (thing.get("spec") or {}).get("sourceRef") or {}
    place = str(source.get("namespace") or where.namespace)
    try:
        found = (await api.listed(await api.where(AUTOMATIONS, namespace=place))).items
    except WarroomError:  # it is not there, as in most clusters, or nobody may ask
        return ""
    names = [
        str(one["metadata"]["name"])
        for one in found
        if not (one.get("spec") or {}).get("suspend") and _same_source(one, source, place)
    ]
    return f"; Flux's image automation {listed(names, 3)} moves images forward in its source" if names else ""


def _same_source(one: Mapping[str, Any], source: Mapping[str, Any], place: str) -> bool:
    other = (one.get("spec") or {}).get("sourceRef") or {}
    here = str(other.get("namespace") or one["metadata"].get("namespace") or place)
    return (other.get("kind"), other.get("name"), here) == (source.get("kind"), source.get("name"), place)


def state(where: Where, thing: Mapping[str, Any]) -> tuple[bool, str]:
    """(whether it acts, why). Pure."""
    spec = thing.get("spec") or {}
    if where.resource == APPLICATIONS:
        return _argo(thing, spec)
    if where.resource == AUTOSCALERS:
        behaviour = spec.get("behavior") or {}
        ways = [(behaviour.get(way) or {}).get("selectPolicy") for way in ("scaleUp", "scaleDown")]
        if ways == ["Disabled", "Disabled"]:
            return False, "both of its ways are disabled"
        return True, "it is at work"
    if spec.get("suspend"):
        return False, "it is suspended"
    return True, "it is not suspended"


def _argo(thing: Mapping[str, Any], spec: Mapping[str, Any]) -> tuple[bool, str]:
    automated = (spec.get("syncPolicy") or {}).get("automated")
    parents = (thing.get("metadata") or {}).get("ownerReferences") or []
    notes = (thing.get("metadata") or {}).get("annotations") or {}
    above = (
        f"; {parents[0].get('kind')} {parents[0].get('name')} writes it, and may undo a suspension" if parents else ""
    )
    if not parents and notes.get("argocd.argoproj.io/tracking-id"):
        above = "; another application writes it, and may undo a suspension"
    if any(key.startswith("argocd-image-updater.argoproj.io/image-list") for key in notes):
        above += "; Argo CD's image updater moves its image forward"
    if notes.get("argocd.argoproj.io/skip-reconcile") == "true":
        return False, f"it is not looked at at all (skip-reconcile){above}"
    if automated is None or (isinstance(automated, Mapping) and automated.get("enabled") is False):
        return False, f"it syncs only when somebody asks it to{above}"
    heals = isinstance(automated, Mapping) and automated.get("selfHeal")
    how = "at once (selfHeal)" if heals else "with the next change in Git"
    return True, f"it syncs by itself, {how}{above}"


async def _object(api: Cluster, at: Where) -> tuple[Where, Mapping[str, Any]]:
    namespace = at.namespace or (ARGO_NAMESPACE if at.resource == APPLICATIONS else api.namespace)
    try:
        return await _got(api, replace(at, namespace=namespace))
    except NotThere:
        if at.namespace:
            raise
        only = await api.get(await api.where(at.resource), {"fieldSelector": f"metadata.name={at.name}", "limit": 2})
        items = only.get("items") or []
        if len(items) != 1:
            raise
        return replace(at, namespace=str(items[0]["metadata"]["namespace"])), items[0]


async def _got(api: Cluster, at: Where) -> tuple[Where, Mapping[str, Any]]:
    return at, await api.get(await api.where(at.resource, namespace=at.namespace, name=at.name))
