"""What keeps a rollout from its end, and why: from objects as the API serves them, in words for people.

A disruption budget keeps nobody from a rollout: it counts for evictions alone, so a pod that is evicted is named here,
and a budget never is. Kubernetes' own words are kept, since they can be looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from warroom_kubernetes.objects.fields import Json, condition, name_of, number, part
from warroom_kubernetes.objects.lengths import SENTENCE, cut
from warroom_kubernetes.objects.moments import NEVER, happened_at, instant
from warroom_kubernetes.objects.rollouts import late, on_delete

Why = Literal[
    "image",
    "crash",
    "config",
    "unschedulable",
    "quota",
    "probe",
    "volume",
    "terminating",
    "deadline",
    "paused",
    "ordered",
    "evicted",
    "no-progress",
]
IMAGE = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"})
HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""What no waiting mends."""
_AGAIN = frozenset({"ImagePullBackOff"}) | CONFIG | HOPELESS
CRASHES = 2
"""Restarts after which a container that waits for the next is not about to come up."""
_VOLUME = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox"})
_RANK: dict[Why, int] = {"ordered": -1, "deadline": 2, "no-progress": 3, "terminating": 1}
LATE_S = 5.0
"""How long after its grace period a pod that is still there counts as one that does not end."""


@dataclass(frozen=True)
class Trouble:
    """``pod`` and ``container`` where it is one's; ``restarts``: its last log is that of the run before."""

    why: Why
    words: str
    pod: str = ""
    container: str = ""
    hopeless: bool = False
    restarts: bool = False


def troubles(
    workload: Json, pods: Iterable[Json], events: Sequence[Json] = (), now: datetime | None = None
) -> list[Trouble]:
    """Causes first, then what only says that there is one. ``pods`` are the workload's own (``rollouts.pods_of``)."""
    mine = list(pods)
    found = [*_of_workload(workload, events)]
    for pod in mine:
        found += _of_pod(pod, _about(events, pod), now)
    if (held := _ordered(workload, mine)) is not None:
        found.append(held)
    told = [replace(one, words=cut(one.words, SENTENCE)) for one in found]
    return sorted(told, key=lambda one: _RANK.get(one.why, 0))


def _of_workload(workload: Json, events: Sequence[Json]) -> list[Trouble]:
    spec, status = part(workload, "spec"), part(workload, "status")
    name = f"{workload.get('kind') or 'Deployment'} {name_of(workload)}"
    found = []
    if spec.get("paused"):
        found.append(Trouble("paused", f"{name} is paused: `kubectl rollout resume` lets it go on"))
    failure = condition(status, "ReplicaFailure")
    message = str(failure.get("message") or "") if failure.get("status") == "True" else ""
    if not message and workload.get("kind") != "Deployment":
        made = [event for event in _about(events, workload) if event.get("reason") == "FailedCreate"]
        message = str(made[-1].get("message") or "") if made else ""
    if message:
        found.append(Trouble("quota", f"{name} may make no pod: {cut(message, 400)}"))
    if late(workload):
        limit = number(spec, "progressDeadlineSeconds", 600)
        found.append(Trouble("deadline", f"{name} made no progress for {limit} s (ProgressDeadlineExceeded)"))
    return found


def _of_pod(pod: Json, events: Sequence[Json], now: datetime | None) -> list[Trouble]:
    name, status = name_of(pod), part(pod, "status")
    if gone := part(pod, "metadata").get("deletionTimestamp"):
        return _terminating(pod, str(gone), now)
    if status.get("phase") == "Failed":
        why: Why = "evicted" if status.get("reason") == "Evicted" else "crash"
        said = _said(status.get("reason"), status.get("message"))
        return [Trouble(why, f"{name} has failed: {said}", name)]
    scheduled = condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        said = _said(scheduled.get("reason"), scheduled.get("message"))
        return [Trouble("unschedulable", f"{name} has no node: {said}", name)]
    found = []
    for group in ("initContainerStatuses", "containerStatuses"):
        for one in status.get(group) or ():
            starts = str(one.get("name") or "") in _with_startup_probe(pod)
            trouble = _of_container(name, one, events, init=group.startswith("init"), starts=starts)
            found += [trouble] if trouble is not None else []
    if not found and status.get("phase") == "Pending":
        found += [
            Trouble("volume", f"{name} can't begin: {_said(event.get('reason'), event.get('message'))}", name)
            for event in [event for event in events if event.get("reason") in _VOLUME][-1:]
        ]
    return found


def _terminating(pod: Json, gone: str, now: datetime | None) -> list[Trouble]:
    """``deletionTimestamp`` is when its grace period ends, not when it was asked to end."""
    name = name_of(pod)
    held = part(pod, "metadata").get("finalizers") or []
    due = instant(gone)
    if now is None or due is None or (now - due).total_seconds() < LATE_S:
        return []
    late = f"{(now - due).total_seconds():.0f} s after its grace period"
    by = f", held by the finalizer {', '.join(map(str, held))}" if held else ": its node may be away"
    return [Trouble("terminating", f"{name} is still there {late}{by}", name)]


def _with_startup_probe(pod: Json) -> set[str]:
    """``started`` is false as well of a container that has none and is only about to be ready."""
    return {str(one.get("name") or "") for one in part(pod, "spec").get("containers") or () if one.get("startupProbe")}


