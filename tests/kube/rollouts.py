"""The Deployment controller's arithmetic: how many of which ReplicaSet, and what its status says. No writes here."""

from __future__ import annotations

from dataclasses import dataclass

from tests.kube import clock
from tests.kube.quantities import share
from tests.kube.store import Obj

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class Sets:
    new: Obj | None
    old: list[Obj]

    @property
    def all(self) -> list[Obj]:
        return [*self.old, *([self.new] if self.new else [])]


def size(d: Obj) -> int:
    return int(d["spec"].get("replicas", 1))


def size_of(rs: Obj) -> int:
    return int(rs["spec"].get("replicas", 0))


def _bounds(d: Obj) -> tuple[int, int]:
    """(surge, unavailable); never both zero."""
    rolling = d["spec"]["strategy"].get("rollingUpdate") or {}
    more = share(rolling.get("maxSurge", 0), size(d), up=True)
    less = share(rolling.get("maxUnavailable", 0), size(d), up=False)
    return more, less if more or less else 1


def surge(d: Obj) -> int:
    return _bounds(d)[0] if d["spec"]["strategy"]["type"] == "RollingUpdate" else 0


def unavailable(d: Obj) -> int:
    if d["spec"]["strategy"]["type"] != "RollingUpdate" or size(d) == 0:
        return 0
    return min(_bounds(d)[1], size(d))


def highest(sets: list[Obj]) -> int:
    return max((int((rs["metadata"].get("annotations") or {}).get(REVISION, 0) or 0) for rs in sets), default=0)


def new_size(d: Obj, sets: Sets, now: int) -> int:
    """What the new set may grow to."""
    room = size(d) + surge(d) - sum(size_of(rs) for rs in sets.all)
    return now if room <= 0 else now + max(0, min(room, size(d) - now))


def old_sizes(d: Obj, sets: Sets) -> list[tuple[Obj, int]]:
    """Those of the old sets that shrink now: first what does not work anyway, then what can be done without."""
    if sum(size_of(rs) for rs in sets.old) == 0 or sets.new is None:
        return []
    least = size(d) - unavailable(d)
    waiting = size_of(sets.new) - sets.new["status"].get("availableReplicas", 0)
    room = sum(size_of(rs) for rs in sets.all) - least - waiting
    if room <= 0:
        return []
    sizes = {rs["metadata"]["name"]: size_of(rs) for rs in sets.old}
    cleaned = 0
    for rs in sets.old:
        name, works = rs["metadata"]["name"], rs["status"].get("availableReplicas", 0)
        gone = min(room - cleaned, sizes[name] - works) if sizes[name] else 0
        if gone > 0:
            sizes[name] -= gone
            cleaned += gone
    spare = sum(rs["status"].get("availableReplicas", 0) for rs in sets.all) - least
    for rs in sets.old:
        gone = max(0, min(spare, sizes[rs["metadata"]["name"]]))
        sizes[rs["metadata"]["name"]] -= gone
        spare -= gone
    return [(rs, sizes[rs["metadata"]["name"]]) for rs in sets.old if sizes[rs["metadata"]["name"]] != size_of(rs)]


def saturated(d: Obj, rs: Obj) -> bool:
    desired = rs["metadata"].get("annotations", {}).get("deployment.kubernetes.io/desired-replicas")
    return (
        size_of(rs) == size(d) == rs["status"].get("availableReplicas", 0)
        and desired is not None
        and int(desired) == size(d)
    )


def proportions(d: Obj, active: list[Obj]) -> list[tuple[Obj, int]]:
    """Scaled in the middle of a rollout: each set by its share, the rest to the largest."""
    total = sum(size_of(rs) for rs in active)
    allowed = size(d) + surge(d) if size(d) else 0
    left = allowed - total
    shares: dict[str, int] = {}
    active = sorted(active, key=size_of, reverse=True)
    for rs in active:
        fair = round(size_of(rs) * allowed / total) - size_of(rs) if total else 0
        given = max(0, min(fair, left)) if left >= 0 else min(0, max(fair, left))
        shares[rs["metadata"]["name"]] = given
        left -= given
    first = active[0]["metadata"]["name"]
    shares[first] += left
    return [(rs, max(0, size_of(rs) + shares[rs["metadata"]["name"]])) for rs in active]


# ---- status


def condition(kind: str, holds: str, reason: str, message: str) -> Obj:
    stamp = clock.seconds()
    both = {"lastUpdateTime": stamp, "lastTransitionTime": stamp}
    return {"type": kind, "status": holds, **both, "reason": reason, "message": message}


