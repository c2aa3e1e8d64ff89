"""What ends a watch, done to a cluster while it is watched: what is known is called stale, and goes on afterwards."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_watching import gathering, outside
from warroom_kubernetes.watch.collection import PACE, Pace

pytestmark = pytest.mark.needs("kube-emulator")

QUICK = Pace(watch_s=1, grace_s=0.5, stale_s=2, beat_s=0.1, answer_s=0.5, again_s=0.05, longest_s=0.3)


async def test_half_open_connections_are_stale_and_tried_anew(
    cluster: Cluster, namespace: Namespace, full: bool
) -> None:
    """At the pace of the product only in the whole fault suite: there it is held to its five seconds."""
    one = await outside(namespace.workload, "web")
    async with gathering(namespace, pace=PACE if full else QUICK) as found:
        await found.until(lambda: found.value("ready-web") == 1 and found.value("watch") == 1, "live")
        await outside(cluster.steer.mute)
        began = found.ctx.clock.monotonic()
        await found.until(lambda: found.value("watch") == 0, "stale")
        took = found.ctx.clock.monotonic() - began
        assert not full or took <= 5
        assert found.words("watch").startswith("stale: ")
        assert found.value("ready-web") is None
        assert found.value("pods-not-ready") is None
        await outside(cluster.steer.mute, on=False)
        await outside(one.scale, 3)
        await outside(one.wait_rolled_out)
        await found.until(lambda: "3 of 3" in found.words("ready-web"), "live again")
        assert found.value("reachable") == 1


def _restart(cluster: Cluster) -> None:
    cluster.steer.restart(0.4)


def _compact(cluster: Cluster) -> None:
    cluster.steer.compact()
    cluster.steer.end_watches()


def _end(cluster: Cluster) -> None:
    for _ in range(5):
        cluster.steer.end_watches()


def _errors(cluster: Cluster) -> None:
    cluster.steer.fail(".*", 500, times=12)
    cluster.steer.end_watches()


def _gone_lists(cluster: Cluster) -> None:
    cluster.steer.fail(".*/pods", 410, times=3, reason="Expired")
    cluster.steer.compact()
    cluster.steer.end_watches()


@pytest.mark.parametrize("harm", [_restart, _compact, _end, _errors, _gone_lists])
async def test_it_goes_on_after(cluster: Cluster, namespace: Namespace, harm: Callable[[Cluster], None]) -> None:
    one = await outside(namespace.workload, "web", replicas=1)
    async with gathering(namespace, logs=True, pace=QUICK) as found:
        await found.until(lambda: found.value("ready-web") == 1, "live")
        await outside(one.scale, 2)
        await outside(harm, cluster)
        await found.until(lambda: "2 of 2" in found.words("ready-web") and found.value("watch") == 1, "live again")
        await outside(cluster.steer.reset)  # what is left of the harm is not for the test's own questions
        names = {pod["metadata"]["name"] for pod in await outside(one.pods)}
        await found.until(
            lambda: names <= {line.source.partition("/")[0] for line in found.lines}, "the logs of both are followed"
        )


async def test_a_login_that_runs_out_is_stale_until_there_is_another(cluster: Cluster, namespace: Namespace) -> None:
    from tests.kube.access import TOKEN

    await outside(namespace.workload, "web", replicas=1)
    async with gathering(namespace, pace=QUICK) as found:
        await found.until(lambda: found.value("ready-web") == 1, "live")
        await outside(cluster.steer.tokens, "another")
        await outside(cluster.steer.end_watches)
        await found.until(lambda: found.value("watch") == 0, "stale")
        assert found.value("ready-web") is None
        await outside(cluster.steer.tokens, TOKEN)
        await found.until(lambda: found.value("ready-web") == 1 and found.value("watch") == 1, "live again")


async def test_watches_ask_for_no_more_than_the_workloads(cluster: Cluster, namespace: Namespace, full: bool) -> None:
    """In a namespace with many others; ten thousand pods in the whole fault suite."""
    deployments, pods = (500, 10_000) if full else (20, 200)
    await outside(cluster.steer.populate, namespace.name, deployments, pods)
    await outside(namespace.workload, "web")
    cluster.steer.forget()
    async with gathering(namespace) as found:
        began = found.ctx.clock.monotonic()
        await found.until(lambda: found.value("ready-web") == 1, "live")
        assert not full or found.ctx.clock.monotonic() - began <= 3
    seen = [one for one in cluster.steer.requests() if f"/namespaces/{namespace.name}/" in one.path]
    assert seen
    assert sum(one.sent for one in seen) < 300_000
    for one in seen:
        if one.path.endswith(("/pods", "/deployments")):
            assert one.query.get("labelSelector") or one.query.get("fieldSelector") == "metadata.name=web", one
