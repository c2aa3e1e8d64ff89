"""A workload as it stands: the object, its revisions and its pods, read together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from warroom.api import BadInput, Context, WarroomError
from warroom_kubernetes.config import Config, Kind
from warroom_kubernetes.config import Workload as Declared
from warroom_kubernetes.objects.fields import selector_of, template_of
from warroom_kubernetes.objects.revisions import Json, Revision, named, revisions_of
from warroom_kubernetes.objects.templates import hide
from warroom_kubernetes.reach.asking import Cluster, NotThere
from warroom_kubernetes.reach.paths import RESOURCES, path

STORED: dict[Kind, str] = {
    "Deployment": "replicasets",
    "StatefulSet": "controllerrevisions",
    "DaemonSet": "controllerrevisions",
}
"""What a kind keeps its revisions in; a CronJob keeps none."""


@dataclass(frozen=True)
class Standing:
    """``revisions`` newest first, each with a version; ``pods`` are those that it owns; ``path`` is where it is.
    ``stored`` is what the revisions were read from."""

    key: str
    declared: Declared
    kind: Kind
    namespace: str
    name: str
    path: str
    thing: Json
    revisions: tuple[Revision, ...]
    stored: tuple[Json, ...] = ()

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


Pods = Callable[[], Awaitable[Sequence[Json]]]


@dataclass(frozen=True)
class Itself:
    """The object alone, and where it is."""

    key: str
    declared: Declared
    name: str
    path: str
    thing: Json

    @property
    def version(self) -> str:
        """Another with each change, of its status too."""
        return str(self.thing["metadata"].get("resourceVersion") or "")

    @property
    def identity(self) -> tuple[str, int]:
        """Another with each change of what it is to be."""
        head = self.thing["metadata"]
        return str(head.get("uid") or ""), int(head.get("generation") or 0)


async def standing(ctx: Context, api: Cluster, key: str) -> Standing:
    """Raises ``BadInput`` for a workload that the configuration does not name, WarroomError for one that isn't there.

    What its containers have in their environment is told to ``ctx.hide`` before anything of it is given.
    """
    return await around_it(ctx, api, await itself(ctx, api, key))


async def itself(ctx: Context, api: Cluster, key: str) -> Itself:
    config: Config = ctx.config
    declared = config.workloads.get(key)
    if declared is None:
        raise BadInput(f"There is no workload {key}", f"configured are: {', '.join(config.workloads)}", "name one")
    kind, name, namespace = declared.kind, config.object_name(key), api.namespace
    where = await api.where(RESOURCES[kind], namespace=namespace, name=name)
    try:
        return Itself(key, declared, name, where, await api.get(where))
    except NotThere as error:
        hint = "correct its kind, its name or the namespace"
        raise NotThere(
            f"There is no {kind} {namespace}/{name}", error.cause, hint, status=404, reason=error.reason
        ) from error


async def around_it(ctx: Context, api: Cluster, one: Itself, known: Pods | None = None) -> Standing:
    """``known`` gives its pods where somebody has them; else they are asked for, all of them."""
    declared, thing = one.declared, one.thing
    kind, name, namespace = declared.kind, one.name, api.namespace
    pods: Sequence[Json] = ()
    stored: Sequence[Json] = ()
    if kind != "CronJob":
        of = {"labelSelector": selector_of(thing)}
        pods, stored = await asyncio.gather(
            pods_of(api, one) if known is None else known(),
            _all(api, await api.where(STORED[kind], namespace=namespace), of),
        )
    found = revisions_of(kind, thing, stored, pods)
    hide(ctx, template_of(thing), *(each.template for each in found))
    if found and declared.container not in (None, *(image.container for image in found[0].images)):
        raise WarroomError(
            f"{kind} {namespace}/{name} has no container {declared.container}",
            f"it has {', '.join(image.container for image in found[0].images)}",
            "correct the container's name",
        )
    revisions = tuple(named(found, declared.container))
    return Standing(one.key, declared, kind, namespace, name, one.path, thing, revisions, tuple(stored))


async def pods_of(api: Cluster, one: Itself) -> Sequence[Json]:
    """All that its selector finds."""
    return await _all(api, path("v1", "pods", namespace=api.namespace), {"labelSelector": selector_of(one.thing)})


async def _all(api: Cluster, of: str, query: dict[str, Any]) -> list[Json]:
    return list((await api.listed(of, query)).items)
