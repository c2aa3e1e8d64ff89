"""Which cluster this is, what is being rolled out, and whether a rollback would work in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kube.cluster import Cluster, wait_for
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_reading import config_of, doors_of, reading
from tests.plugins.kubernetes_ways import way
from warroom.api import Ready
from warroom.testing.conformance import check_plugin
from warroom_kubernetes import plugin
from warroom_kubernetes.config import Config
from warroom_kubernetes.reach.login import Login, Logins
from warroom_kubernetes.reach.rights import to_change, to_look
from warroom_kubernetes.standing import KubernetesDeploying, KubernetesIdentity, KubernetesReadiness

emulated = pytest.mark.needs("kube-emulator")


async def rows(config: dict[str, Any]) -> dict[str, Ready]:
    async with doors_of(config) as doors:
        return {row.id.removeprefix("kubernetes-"): row for row in await KubernetesReadiness().ready(doors.context)}


async def fingerprint(config: dict[str, Any]) -> str:
    async with doors_of(config) as doors:
        return await KubernetesIdentity().fingerprint(doors.context)


async def deploying(namespace: Namespace, **config: Any) -> str:
    async with reading(namespace, **config) as ctx:
        return await KubernetesDeploying().deploying(ctx)


class TestIdentity:
    async def test_it_is_the_cluster_s_own_uid_and_the_namespace(self, cluster: Cluster) -> None:
        assert await fingerprint(config_of(cluster, "shop")) == f"kubernetes-{cluster.uid()}/shop"

    @emulated
    async def test_where_that_is_forbidden_its_ca_and_address_stand_in_and_that_is_said(self, cluster: Cluster) -> None:
        cluster.steer.deny("get", "namespaces")
        config = config_of(cluster)
        found = await fingerprint(config)
        assert found.startswith("kubernetes-ca-")
        assert found == await fingerprint(config)
        row = (await rows(config))["identity"]
        assert row.status == "unknown"
        assert "can't be read (Forbidden)" in row.words

    @emulated
    async def test_another_trust_is_another_cluster(self, cluster: Cluster, tmp_path: Path) -> None:
        cluster.steer.deny("get", "namespaces")
        bare = way(cluster, tmp_path, trust={"insecure-skip-tls-verify": True})
        assert await fingerprint(bare) != await fingerprint(config_of(cluster))


class TestDeploying:
    async def test_nothing_is_when_all_stands(self, namespace: Namespace) -> None:
        namespace.workload()
        assert await deploying(namespace) == ""

    async def test_what_is_not_there_is_not_being_deployed(self, namespace: Namespace) -> None:
        assert await deploying(namespace) == ""

    async def test_a_rollout_under_way_is_told(self, namespace: Namespace) -> None:
        web = namespace.workload()
        web.set_image(namespace.cluster.images.bad)
        web.wait_image(namespace.cluster.images.bad)
        web.wait_seen()
        said = await deploying(namespace)
        assert said.startswith("in kubernetes: Deployment web: ")
        assert "pod" in said or "new" in said

    @emulated
    async def test_pods_that_fail_after_their_rollout_are_no_deployment(self, namespace: Namespace) -> None:
        web = namespace.workload()
        namespace.cluster.steer.image(web.image, "never-ready")
        for pod in web.pods():
            namespace.cluster.delete(namespace.path("v1", "pods", pod["metadata"]["name"]))
        wait_for(lambda: not web.get()["status"].get("readyReplicas"), "no pod is ready")
        assert await deploying(namespace) == ""


class TestReadiness:
    async def test_all_is_ready_where_all_is_there(self, namespace: Namespace) -> None:
        web = namespace.workload()
        web.set_image(namespace.cluster.images.next)
        web.wait_rolled_out()
        namespace.service()
        found = await rows(config_of(namespace.cluster, namespace.name, workloads={"web": {"service": "web"}}))
        wrong = {name: row.words for name, row in found.items() if row.status != "ready" and name != "metrics"}
        assert wrong == {}
        assert found["cluster"].words.startswith("Kubernetes v")
        assert "1 earlier revision" in found["revisions"].words

    async def test_what_is_missing_is_named(self, namespace: Namespace) -> None:
        namespace.workload(replicas=0, wait=False)
        both = {"web": {"service": "front"}, "worker": {"kind": "StatefulSet", "name": "queue"}}
        found = await rows(config_of(namespace.cluster, namespace.name, workloads=both))
        assert found["workloads"].status == found["services"].status == "not-ready"
        assert "no StatefulSet queue" in found["workloads"].words
        assert "there is no front" in found["services"].words

    async def test_no_earlier_revision_is_told_and_why(self, namespace: Namespace) -> None:
        web = namespace.workload(spec={"revisionHistoryLimit": 0})
        web.set_image(namespace.cluster.images.next)
        web.wait_rolled_out()
        wait_for(lambda: len(web.replica_sets()) == 1, "the old ReplicaSet is gone")
        row = (await rows(config_of(namespace.cluster, namespace.name)))["revisions"]
        assert row.status == "not-ready"
        assert "revisionHistoryLimit is 0" in row.words

    @emulated
    @pytest.mark.parametrize(
        ("verb", "resource", "row"),
        [("patch", "deployments", "change"), ("watch", "events", "look"), ("get", "pods/log", "look")],
    )
    async def test_a_right_that_is_missing_is_named(
        self, namespace: Namespace, verb: str, resource: str, row: str
    ) -> None:
        namespace.workload(replicas=0, wait=False)
        namespace.cluster.steer.deny(verb, resource)
        found = await rows(config_of(namespace.cluster, namespace.name))
        assert found[row].status == "not-ready"
        assert f"{verb} {resource}" in found[row].words
        assert {found[name].status for name in {"look", "change"} - {row}} == {"ready"}

    @emulated
    async def test_rights_that_can_t_be_asked_for_are_unknown(self, namespace: Namespace) -> None:
        namespace.workload(replicas=0, wait=False)
        namespace.cluster.steer.fail("selfsubjectaccessreviews", 500, times=100)
        found = await rows(config_of(namespace.cluster, namespace.name))
        assert (found["look"].status, found["change"].status) == ("unknown", "unknown")
        assert found["workloads"].status == "ready"

    @emulated
    async def test_metrics_are_no_must(self, namespace: Namespace) -> None:
        namespace.workload(replicas=0, wait=False)
        config = config_of(namespace.cluster, namespace.name)
        assert (await rows(config))["metrics"].status == "ready"
        namespace.cluster.steer.metrics(False)
        assert (await rows(config))["metrics"].status == "unknown"

    @emulated
    async def test_a_cluster_that_anybody_could_be_is_told(self, cluster: Cluster, tmp_path: Path) -> None:
        found = await rows(way(cluster, tmp_path, trust={"insecure-skip-tls-verify": True}))
        assert found["tls"].status == "not-ready"
        assert (await rows(way(cluster, tmp_path)))["tls"].status == "ready"

    async def test_a_cluster_that_is_not_there_is_one_red_row(self, cluster: Cluster, tmp_path: Path) -> None:
        found = await rows(way(cluster, tmp_path, trust={"server": "https://127.0.0.1:9"}))
        assert [row.status for row in found.values()] == ["not-ready"]
        assert "could not be reached: connection refused" in found["cluster"].words
        assert found["cluster"].fix


class TestLogin:
    @pytest.mark.parametrize(
        ("ends_in", "renews", "status"),
        [(None, False, "ready"), (7200, False, "ready"), (1800, False, "not-ready"), (60, True, "ready")],
    )
    async def test_one_that_ends_soon_and_is_not_renewed_is_told(
        self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, ends_in: float | None, renews: bool, status: str
    ) -> None:
        async with doors_of(config_of(cluster)) as doors:
            until = None if ends_in is None else doors.context.clock.now() + timedelta(seconds=ends_in)
            login = Login(until=until, kind="a token", renews=renews)
            monkeypatch.setattr(Logins, "known", property(lambda _: login))
            found = await KubernetesReadiness().ready(doors.context)
        row = next(one for one in found if one.id == "kubernetes-login")
        assert row.status == status
        assert ("log in again" in row.fix) is (status == "not-ready")


def test_rights_are_those_of_the_workloads_that_are_named() -> None:
    config = Config.model_validate(
        {"workloads": {"web": {}, "queue": {"kind": "StatefulSet"}, "agent": {"kind": "DaemonSet"}}}
    )
    change = {right.words for right in to_change(config)}
    assert {"patch deployments web", "patch statefulsets queue", "patch daemonsets agent", "delete pods"} <= change
    assert not any("/scale" in words for words in change)
    look = {right.words for right in to_look(config)}
    assert {"list replicasets", "list controllerrevisions", "watch daemonsets", "get pods/log"} <= look
    assert not any("endpointslices" in words or "proxy" in words for words in look)
    served = Config.model_validate({"workloads": {"web": {"service": "front", "version_path": "/api/version"}}})
    reached = {right.words for right in to_look(served)}
    assert {"watch endpointslices", "get services", "get services/proxy"} <= reached
    cron = Config.model_validate({"workloads": {"night": {"kind": "CronJob"}}})
    assert {right.words for right in to_change(cron)} == {"patch cronjobs night"}
    assert "list replicasets" not in {right.words for right in to_look(cron)}


async def test_what_is_read_of_its_standing_conforms(namespace: Namespace, tmp_path: Path) -> None:
    web = namespace.workload()
    web.set_image(namespace.cluster.images.next)
    web.wait_rolled_out()
    standing = replace(plugin, operations=(), probes=(), collectors=(), signals=None, logs=None, releases=None)
    async with reading(namespace) as ctx:
        await check_plugin(standing, ctx, folder=tmp_path, items=1, patience=30)
