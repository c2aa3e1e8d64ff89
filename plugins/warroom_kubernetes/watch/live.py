"""What a watch keeps of pods and workloads: little enough for ten thousand of them. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from warroom_kubernetes.changes.patching import template_hash
from warroom_kubernetes.objects.fields import Json, owner, selector_of, template_of
from warroom_kubernetes.objects.managers import TEMPLATE, Writer, writers
from warroom_kubernetes.objects.moments import instant
from warroom_kubernetes.objects.quantities import quantity
from warroom_kubernetes.objects.rollouts import Rollout, rollout

MESSAGE = 300
"""Characters kept of a message."""
Role = Literal["init", "main", "ephemeral"]
State = Literal["", "waiting", "running", "terminated"]
_STATES: tuple[State, ...] = ("waiting", "running", "terminated")
_STATUSES: tuple[tuple[str, str, Role], ...] = (
    ("initContainers", "initContainerStatuses", "init"),
    ("containers", "containerStatuses", "main"),
    ("ephemeralContainers", "ephemeralContainerStatuses", "ephemeral"),
)
_BEGINNING = ("", "PodInitializing", "ContainerCreating")
"""What a container waits for that is about to be started."""


@dataclass(frozen=True, slots=True)
class ContainerSeen:
    """``state`` is empty before the kubelet has said anything. ``ended`` and what follows is of its last end: the
    present one where it is ``terminated``, else the one before. Limits in bytes and CPUs, None for none."""

    name: str
    role: Role
    ready: bool = False
    restarts: int = 0
    state: State = ""
    reason: str = ""
    message: str = ""
    id: str = ""
    image_id: str = ""
    ended: datetime | None = None
    exit_code: int | None = None
    end_reason: str = ""
    memory_limit: float | None = None
    cpu_limit: float | None = None


@dataclass(frozen=True, slots=True)
class PodSeen:
    """``owner`` is its controller, as ``ReplicaSet/web-5d8``, ``owned_by`` its UID. ``why`` is what the scheduler or
    the pod's own status says of what holds it up."""

    name: str
    uid: str
    owner: str
    owned_by: str
    hash: str
    phase: str
    ready: bool
    deleting: bool
    why: str
    created: datetime | None
    containers: tuple[ContainerSeen, ...]

    @property
    def counts(self) -> bool:
        """One that is going, or has come to its end, is none that should be ready."""
        return not self.deleting and self.phase not in ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class WorkloadSeen:
    """``wanted`` is None where nobody counts: a CronJob. ``current``: its controller has seen the last change.
    ``template`` is a hash of the pod template, ``writers`` who owns fields of it. ``selector`` is how its pods are
    asked for."""

    kind: str
    name: str
    uid: str
    current: bool
    wanted: int | None
    ready: int
    paused: bool
    rollout: Rollout
    template: str
    selector: str
    writers: tuple[Writer, ...]


def keep(text: object, limit: int = MESSAGE) -> str:
    return str(text or "")[:limit]


def pod(told: Json) -> PodSeen:
    head, spec, status = told.get("metadata") or {}, told.get("spec") or {}, told.get("status") or {}
    conditions = {str(one.get("type")): one for one in status.get("conditions") or ()}
    by = owner(told)
    return PodSeen(
        name=str(head.get("name", "")),
        uid=str(head.get("uid", "")),
        owner=sys.intern(f"{by.get('kind', '')}/{by.get('name', '')}" if by else ""),
        owned_by=sys.intern(str(by.get("uid") or "")),
        hash=sys.intern(
            str(_labels(head).get("pod-template-hash") or _labels(head).get("controller-revision-hash") or "")
        ),
        phase=sys.intern(str(status.get("phase", ""))),
        ready=conditions.get("Ready", {}).get("status") == "True",
        deleting=bool(head.get("deletionTimestamp")),
        why=_held_up(status, conditions),
        created=instant(head.get("creationTimestamp")),
        containers=tuple(_containers(spec, status)),
    )


def as_served(one: PodSeen) -> dict[str, Any]:
    """What is kept of it, as the API serves a pod: for who reads pods whether or not they are watched."""
    kind, _, name = one.owner.partition("/")
    head: dict[str, Any] = {
        "name": one.name,
        "uid": one.uid,
        "labels": {"pod-template-hash": one.hash, "controller-revision-hash": one.hash},
        "ownerReferences": [{"kind": kind, "name": name, "uid": one.owned_by, "controller": True}],
    }
    statuses = {role: [_served(each) for each in one.containers if each.role == role] for _, _, role in _STATUSES}
    return {
        "metadata": head | ({"deletionTimestamp": "going"} if one.deleting else {}),
        "status": {
            "phase": one.phase,
            "conditions": [{"type": "Ready", "status": str(one.ready)}],
            **{where: statuses[role] for _, where, role in _STATUSES},
        },
    }


def _served(one: ContainerSeen) -> dict[str, Any]:
    state = {one.state: {"reason": one.reason, "message": one.message}} if one.state else {}
    told = {"name": one.name, "ready": one.ready, "restartCount": one.restarts, "imageID": one.image_id}
    return {**told, "state": state}


