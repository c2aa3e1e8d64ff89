"""Whether a rollout has really come to its end: not by the controller's word alone, but by what runs and is reached."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from warroom.api import Context, WarroomError
from warroom.model.base import Fact
from warroom.model.units import listed
from warroom_kubernetes.config import Config, Kind, Workload
from warroom_kubernetes.objects.fields import (
    container_in,
    counts,
    name_of,
    newest_revision,
    newest_set,
    over,
    owned,
    selector_of,
    template_of,
)
from warroom_kubernetes.objects.images import digest_in
from warroom_kubernetes.objects.revisions import Json, Revision
from warroom_kubernetes.objects.rollouts import Rollout, is_new, pods_of, rollout
from warroom_kubernetes.objects.stuck import Trouble, troubles
from warroom_kubernetes.reach.asking import Cluster, Forbidden, NotThere, server_now
from warroom_kubernetes.reach.paths import path
from warroom_kubernetes.workload.reading import STORED, Standing

ASK_S = 5.0
TAIL = 8
"""Lines of a crashed container's log that a reason carries."""


class Wanted(Fact):
    """``digest``: of the release's image, ``version``: what the app must call itself, ``template``: the hash of the one
    that it must have, as the cluster makes it; empty where nobody asks.

    ``zero``: it may be wanted that no pod runs. ``key`` is the runbook's name of the workload.
    """

    key: str
    uid: str
    kind: Kind
    digest: str = Field(default="", pattern=r"^(sha256:[0-9a-f]{64})?$")
    template: str = ""
    version: str = ""
    zero: bool = False


@dataclass(frozen=True)
class Around:
    """What belongs to a workload. ``stored``: a Deployment's ReplicaSets, a DaemonSet's ControllerRevisions; what a
    StatefulSet has, its status says. ``slices`` None: no Service is ``named``, or what is behind it can't be read."""

    stored: Sequence[Mapping[str, Any]]
    pods: Sequence[Mapping[str, Any]]
    slices: Sequence[Json] | None
    named: bool = False


async def around(api: Cluster, declared: Workload, one: Json, namespace: str) -> Around:
    """Asked for side by side: none of them waits for another."""
    query = {"labelSelector": selector_of(one)}
    sets, pods, found = await asyncio.gather(
        _stored(api, declared.kind, namespace, query),
        api.listed(path("v1", "pods", namespace=namespace), query),
        slices(api, declared.service, namespace),
    )
    return Around(sets, pods_of(one, sets, pods.items), found, declared.service is not None)


async def around_standing(api: Cluster, at: Standing) -> Around:
    """The same, of one that was just read."""
    found = await slices(api, at.declared.service, at.namespace)
    return Around(at.stored, at.pods, found, at.declared.service is not None)


async def _stored(api: Cluster, kind: Kind, namespace: str, query: Mapping[str, str]) -> Sequence[Json]:
    if kind not in ("Deployment", "DaemonSet"):
        return ()
    return (await api.listed(await api.where(STORED[kind], namespace=namespace), query)).items


async def slices(api: Cluster, service: str | None, namespace: str) -> Sequence[Json] | None:
    if service is None:
        return None
    query = {"labelSelector": f"kubernetes.io/service-name={service}"}
    try:
        return (await api.listed(await api.where("endpointslices", namespace=namespace), query)).items
    except (NotThere, Forbidden):
        return None


def settled(one: Json, seen: Around, wanted: Wanted, container: str | None = None) -> Rollout:
    """Pure. What the controller calls done, held against ReplicaSets, images and endpoints."""
    how = rollout(one, zero=wanted.zero)
    now = template_now(one, seen.stored)
    if wanted.template and now and now != wanted.template:
        return Rollout("failed", f"{how.words}; yet it asks for another template than was meant: {now}", *_numbers(how))
    if how.status != "done" or one.get("kind") == "CronJob":
        return how
    left = old_sets(one, seen.stored)
    if left:
        return _still(how, f"the old ReplicaSet {listed(left, 3)} is not at zero")
    new = [pod for pod in seen.pods if is_new(one, seen.stored, pod) is not False and counts(pod)]
    if how.wanted == 0:
        there = [str(pod["metadata"]["name"]) for pod in seen.pods if not over(pod)]
        return _still(how, f"{listed(there, 3)} has not ended yet") if there else how
    name = container_in(template_of(one), container)
    other = [] if not wanted.digest else [_id(pod, name) for pod in new if _id(pod, name) != wanted.digest]
    if any(other):
        return Rollout(
            "failed", f"{how.words}; yet a pod runs {listed([o[:19] for o in other if o], 2)}", *_numbers(how)
        )
    if other or (wanted.digest and not new):
        return _still(how, "what its pods run is not told yet")
    if seen.slices is not None and (words := unreached(seen.slices, new)):
        return _still(how, words)
    told = f", image {wanted.digest[7:19]}" if wanted.digest else ""
    reached = ", who is reached behind its Service can't be looked at" if seen.named else ""
    if seen.slices is not None:
        reached = f", behind its Service only {len(reached_pods(seen.slices))} new"
    return Rollout("done", f"{how.words}{told}{reached}", *_numbers(how))


