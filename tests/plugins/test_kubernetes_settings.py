"""Scaling, writers, autoscalers and controllers: each changed while it is what was seen, and taken back."""

from __future__ import annotations

import pytest

from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_changing import operating
from warroom.errors import BadInput, WarroomError


async def test_to_zero_and_back_to_the_recorded_number(namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=2)
    async with operating(namespace) as op:
        _, preview = await op.planned("scale", workload="web", to=0)
        assert any("an outage" in note for note in preview.notes)
        assert preview.destroys == ("logs",)
        assert preview.calls[0].paste().endswith("scale deployment/web --replicas=0 --current-replicas=2")
        look, _, _ = await op.done("scale", workload="web", to=0)
        assert web.pods() == [], look
        notes = web.get()["metadata"]["annotations"]
        assert notes["warroom/replicas"] == "2"
        await op.done("scale", workload="web", to="recorded")
        assert web.get()["spec"]["replicas"] == 2
        assert "warroom/replicas" not in web.get()["metadata"]["annotations"]
        with pytest.raises(BadInput, match="No number is recorded"):
            await op.planned("scale", workload="web", to="recorded")


async def test_an_undo_leaves_the_recorded_number_alone(namespace: Namespace, cluster: Cluster) -> None:
    web = namespace.workload("web", replicas=1)
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    async with operating(namespace) as op:
        await op.done("scale", workload="web", to=0)
        _, preview, _ = await op.done("undo", workload="web")
        assert any("scaled to zero" in note for note in preview.notes)
        _, waiting = await op.planned("rollout", workload="web", wait=20)
        with pytest.raises(WarroomError, match="wants no pod at all"):
            await op.executed(waiting.calls)
        await op.done("scale", workload="web", to="recorded")
        assert (web.get()["spec"]["replicas"], web.image) == (1, cluster.images.good)


async def test_a_number_that_moved_meanwhile_stops_the_step(namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=1)
    async with operating(namespace) as op:
        facts, preview = await op.planned("scale", workload="web", to=0)
        web.scale(2)
        (result,) = await op.executed(preview.calls)
        assert result.status == 422
        assert "somebody changed /spec/replicas" in result.text
        assert (await op.look("scale", facts, workload="web", to=0)).verdict == "partly"


async def test_all_writers_are_stopped_and_let_go_again(namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=2)
    worker = namespace.workload("worker", "StatefulSet", replicas=1)
    cron = namespace.workload("cron", "CronJob")
    idle = namespace.workload("idle", "CronJob", spec={"suspend": True})
    namespace.autoscaler("web", least=1, most=2)
    writers = {
        "web": {"writer": True},
        "worker": {"kind": "StatefulSet", "writer": True},
        "cron": {"kind": "CronJob", "writer": True},
        "idle": {"kind": "CronJob", "writer": True},
    }
    async with operating(namespace, workloads=writers) as op:
        _, preview = await op.planned("stop-writes")
        assert any("autoscaler web stops by itself" in note for note in preview.notes)
        assert any("suspend of CronJob idle is true already" in note for note in preview.notes)
        await op.done("stop-writes")
        assert (web.pods(), worker.pods()) == ([], [])
        assert (cron.get()["spec"]["suspend"], idle.get()["spec"]["suspend"]) == (True, True)
        _, again, _ = await op.done("resume-writes")
        assert any("CronJob idle is left as it is" in note for note in again.notes)
        assert (web.get()["spec"]["replicas"], worker.get()["spec"]["replicas"]) == (2, 1)
        assert (cron.get()["spec"]["suspend"], idle.get()["spec"]["suspend"]) == (False, True)


async def test_stopped_writers_are_brought_back_by_the_inverse(namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=2)
    cron = namespace.workload("cron", "CronJob")
    writers = {"web": {"writer": True}, "cron": {"kind": "CronJob", "writer": True}}
    async with operating(namespace, workloads=writers) as op:
        facts, preview = await op.planned("stop-writes")
        await op.executed(preview.calls)
        await op.taken_back("stop-writes", preview, facts)
        assert (web.get()["spec"]["replicas"], cron.get()["spec"]["suspend"]) == (2, False)
        assert "warroom/replicas" not in web.get()["metadata"].get("annotations", {})
        assert "warroom/replicas" not in cron.get()["metadata"].get("annotations", {})
        with pytest.raises(BadInput, match="no writer to let go on"):
            await op.planned("resume-writes")


