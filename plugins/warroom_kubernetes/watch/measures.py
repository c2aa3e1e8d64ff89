"""From what is watched and what metrics.k8s.io says to values, each with its words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from warroom.model.units import listed, many
from warroom_kubernetes.objects.moments import instant
from warroom_kubernetes.objects.quantities import quantity
from warroom_kubernetes.watch.live import ContainerSeen, PodSeen, WorkloadSeen, held_up, is_stuck

Value = tuple[float | None, int | None, str]
"""A sample's value, its count, and its words."""
TOO_NEW = timedelta(seconds=90)
"""For so long after it came nothing need be measured of a pod: metrics are gathered every 15 to 60 seconds."""
NO_PODS: Value = (None, 0, "none of its pods runs")


@dataclass(frozen=True, slots=True)
class Used:
    """CPUs and bytes of one container, by the metrics server; None where it doesn't say."""

    cpu: float | None
    memory: float | None


@dataclass(frozen=True)
class Usage:
    """By pod and container. ``at`` is when the oldest of it was measured. ``trouble``: why nothing is known."""

    used: Mapping[tuple[str, str], Used]
    at: datetime | None = None
    trouble: str = ""


UNMEASURED = Usage({}, None, "not measured yet")


def usage(items: Iterable[Mapping[str, Any]]) -> Usage:
    """Of the items of a PodMetricsList."""
    used: dict[tuple[str, str], Used] = {}
    oldest: datetime | None = None  # or a node that is asked no more would hide behind the others
    for one in items:
        pod = str((one.get("metadata") or {}).get("name", ""))
        at = instant(one.get("timestamp"))
        oldest = min(filter(None, (oldest, at)), default=None)
        for container in one.get("containers") or ():
            told = container.get("usage") or {}
            used[pod, str(container.get("name", ""))] = Used(quantity(told.get("cpu")), quantity(told.get("memory")))
    return Usage(used, oldest)


def of_workload(
    shown: str, kind: str, seen: WorkloadSeen | None, pods: Sequence[PodSeen], measured: Usage, now: datetime
) -> dict[str, Value]:
    counted = [one for one in pods if one.counts]
    waiting = [one for one in counted if not one.ready]
    why = listed([f"{one.name}: {held_up(one)}" for one in waiting], 3) if waiting else ""
    if seen is None:
        gone: Value = (0.0, 1, f"there is no {kind} {shown}")
        values = {
            "health": gone,
            "ready": gone,
            "pods-not-ready": (float(len(waiting)), 1, gone[2]),
            "rollout": (None, None, gone[2]),
        }
    else:
        values = {
            "health": _health(seen, waiting),
            "ready": _ready(seen, why),
            "pods-not-ready": _not_ready(seen, waiting, why),
            "rollout": _rollout(seen),
        }
    return values | of_usage(counted, measured, now)


def _rollout(seen: WorkloadSeen) -> Value:
    """Not known while it goes on."""
    told = seen.rollout
    if seen.wanted in (None, 0):
        return None, 0, told.words
    value = {"done": 1.0, "failed": 0.0, "waiting": None}[told.status]
    return value, None if value is None else 1, told.words


def _health(seen: WorkloadSeen, waiting: Sequence[PodSeen]) -> Value:
    """Not well while a pod is stuck or a rollout has failed, though users may still be served by those of before.

    Fewer ready than are wanted are no fault while a rollout goes on, but how it ends is not known then.
    """
    if seen.wanted in (None, 0) or not seen.current:
        return _ready(seen, "")
    counted = f"{seen.ready} of {seen.wanted} ready"
    stuck = [f"{held_up(one)} in {one.name}" for one in waiting if is_stuck(one)]
    how = seen.rollout
    if stuck:
        those = f"{len(stuck)} are stuck: " if len(stuck) > 1 else ""
        return 0.0, 1, f"{counted}; {those}{stuck[0]}"
    if how.status == "failed" and seen.kind == "Deployment" and not seen.paused:  # else somebody is to go on
        return 0.0, 1, f"{counted}; {how.words}"
    rolling = how.status == "waiting" and (how.updated < seen.wanted or how.old > 0)
    why = listed([f"{one.name}: {held_up(one)}" for one in waiting], 2) if waiting else ""
    words = "; ".join(filter(None, [counted, f"rolling out, {how.updated} new" if rolling else "", why]))
    if rolling and 0 < seen.ready < seen.wanted:
        return None, None, words
    return float(seen.ready >= seen.wanted), 1, words


def _ready(seen: WorkloadSeen, why: str) -> Value:
    if seen.wanted is None:
        return None, 0, "suspended" if seen.paused else "a CronJob has no number of pods"
    if not seen.current:
        return None, None, "its controller has not seen the last change yet"
    if seen.wanted == 0:
        return None, 0, "scaled to zero: none is wanted, and none serves"
    words = f"{seen.ready} of {seen.wanted} ready"
    return min(1.0, seen.ready / seen.wanted), 1, f"{words}; {why}" if why else words


def _not_ready(seen: WorkloadSeen, waiting: Sequence[PodSeen], why: str) -> Value:
    missing = max(0, (seen.wanted or 0) - seen.ready - len(waiting))
    words = [why, f"{many(missing, 'pod')} not there" if missing else ""]
    return float(len(waiting) + missing), 1, "; ".join(filter(None, words)) or "none"


