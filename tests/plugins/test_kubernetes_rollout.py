"""Waiting for a rollout on a cluster, what is stuck in it, and the questions asked at verification."""

from __future__ import annotations

import asyncio

import pytest

from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_changing import operating
from warroom.errors import BadInput, WarroomError

WEB = {"web": {"service": "web"}}


async def test_a_bad_release_is_told_with_its_reason_and_then_rolled_back(
    namespace: Namespace, cluster: Cluster
) -> None:
    web = namespace.workload("web", replicas=2)
    namespace.service("web")
    web.set_image(cluster.images.bad)
    web.wait_image(cluster.images.bad)
    async with operating(namespace, workloads=WEB) as op:
        facts, waiting = await op.planned("rollout", workload="web", wait=2)
        with pytest.raises(WarroomError) as stuck:
            await op.executed(waiting.calls)
        assert "not rolled out in 2 s" in stuck.value.title
        reasons = ("CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull")  # however the image is bad
        assert any(f"/app: {reason}" in stuck.value.cause for reason in reasons), stuck.value.cause
        assert op.said
        assert (await op.look("rollout", facts, workload="web", wait=2)).verdict == "partly"
        assert (await op.probed("rolled-out")).verdict != "pass"
        _, preview, _ = await op.done("undo", workload="web")
        assert any(note.startswith("now: ") for note in preview.notes)
        look, _, outputs = await op.done("rollout", workload="web", wait=60)
        assert "behind its Service only" in look.seen
        assert float(outputs["seconds"]) >= 0
        assert (await op.probed("rolled-out")).verdict == "pass"
        assert (await op.probed("endpoints", workload="web")).verdict == "pass"


async def test_what_is_asked_at_verification_can_fail(namespace: Namespace, cluster: Cluster) -> None:
    web = namespace.workload("web", replicas=1)
    async with operating(namespace, workloads=WEB) as op:
        plan, _ = await op.planned("undo", workload="web", to="1")
        here = str(plan["target"])
        assert (await op.probed("running-digest", workload="web", digest=here)).verdict == "pass"
        assert (await op.probed("unchanged", workload="web", digest=here)).verdict == "pass"
        nobody = await op.probed("endpoints", workload="web")
        assert (nobody.verdict, nobody.words) == ("fail", "its Service leads to no pod")
        (pod,) = web.pods()
        runs = pod["status"]["containerStatuses"][0]["imageID"].rpartition("@")[2]
        assert (await op.probed("running-digest", workload="web", digest=runs)).verdict == "pass"
        other = await op.probed("running-digest", workload="web", digest=f"sha256:{'0' * 64}")
        assert (other.verdict, "not 000000000000" in other.words) == ("fail", True)
        web.set_image(cluster.images.next)
        web.wait_rolled_out()
        assert (await op.probed("running-digest", workload="web", digest=here)).verdict == "fail"
        changed = await op.probed("unchanged", workload="web", digest=here)
        assert (changed.verdict, "last changed by" in changed.words) == ("fail", True)
        _, waiting = await op.planned("rollout", workload="web", digest=runs, wait=20)
        with pytest.raises(WarroomError, match="yet a pod runs"):
            await op.executed(waiting.calls)
        web.scale(0)
        web.wait_rolled_out()
        assert (await op.probed("rolled-out")).verdict == "fail"
        assert (await op.probed("rolled-out", zero=True)).verdict == "pass"


async def test_the_end_is_noticed_while_it_is_waited_for(namespace: Namespace, cluster: Cluster) -> None:
    web = namespace.workload("web", replicas=2)
    async with operating(namespace) as op:
        _, waiting = await op.planned("rollout", workload="web", wait=60)
        web.set_image(cluster.images.next)
        (result,) = await op.executed(waiting.calls)
        assert "2 of 2 new and available" in result.text
        assert any("pods are new" in line or "to be ended" in line or "seen the change" in line for line in op.said)


@pytest.mark.needs("kube-emulator")
async def test_who_is_reached_is_said_not_to_be_known_where_it_may_not_be_read(
    namespace: Namespace, cluster: Cluster
) -> None:
    namespace.workload("web", replicas=1)
    cluster.steer.deny("list", "endpointslices", namespace.name)
    async with operating(namespace, workloads=WEB) as op:
        look, _, _ = await op.done("rollout", workload="web", wait=20)
        assert "who is reached behind its Service can't be looked at" in look.seen
        assert (await op.probed("endpoints", workload="web")).verdict == "inconclusive"


@pytest.mark.needs("kube-emulator")
async def test_a_restart_of_the_api_does_not_end_the_waiting(namespace: Namespace, cluster: Cluster) -> None:
    web = namespace.workload("web", replicas=1)
    async with operating(namespace) as op:
        _, waiting = await op.planned("rollout", workload="web", wait=60)
        cluster.steer.hold("deployments")
        web.set_image(cluster.images.next)
        task = asyncio.ensure_future(op.executed(waiting.calls))
        while not op.said:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(cluster.steer.restart, 0.3)
        await asyncio.to_thread(cluster.steer.hold)
        (result,) = await task
        assert "1 of 1 new and available" in result.text


async def test_what_is_gone_meanwhile_is_not_waited_for(namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=1)
    async with operating(namespace) as op:
        facts, waiting = await op.planned("rollout", workload="web", wait=60)
        _, undo = await op.planned("undo", workload="web", to="1")
        web.delete()
        with pytest.raises(WarroomError, match="gone"):
            await op.executed(waiting.calls)
        namespace.workload("web", replicas=1)
        with pytest.raises(WarroomError, match="deleted and made again"):
            await op.executed(waiting.calls)
        assert (await op.look("rollout", facts, workload="web", wait=60)).verdict == "cannot-tell"
        _, fresh = await op.planned("undo", workload="web", to="1")
        assert fresh.pinned != undo.pinned


async def test_what_an_undo_does_not_take_back_is_told(namespace: Namespace, cluster: Cluster) -> None:
    namespace.create("v1", "configmaps", "ConfigMap", "shop", data={"a": "1"})
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    web = namespace.workload("web", replicas=1, metadata={"annotations": applied})
    source = {"configMapRef": {"name": "shop"}}, {"secretRef": {"name": "keys", "optional": True}}
    missing = {"configMapRef": {"name": "absent", "optional": True}}
    web.patch({"spec": {"template": {"spec": {"containers": [{"name": "app", "envFrom": [*source, missing]}]}}}})
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    async with operating(namespace) as op:
        _, preview = await op.planned("undo", workload="web", to="2")
    told = "\n".join(preview.notes)
    for words in (
        "from revision 3",
        "what it changes: ",
        "last changed by",
        "the number of pods, which stays 1",
        "ConfigMap absent",
        "ConfigMap shop",
        "Secret keys",
        "strategy",
        "kubectl apply",
        "tried on the server",
    ):
        assert words in told, (words, told)


@pytest.mark.needs("kube-emulator")
async def test_what_the_server_would_refuse_is_shown_in_its_words(namespace: Namespace, cluster: Cluster) -> None:
    web = namespace.workload("web", replicas=1)
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    cluster.steer.fail("/deployments/web", 403, method="PATCH", reason="admission webhook says no")
    async with operating(namespace) as op:
        with pytest.raises(BadInput) as refused:
            await op.planned("undo", workload="web")
    assert refused.value.title == "The cluster would refuse to change Deployment web"
    assert web.image == cluster.images.next