async def test_what_cannot_be_scaled_says_so(namespace: Namespace) -> None:
    namespace.workload("cron", "CronJob")
    async with operating(namespace, workloads={"cron": {"kind": "CronJob"}}) as op:
        with pytest.raises(BadInput, match="can't be scaled"):
            await op.planned("scale", workload="cron", to=0)
        with pytest.raises(BadInput, match="No workload is called a writer"):
            await op.planned("stop-writes")
        with pytest.raises(BadInput, match="keeps no revisions"):
            await op.planned("undo", workload="cron")


async def test_an_autoscaler_is_held_still_and_let_go(namespace: Namespace) -> None:
    namespace.workload("web", replicas=1)
    namespace.autoscaler("web", least=1, most=5)
    at = namespace.path("autoscaling/v2", "horizontalpodautoscalers", "web")
    async with operating(namespace) as op:
        before = namespace.cluster.get(at)["spec"].get("behavior")
        facts, preview = await op.planned("hpa-suspend", workload="web")
        await op.executed(preview.calls)
        now = namespace.cluster.get(at)["spec"]["behavior"]
        assert {now[way]["selectPolicy"] for way in ("scaleUp", "scaleDown")} == {"Disabled"}
        assert (await op.look("hpa-suspend", facts, workload="web")).verdict == "done"
        await op.taken_back("hpa-suspend", preview, facts, workload="web")
        assert namespace.cluster.get(at)["spec"].get("behavior") == before
        await op.done("hpa-suspend", workload="web")
        await op.done("hpa-restore", workload="web")
        assert namespace.cluster.get(at)["spec"].get("behavior") == before
        with pytest.raises(BadInput, match="held still by warroom"):
            await op.planned("hpa-restore", workload="web")


async def test_pausing_and_resuming(namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=1)
    async with operating(namespace) as op:
        facts, preview = await op.planned("pause", workload="web")
        assert preview.calls[0].paste().endswith("rollout pause deployment/web")
        await op.executed(preview.calls)
        assert web.get()["spec"]["paused"] is True
        with pytest.raises(BadInput, match="is paused"):
            await op.planned("restart", workload="web")
        await op.taken_back("pause", preview, facts, workload="web")
        assert not web.get()["spec"].get("paused")
        _, again, _ = await op.done("resume", workload="web")
        assert any("there is no change to make" in note for note in again.notes)


async def test_a_restart_makes_every_pod_anew(namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=1)
    before = {pod["metadata"]["uid"] for pod in web.pods()}
    async with operating(namespace) as op:
        await op.done("restart", workload="web")
        await op.done("rollout", workload="web", wait=60)
    left = [pod["metadata"] for pod in web.pods() if not pod["metadata"].get("deletionTimestamp")]
    assert before.isdisjoint(head["uid"] for head in left)


async def test_a_pod_is_deleted_by_its_uid_and_comes_again(namespace: Namespace) -> None:
    db = namespace.workload("db", "StatefulSet", replicas=1)
    (pod,) = db.pods()
    async with operating(namespace, workloads={"db": {"kind": "StatefulSet"}}) as op:
        with pytest.raises(BadInput, match="No pod keeps"):
            await op.planned("delete-pod", workload="db")
        with pytest.raises(BadInput, match="has no pod other-0"):
            await op.planned("delete-pod", workload="db", pod="other-0")
        _, preview, _ = await op.done("delete-pod", workload="db", pod="db-0")
        assert db.pods()[0]["metadata"]["uid"] != pod["metadata"]["uid"]
        (stale, *_) = await op.executed(preview.calls[:1])
        assert stale.status == 409


async def test_an_ordered_statefulset_goes_on_once_its_broken_pod_is_deleted(
    namespace: Namespace, cluster: Cluster
) -> None:
    db = namespace.workload("db", "StatefulSet", replicas=1)
    db.set_image(cluster.images.bad)
    db.wait_image(cluster.images.bad)
    async with operating(namespace, workloads={"db": {"kind": "StatefulSet"}}) as op:
        await op.done("undo", workload="db")
        facts, waiting = await op.planned("rollout", workload="db", wait=2)
        with pytest.raises(WarroomError, match="db-0 is of the old template and not ready"):
            await op.executed(waiting.calls)
        assert (await op.look("rollout", facts, workload="db", wait=2)).verdict == "partly"
        await op.done("delete-pod", workload="db")
        await op.done("rollout", workload="db", wait=60)
