"""What warroom needs to be allowed to do, for the workloads that a runbook names; asked of the API, never tried."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from warroom.api import WarroomError
from warroom_kubernetes.config import Config, Kind
from warroom_kubernetes.reach.asking import Cluster
from warroom_kubernetes.reach.paths import RESOURCES, group_of

_SCALED: tuple[Kind, ...] = ("Deployment", "StatefulSet")


@dataclass(frozen=True)
class Right:
    """``name`` empty: of all in the namespace."""

    verb: str
    resource: str
    group: str = ""
    sub: str = ""
    name: str = ""

    @property
    def words(self) -> str:
        named = f"{self.resource}{f'/{self.sub}' if self.sub else ''}"
        return f"{self.verb} {named}{f' {self.name}' if self.name else ''}"


@dataclass(frozen=True)
class Asked:
    right: Right
    allowed: bool | None
    """None: it can't be told."""
    why: str = ""


def to_look(config: Config) -> list[Right]:
    """For releases, watching, logs and evidence."""
    kinds = {one.kind for one in config.workloads.values()}
    found = [Right(verb, "pods") for verb in ("list", "watch")]
    found += [Right("get", "pods", sub="log"), Right("list", "services")]
    found += [Right(verb, "events") for verb in ("list", "watch")]
    if any(one.service for one in config.workloads.values()):
        found.append(Right("get", "services"))
        found += [Right(verb, "endpointslices", group_of("endpointslices")) for verb in ("list", "watch")]
    if any(one.version_path for one in config.workloads.values()):
        found.append(Right("get", "services", sub="proxy"))
    for kind in sorted(kinds):
        group, resource = _resource(kind)
        found += [Right(verb, resource, group) for verb in ("get", "list", "watch")]
    if "Deployment" in kinds:
        found.append(Right("list", "replicasets", "apps"))
    if kinds & {"StatefulSet", "DaemonSet"}:
        found.append(Right("list", "controllerrevisions", "apps"))
    if kinds - {"CronJob", "DaemonSet"}:
        found.append(Right("list", "horizontalpodautoscalers", "autoscaling"))
    return found


def to_change(config: Config) -> list[Right]:
    """For a rollback, and to stop writes: each by the workload's own name, as RBAC may grant it."""
    return list(dict.fromkeys(_changes(config)))


def _changes(config: Config) -> Iterator[Right]:
    for key, one in config.workloads.items():
        group, resource = _resource(one.kind)
        name = config.object_name(key)
        yield Right("patch", resource, group, name=name)
        if one.kind in _SCALED:
            yield Right("patch", "horizontalpodautoscalers", "autoscaling")
        if one.kind == "StatefulSet":
            yield Right("get", "pods")
            yield Right("delete", "pods")


def _resource(kind: Kind) -> tuple[str, str]:
    return group_of(RESOURCES[kind]), RESOURCES[kind]


async def asked(api: Cluster, rights: Sequence[Right]) -> list[Asked]:
    return list(await asyncio.gather(*(_one(api, right) for right in rights)))


async def _one(api: Cluster, right: Right) -> Asked:
    try:
        said = await api.may(right.verb, right.resource, group=right.group, sub=right.sub, name=right.name)
    except WarroomError as error:
        return Asked(right, None, f"{error.title}: {error.cause}" if error.cause else error.title)
    return Asked(right, said.allowed, said.why)
