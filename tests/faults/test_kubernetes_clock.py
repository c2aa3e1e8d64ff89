"""The operator's clock is an hour off: what a cluster's objects say of times is held against the cluster's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.kube.workloads import Namespace
from tests.plugins import kubernetes_reading
from tests.plugins.kubernetes_changing import operating
from tests.plugins.kubernetes_watching import gathering, outside
from warroom.engine.core import SystemClock
from warroom_kubernetes.reach.clocks import Ahead


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_rollback_is_guarded_and_what_ends_in_time_is_not_late(
    namespace: Namespace, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Off(SystemClock):
        def now(self) -> datetime:
            return super().now() + timedelta(hours=hours)

    monkeypatch.setattr(kubernetes_reading, "SystemClock", Off)
    cluster = namespace.cluster
    web = await outside(namespace.workload, "web", replicas=1)
    await outside(web.set_image, cluster.images.next)
    await outside(web.wait_rolled_out)
    async with operating(namespace) as op:
        await op.done("undo", workload="web")
        await outside(web.wait_rolled_out)
        (pod,) = await outside(web.pods)
        path = namespace.path("v1", "pods", pod["metadata"]["name"])
        await outside(cluster.merge, path, {"metadata": {"finalizers": ["example.test/hold"]}})
        await outside(cluster.delete, path)
        facts, _ = await op.planned("rollout", workload="web", wait=2)
        look = await op.look("rollout", facts, workload="web", wait=2)
        await outside(cluster.merge, path, {"metadata": {"finalizers": None}})
    assert "after its grace period" not in look.seen
    async with gathering(namespace) as found:
        await found.until(lambda: "as warroom left it" in found.words("template-unchanged-web"), "guarded")
        await outside(web.set_image, cluster.images.next)
        await found.until(lambda: found.value("template-unchanged-web") == 0, "an alarm")


@pytest.mark.parametrize(
    ("date", "by"),
    [
        ("Mon, 23 Nov 2026 13:00:00 GMT", 3600.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", -3600.0),
        ("Mon, 23 Nov 2026 12:00:04 GMT", 0.0),
        ("", 0.0),
        ("yesterday", 0.0),
        ("Mon, 23 Nov 2026 11:00:00", 0.0),
        ("Mon, 23 Nov 99999 11:00:00 GMT", 0.0),
    ],
)
def test_what_an_answer_s_date_says(date: str, by: float) -> None:
    ahead = Ahead()
    ahead.take(date, datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert ahead.by.total_seconds() == by
