"""What holds a rollout up, as a cluster's own scheduler, admission and controllers tell it: each with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kube.cluster import Cluster, wait_for
from tests.kube.workloads import Namespace, Workload
from tests.plugins.kubernetes_changing import Operating, operating
from warroom.errors import BadInput, WarroomError


def changed(web: Workload, container: dict[str, Any] | None = None, **spec: Any) -> None:
    """The next template; its pods do not come up by it."""
    body: dict[str, Any] = {**spec, "containers": [{"name": "app", **(container or {})}]}
    web.patch({"spec": {"template": {"spec": body}}})


async def why(op: Operating, **args: Any) -> str:
    """What waiting for it ends with."""
    _, waiting = await op.planned("rollout", workload="web", **{"wait": 2, **args})
    with pytest.raises(WarroomError) as stuck:
        await op.executed(waiting.calls)
    return f"{stuck.value.title}: {stuck.value.cause}"


async def test_a_pod_that_fits_no_node(namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=1)
    changed(web, {"resources": {"requests": {"cpu": "9000"}}})
    async with operating(namespace) as op:
        told = await why(op)
    assert "no node takes it" in told or "Unschedulable" in told, told
    assert "nsufficient cpu" in told


async def test_a_quota_that_is_used_up(namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=1, spec={"strategy": {"rollingUpdate": {"maxUnavailable": 0}}})
    namespace.create("v1", "resourcequotas", "ResourceQuota", "pods", spec={"hard": {"pods": "1"}})
    at = namespace.path("v1", "resourcequotas", "pods")
    if not namespace.cluster.emulated:  # it holds once its controller has counted
        wait_for(lambda: "pods" in (namespace.cluster.get(at).get("status") or {}).get("used", {}), "it is counted")
    changed(web, {"env": [{"name": "LEVEL", "value": "debug"}]})
    async with operating(namespace) as op:
        told = await why(op, wait=4)
    assert "exceeded quota: pods" in told, told


async def test_a_deadline_that_is_over(namespace: Namespace, cluster: Cluster) -> None:
    web = namespace.workload("web", replicas=1, spec={"progressDeadlineSeconds": 2})
    web.set_image(cluster.images.bad)
    async with operating(namespace) as op:
        told = await why(op, wait=30)
    assert "no progress for 2 s, its progress deadline" in told


async def test_a_stateful_set_s_pod_that_keeps_the_others_waiting(namespace: Namespace, cluster: Cluster) -> None:
    """It is not replaced before it is ready, and it never will be: deleted, it comes back as what it was rolled back
    to."""
    web = namespace.workload("web", "StatefulSet", replicas=2)
    web.set_image(cluster.images.bad)
    wait_for(lambda: any(cluster.images.bad == pod["spec"]["containers"][0]["image"] for pod in web.pods()), "it began")
    async with operating(namespace, workloads={"web": {"kind": "StatefulSet"}}) as op:
        await op.done("undo", workload="web", to="1")
        told = await why(op, wait=60)
        assert told.startswith("The rollout can't come to its end: web-1 has to be deleted (delete-pod)"), told
        assert "web-1/app: " in told, "and what is the matter with it"
        look, preview, _ = await op.done("delete-pod", workload="web")
        assert "web-1" in preview.calls[0].paste()
        assert "web-1 was made again" in look.seen
        await op.done("rollout", workload="web", wait=60)
        assert web.image == cluster.images.good
        with pytest.raises(BadInput, match="keeps"):
            await op.planned("delete-pod", workload="web")
