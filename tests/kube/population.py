"""Many workloads at once, as if they had always been there: for what must hold at scale."""

from __future__ import annotations

import uuid
from typing import Any

from tests.kube import clock
from tests.kube.api import Api
from tests.kube.containers import digest_of
from tests.kube.controllers import Work, owner_reference
from tests.kube.defaults import defaulted
from tests.kube.deployments import DEPLOYMENTS, DESIRED, MOST, template_hash
from tests.kube.kubelet import NODES, PODS
from tests.kube.replicasets import SETS
from tests.kube.resources import Resource
from tests.kube.rollouts import HASH, REVISION
from tests.kube.store import Obj
from tests.kube.workloads import manifest

IMAGE = "registry.example/fleet:v1"


def populate(work: Work, namespace: str, deployments: int, pods: int) -> None:
    """``pods`` ready ones, dealt out to Deployments app-000, app-001, …"""
    work.quiet = True
    try:
        for number in range(deployments):
            size = pods // deployments + (number < pods % deployments)
            _one(work.api, namespace, f"app-{number:03}", size)
    finally:
        work.quiet = False


def _put(api: Api, of: Resource, namespace: str, obj: Obj) -> Obj:
    stamp = clock.seconds()
    head: dict[str, Any] = {"uid": str(uuid.uuid4()), "creationTimestamp": stamp, "namespace": namespace}
    head |= {"generation": 1} if of is not PODS else {}
    by: Obj = {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": of.api_version, "time": stamp}
    by |= {"fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}}}
    defaulted(of, obj)
    return api.store.put(of.key, {**obj, "metadata": {**obj["metadata"], **head, "managedFields": [by]}})


def _one(api: Api, namespace: str, name: str, size: int) -> None:
    body = {"apiVersion": DEPLOYMENTS.api_version, **manifest("Deployment", name, IMAGE, size)}
    body["metadata"]["annotations"] = {REVISION: "1"}
    counts = {"replicas": size, "readyReplicas": size, "availableReplicas": size}
    conditions = [
        _condition("Progressing", "NewReplicaSetAvailable"),
        _condition("Available", "MinimumReplicasAvailable"),
    ]
    body["status"] = {"observedGeneration": 1, **counts, "updatedReplicas": size, "conditions": conditions}
    deployment = _put(api, DEPLOYMENTS, namespace, body)
    template = dict(deployment["spec"]["template"])
    mark = template_hash(template)
    labels = {"app": name, HASH: mark}
    template["metadata"] = {**template["metadata"], "labels": labels}
    surge = -(-size // 4)
    notes = {REVISION: "1", DESIRED: str(size), MOST: str(size + surge)}
    head = {"name": f"{name}-{mark}", "labels": labels, "annotations": notes}
    spec = {"replicas": size, "selector": {"matchLabels": labels}, "template": template}
    rs: Obj = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {**head, "ownerReferences": [owner_reference(deployment)]},
    }
    status = {**counts, "fullyLabeledReplicas": size, "observedGeneration": 1}
    replica_set = _put(api, SETS, namespace, {**rs, "spec": spec, "status": status})
    for number in range(size):
        _put(api, PODS, namespace, _pod(replica_set, number, labels))


def _condition(kind: str, reason: str) -> Obj:
    stamp = clock.seconds()
    both = {"lastUpdateTime": stamp, "lastTransitionTime": stamp}
    return {"type": kind, "status": "True", **both, "reason": reason, "message": ""}


def _pod(rs: Obj, number: int, labels: dict[str, str]) -> Obj:
    stamp, address = clock.seconds(), f"10.{number % 200}.{number // 250}.{number % 250}"
    head = {"name": f"{rs['metadata']['name']}-{number:05}", "labels": labels, "ownerReferences": [owner_reference(rs)]}
    spec = {**rs["spec"]["template"]["spec"], "nodeName": NODES[number % len(NODES)]}
    ready = [
        {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": stamp}
        for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    container = {
        "name": "app",
        "state": {"running": {"startedAt": stamp}},
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "image": IMAGE,
        "imageID": f"registry.example/fleet@{digest_of(IMAGE)}",
        "containerID": f"containerd://{uuid.uuid4().hex}{uuid.uuid4().hex}",
        "started": True,
    }
    status = {
        "phase": "Running",
        "conditions": ready,
        "hostIP": "10.0.0.1",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": stamp,
        "containerStatuses": [container],
        "qosClass": "BestEffort",
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": head, "spec": spec, "status": status}