def find(d: Obj, kind: str) -> Obj:
    found = [one for one in d.get("status", {}).get("conditions", []) if one["type"] == kind]
    return found[0] if found else {}


def with_condition(d: Obj, new: Obj) -> list[Obj]:
    """The one of its kind is replaced; the same status and reason leave it as it was."""
    old = find(d, new["type"])
    others = [one for one in d.get("status", {}).get("conditions", []) if one["type"] != new["type"]]
    if old and (old["status"], old["reason"]) == (new["status"], new["reason"]):
        return [*others, old]
    if old and old["status"] == new["status"]:
        new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
    return [*others, new]


def complete(d: Obj, status: Obj) -> bool:
    wanted = size(d)
    counts = [status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas")]
    return (
        all(count == wanted for count in counts) and status.get("observedGeneration", 0) >= d["metadata"]["generation"]
    )


def _progressing(old: Obj, new: Obj) -> bool:
    def of(status: Obj, name: str) -> int:
        return int(status.get(name, 0))

    return (
        of(new, "updatedReplicas") > of(old, "updatedReplicas")
        or of(new, "replicas") - of(new, "updatedReplicas") < of(old, "replicas") - of(old, "updatedReplicas")
        or of(new, "readyReplicas") > of(old, "readyReplicas")
        or of(new, "availableReplicas") > of(old, "availableReplicas")
    )


def status(d: Obj, sets: Sets, rolling: bool) -> tuple[Obj, float | None]:
    """The status, and when to look again at the deadline."""
    everywhere = sets.all
    works = sum(rs["status"].get("availableReplicas", 0) for rs in everywhere)
    counts = {
        "replicas": sum(rs["status"].get("replicas", 0) for rs in everywhere),
        "updatedReplicas": sets.new["status"].get("replicas", 0) if sets.new else 0,
        "readyReplicas": sum(rs["status"].get("readyReplicas", 0) for rs in everywhere),
        "availableReplicas": works,
        "unavailableReplicas": max(0, sum(size_of(rs) for rs in everywhere) - works),
    }
    new: Obj = {"observedGeneration": d["metadata"]["generation"]}
    new |= {name: count for name, count in counts.items() if count}
    if works >= size(d) - unavailable(d):
        text = "Deployment has minimum availability."
        enough = condition("Available", "True", "MinimumReplicasAvailable", text)
    else:
        text = "Deployment does not have minimum availability."
        enough = condition("Available", "False", "MinimumReplicasUnavailable", text)
    draft = {**d, "status": {**new, "conditions": with_condition(d, enough)}}
    failures = [
        one for rs in everywhere for one in rs["status"].get("conditions", []) if one["type"] == "ReplicaFailure"
    ]
    kept = [one for one in draft["status"]["conditions"] if one["type"] != "ReplicaFailure"]
    if failures:
        failed = condition("ReplicaFailure", "True", failures[-1]["reason"], failures[-1]["message"])
        kept = [*kept, (find(d, "ReplicaFailure") or failed)]
    draft["status"]["conditions"] = kept
    wait = _progress(d, draft, sets) if rolling and "progressDeadlineSeconds" in d["spec"] else None
    found: Obj = draft["status"]
    return found, wait


def _progress(d: Obj, draft: Obj, sets: Sets) -> float | None:
    now, status = find(d, "Progressing"), draft["status"]
    named = f'ReplicaSet "{sets.new["metadata"]["name"]}"' if sets.new else f'Deployment "{d["metadata"]["name"]}"'
    finished = status.get("replicas", 0) == status.get("updatedReplicas", 0)
    if finished and now.get("reason") == "NewReplicaSetAvailable":
        return None
    if complete(d, status):
        new = condition("Progressing", "True", "NewReplicaSetAvailable", f"{named} has successfully progressed.")
    elif _progressing(d.get("status", {}), status):
        new = condition("Progressing", "True", "ReplicaSetUpdated", f"{named} is progressing.")
        if now.get("status") == "True":
            new["lastTransitionTime"] = now["lastTransitionTime"]
        # Each bit of progress counts anew from here.
        status["conditions"] = [*(one for one in status["conditions"] if one["type"] != "Progressing"), new]
        return float(d["spec"]["progressDeadlineSeconds"]) + 1.0
    elif now and now.get("reason") not in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
        left = float(d["spec"]["progressDeadlineSeconds"]) - clock.since(now["lastUpdateTime"])
        if left >= 0:
            return left + 0.05
        new = condition("Progressing", "False", "ProgressDeadlineExceeded", f"{named} has timed out progressing.")
    else:
        return None
    status["conditions"] = with_condition(draft, new)
    return None
