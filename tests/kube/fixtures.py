"""The fixtures of this package, taken up by tests/conftest.py: ``cluster``, ``namespace``, ``workload``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace, Workload


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One for all tests of a worker: the emulator, or the cluster of WARROOM_TEST_KUBECONFIG."""
    from tests.kube.real import REAL, real_cluster

    if REAL.kubeconfig:
        with real_cluster() as real:
            yield real
        return
    from tests.kube.emulator import emulated

    with emulated(tmp_path_factory.mktemp("kube")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Iterator[Cluster]:
    """The shared one; whatever was steered is put back after the test."""
    yield shared_cluster
    if shared_cluster.emulated:
        shared_cluster.steer.reset()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    """A fresh one."""
    name = cluster.make_namespace()
    yield Namespace(cluster, name)
    if cluster.emulated:
        cluster.steer.reset()
    cluster.remove_namespace(name)


@pytest.fixture(scope="session")
def kinds_of_others(shared_cluster: Cluster) -> Iterator[None]:
    """Argo CD's and Flux's kinds are served, also by a real cluster that had none."""
    from tests.kube.custom import kinds_of_others as served

    with served(shared_cluster):
        yield


@pytest.fixture
def workload(namespace: Namespace) -> Callable[..., Workload]:
    """``workload("web", image=…)``: see Namespace.workload."""
    return namespace.workload


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """10,000 ready pods of 500 Deployments (app-000 …), in an emulator whose process is its own: what the product
    needs of memory and time is not mixed with what the emulator needs.
    """
    from tests.kube.emulator import emulated_apart

    with emulated_apart(tmp_path_factory.mktemp("fleet")) as cluster:
        namespace = Namespace(cluster, cluster.make_namespace())
        cluster.steer.populate(namespace.name, deployments=500, pods=10_000)
        yield namespace
