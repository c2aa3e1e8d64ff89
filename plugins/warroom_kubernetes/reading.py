"""A workload as it stands: the object, its revisions and its pods, read together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from warroom.api import BadInput, Context, WarroomError
from warroom_kubernetes.asking import Cluster, NotThere
from warroom_kubernetes.config import Config, Kind
from warroom_kubernetes.config import Workload as Declared
from warroom_kubernetes.objects import selector_of, template_of
from warroom_kubernetes.paths import RESOURCES, path
from warroom_kubernetes.revisions import Json, Revision, named, revisions_of
from warroom_kubernetes.templates import hide

STORED: dict[Kind, str] = {
    "Deployment": "replicasets",
    "StatefulSet": "controllerrevisions",
    "DaemonSet": "controllerrevisions",
}
"""What a kind keeps its revisions in; a CronJob keeps none."""


@dataclass(frozen=True)
class Standing:
    """``revisions`` newest first, each with a version; ``pods`` are those that it owns; ``path`` is where it is."""

    key: str
    declared: Declared
    kind: Kind
    namespace: str
    name: str
    path: str
    thing: Json
    revisions: tuple[Revision, ...]

    @property
    def uid(self) -> str:
        return str(self.thing["metadata"].get("uid") or "")

    @property
    def shown(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def current(self) -> Revision | None:
        """That of the template which the workload has now; None before its controller has made one."""
        return next((one for one in self.revisions if one.current), None)

    @property
    def pods(self) -> tuple[Json, ...]:
        return tuple(pod for one in self.revisions for pod in one.pods)

    @property
    def wanted(self) -> int | None:
        """Pods; None for what has no number of them."""
        found = (self.thing.get("spec") or {}).get("replicas")
        return found if isinstance(found, int) else None


async def standing(ctx: Context, api: Cluster, key: str) -> Standing:
    """Raises ``BadInput`` for a workload that the configuration does not name, WarroomError for one that isn't there.

    What its containers have in their environment is told to ``ctx.hide`` before anything of it is given.
    """
    config: Config = ctx.config
    declared = config.workloads.get(key)
    if declared is None:
        raise BadInput(f"There is no workload {key}", f"configured are: {', '.join(config.workloads)}", "name one")
    kind, name, namespace = declared.kind, config.object_name(key), api.namespace
    where = await api.where(RESOURCES[kind], namespace=namespace, name=name)
    try:
        thing = await api.get(where)
    except NotThere as error:
        hint = "correct its kind, its name or the namespace"
        raise NotThere(
            f"There is no {kind} {namespace}/{name}", error.cause, hint, status=404, reason=error.reason
        ) from error
    pods: list[Json] = []
    stored: list[Json] = []
    if kind != "CronJob":
        of = {"labelSelector": selector_of(thing)}
        pods, stored = await asyncio.gather(
            _all(api, path("v1", "pods", namespace=namespace), of),
            _all(api, await api.where(STORED[kind], namespace=namespace), of),
        )
    found = revisions_of(kind, thing, stored, pods)
    hide(ctx, template_of(thing), *(one.template for one in found))
    if not any(declared.container in (None, *(image.container for image in one.images)) for one in found[:1]):
        raise WarroomError(
            f"{kind} {namespace}/{name} has no container {declared.container}",
            f"it has {', '.join(image.container for image in found[0].images)}" if found else "it has none yet",
            "correct the container's name",
        )
    return Standing(key, declared, kind, namespace, name, where, thing, tuple(named(found, declared.container)))


async def _all(api: Cluster, of: str, query: dict[str, Any]) -> list[Json]:
    return list((await api.listed(of, query)).items)
