"""The DaemonSet controller: a pod on each node, replaced a few at a time."""

from __future__ import annotations

from tests.kube import revisions
from tests.kube.controllers import Item, Work, controller_of, owned
from tests.kube.defaults import GENERATION
from tests.kube.errors import ApiError
from tests.kube.kubelet import NODES, PODS, is_ready
from tests.kube.quantities import share
from tests.kube.replicasets import new_pod
from tests.kube.resources import resource
from tests.kube.revisions import MARK
from tests.kube.store import Change, Obj

DAEMONSETS = resource("apps", "daemonsets")
SOURCE = "daemonset-controller"
GENERATION_LABEL = "pod-template-generation"


def node_of(pod: Obj) -> str:
    selector = pod["spec"].get("nodeSelector", {})
    return str(selector.get("kubernetes.io/hostname") or pod["spec"].get("nodeName", ""))


class DaemonSets:
    def __init__(self, work: Work) -> None:
        self.work, self.api = work, work.api
        work.syncs["daemonsets"] = self.sync
        work.concerns.append(self.concern)

    def concern(self, change: Change) -> list[Item]:
        if change.key == DAEMONSETS.key:
            return [("daemonsets", change.namespace, change.name)]
        if change.key == PODS.key and (owner := controller_of(change.now.obj)) and owner["kind"] == "DaemonSet":
            return [("daemonsets", change.namespace, owner["name"])]
        return []

    def sync(self, space: str, name: str) -> None:
        ds = self.api.store.get(DAEMONSETS.key, space, name)
        if ds is None or ds["metadata"].get("deletionTimestamp"):
            return
        update = revisions.current(self.api, ds)
        self._step(ds, update)
        pods = owned(self.api.store.all(PODS.key, space), ds)
        self._status(ds, pods, revisions.mark_of(update))
        revisions.truncate(self.api, ds, pods, {update["metadata"]["name"]})

    def _step(self, ds: Obj, update: Obj) -> None:
        space, mark = ds["metadata"]["namespace"], revisions.mark_of(update)
        generation = ds["metadata"]["annotations"][GENERATION]
        pods = owned(self.api.store.all(PODS.key, space), ds)
        taken = {node_of(pod) for pod in pods}
        for node in [node for node in _nodes(ds) if node not in taken]:
            marks = {MARK: mark, GENERATION_LABEL: generation}
            pod = new_pod(ds, revisions.template_of(update), "", marks)
            pod["spec"]["nodeSelector"] = {**pod["spec"].get("nodeSelector", {}), "kubernetes.io/hostname": node}
            try:
                self.api.create(PODS, space, pod)
            except ApiError as error:
                self.work.events.say(ds, "FailedCreate", f"Error creating: {error.message}", SOURCE, True)
                self.work.later(("daemonsets", space, ds["metadata"]["name"]), 0.5)
                return
        for pod in pods:
            if node_of(pod) not in _nodes(ds) and not pod["metadata"].get("deletionTimestamp"):
                self.api.delete(PODS, space, pod["metadata"]["name"])
        if ds["spec"]["updateStrategy"]["type"] == "OnDelete":
            return
        pods = [pod for pod in owned(self.api.store.all(PODS.key, space), ds) if node_of(pod) in _nodes(ds)]
        old = [pod for pod in pods if not _is_new(ds, pod, mark)]
        most = max(1, share(ds["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"], len(_nodes(ds)), up=True))
        out = sum(not is_ready(pod) or bool(pod["metadata"].get("deletionTimestamp")) for pod in pods)
        out += max(0, len(_nodes(ds)) - len(pods))
        # What does not work may go at once: it takes nothing away.
        for pod in [pod for pod in old if not pod["metadata"].get("deletionTimestamp")]:
            if not is_ready(pod) or out < most:
                out += is_ready(pod)
                self.api.delete(PODS, space, pod["metadata"]["name"])

    def _status(self, ds: Obj, pods: list[Obj], mark: str) -> None:
        pods = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        ready, wanted = sum(is_ready(pod) for pod in pods), len(_nodes(ds))
        status: Obj = {
            "currentNumberScheduled": len(pods),
            "numberMisscheduled": 0,
            "desiredNumberScheduled": wanted,
            "numberReady": ready,
            "observedGeneration": ds["metadata"]["generation"],
        }
        counts = {"updatedNumberScheduled": sum(_is_new(ds, pod, mark) for pod in pods)}
        counts |= {"numberAvailable": ready, "numberUnavailable": wanted - ready}
        status |= {name: count for name, count in counts.items() if count}
        self.api.set_status("daemonsets", ds, status)


def _is_new(ds: Obj, pod: Obj, mark: str) -> bool:
    """By either of its marks: one that was gone back to before it was replaced has the generation of its first time."""
    labels = pod["metadata"]["labels"]
    return bool(labels.get(MARK) == mark or labels.get(GENERATION_LABEL) == ds["metadata"]["annotations"][GENERATION])


def _nodes(ds: Obj) -> list[str]:
    """Those that its node selector allows: here a node has its name for a label, and no other."""
    selector = ds["spec"]["template"]["spec"].get("nodeSelector") or {}
    if any(key != "kubernetes.io/hostname" for key in selector):
        return []
    return [node for node in NODES if selector.get("kubernetes.io/hostname", node) == node]
