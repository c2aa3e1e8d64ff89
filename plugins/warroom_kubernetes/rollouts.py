"""How far a rollout is, by the conditions of `kubectl rollout status`; from objects as the API serves them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from warroom_kubernetes.objects import Json, condition, name_of, newest_set, number, owned, owner, part

DEADLINE = "ProgressDeadlineExceeded"


@dataclass(frozen=True)
class Rollout:
    """``failed``: it will not come to its end by itself. Numbers are of pods: ``updated`` are of the new template."""

    status: Literal["waiting", "done", "failed"]
    words: str
    wanted: int = 0
    updated: int = 0
    available: int = 0
    old: int = 0


def rollout(workload: Json, *, zero: bool = False) -> Rollout:
    """``zero``: no pod at all is what is wanted. Else "done" with nothing running would be no success."""
    kind = str(workload.get("kind") or "Deployment")
    spec, status = part(workload, "spec"), part(workload, "status")
    name = f"{kind} {name_of(workload)}"
    if kind == "CronJob":
        return Rollout("done", f"{name} starts its next job from the new template")
    seen, wanted = number(status, "observedGeneration"), number(part(workload, "metadata"), "generation")
    if seen == 0 or seen < wanted:
        return Rollout("waiting", f"{name}: its controller has not seen the change yet")
    count = number(status, "desiredNumberScheduled") if kind == "DaemonSet" else number(spec, "replicas", 1)
    if count == 0 and not zero:
        where = "no node is fit for it" if kind == "DaemonSet" else "it is scaled to zero"
        return Rollout("failed", f"{name} wants no pod at all, so nothing runs: {where}")
    return {"DaemonSet": _daemon_set, "StatefulSet": _stateful_set}.get(kind, _deployment)(name, spec, status, count)


def _deployment(name: str, spec: Json, status: Json, wanted: int) -> Rollout:
    updated, available = number(status, "updatedReplicas"), number(status, "availableReplicas")
    old = max(0, number(status, "replicas") - updated)

    def told(how: Literal["waiting", "done", "failed"], words: str) -> Rollout:
        return Rollout(how, f"{name}: {words}", wanted, updated, available, old)

    progress = condition(status, "Progressing")
    if progress.get("reason") == DEADLINE:
        limit = number(spec, "progressDeadlineSeconds", 600)
        return told("failed", f"no progress for {limit} s, its progress deadline; {updated} of {wanted} are new")
    if spec.get("paused"):
        return told("failed", "it is paused, so that its controller rolls nothing out")
    if updated < wanted:
        return told("waiting", f"{updated} of {wanted} pods are new")
    if old:
        return told("waiting", f"{old} old to be ended")
    if available < updated:
        return told("waiting", f"{available} of {updated} new ones are available")
    return told("done", f"{updated} of {wanted} new and available, no old one left")


def _daemon_set(name: str, spec: Json, status: Json, wanted: int) -> Rollout:
    updated, available = number(status, "updatedNumberScheduled"), number(status, "numberAvailable")
    old = max(0, number(status, "currentNumberScheduled") - updated)

    def told(how: Literal["waiting", "done", "failed"], words: str) -> Rollout:
        return Rollout(how, f"{name}: {words}", wanted, updated, available, old)

    if updated < wanted and on_delete(spec):
        return told("failed", "its pods are replaced only where somebody deletes them (OnDelete)")
    if updated < wanted:
        return told("waiting", f"{updated} of {wanted} pods are new")
    if available < wanted:
        return told("waiting", f"{available} of {wanted} new ones are available")
    return told("done", f"{updated} of {wanted} new and available")


def _stateful_set(name: str, spec: Json, status: Json, wanted: int) -> Rollout:
    settled = status.get("currentRevision") == status.get("updateRevision")
    ready = number(status, "readyReplicas")
    updated = number(status, "currentReplicas") if settled else number(status, "updatedReplicas")
    partition = number(part(part(spec, "updateStrategy"), "rollingUpdate"), "partition")
    due = max(0, wanted - partition)

    def told(how: Literal["waiting", "done", "failed"], words: str) -> Rollout:
        return Rollout(how, f"{name}: {words}", wanted, updated, ready, max(0, wanted - updated))

    if partition and updated >= due and not settled:
        held = f"{partition} stay old: its partition is {partition}"
        return told("failed" if due == 0 else "done" if ready >= wanted else "waiting", f"{updated} new, {held}")
    if not settled and on_delete(spec):
        return told("failed", "its pods are replaced only where somebody deletes them (OnDelete)")
    if not settled or updated < due:
        return told("waiting", f"{updated} of {wanted} pods are new")
    if ready < wanted:
        return told("waiting", f"{ready} of {wanted} are ready")
    return told("done", f"{updated} of {wanted} new and ready")


def on_delete(spec: Json) -> bool:
    return part(spec, "updateStrategy").get("type") == "OnDelete"


def pods_of(workload: Json, replica_sets: Iterable[Json], pods: Iterable[Json]) -> list[Json]:
    """A Deployment's by its ReplicaSets, the others' by themselves; finished ones of an earlier life are left out."""
    uid = part(workload, "metadata").get("uid")
    if workload.get("kind") != "Deployment":
        return owned(pods, uid)
    mine = {part(one, "metadata").get("uid") for one in owned(replica_sets, uid)}
    return [pod for pod in pods if owner(pod).get("uid") in mine]


def is_new(workload: Json, replica_sets: Sequence[Json], pod: Json) -> bool | None:
    """Whether the pod is of the workload's template as it is now; None where that can't be told yet."""
    labels = part(part(pod, "metadata"), "labels")
    if workload.get("kind") == "Deployment":
        newest = newest_set(workload, replica_sets)
        return None if newest is None else bool(owned([pod], part(newest, "metadata").get("uid")))
    if workload.get("kind") == "StatefulSet":
        wanted = part(workload, "status").get("updateRevision")
        return None if not wanted else labels.get("controller-revision-hash") == wanted
    generation = labels.get("pod-template-generation")
    wanted = part(part(workload, "metadata"), "annotations").get("deprecated.daemonset.template.generation")
    return None if wanted is None or generation is None else generation == wanted
