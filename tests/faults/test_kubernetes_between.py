"""What happens to a workload, a login or a right between the plan and the run: nothing is changed, and why is told."""

from __future__ import annotations

import pytest

from tests.kube.cluster import Cluster, wait_for
from tests.kube.workloads import Namespace, Workload
from tests.plugins.kubernetes_changing import Operating, operating
from tests.plugins.kubernetes_watching import outside
from warroom.api import Facts
from warroom.model.plan import Preview


async def rolled_out_twice(namespace: Namespace) -> Workload:
    web: Workload = await outside(namespace.workload, "web", replicas=1)
    await outside(web.set_image, namespace.cluster.images.next)
    await outside(web.wait_rolled_out)
    return web


async def refused(op: Operating, planned: tuple[Facts, Preview], status: int, words: str, seen: str) -> None:
    facts, preview = planned
    (result,) = await op.executed(preview.calls)
    assert (result.status, result.data) == (status, None)
    assert result.text.startswith("nothing was changed: ")
    assert words in result.text
    look = await op.look("undo", facts, workload="web")
    assert look.verdict == "cannot-tell"
    assert seen in look.seen


async def test_one_that_was_deleted_and_one_of_the_same_name(cluster: Cluster, namespace: Namespace) -> None:
    web = await rolled_out_twice(namespace)
    async with operating(namespace) as op:
        planned = await op.planned("undo", workload="web")
        await outside(web.delete)
        await outside(wait_for, lambda: cluster.ask("GET", web.path).status == 404, "gone")
        await refused(op, planned, 404, 'deployments.apps "web" not found', "web is not in the namespace")
        await outside(namespace.workload, "web", image=cluster.images.next, replicas=1)
        await refused(op, planned, 422, "web was deleted and made again", "it was deleted and made again")


@pytest.mark.needs("kube-emulator")
async def test_a_right_and_a_login_that_are_taken_away(cluster: Cluster, namespace: Namespace) -> None:
    web = await rolled_out_twice(namespace)
    async with operating(namespace) as op:
        planned = await op.planned("undo", workload="web")
        cluster.steer.deny("*", "deployments")
        await refused(op, planned, 403, "forbidden", "have an administrator grant that right")
        cluster.steer.reset()
        cluster.steer.tokens("another")
        await refused(op, planned, 401, "", "log in again")
        cluster.steer.reset()
        assert await outside(lambda: web.image) == cluster.images.next


@pytest.mark.needs("kube-emulator")
async def test_a_refusal_of_a_megabyte_is_told_shortly(cluster: Cluster, namespace: Namespace) -> None:
    """An admission webhook says what it likes."""
    await rolled_out_twice(namespace)
    async with operating(namespace) as op:
        _, preview = await op.planned("undo", workload="web")
        cluster.steer.fail(f"{namespace.name}/deployments/web", 400, method="PATCH", reason="x" * 1_000_000)
        (result,) = await op.executed(preview.calls)
        assert result.status == 400
        assert len(result.model_dump_json()) < 2000
