"""The StatefulSet controller: pods by ordinal. With OrderedReady it waits for a broken pod, whatever the template."""

from __future__ import annotations

from tests.kube import revisions
from tests.kube.controllers import Item, Work, controller_of, owned
from tests.kube.errors import ApiError
from tests.kube.kubelet import PODS, is_ready
from tests.kube.replicasets import available_in, new_pod
from tests.kube.resources import resource
from tests.kube.revisions import MARK, REVISIONS
from tests.kube.store import Change, Obj

STATEFULSETS = resource("apps", "statefulsets")
SOURCE = "statefulset-controller"


def ordinal(pod: Obj) -> int:
    return int(pod["metadata"]["name"].rpartition("-")[2])


def terminating(pod: Obj) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


class StatefulSets:
    def __init__(self, work: Work) -> None:
        self.work, self.api = work, work.api
        work.syncs["statefulsets"] = self.sync
        work.concerns.append(self.concern)

    def concern(self, change: Change) -> list[Item]:
        if change.key == STATEFULSETS.key:
            return [("statefulsets", change.namespace, change.name)]
        if change.key in (PODS.key, REVISIONS.key):
            owner = controller_of(change.now.obj)
            if owner and owner["kind"] == "StatefulSet":
                return [("statefulsets", change.namespace, owner["name"])]
        return []

    def sync(self, space: str, name: str) -> None:
        sts = self.api.store.get(STATEFULSETS.key, space, name)
        if sts is None or sts["metadata"].get("deletionTimestamp"):
            return
        update = revisions.current(self.api, sts)
        named = sts["status"].get("currentRevision")
        known = {one["metadata"]["name"]: one for one in revisions.history(self.api, sts)}
        current = known.get(named, update)
        problem = ""
        try:
            self._step(sts, current, update)
        except ApiError as error:
            problem = error.message
            self.work.events.say(sts, "FailedCreate", f"create Pod failed: {problem}", SOURCE, True)
            self.work.later(("statefulsets", space, name), 0.5)
        pods = self._pods(sts)
        self._status(sts, pods, current, update)
        live = {current["metadata"]["name"], update["metadata"]["name"]}
        revisions.truncate(self.api, sts, pods, live)

    def _pods(self, sts: Obj) -> list[Obj]:
        return sorted(owned(self.api.store.all(PODS.key, sts["metadata"]["namespace"]), sts), key=ordinal)

    def _step(self, sts: Obj, current: Obj, update: Obj) -> None:
        """As far as it may go now."""
        spec = sts["spec"]
        ordered = spec["podManagementPolicy"] == "OrderedReady"
        pods = {ordinal(pod): pod for pod in self._pods(sts)}
        partition = spec["updateStrategy"].get("rollingUpdate", {}).get("partition", 0)
        for number in range(spec["replicas"]):
            pod = pods.get(number)
            if pod is None:
                self._create(sts, number, current if number < partition else update)
                if ordered:
                    return
            elif ordered and (terminating(pod) or not is_ready(pod)):
                # This is where a broken release stays: its pod must be deleted by hand.
                return
        condemned = [pod for number, pod in sorted(pods.items(), reverse=True) if number >= spec["replicas"]]
        for pod in condemned:
            if not terminating(pod):
                self._delete(sts, pod)
            if ordered:
                return
        if condemned or spec["updateStrategy"]["type"] == "OnDelete":
            return
        mark = revisions.mark_of(update)
        for number in range(spec["replicas"] - 1, partition - 1, -1):
            pod = pods.get(number)
            if pod is None:
                return
            if pod["metadata"]["labels"].get(MARK) != mark and not terminating(pod):
                self._delete(sts, pod)
                return
            if terminating(pod) or not is_ready(pod):
                return

    def _create(self, sts: Obj, number: int, revision: Obj) -> None:
        name = f"{sts['metadata']['name']}-{number}"
        labels = {MARK: revisions.mark_of(revision), "statefulset.kubernetes.io/pod-name": name}
        labels["apps.kubernetes.io/pod-index"] = str(number)
        pod = new_pod(sts, revisions.template_of(revision), name, labels)
        pod["spec"]["hostname"] = name
        self.api.create(PODS, sts["metadata"]["namespace"], pod)
        message = f"create Pod {name} in StatefulSet {sts['metadata']['name']} successful"
        self.work.events.say(sts, "SuccessfulCreate", message, SOURCE)

    def _delete(self, sts: Obj, pod: Obj) -> None:
        name = pod["metadata"]["name"]
        self.api.delete(PODS, sts["metadata"]["namespace"], name)
        message = f"delete Pod {name} in StatefulSet {sts['metadata']['name']} successful"
        self.work.events.say(sts, "SuccessfulDelete", message, SOURCE)

    def _status(self, sts: Obj, pods: list[Obj], current: Obj, update: Obj) -> None:
        def of(revision: Obj) -> int:
            mark = revisions.mark_of(revision)
            return sum(pod["metadata"]["labels"].get(MARK) == mark and not terminating(pod) for pod in pods)

        ready = sum(is_ready(pod) and not terminating(pod) for pod in pods)
        least = sts["spec"].get("minReadySeconds", 0)
        waits = [available_in(pod, least) for pod in pods]
        if later := [wait for wait in waits if wait > 0]:
            meta = sts["metadata"]
            self.work.later(("statefulsets", meta["namespace"], meta["name"]), min(later) + 0.01)
        wanted = sts["spec"]["replicas"]
        counts = {"readyReplicas": ready, "currentReplicas": of(current), "updatedReplicas": of(update)}
        rolls = sts["spec"]["updateStrategy"]["type"] == "RollingUpdate"
        if rolls and counts["updatedReplicas"] == wanted == ready == len(pods):
            current = update
            counts["currentReplicas"] = counts["updatedReplicas"]
        status: Obj = {"observedGeneration": sts["metadata"]["generation"], "replicas": len(pods)}
        status |= {name: count for name, count in counts.items() if count}
        status |= {"currentRevision": current["metadata"]["name"], "updateRevision": update["metadata"]["name"]}
        status |= {"collisionCount": 0, "availableReplicas": sum(wait == 0 for wait in waits)}
        self.api.set_status("statefulsets", sts, status)
