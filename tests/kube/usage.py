"""metrics.k8s.io: what pods and nodes use, as steered."""

from __future__ import annotations

from collections.abc import Mapping

from tests.kube import clock
from tests.kube.api import Api
from tests.kube.errors import not_found
from tests.kube.levers import Levers
from tests.kube.lists import Scope
from tests.kube.resources import Resource, resource
from tests.kube.store import Obj

USUAL = (5, 20)
"""Millicores and MiB of a container of which nothing was said."""


def usage_of(api: Api, levers: Levers, of: Resource, namespace: str, name: str, query: Mapping[str, str]) -> Obj:
    """One, or a list where no name is given. A pod that does not run has none."""
    if of.plural == "nodes":
        rows = [_node(node["metadata"]["name"]) for node in api.store.all(("", "nodes"))]
    else:
        test = Scope.of_query(resource("", "pods"), namespace, "", query).test()
        pods = [pod for pod in api.store.all(("", "pods"), namespace) if test(pod)]
        rows = [_pod(levers, pod) for pod in pods if pod.get("status", {}).get("phase") == "Running"]
    if name:
        found = [row for row in rows if row["metadata"]["name"] == name]
        if not found:
            raise not_found(of.plural, of.group, f"{namespace}/{name}")
        return found[0]
    return {"kind": f"{of.kind}List", "apiVersion": of.api_version, "metadata": {}, "items": rows}


def _pod(levers: Levers, pod: Obj) -> Obj:
    meta = pod["metadata"]
    cpu, memory = levers.usage.get((meta["namespace"], meta["name"]), USUAL)
    usage = {"cpu": f"{cpu}m", "memory": f"{memory * 1024}Ki"}
    return {
        "kind": "PodMetrics",
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"], "labels": meta.get("labels", {})},
        "timestamp": clock.seconds(),
        "window": "15s",
        "containers": [{"name": one["name"], "usage": usage} for one in pod["spec"]["containers"]],
    }


def _node(name: str) -> Obj:
    usage = {"cpu": "250m", "memory": "1048576Ki"}
    head = {"kind": "NodeMetrics", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {"name": name}}
    return {**head, "timestamp": clock.seconds(), "window": "15s", "usage": usage}