def _of_container(pod: str, one: Json, events: Sequence[Json], *, init: bool, starts: bool) -> Trouble | None:
    container, state = str(one.get("name") or ""), part(one, "state")
    where = f"{pod}/{container}{' (init container)' if init else ''}"
    waiting = part(state, "waiting")
    reason = str(waiting.get("reason") or "")
    last = part(state, "terminated") or part(part(one, "lastState"), "terminated")
    if reason in IMAGE:
        hopeless = reason in HOPELESS
        said, image = _said(reason, _pull_words(waiting, events)), cut(one.get("image") or "its image")
        words = said if str(one.get("image") or "its image") in said else f"{said}: {image}"
        return Trouble("image", f"{where}: {words}", pod, container, hopeless)
    if reason in CONFIG:
        return Trouble("config", f"{where}: {_said(reason, waiting.get('message'))}", pod, container)
    ended = part(state, "terminated")
    bad_end = bool(ended) and number(ended, "exitCode") != 0
    if reason == "CrashLoopBackOff" or bad_end:
        words = f"{where}: {reason or 'ended'}, {_end(last)}, started again {_times(number(one, 'restartCount'))}"
        return Trouble("crash", words, pod, container, restarts=not ended)
    if "running" in state and not init and not one.get("ready"):
        failed = [event for event in events if event.get("reason") == "Unhealthy" and _of(event, container)]
        said = str(failed[-1].get("message") or "") if failed else ""
        unstarted = starts and one.get("started") is False
        kind = "it has not started by its startup probe" if unstarted else "it is not ready"
        again = f", started again {_times(number(one, 'restartCount'))}" if number(one, "restartCount") else ""
        return Trouble("probe", f"{where}: {kind}{again}{': ' + said if said else ''}", pod, container)
    return None


def _pull_words(waiting: Json, events: Sequence[Json]) -> object:
    """ImagePullBackOff only says that it waits: why, the event of the pull itself says, and not the one after it
    (``Error: ImagePullBackOff``)."""
    told = [str(e.get("message") or "") for e in events if e.get("reason") == "Failed"]
    failed = [each for each in told if "pull" in each.lower() and not each.startswith("Error: ")]
    return failed[-1] if failed else waiting.get("message")


def _end(last: Json) -> str:
    if not last:
        return "how it ended is not known"
    reason = str(last.get("reason") or "")
    signal = number(last, "signal")
    code = f"signal {signal}" if signal else f"exit code {number(last, 'exitCode')}"
    extra = f" ({reason})" if reason not in ("", "Error", "Completed") else ""
    return f"{code}{extra}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _ordered(workload: Json, pods: Sequence[Json]) -> Trouble | None:
    """A StatefulSet that goes in order waits for a broken pod of the old template for ever, and does not replace it."""
    spec = part(workload, "spec")
    if workload.get("kind") != "StatefulSet" or spec.get("podManagementPolicy", "OrderedReady") != "OrderedReady":
        return None
    wanted = part(workload, "status").get("updateRevision")
    found: list[Trouble] = []
    for pod in pods:
        label = part(part(pod, "metadata"), "labels").get("controller-revision-hash")
        ill = condition(part(pod, "status"), "Ready").get("status") != "True"
        if wanted and label != wanted and ill and not part(pod, "metadata").get("deletionTimestamp"):
            name, certain = name_of(pod), _replaces(workload, pod) and _broken(pod)
            why = "not ready and of the old template, it holds all others up for ever"
            words = f"{name} has to be deleted (delete-pod): {why}"
            found.append(Trouble("ordered", words, name, hopeless=certain))
    return min(found, key=lambda one: not one.hopeless, default=None)


def _replaces(stateful_set: Json, pod: Json) -> bool:
    """It knows the template that it has now, and would replace this pod if it were ready. One that has ended it
    replaces anyway."""
    head, spec, status = (part(stateful_set, each) for each in ("metadata", "spec", "status"))
    if number(status, "observedGeneration") < number(head, "generation") or on_delete(spec):
        return False
    partition = number(part(part(spec, "updateStrategy"), "rollingUpdate"), "partition")
    place = name_of(pod).rpartition("-")[2]
    ended = part(pod, "status").get("phase") in ("Failed", "Succeeded")
    return not ended and place.isdecimal() and int(place) >= partition


def _broken(pod: Json) -> bool:
    """As its kubelet has it, which tries again ever more seldom. What only is not ready may become so."""
    status = part(pod, "status")
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        reason = part(part(one, "state"), "waiting").get("reason")
        if reason in _AGAIN or (reason == "CrashLoopBackOff" and number(one, "restartCount") >= CRASHES):
            return True
    return False


def _about(events: Sequence[Json], thing: Json) -> list[Json]:
    uid, name = part(thing, "metadata").get("uid"), name_of(thing)

    def mine(event: Json) -> bool:
        regarded = part(event, "involvedObject") or part(event, "regarding")
        return regarded.get("uid") == uid if regarded.get("uid") else regarded.get("name") == name

    return sorted(filter(mine, events), key=lambda event: happened_at(event) or NEVER)


def _of(event: Json, container: str) -> bool:
    at = str((part(event, "involvedObject") or part(event, "regarding")).get("fieldPath") or "")
    return not at or at.endswith(f"{{{container}}}")


def _said(reason: object, message: object) -> str:
    words = [str(one).strip() for one in (reason, message) if one]
    return cut(": ".join(words), 400) or "no reason is given"


def summed(found: Sequence[Trouble], most: int = 3) -> str:
    """The first few; those of one container's kind in several pods are told once, with how many there are."""
    groups: dict[tuple[str, str], list[Trouble]] = {}
    for one in found:
        groups.setdefault((one.why, one.container or one.pod), []).append(one)
    words = []
    for those in list(groups.values())[:most]:
        also = f" (and {len(those) - 1} more like it)" if len(those) > 1 else ""
        words.append(f"{those[0].words}{also}")
    left = len(groups) - most
    return "; ".join([*words, *([f"and {left} other troubles"] if left > 0 else [])])