def _labels(head: Json) -> Json:
    return head.get("labels") or {}


def _held_up(status: Json, conditions: Mapping[str, Json]) -> str:
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return f"{keep(scheduled.get('reason'), 80) or 'not scheduled'}: {keep(scheduled.get('message'))}".rstrip(": ")
    if reason := status.get("reason"):
        return f"{keep(reason, 80)}: {keep(status.get('message'))}".rstrip(": ")
    return ""


def _containers(spec: Json, status: Json) -> Iterator[ContainerSeen]:
    for plural, statuses, role in _STATUSES:
        told = {str(one.get("name")): one for one in status.get(statuses) or ()}
        for declared in spec.get(plural) or ():
            name = str(declared.get("name", ""))
            yield _container(name, role, declared, told.get(name) or {})


def _container(name: str, role: Role, declared: Json, told: Json) -> ContainerSeen:
    now, before = told.get("state") or {}, told.get("lastState") or {}
    state: State = next((one for one in _STATES if now.get(one) is not None), "")
    current = now.get(state) or {}
    end = now.get("terminated") or before.get("terminated") or {}
    limits = (declared.get("resources") or {}).get("limits") or {}
    code = end.get("exitCode")
    return ContainerSeen(
        name=sys.intern(name),
        role=role,
        ready=bool(told.get("ready")),
        restarts=int(told.get("restartCount") or 0),
        state=state,
        reason=sys.intern(keep(current.get("reason"), 80)),
        message=keep(current.get("message")),
        id=str(told.get("containerID") or ""),
        image_id=sys.intern(str(told.get("imageID") or "")),
        ended=instant(end.get("finishedAt")),
        exit_code=code if isinstance(code, int) else None,
        end_reason=sys.intern(keep(end.get("reason"), 80)),
        memory_limit=quantity(limits.get("memory")),
        cpu_limit=quantity(limits.get("cpu")),
    )


def workload(kind: str, told: Json) -> WorkloadSeen:
    head, spec, status = told.get("metadata") or {}, told.get("spec") or {}, told.get("status") or {}
    wanted, ready = _ready(kind, spec, status)
    below = ("spec", "jobTemplate", "spec", "template") if kind == "CronJob" else TEMPLATE
    return WorkloadSeen(
        kind=kind,
        name=str(head.get("name", "")),
        uid=str(head.get("uid", "")),
        current=kind == "CronJob" or int(status.get("observedGeneration") or 0) >= int(head.get("generation") or 0),
        wanted=wanted,
        ready=ready,
        paused=bool(spec.get("suspend") if kind == "CronJob" else spec.get("paused")),
        rollout=rollout({**told, "kind": kind}, zero=True),  # the items of a list don't say their kind
        template=template_hash(template_of(told)),
        # The pods of a CronJob are those of its Jobs, which have no selector in common.
        selector="job-name" if kind == "CronJob" else selector_of(told),
        writers=tuple(writers(told, below)),
    )


def _ready(kind: str, spec: Json, status: Json) -> tuple[int | None, int]:
    """How many pods are wanted and how many are ready."""
    if kind == "CronJob":
        return None, 0
    if kind == "DaemonSet":
        return int(status.get("desiredNumberScheduled") or 0), int(status.get("numberReady") or 0)
    wanted = spec.get("replicas")
    return 1 if wanted is None else int(wanted), int(status.get("readyReplicas") or 0)


def belongs(one: PodSeen, kind: str, name: str) -> bool:
    """Whether a pod that the selector found is this workload's own: labels of two workloads may overlap."""
    owner_kind, _, owner = one.owner.partition("/")
    if kind == "Deployment":
        return owner_kind == "ReplicaSet" and owner.rpartition("-")[0] == name
    if kind == "CronJob":
        return owner_kind == "Job" and owner.rpartition("-")[0] == name
    return owner_kind == kind and owner == name


def held_up(one: PodSeen) -> str:
    """Why a pod is not ready, in a few words."""
    if one.why:
        return one.why
    for container in one.containers:
        if container.state == "waiting" and container.reason not in _BEGINNING:
            end = f" (its last end: {ended(container)})" if container.exit_code is not None else ""
            return f"{container.reason}{end}"
        if container.state == "terminated" and container.role == "main":
            return ended(container)
    if any(container.state == "waiting" for container in one.containers):
        return "its containers are being started"
    if one.phase == "Pending":
        return "it is pending"
    return f"{', '.join(c.name for c in one.containers if c.role == 'main' and not c.ready) or 'it'} not ready"


def is_stuck(one: PodSeen) -> bool:
    """Something is the matter with it, other than that it has not come up yet."""
    return bool(one.why) or any(
        (container.state == "waiting" and container.reason not in _BEGINNING)
        or (container.state == "terminated" and container.role == "main" and container.exit_code != 0)
        for container in one.containers
    )


def ended(container: ContainerSeen) -> str:
    reason = f", {container.end_reason}" if container.end_reason not in ("", "Error", "Completed") else ""
    return f"exit code {container.exit_code if container.exit_code is not None else '?'}{reason}"