def template_now(one: Json, stored: Sequence[Mapping[str, Any]]) -> str:
    """The hash by which the cluster knows its template; empty where that can't be told, or not yet."""
    if one.get("kind") == "Deployment":
        newest = newest_set(one, stored)
        return str(((newest or {}).get("metadata") or {}).get("labels", {}).get("pod-template-hash") or "")
    status, head = one.get("status") or {}, one["metadata"]
    if one.get("kind") == "DaemonSet":
        return name_of(newest_revision(one, stored) or {}).removeprefix(f"{head['name']}-")
    seen = status.get("observedGeneration") == head.get("generation")
    return str(status.get("updateRevision") or "").removeprefix(f"{head['name']}-") if seen else ""


def _numbers(how: Rollout) -> tuple[int, int, int, int]:
    return how.wanted, how.updated, how.available, how.old


def _still(how: Rollout, words: str) -> Rollout:
    return Rollout("waiting", f"{how.words}; {words}", *_numbers(how))


def old_sets(one: Json, stored: Sequence[Mapping[str, Any]]) -> list[str]:
    """ReplicaSets of another template that still have, or want, pods."""
    newest = newest_set(one, stored)
    uid = newest["metadata"].get("uid") if newest is not None else None
    found = []
    for each in owned(stored, one["metadata"].get("uid")):
        counts = ((each.get("spec") or {}).get("replicas"), (each.get("status") or {}).get("replicas"))
        if each["metadata"].get("uid") != uid and any(counts):
            found.append(str(each["metadata"]["name"]))
    return found


def _id(pod: Mapping[str, Any], container: str) -> str:
    """The digest that runs in it; empty where nobody says yet."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    found: Json = next((each for each in statuses if each.get("name") == container), {})
    return digest_in(found.get("imageID")) or ""


def digests(revisions: Sequence[Revision], container: str | None) -> dict[str, str]:
    """By pod; empty where it is not told."""
    named = [(one, container_in(one.template, container)) for one in revisions]
    return {str(pod["metadata"]["name"]): _id(pod, name) for one, name in named for pod in one.alive}


def reached_pods(found: Sequence[Json]) -> dict[str, str]:
    """The names of the pods that get traffic, by UID. One that is ``ready`` null counts, as the API has it."""
    ready = {}
    for one in found:
        for end in one.get("endpoints") or ():
            target = end.get("targetRef") or {}
            if (end.get("conditions") or {}).get("ready") is not False:
                ready[str(target.get("uid") or "")] = str(target.get("name") or "an address that is no pod")
    return ready


def unreached(found: Sequence[Json], new: Sequence[Mapping[str, Any]]) -> str:
    """Why the Service does not lead to the new pods alone; empty where it does."""
    ready, mine = reached_pods(found), {str(pod["metadata"].get("uid")) for pod in new}
    if not ready:
        return "its Service leads to no pod"
    others = sorted(name for uid, name in ready.items() if uid not in mine)
    return f"its Service still leads to {listed(others, 3)}" if others else ""


def beside_the_deadline(found: Sequence[Trouble]) -> list[Trouble]:
    """That a deadline has passed, how the rollout is has said already."""
    return [each for each in found if each.why != "deadline"]


async def reasons(ctx: Context, api: Cluster, one: Json, pods: Sequence[Mapping[str, Any]]) -> list[str]:
    """What keeps it, the last lines of what crashed with it."""
    namespace = api.namespace
    try:
        events = (await api.listed(path("v1", "events", namespace=namespace))).items
    except WarroomError:  # what the objects themselves say is the most of it
        events = ()
    found = beside_the_deadline(troubles(one, pods, events, server_now(ctx)))
    words, told = [], set()
    for each in found:
        if (each.why, each.container or each.pod) in told:
            continue
        told.add((each.why, each.container or each.pod))
        words.append(each.words)
        if each.why == "crash" and each.container:
            words += await _last_lines(api, each.pod, each.container, previous=each.restarts)
    return words


async def _last_lines(api: Cluster, pod: str, container: str, *, previous: bool) -> list[str]:
    where = path("v1", "pods", namespace=api.namespace, name=pod, sub="log")
    query: dict[str, str | int | bool] = {"container": container, "tailLines": TAIL, "limitBytes": 4000}
    try:
        text = await api.text(where, {**query, **({"previous": True} if previous else {})}, timeout=ASK_S)
    except WarroomError as error:
        return [f"its log can't be read: {error}"]
    return [f"{container}: {line}" for line in text.splitlines()[-TAIL:] if line.strip()]


def container_of(config: Config, key: str) -> str | None:
    return config.workloads[key].container if key in config.workloads else None


def beyond_waiting(one: Json, seen: Around, found: Sequence[Trouble]) -> bool:
    """Whether no waiting mends it.

    What ails a pod of the template that was left goes with the pod, unless it keeps a StatefulSet's others waiting.
    """
    new = {name_of(pod) for pod in seen.pods if is_new(one, seen.stored, pod)}
    return any(each.hopeless and (each.why == "ordered" or each.pod in new) for each in found)
