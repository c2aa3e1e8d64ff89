"""What only the emulator can be made to do: lines that go silent, controllers that stand still, a fleet of pods."""

from __future__ import annotations

import json
import ssl
from http.client import HTTPSConnection
from urllib.parse import urlsplit

import pytest

from tests.kube.cluster import JSON_PATCH, Cluster, wait_for
from tests.kube.workloads import Namespace, Workload

pytestmark = pytest.mark.needs("kube-emulator")


@pytest.mark.needs("openssl")
def test_a_half_open_line_says_nothing_and_then_all(cluster: Cluster, namespace: Namespace) -> None:
    home = namespace.path("v1", "configmaps")
    version = cluster.get(home)["metadata"]["resourceVersion"]
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    cluster.post(home, made)
    cluster.steer.forget()
    with cluster.watch(home, resourceVersion=version) as events:
        next(events)
        cluster.steer.mute()
        address = urlsplit(server_of(cluster))
        line = HTTPSConnection(str(address.hostname), address.port, timeout=0.3, context=trusting(cluster))
        line.request("GET", "/version")
        with pytest.raises(TimeoutError):
            line.getresponse()
        line.close()
        cluster.steer.mute(on=False)
        cluster.delete(f"{home}/a")
        assert next(events)["type"] == "DELETED"


def server_of(cluster: Cluster) -> str:
    return str(json.loads(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]["server"])


def trusting(cluster: Cluster) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(cluster.kubeconfig.with_name("ca.crt")))


@pytest.mark.needs("openssl")
def test_a_client_may_come_with_a_certificate(cluster: Cluster) -> None:
    address, folder = urlsplit(server_of(cluster)), cluster.kubeconfig.parent

    def status(tls: ssl.SSLContext) -> int:
        line = HTTPSConnection(str(address.hostname), address.port, timeout=30, context=tls)
        try:
            line.request("GET", "/version")
            return line.getresponse().status
        finally:
            line.close()

    assert status(trusting(cluster)) == 401
    with_one = trusting(cluster)
    with_one.load_cert_chain(folder / "user.crt", folder / "user.key")
    assert status(with_one) == 200


def test_controllers_that_are_held_stand_still(cluster: Cluster, namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=1)
    cluster.steer.hold("deployments")
    web.set_image(cluster.images.next)
    now = web.get()
    assert now["status"]["observedGeneration"] < now["metadata"]["generation"]
    cluster.steer.hold("kubelet")
    web.wait_image(cluster.images.next)
    assert not web.rolled_out()
    cluster.steer.hold()
    web.wait_rolled_out()


def test_metrics_may_be_missing(cluster: Cluster, namespace: Namespace) -> None:
    name = namespace.workload("web", replicas=1).pods()[0]["metadata"]["name"]
    cluster.steer.usage(namespace.name, name, cpu_m=70, memory_mi=64)
    path = namespace.path("metrics.k8s.io/v1beta1", "pods")
    (row,) = cluster.items(path, labelSelector="app=web")
    assert row["containers"] == [{"name": "app", "usage": {"cpu": "70m", "memory": "65536Ki"}}]
    cluster.steer.metrics(on=False)
    assert cluster.ask("GET", path).status == 404
    assert "metrics.k8s.io" not in [one["name"] for one in cluster.get("/apis")["groups"]]


def test_a_container_may_be_made_to_end(cluster: Cluster, namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=1)
    cluster.steer.crash(namespace.name, web.pods()[0]["metadata"]["name"], code=137)

    def restarts() -> int:
        return int(web.pods()[0]["status"]["containerStatuses"][0]["restartCount"])

    wait_for(lambda: restarts() == 1, "the restart")
    ended = web.pods()[0]["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")
    web.wait_rolled_out()


def test_a_fleet_is_there_at_once_and_its_workloads_still_roll(cluster: Cluster, namespace: Namespace) -> None:
    cluster.steer.populate(namespace.name, deployments=5, pods=12)
    assert len(cluster.items(namespace.path("v1", "pods"))) == 12
    app = Workload(cluster, namespace.name, "Deployment", "app-000")
    assert (app.rolled_out(), app.get()["spec"]["replicas"], app.revision) == (True, 3, 1)
    app.set_image(cluster.images.next)
    app.wait_rolled_out()
    assert [rs["spec"]["replicas"] for rs in app.replica_sets()] == [0, 3]


def test_what_is_not_there_is_not_replaced(cluster: Cluster, namespace: Namespace) -> None:
    """Newer servers refuse it, 1.20 takes it for an addition: a patch of the product must serve both."""
    path = namespace.workload("web", replicas=0, wait=False).path
    step = {"op": "replace", "path": "/spec/paused", "value": True}
    assert cluster.ask("PATCH", path, [step], content_type=JSON_PATCH).status == 422
