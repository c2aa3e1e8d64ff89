"""The Kubernetes emulator of these tests is true to the API where a rollback leans on it."""

from __future__ import annotations

from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace


def test_a_deployment_rolls_pod_by_pod_and_is_numbered(cluster: Cluster, namespace: Namespace) -> None:
    web = namespace.workload("web")
    assert web.revision == 1
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    assert web.revision == 2
    assert [rs["spec"]["replicas"] for rs in web.replica_sets()] == [0, 2]
