"""On a cluster that has autoscalers, CronJobs and EndpointSlices only in the versions of before, all goes by those."""

from __future__ import annotations

import pytest

from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_changing import operating
from tests.plugins.kubernetes_watching import gathering, outside
from warroom.model.call import ApiCall

pytestmark = pytest.mark.needs("kube-emulator")
NEWER = r"^/apis/(autoscaling/v2|batch/v1|discovery\.k8s\.io/v1)(/|$)"


def older(namespace: Namespace) -> None:
    """From here on; what was made before is there in both."""
    namespace.cluster.steer.fail(NEWER, 404, times=10_000, reason="NotFound")


async def test_an_autoscaler_is_held_still_and_the_line_says_in_which_version(namespace: Namespace) -> None:
    namespace.workload("web", replicas=1)
    namespace.autoscaler("web")
    older(namespace)
    async with operating(namespace) as op:
        facts, preview = await op.planned("hpa-suspend", workload="web")
        (call,) = preview.calls
        assert isinstance(call, ApiCall)
        assert call.path == f"/apis/autoscaling/v2beta2/namespaces/{namespace.name}/horizontalpodautoscalers/web"
        assert " patch horizontalpodautoscalers.v2beta2.autoscaling/web " in call.paste()
        await op.executed(preview.calls)
        await op.taken_back("hpa-suspend", preview, facts, workload="web")


async def test_a_cron_job_is_suspended_and_let_go(namespace: Namespace) -> None:
    namespace.workload("report", "CronJob")
    older(namespace)
    async with operating(namespace, workloads={"report": {"kind": "CronJob", "writer": True}}) as op:
        facts, preview = await op.planned("stop-writes")
        (call,) = preview.calls
        assert isinstance(call, ApiCall)
        assert call.path == f"/apis/batch/v1beta1/namespaces/{namespace.name}/cronjobs/report"
        await op.executed(preview.calls)
        assert (await op.look("stop-writes", facts)).verdict == "done"
        await op.done("resume-writes")


async def test_it_is_watched_and_its_rollout_comes_to_its_end(namespace: Namespace) -> None:
    await outside(namespace.workload, "web")
    await outside(namespace.service, "web")
    await outside(namespace.workload, "report", "CronJob")
    await outside(older, namespace)
    workloads = {"web": {"service": "web"}, "report": {"kind": "CronJob"}}
    async with gathering(namespace, workloads=workloads) as found:
        await found.until(lambda: found.value("endpoints-web") == 2 and found.value("watch") == 1, "all is live")
    async with operating(namespace, workloads=workloads) as op:
        look, _, _ = await op.done("rollout", workload="web", wait=60)
        assert "behind its Service only 2 new" in look.seen