def of_usage(pods: Sequence[PodSeen], measured: Usage, now: datetime) -> dict[str, Value]:
    """``memory-used`` and ``cpu-used`` of the container that is nearest to its limit, ``cpu`` of all together."""
    if measured.trouble:
        return dict.fromkeys(("memory-used", "cpu-used", "cpu"), (None, None, measured.trouble))
    known: list[tuple[str, ContainerSeen, Used]] = []
    for pod in pods:
        for one in pod.containers:
            if one.role != "main" or one.state != "running":
                continue
            used = measured.used.get((pod.name, one.name))
            shown = f"{pod.name}/{one.name}"
            if used is not None:
                known.append((shown, one, used))
            elif pod.created is None or now - pod.created > TOO_NEW:
                unknown = (None, None, f"{shown}: the metrics server does not measure it")
                return dict.fromkeys(("memory-used", "cpu-used", "cpu"), unknown)
    if not known:
        return dict.fromkeys(("memory-used", "cpu-used", "cpu"), NO_PODS)
    cores = [used.cpu for _, _, used in known if used.cpu is not None]
    return {
        "memory-used": _fullest([_memory(*each) for each in known]),
        "cpu-used": _fullest([_cpu(*each) for each in known]),
        "cpu": (sum(cores), 1, f"{sum(cores):.2f} CPUs by {many(len(cores), 'container')}") if cores else NO_PODS,
    }


def _memory(shown: str, one: ContainerSeen, used: Used) -> Value:
    if used.memory is None:
        return None, None, f"{shown}: its memory is not measured"
    if not one.memory_limit:
        return None, None, f"{shown}: {_mb(used.memory)}, and it has no limit"
    return min(1.0, used.memory / one.memory_limit), 1, f"{shown}: {_mb(used.memory)} of {_mb(one.memory_limit)}"


def _cpu(shown: str, one: ContainerSeen, used: Used) -> Value:
    if used.cpu is None:
        return None, None, f"{shown}: its CPU time is not measured"
    if not one.cpu_limit:
        return None, None, f"{shown}: {used.cpu:.2f} CPUs, and it has no limit"
    return min(1.0, used.cpu / one.cpu_limit), 1, f"{shown}: {used.cpu:.2f} of {one.cpu_limit:g} CPUs"


def _mb(size: float) -> str:
    return f"{size / 2**20:,.0f} MB"


def _fullest(found: Sequence[Value]) -> Value:
    """The highest. Unknown as soon as one is: the fullest could be that one."""
    missing = [value for value in found if value[0] is None]
    return missing[0] if missing else max(found, key=lambda each: each[0] or 0)


@dataclass(frozen=True, slots=True)
class SliceSeen:
    """Whom an EndpointSlice leads to: pods by UID, else addresses."""

    ready: frozenset[str]
    other: frozenset[str]


def endpoints(slices: Iterable[SliceSeen]) -> Value:
    """How many are ready, and how many are not. A Service of two address families has each pod in two slices."""
    told = list(slices)
    ready = frozenset[str]().union(*(one.ready for one in told))
    other = frozenset[str]().union(*(one.other for one in told)) - ready
    return float(len(ready)), 1, f"{len(ready)} ready" + (f", {len(other)} not" if other else "")


def slice_seen(told: Mapping[str, Any]) -> SliceSeen:
    """``ready`` left out by the API means ready."""
    ready: set[str] = set()
    other: set[str] = set()
    for one in told.get("endpoints") or ():
        who = (one.get("targetRef") or {}).get("uid") or ",".join(one.get("addresses") or ())
        (other if (one.get("conditions") or {}).get("ready") is False else ready).add(str(who))
    return SliceSeen(frozenset(ready), frozenset(other))


def of_all(values: Mapping[str, Value], keys: Sequence[str]) -> dict[str, Value]:
    """Of all workloads that matter together."""
    return {
        "ready": _worst(values, "ready", keys, lowest=True),
        "pods-not-ready": _sum(values, "pods-not-ready", keys),
        "restarts": _sum(values, "restarts", keys),
        "oom-kills": _sum(values, "oom-kills", keys),
        "memory-used": _worst(values, "memory-used", keys),
        "cpu-used": _worst(values, "cpu-used", keys),
        "template-unchanged": _worst(values, "template-unchanged", keys, lowest=True),
    }


def _worst(values: Mapping[str, Value], what: str, keys: Sequence[str], *, lowest: bool = False) -> Value:
    """Of those where there is something to measure. One that is not known makes it unknown, unless another is as bad
    as can be."""
    told = [(key, values[f"{what}-{key}"]) for key in keys]
    known = [(value, f"{key}: {words}") for key, (value, _, words) in told if value is not None]
    missing = [f"{key}: {words}" for key, (value, count, words) in told if value is None and count != 0]
    worst = min(known, default=None) if lowest else max(known, default=None)
    if worst is not None and (not missing or worst[0] == (0 if lowest else 1)):
        return worst[0], 1, worst[1]
    if missing:
        return None, None, listed(missing, 3)
    return None, 0, listed([f"{key}: {words}" for key, (_, _, words) in told], 3)


def _sum(values: Mapping[str, Value], what: str, keys: Sequence[str]) -> Value:
    told = {key: values[f"{what}-{key}"] for key in keys}
    missing = [words for value, _, words in told.values() if value is None]
    numbers = {key: value for key, (value, _, _) in told.items() if value is not None}
    if missing and not any(numbers.values()):
        return None, None, missing[0]
    return float(sum(numbers.values())), 1, listed([told[k][2] for k, value in numbers.items() if value], 3) or "none"
