"""How far a rollout is, by the conditions of `kubectl rollout status`; from objects as the API serves them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from warroom_kubernetes.objects.fields import (
    Json,
    condition,
    name_of,
    newest_revision,
    newest_set,
    number,
    owned,
    owner,
    part,
)
from warroom_kubernetes.objects.managers import writers
from warroom_kubernetes.objects.moments import instant

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
    if count == 0 and kind != "DaemonSet":
        # Neither a pause, a deadline nor a partition keeps its controller from this.
        left = number(status, "replicas")
        words = f"{left} of its pods still to be ended" if left else "scaled to zero, no pod is left"
        return Rollout("waiting" if left else "done", f"{name}: {words}", old=left)
    if kind == "Deployment":
        return _deployment(name, spec, status, count, late(workload))
    return (_daemon_set if kind == "DaemonSet" else _stateful_set)(name, spec, status, count)


def late(deployment: Json) -> bool:
    """Its progress deadline has passed with the template that it has now.

    Its controller keeps the condition of the template before until a pod comes or goes: that one is no newer than the
    last write of the template. Both times are the cluster's own, in whole seconds.
    """
    if not (passed := deadline_of(deployment)):
        return False
    since, written = instant(passed), [one.at for one in writers(deployment)]
    return since is None or all(at is None or since > at for at in written)


def deadline_of(deployment: Json) -> str:
    """When its progress deadline passed, whichever template it then had; empty where it has not."""
    progress = condition(part(deployment, "status"), "Progressing")
    return str(progress.get("lastUpdateTime") or "at some time") if progress.get("reason") == DEADLINE else ""


def _deployment(name: str, spec: Json, status: Json, wanted: int, overdue: bool) -> Rollout:
    updated, available = number(status, "updatedReplicas"), number(status, "availableReplicas")
    old = max(0, number(status, "replicas") - updated)

    def told(how: Literal["waiting", "done", "failed"], words: str) -> Rollout:
        return Rollout(how, f"{name}: {words}", wanted, updated, available, old)

    if overdue:
        limit = number(spec, "progressDeadlineSeconds", 600)
        return told("failed", f"no progress for {limit} s, its progress deadline; {updated} of {wanted} are new")
    if old and spec.get("paused"):
        return told("failed", f"{old} old stay: it is paused, so that its controller rolls nothing out")
    if updated < wanted:
        # One that is paused is scaled all the same.
        paused = "; it is paused, so that a change of its template waits" if spec.get("paused") else ""
        return told("waiting", f"{updated} of {wanted} pods are new{paused}")
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
    settled, by_hand = status.get("currentRevision") == status.get("updateRevision"), on_delete(spec)
    ready = number(status, "readyReplicas")
    updated = number(status, "currentReplicas") if settled else number(status, "updatedReplicas")
    partition = number(part(part(spec, "updateStrategy"), "rollingUpdate"), "partition")
    due = max(0, wanted - partition)

    def told(how: Literal["waiting", "done", "failed"], words: str) -> Rollout:
        return Rollout(how, f"{name}: {words}", wanted, updated, ready, max(0, wanted - updated))

    if partition and updated >= due and not settled:
        held = f"{partition} stay old: its partition is {partition}"
        return told("failed" if due == 0 else "done" if ready >= wanted else "waiting", f"{updated} new, {held}")
    if by_hand and updated < number(status, "replicas", wanted):
        return told("failed", "its pods are replaced only where somebody deletes them (OnDelete)")
    # Its controller settles only what it replaces itself.
    if not (settled or by_hand) or updated < due:
        return told("waiting", f"{updated} of {wanted} pods are new")
    if ready < wanted:
        return told("waiting", f"{ready} of {wanted} are ready")
    return told("done", f"{updated} of {wanted} new and ready")


def on_delete(spec: Json) -> bool:
    return part(spec, "updateStrategy").get("type") == "OnDelete"


def pods_of(workload: Json, replica_sets: Iterable[Json], pods: Iterable[Json]) -> list[Json]:
    """A Deployment's by its ReplicaSets, the others' by themselves; those that have ended too."""
    uid = part(workload, "metadata").get("uid")
    if workload.get("kind") != "Deployment":
        return owned(pods, uid)
    mine = {part(one, "metadata").get("uid") for one in owned(replica_sets, uid)}
    return [pod for pod in pods if owner(pod).get("uid") in mine]


def is_new(workload: Json, stored: Sequence[Json], pod: Json) -> bool | None:
    """Whether the pod is of the workload's template as it is now; None where that can't be told yet.

    ``stored``: a Deployment's ReplicaSets, a DaemonSet's ControllerRevisions. One that was gone back to keeps the
    pods of its first time, whose generation is an older one: as its controller has it, either mark will do.
    """
    labels = part(part(pod, "metadata"), "labels")
    if workload.get("kind") == "Deployment":
        newest = newest_set(workload, stored)
        return None if newest is None else bool(owned([pod], part(newest, "metadata").get("uid")))
    if workload.get("kind") == "StatefulSet":
        wanted = part(workload, "status").get("updateRevision")
        return None if not wanted else labels.get("controller-revision-hash") == wanted
    revision = newest_revision(workload, stored)
    if revision is None:
        return None
    mark = part(part(revision, "metadata"), "labels").get("controller-revision-hash")
    if mark and labels.get("controller-revision-hash") == mark:
        return True
    generation = part(part(workload, "metadata"), "annotations").get("deprecated.daemonset.template.generation")
    return generation is not None and labels.get("pod-template-generation") == generation
