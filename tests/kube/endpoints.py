"""EndpointSlices: behind each Service, the pods that its selector finds."""

from __future__ import annotations

from tests.kube.api import Write, suffix
from tests.kube.controllers import Item, Work, owner_reference
from tests.kube.kubelet import PODS, is_ready
from tests.kube.resources import resource
from tests.kube.store import Change, Obj

SERVICES = resource("", "services")
SLICES = resource("discovery.k8s.io", "endpointslices")
SERVICE = "kubernetes.io/service-name"
HOW = Write("kube-controller-manager")


class Endpoints:
    def __init__(self, work: Work) -> None:
        self.work, self.api = work, work.api
        work.syncs["endpoints"] = self.sync
        work.concerns.append(self.concern)

    def concern(self, change: Change) -> list[Item]:
        if change.key == SERVICES.key:
            return [("endpoints", change.namespace, change.name)]
        if change.key != PODS.key:
            return []
        services = self.api.store.all(SERVICES.key, change.namespace)
        named = [one["metadata"]["name"] for one in services if _selects(one, change.now.obj)]
        return [("endpoints", change.namespace, name) for name in named]

    def sync(self, space: str, name: str) -> None:
        service = self.api.store.get(SERVICES.key, space, name)
        slices = [
            one
            for one in self.api.store.all(SLICES.key, space)
            if one["metadata"].get("labels", {}).get(SERVICE) == name
        ]
        if service is None:
            for one in slices:
                self.api.delete(SLICES, space, one["metadata"]["name"])
            return
        pods = [pod for pod in self.api.store.all(PODS.key, space) if _selects(service, pod)]
        endpoints = [
            _endpoint(pod) for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])) if _has_address(pod)
        ]
        ports = [
            {"name": port.get("name", ""), "port": port.get("targetPort", port["port"]), "protocol": port["protocol"]}
            for port in service["spec"].get("ports", [])
        ]
        if slices:
            first = slices[0]
            if first["endpoints"] != endpoints or first["ports"] != ports:
                body = {**first, "metadata": dict(first["metadata"]), "endpoints": endpoints, "ports": ports}
                self.api.update(SLICES, space, first["metadata"]["name"], body, HOW)
            return
        labels = {SERVICE: name, "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
        head = {"name": f"{name}-{suffix()}", "labels": labels, "ownerReferences": [owner_reference(service)]}
        body = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": head, "addressType": "IPv4"}
        self.api.create(SLICES, space, {**body, "endpoints": endpoints, "ports": ports}, HOW)


def _selects(service: Obj, pod: Obj) -> bool:
    wanted = service["spec"].get("selector")
    labels = pod["metadata"].get("labels") or {}
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def _has_address(pod: Obj) -> bool:
    return bool(pod["status"].get("podIP")) and pod["status"].get("phase") not in ("Succeeded", "Failed")


def _endpoint(pod: Obj) -> Obj:
    meta, serving = pod["metadata"], is_ready(pod)
    ending = bool(meta.get("deletionTimestamp"))
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": serving and not ending, "serving": serving, "terminating": ending},
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
    }
