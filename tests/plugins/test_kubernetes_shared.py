"""One watch for signals, logs and releases together: who begins it, who ends it, and what it asks for."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from tests.kube.cluster import Cluster
from tests.kube.steering import Seen
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_changing import Operating, operating
from tests.plugins.kubernetes_reading import LONG, reading
from tests.plugins.kubernetes_watching import gathering, outside
from warroom.errors import BadInput
from warroom_kubernetes.reach.asking import cluster as opened
from warroom_kubernetes.releases import KubernetesReleases
from warroom_kubernetes.signals import KubernetesSignals
from warroom_kubernetes.watch import scene as scenes
from warroom_kubernetes.watch.happenings import MANY, selectors
from warroom_kubernetes.watch.shared import known, watching


def _watches(seen: list[Seen]) -> list[Seen]:
    return [one for one in seen if one.query.get("watch") == "true" and one.agent.startswith("warroom")]


@pytest.mark.needs("kube-emulator")
async def test_signals_and_logs_ask_once_and_the_server_filters(cluster: Cluster, namespace: Namespace) -> None:
    await outside(namespace.workload, "web", replicas=1)
    await outside(cluster.steer.forget)
    async with gathering(namespace, logs=True) as found:
        await found.until(lambda: found.value("ready-web") == 1 and found.value("watch") == 1, "live")
        await found.until(lambda: any("/" in line.source for line in found.lines), "the log is followed")
        seen = [one for one in await outside(cluster.steer.requests) if namespace.name in one.path]
    lists = [one.path for one in seen if "limit" in one.query]
    assert sorted(path.rpartition("/")[2] for path in lists) == ["deployments", "events", "events", "pods"], lists
    for one in _watches(seen):
        assert one.query.get("fieldSelector") or one.query.get("labelSelector"), one


async def test_warnings_of_its_pods_and_all_of_its_own_are_told_and_no_other_s(
    cluster: Cluster, namespace: Namespace
) -> None:
    web = await outside(namespace.workload, "web", replicas=1)
    await outside(namespace.workload, "other", image=cluster.images.bad, replicas=1, wait=False)
    async with gathering(namespace, logs=True) as found:
        await found.until(lambda: found.value("ready-web") == 1, "live")
        await outside(web.set_image, cluster.images.bad)
        await found.until(lambda: any("Pod web-" in text for text in found.texts("kubernetes")), "a warning of a pod")
        await found.until(
            lambda: any("Deployment web: ScalingReplicaSet" in text for text in found.texts("kubernetes")), "its own"
        )
        assert not any("other" in text for text in found.texts("kubernetes"))


def test_of_many_workloads_events_are_asked_for_by_kind() -> None:
    assert selectors({"web", "api"}, {"Deployment"}) == {
        "events of api": "involvedObject.name=api",
        "events of web": "involvedObject.name=web",
        "warnings": "type!=Normal,involvedObject.name!=api,involvedObject.name!=web",
    }
    many = [f"app-{number}" for number in range(MANY + 1)]
    assert selectors(many, {"Deployment", "CronJob"}) == {
        "events of CronJob": "involvedObject.kind=CronJob",
        "events of Deployment": "involvedObject.kind=Deployment",
        "warnings": "type!=Normal,involvedObject.kind!=CronJob,involvedObject.kind!=Deployment",
    }


async def test_it_lasts_as_long_as_anybody_watches(namespace: Namespace) -> None:
    await outside(namespace.workload, "web", replicas=1)
    before = asyncio.all_tasks()
    async with reading(namespace) as ctx:
        assert known(ctx) is None
        first = watching(ctx)
        scene, task = await first.__aenter__()
        async with watching(ctx) as (same, kept):
            assert (same, kept) == (scene, task)
            await first.__aexit__(None, None, None)  # whoever began it goes first
            assert known(ctx) is scene
            assert not task.done()
        assert task.cancelled()
        assert known(ctx) is None
        async with watching(ctx) as (other, _):
            assert other is not scene
    assert asyncio.all_tasks() - before == set()


async def test_a_mistake_in_it_is_heard_by_all_and_the_next_begins_anew(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reading(namespace) as ctx:
        with monkeypatch.context() as patch:
            patch.setattr(scenes, "cluster", lambda ctx: 1 / 0)
            async with aclosing(KubernetesSignals().samples(ctx, frozenset({"ready"}))) as samples:
                with pytest.raises(ZeroDivisionError):
                    async for _ in samples:
                        pass
        assert known(ctx) is None
        async with watching(ctx) as (scene, task):
            assert not task.done()
            assert known(ctx) is scene


@pytest.mark.needs("kube-emulator")
async def test_what_runs_is_told_by_what_is_watched(cluster: Cluster, namespace: Namespace) -> None:
    """The same as is read without a watch; and nothing but the object is asked for while nothing changes."""
    web = await outside(namespace.workload, "web", replicas=2)
    releases = KubernetesReleases()
    async with reading(namespace) as ctx:
        alone = await releases.running(ctx)
        async with watching(ctx):
            assert await releases.running(ctx) == alone
            await outside(cluster.steer.forget)
            assert await releases.running(ctx) == alone
            asked = [one for one in await outside(cluster.steer.requests) if one.agent.startswith("warroom")]
            assert [one.path for one in asked if "watch" not in one.query and one.path != "/version"] == [web.path]
            await outside(web.set_image, cluster.images.next)
            await outside(web.wait_rolled_out)
            await outside(cluster.steer.forget)
            async with asyncio.timeout(LONG):
                while (now := await releases.running(ctx)) is None or "2 ready" not in now.note or "beside" in now.note:
                    await asyncio.sleep(0.02)
            assert now.version == cluster.images.next.rpartition(":")[2]
            listed = [one.path for one in await outside(cluster.steer.requests) if "limit" in one.query]
            assert not [path for path in listed if path.endswith("/pods")]
        assert await releases.running(ctx) == now


@pytest.mark.needs("kube-emulator")
async def test_what_is_only_told_or_tried_is_not_asked_twice_for_the_same(
    cluster: Cluster, namespace: Namespace
) -> None:
    """The object and its revisions are read each time; a changed object is tried anew."""
    web = await outside(namespace.workload, "web", replicas=1)
    await outside(web.set_image, cluster.images.next)
    await outside(web.wait_rolled_out)

    async def asked(op: Operating) -> list[str]:
        await outside(cluster.steer.forget)
        await op.planned("undo", workload="web")
        seen = [one for one in await outside(cluster.steer.requests) if one.agent.startswith("warroom")]
        return sorted(f"{one.method} {one.path.rpartition('/')[2]}" for one in seen)

    reads = ["GET replicasets", "GET web"]
    tries = ["GET horizontalpodautoscalers", "GET pods", "PATCH web", "POST selfsubjectaccessreviews"]
    async with operating(namespace) as op, opened(op.context):
        assert set(await asked(op)) >= {*reads, *tries}
        assert await asked(op) == reads
        await outside(web.scale, 2)
        assert await asked(op) == sorted([*reads, *tries])
        await outside(cluster.steer.deny, "patch", "deployments", namespace.name)
        await outside(web.scale, 1)
        with pytest.raises(BadInput, match="may not patch"):
            await op.planned("undo", workload="web")
