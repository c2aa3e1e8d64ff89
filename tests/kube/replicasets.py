"""The ReplicaSet controller: as many pods as are wanted."""

from __future__ import annotations

import copy
from typing import Any

from tests.kube import clock
from tests.kube.controllers import Item, Work, controller_of, owned, owner_reference
from tests.kube.errors import ApiError
from tests.kube.kubelet import PODS, is_ready
from tests.kube.resources import resource
from tests.kube.store import Change, Obj

SETS = resource("apps", "replicasets")


def alive(pods: list[Obj]) -> list[Obj]:
    return [
        pod
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp") and pod["status"].get("phase") not in ("Succeeded", "Failed")
    ]


def available_in(pod: Obj, least: int) -> float:
    """Seconds until it has been ready for so long; 0 when it has, -1 when it is not ready."""
    if not is_ready(pod):
        return -1.0
    since = next(one for one in pod["status"]["conditions"] if one["type"] == "Ready")["lastTransitionTime"]
    return max(0.0, least - clock.since(since)) if least else 0.0


def new_pod(owner: Obj, template: Obj, name: str, labels: dict[str, str]) -> Obj:
    meta = template.get("metadata", {})
    head: dict[str, Any] = {"labels": {**(meta.get("labels") or {}), **labels}}
    head |= {"annotations": meta["annotations"]} if meta.get("annotations") else {}
    head |= {"finalizers": list(meta["finalizers"])} if meta.get("finalizers") else {}
    head |= {"ownerReferences": [owner_reference(owner)]}
    head |= {"generateName": f"{owner['metadata']['name']}-"} if name == "" else {"name": name}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": head, "spec": copy.deepcopy(template["spec"])}


class ReplicaSets:
    def __init__(self, work: Work) -> None:
        self.work, self.api = work, work.api
        work.syncs["replicasets"] = self.sync
        work.concerns.append(self.concern)

    def concern(self, change: Change) -> list[Item]:
        if change.key == SETS.key:
            return [("replicasets", change.namespace, change.name)]
        if change.key == PODS.key and (owner := controller_of(change.now.obj)) and owner["kind"] == "ReplicaSet":
            return [("replicasets", change.namespace, owner["name"])]
        return []

    def sync(self, space: str, name: str) -> None:
        rs = self.api.store.get(SETS.key, space, name)
        if rs is None:
            return
        pods = alive(owned(self.api.store.all(PODS.key, space), rs))
        failure = ""
        if not rs["metadata"].get("deletionTimestamp"):
            failure = self._replicas(rs, pods, space)
        pods = alive(owned(self.api.store.all(PODS.key, space), rs))
        self._status(rs, pods, failure)
        if failure:
            self.work.later(("replicasets", space, name), 0.5)

    def _replicas(self, rs: Obj, pods: list[Obj], space: str) -> str:
        """Why a pod could not be made, else ""."""
        wanted = rs["spec"]["replicas"]
        for _ in range(wanted - len(pods)):
            try:
                made = self.api.create(PODS, space, new_pod(rs, rs["spec"]["template"], "", {}))
            except ApiError as error:
                self.work.events.say(
                    rs, "FailedCreate", f"Error creating: {error.message}", "replicaset-controller", True
                )
                return error.message
            message = f"Created pod: {made['metadata']['name']}"
            self.work.events.say(rs, "SuccessfulCreate", message, "replicaset-controller")
        for pod in sorted(pods, key=_rank)[: max(0, len(pods) - wanted)]:
            self.api.delete(PODS, space, pod["metadata"]["name"])
            message = f"Deleted pod: {pod['metadata']['name']}"
            self.work.events.say(rs, "SuccessfulDelete", message, "replicaset-controller")
        return ""

    def _status(self, rs: Obj, pods: list[Obj], failure: str) -> None:
        least = rs["spec"].get("minReadySeconds", 0)
        waits = [available_in(pod, least) for pod in pods]
        if later := [wait for wait in waits if wait > 0]:
            self.work.later(("replicasets", rs["metadata"]["namespace"], rs["metadata"]["name"]), min(later) + 0.01)
        status: Obj = {"replicas": len(pods)}
        counts = {"fullyLabeledReplicas": len(pods), "readyReplicas": sum(wait >= 0 for wait in waits)}
        counts["availableReplicas"] = sum(wait == 0 for wait in waits)
        status |= {name: count for name, count in counts.items() if count}
        status["observedGeneration"] = rs["metadata"]["generation"]
        if failure:
            old: Obj = next(iter(rs.get("status", {}).get("conditions", [])), {})
            stamp = old.get("lastTransitionTime", clock.seconds())
            condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": failure}
            status["conditions"] = [condition | {"lastTransitionTime": stamp}]
        self.api.set_status("replicasets", rs, status)


def _rank(pod: Obj) -> tuple[bool, bool, bool, float]:
    """Those that are given up first come first: without a node, not running, not ready, the newest."""
    born = -float(pod["metadata"]["resourceVersion"])
    return (bool(pod["spec"].get("nodeName")), pod["status"].get("phase") == "Running", is_ready(pod), born)
