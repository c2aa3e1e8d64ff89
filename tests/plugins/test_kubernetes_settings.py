"""Scaling, writers, autoscalers and controllers: each changed while it is what was seen, and taken back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_changing import operating
from warroom.errors import BadInput, WarroomError
from warroom.model.plan import ALREADY
from warroom_kubernetes.operations.subject import Found, scaled_by


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
        facts, _ = await op.planned("undo", workload="web")
        assert facts["stopped"] == "recorded"
        _, preview, _ = await op.done("undo", workload="web")
        assert any("scaled to zero" in note for note in preview.notes)
        _, waiting = await op.planned("rollout", workload="web", wait=20)
        with pytest.raises(WarroomError, match="wants no pod at all"):
            await op.executed(waiting.calls)
        await op.done("scale", workload="web", to="recorded")
        assert (web.get()["spec"]["replicas"], web.image) == (1, cluster.images.good)
        facts, _ = await op.planned("undo", workload="web")
        assert "stopped" not in facts
        web.scale(0)
        facts, _ = await op.planned("undo", workload="web")
        assert facts["stopped"] == "elsewhere"


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
        told = [getattr(call, "brief", "") for call in (*preview.calls, *(preview.inverse or ()))]
        assert "the number of pods of Deployment web to 0, by one guarded patch" in told
        assert f"suspend CronJob {cron.name}, by one guarded patch" in told
        assert f"let CronJob {cron.name} go on, by one guarded patch" in told
        await op.done("stop-writes")
        assert (web.pods(), worker.pods()) == ([], [])
        assert (cron.get()["spec"]["suspend"], idle.get()["spec"]["suspend"]) == (True, True)
        _, again, _ = await op.done("resume-writes")
        assert any("CronJob idle is left as it is" in note for note in again.notes)
        goes_on = f"Deployment web goes on with what it asks for now: {web.image.rpartition('/')[2]}"
        assert goes_on in again.notes
        assert (web.get()["spec"]["replicas"], worker.get()["spec"]["replicas"]) == (2, 1)
        assert (cron.get()["spec"]["suspend"], idle.get()["spec"]["suspend"]) == (False, True)


async def test_a_plan_that_stops_writers_knows_how_they_come_back(namespace: Namespace) -> None:
    """What the last step does is worked out before the first has run, and is then taken by the cluster."""
    web, idle = namespace.workload("web", replicas=2), namespace.workload("idle", replicas=0)
    cron = namespace.workload("cron", "CronJob")
    writers = {"web": {"writer": True}, "idle": {"writer": True}, "cron": {"kind": "CronJob", "writer": True}}
    async with operating(namespace, workloads=writers) as op:
        facts, later = await op.planned("resume-writes", after_stop=True)
        assert later.pinned["the number of pods of Deployment web"] == 0
        assert any("Deployment idle is left as it is" in note for note in later.notes)
        (refused, *_) = await op.executed(later.calls)
        assert refused.status == 422, "nothing is stopped yet"
        assert (later.starts, later.stops, later.restores) == (("web", "cron"), (), ""), "taken back, it stops them"
        _, stopping, _ = await op.done("stop-writes")
        assert (stopping.stops, stopping.starts) == (("web", "cron"), ())
        _, again = await op.planned("resume-writes", after_stop=True)
        assert again.pinned == later.pinned
        assert again.calls == later.calls
        await op.executed(later.calls)
        assert (await op.look("resume-writes", facts, after_stop=True)).verdict == "done"
        counts = [each.get()["spec"]["replicas"] for each in (web, idle)]
        assert (counts, cron.get()["spec"]["suspend"]) == ([2, 0], False)
        await op.taken_back("resume-writes", later, facts, after_stop=True)
        assert web.get()["metadata"]["annotations"]["warroom/replicas"] == "2"
        await op.done("resume-writes")


async def test_what_was_scaled_to_zero_comes_back_with_the_release(namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=1)
    cron = namespace.workload("cron", "CronJob")
    async with operating(namespace, workloads={"web": {}, "cron": {"kind": "CronJob", "writer": True}}) as op:
        await op.done("scale", workload="web", to=0)
        _, preview, _ = await op.done("resume-writes", after_stop=True)
        assert any("CronJob cron is left as it is" in note for note in preview.notes)
        assert web.get()["spec"]["replicas"] == 1
        assert not cron.get()["spec"].get("suspend")


async def test_an_autoscaler_that_could_wake_a_writer_sleeps_and_goes_on_with_it(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def from_zero(api: Any, one: Found) -> list[dict[str, Any]]:
        """A cluster takes a minReplicas of 0 only where a gate of it is open."""
        return [{**hpa, "spec": {**hpa["spec"], "minReplicas": 0}} for hpa in await scaled_by(api, one)]

    monkeypatch.setattr("warroom_kubernetes.operations.scaling.scaled_by", from_zero)
    namespace.workload("web", replicas=1)
    namespace.autoscaler("web", least=1, most=3)
    at = namespace.path("autoscaling/v2", "horizontalpodautoscalers", "web")
    async with operating(namespace, workloads={"web": {"writer": True}}) as op:
        before = namespace.cluster.get(at)["spec"].get("behavior")
        _, later = await op.planned("resume-writes", after_stop=True)
        await op.done("stop-writes")
        assert namespace.cluster.get(at)["spec"]["behavior"]["scaleUp"]["selectPolicy"] == "Disabled"
        results = await op.executed(later.calls)
        assert all(each.status == 200 for each in results), results
        assert namespace.cluster.get(at)["spec"].get("behavior") == before


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
        _, preview = await op.planned("stop-writes")
        assert any("taken for writers: cron" in note for note in preview.notes), "what is released is taken for it"
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
        with pytest.raises(WarroomError, match="db-0 has to be deleted"):
            await op.executed(waiting.calls)
        assert (await op.look("rollout", facts, workload="db", wait=2)).verdict == "partly"
        facts, _ = await op.planned("delete-pod", workload="db")
        assert facts[ALREADY] is False, "what is asked for is asked for already, and does not run"
        await op.done("delete-pod", workload="db")
        await op.done("rollout", workload="db", wait=60)


async def test_an_autoscaler_that_moves_the_number_voids_nothing(namespace: Namespace) -> None:
    """It moves it every few seconds, and writes are to be stopped just then."""
    web = namespace.workload("web", replicas=2)
    namespace.autoscaler("web", least=2, most=4)
    async with operating(namespace, workloads={"web": {"writer": True}}) as op:
        facts, preview = await op.planned("stop-writes")
        assert any("2 is what is recorded" in note for note in preview.notes)
        web.scale(3)
        _, fresh = await op.planned("stop-writes")
        assert fresh.pinned == preview.pinned
        assert "2 to 4, as an autoscaler sets it" in fresh.pinned.values()
        assert (await op.look("stop-writes", facts)).verdict == "not-begun"
        results = await op.executed(preview.calls)
        assert [one.status for one in results] == [200, 200], results
        assert (await op.look("stop-writes", facts)).verdict == "done"
        facts, preview = await op.planned("resume-writes")
        web.scale(1)
        (refused,) = await op.executed(preview.calls)
        assert refused.status == 422, "that it stands at zero is held against"
        web.scale(0)
        await op.executed(preview.calls)
        web.scale(4)
        assert (await op.look("resume-writes", facts)).verdict == "done"
        await op.taken_back("resume-writes", preview, facts)
        assert web.get()["spec"]["replicas"] == 0


async def test_what_an_autoscaler_does_not_move_is_held_against(namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=1)
    namespace.autoscaler("web", least=1, most=3)
    async with operating(namespace) as op:
        _, preview = await op.planned("scale", workload="web", to=0)
        web.scale(0)
        _, fresh = await op.planned("scale", workload="web", to=0)
        assert fresh.pinned != preview.pinned, "somebody else has stopped it: it is not ours to start again"
        web.scale(1)
        _, preview = await op.planned("scale", workload="web", to=2)
        web.scale(3)
        (refused,) = await op.executed(preview.calls)
        assert refused.status == 422
