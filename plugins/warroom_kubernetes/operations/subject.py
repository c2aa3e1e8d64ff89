"""What operations on a workload share: the object as it is now, whether one may change it, and a try that keeps
nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from warroom.api import BadInput, Context, Facts, WarroomError
from warroom.model.plan import Look
from warroom_kubernetes.changes.calls import MANAGER, At, patch_line
from warroom_kubernetes.changes.patching import Op, template_hash
from warroom_kubernetes.config import Config, Kind
from warroom_kubernetes.objects.controllers import AUTOSCALERS, scales
from warroom_kubernetes.objects.fields import template_of
from warroom_kubernetes.objects.templates import hide
from warroom_kubernetes.reach.asking import JSON_PATCH, ApiRefused, Cluster, NotThere
from warroom_kubernetes.reach.paths import RESOURCES, group_of, path
from warroom_kubernetes.workload.reading import Standing

Json = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A workload as the API serves it now. ``key`` is the runbook's name of it."""

    key: str
    kind: Kind
    at: At
    object: Json

    @property
    def title(self) -> str:
        """``Deployment web``"""
        return f"{self.kind} {self.at.name}"

    @property
    def spec(self) -> Json:
        return self.object.get("spec") or {}

    @property
    def status(self) -> Json:
        return self.object.get("status") or {}

    @property
    def notes(self) -> dict[str, str]:
        """Its annotations."""
        return dict(self.object["metadata"].get("annotations") or {})

    @property
    def template(self) -> Json:
        return template_of(self.object)

    def facts(self) -> dict[str, JsonValue]:
        return {
            "workload": self.key,
            "kind": self.kind,
            "title": self.title,
            "at": self.at.told(),
            "template": template_hash(self.template),
        }


def pinned(facts: Facts, *more: str) -> dict[str, JsonValue]:
    """Which object it is; ``more`` are names of facts that must stay as they were, such as ``template``."""
    title, where = str(facts["title"]), mapping(facts["at"])
    found: dict[str, JsonValue] = {f"{title} in {where['namespace']}": str(where["uid"])}
    return found | {pin(name, facts): facts[name] for name in more}


def pin(name: str, facts: Facts) -> str:
    """``template of Deployment web``"""
    return f"{name} of {facts['title']}"


async def find(ctx: Context, api: Cluster, key: str) -> Found:
    """Raises BadInput where the runbook has no such workload, NotThere where the cluster has none."""
    config: Config = ctx.config
    declared = config.workloads.get(key)
    if declared is None:
        known = ", ".join(config.workloads)
        raise BadInput(f"There is no workload {key}", f"the platform has: {known}", "correct the runbook's step")
    name = config.object_name(key)
    where = await api.where(RESOURCES[declared.kind], namespace=api.namespace, name=name)
    try:
        one = await api.get(where)
    except NotThere as error:
        raise BadInput(
            f"{declared.kind} {name} is not in the namespace {api.namespace}", error.cause, "see the platform's row"
        ) from None
    hide(ctx, template_of(one))
    resource = declared.kind.lower()
    uid = str(one["metadata"]["uid"])
    return Found(key, declared.kind, At(api.kubectl, api.namespace, resource, name, where, uid), one)


def found_of(api: Cluster, at: Standing) -> Found:
    """Of one that was read with its revisions."""
    return Found(at.key, at.kind, At(api.kubectl, at.namespace, at.kind.lower(), at.name, at.path, at.uid), at.thing)


async def may(api: Cluster, one: At, verb: str = "patch") -> None:
    """Raises BadInput where whoever is logged in may not; what can't be told is left to the try that follows."""
    group, _, resource = _resource(one.path)
    try:
        answer = await api.may(verb, resource, group=group, name=one.name)
    except ApiRefused:
        return
    if not answer.allowed:
        why = f": {answer.why}" if answer.why else ""
        raise BadInput(
            f"The login may not {verb} {resource} in the namespace {one.namespace}",
            f"RBAC does not allow it for {one.slashed}{why}",
            f"grant it, or log in as somebody who may: {one.line('auth', 'can-i', verb, one.slashed)}",
        )


def _resource(at: str) -> tuple[str, str, str]:
    """Group, version and resource out of a path in a namespace."""
    words = at.strip("/").split("/")
    core = words[0] == "api"
    where = words.index("namespaces")
    return ("" if core else words[1]), words[1 if core else 2], words[where + 2]


@dataclass(frozen=True)
class Tried:
    """``object``: as it would be; None where nobody could try, and ``why`` says so."""

    object: Json | None
    why: str = ""


async def tried(api: Cluster, one: At, ops: Sequence[Op], what: str) -> Tried:
    """A server-side dry run of the very request. Raises BadInput with the cluster's own words where it is refused."""
    line = f"{patch_line(one, ops)} --dry-run=server"
    try:
        made = await api.dry_run(
            "PATCH", one.path, list(ops), content_type=JSON_PATCH, query={"fieldManager": MANAGER}, line=line
        )
        return Tried(made)
    except ApiRefused as error:
        said = error.cause
        if error.status == 400 and "dry run" in said.lower():
            return Tried(None, f"it could not be tried beforehand: {said}")
        if error.status == 422 and not error.details.get("causes"):  # that of a guard that does not hold
            raise BadInput(f"{one.slashed} changed while it was looked at", said, "plan it again") from None
        raise BadInput(
            f"The cluster would refuse {what}",
            f"a dry run of it on the server said: {said}",
            "nothing was changed; what refuses it must be mended first",
        ) from None


async def scaled_by(api: Cluster, one: Found) -> list[Json]:
    """The autoscalers that set its number of pods, each with its apiVersion; none where the cluster has no such
    thing."""
    version = await api.version(AUTOSCALERS)
    try:
        found = await api.listed(path(version, AUTOSCALERS, namespace=one.at.namespace))
    except NotThere:
        return []
    group = group_of(RESOURCES[one.kind])
    return [{**hpa, "apiVersion": version} for hpa in found.items if scales(hpa, one.kind, one.at.name, group)]


async def together(*asked: Any) -> list[Any]:
    """All of them at once; the first that fails ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in asked]
    except BaseExceptionGroup as several:
        raise _first(several) from None
    return [task.result() for task in tasks]


def _first(error: BaseException) -> BaseException:
    """What the cluster said, before anything else that went wrong."""
    while isinstance(error, BaseExceptionGroup):
        known = error.subgroup(WarroomError)
        error = (known or error).exceptions[0]
    return error


def unseen(error: WarroomError) -> Look:
    """What is gone can be asked for, and is not there."""
    why = str(error) if isinstance(error, BadInput) else f"the cluster can't be asked: {error}"
    return Look(verdict="cannot-tell", seen=why)


def mapping(value: JsonValue) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def listing(value: JsonValue) -> list[Any]:
    return value if isinstance(value, list) else []
