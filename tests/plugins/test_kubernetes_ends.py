"""When a rollout is over: what looks like its end, or like its failure, and is none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.kube.cluster import STRATEGIC, Cluster, wait_for
from tests.kube.workloads import Namespace, Workload
from tests.plugins.kubernetes_changing import operating
from warroom.errors import TimedOut, WarroomError
from warroom_kubernetes.changes import sender
from warroom_kubernetes.objects.fields import condition, is_ready
from warroom_kubernetes.objects.revisions import revisions_of
from warroom_kubernetes.objects.rollouts import DEADLINE, rollout
from warroom_kubernetes.objects.stuck import troubles
from warroom_kubernetes.releases import KubernetesReleases
from warroom_kubernetes.workload.completion import Around, Wanted, digests, settled
from warroom_kubernetes.workload.configs import memory
from warroom_kubernetes.workload.version import Said, held

Json = dict[str, Any]
LATE = {"type": "Progressing", "reason": DEADLINE}


def of(kind: str = "Deployment", spec: Json | None = None, **status: Any) -> Json:
    """Three pods, all of them new and ready, but for what is said."""
    counts = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3, "currentReplicas": 3}
    told = {"observedGeneration": 2, **counts, "currentRevision": "a", "updateRevision": "a", **status}
    return {
        "kind": kind,
        "metadata": {"name": "web", "uid": "w", "generation": 2},
        "spec": {"replicas": 3, **(spec or {})},
        "status": told,
    }


@pytest.mark.parametrize(
    "one",
    [
        of(spec={"replicas": 0, "paused": True}),
        of(spec={"replicas": 0}, conditions=[LATE]),
        of("StatefulSet", {"replicas": 0, "updateStrategy": {"type": "OnDelete"}}, updateRevision="b"),
        of("StatefulSet", {"replicas": 0, "updateStrategy": {"rollingUpdate": {"partition": 3}}}, updateRevision="b"),
    ],
    ids=["paused", "late", "on-delete", "partition"],
)
def test_whatever_holds_a_rollout_up_keeps_nothing_from_zero(one: Json) -> None:
    ending = rollout(one, zero=True)
    assert (ending.status, ending.words.endswith("3 of its pods still to be ended")) == ("waiting", True)
    assert rollout({**one, "status": {**one["status"], "replicas": 0}}, zero=True).status == "done"
    assert rollout(one).status == "failed"


def test_one_that_is_paused_is_scaled_and_only_its_old_pods_stay() -> None:
    paused = {"paused": True}
    assert rollout(of(spec=paused)).status == "done"
    growing = rollout(of(spec={"replicas": 5, **paused}))
    assert (growing.status, "it is paused" in growing.words) == ("waiting", True)
    changed = rollout(of(spec=paused, updatedReplicas=0))
    assert (changed.status, "3 old stay: it is paused" in changed.words) == ("failed", True)


def is_late(web: Workload) -> bool:
    return condition(web.get().get("status", {}), "Progressing").get("reason") == DEADLINE


async def test_writers_stop_though_one_is_paused_and_one_past_its_deadline(
    namespace: Namespace, cluster: Cluster
) -> None:
    paused = namespace.workload("web", replicas=2)
    paused.patch({"spec": {"paused": True}})
    late = namespace.workload("late", image=cluster.images.bad, wait=False, spec={"progressDeadlineSeconds": 1})
    wait_for(lambda: is_late(late), "its deadline has passed")
    async with operating(namespace, workloads={"web": {"writer": True}, "late": {"writer": True}}) as op:
        await op.done("stop-writes")
        assert [each.get()["spec"]["replicas"] for each in (paused, late)] == [0, 0]
    async with operating(namespace) as op:
        await op.done("resume-writes", workloads=["web"])
        assert paused.get()["status"]["availableReplicas"] == 2


TEMPLATE: Json = {"f:spec": {"f:template": {"f:spec": {}}}}


def written(at: str, since: str) -> Json:
    """One whose template was last written ``at``, and whose deadline passed at ``since``."""
    one = of(updatedReplicas=1, conditions=[{**LATE, "lastUpdateTime": f"2026-03-02T03:{since}Z"}])
    entry = {"manager": "warroom", "operation": "Update", "time": f"2026-03-02T03:{at}Z", "fieldsV1": TEMPLATE}
    return {**one, "metadata": {**one["metadata"], "managedFields": [entry]}}


def test_a_deadline_of_the_template_before_is_not_this_one_s() -> None:
    for at, since, status, told in (
        ("10:00", "20:00", "failed", True),
        ("10:00", "10:00", "waiting", False),
        ("20:00", "10:00", "waiting", False),
    ):
        one = written(at, since)
        assert rollout(one).status == status, (at, since)
        assert any(each.why == "deadline" for each in troubles(one, [])) is told


@pytest.mark.parametrize("adds", [False, True], ids=["changes", "adds"])
async def test_a_rollback_is_waited_for_though_the_deadline_of_before_has_passed(
    namespace: Namespace, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, adds: bool
) -> None:
    """Its controller leaves the condition as it is until a pod has come or gone; and of a field that is only taken
    away nobody is the writer, so that no time says when."""
    monkeypatch.setattr(sender, "LATE_S", 60.0)
    spec = {"strategy": {"type": "Recreate", "rollingUpdate": None}, "progressDeadlineSeconds": 1}
    web = namespace.workload("web", replicas=1, spec=spec)
    if adds:
        web.patch({"spec": {"template": {"spec": {"nodeSelector": {"none": "such"}}}}})
    else:
        web.set_image(cluster.images.bad)
    wait_for(lambda: is_late(web), "its deadline has passed")
    # However slow it is: what was passed stays passed. By another than the template's writer, whose time it would be.
    long = {"spec": {"progressDeadlineSeconds": 600}}
    await asyncio.to_thread(cluster.ok, "PATCH", web.path, long, {"fieldManager": "other"}, STRATEGIC)
    async with operating(namespace) as op:
        _, undo = await op.planned("undo", workload="web")
        _, waiting = await op.planned("rollout", workload="web", wait=60)
        if cluster.emulated:
            cluster.steer.hold("replicasets")
        (patched,) = await op.executed(undo.calls)
        assert patched.status == 200
        task = asyncio.ensure_future(op.executed(waiting.calls))
        words = "no progress for 600 s" if adds else "pods are new"
        while cluster.emulated and not any(words in line for line in op.said):
            assert not task.done(), task
            await asyncio.sleep(0.02)
        if cluster.emulated:
            assert is_late(web)
            await asyncio.to_thread(cluster.steer.hold)
        (result,) = await task
        assert "1 of 1 new and available" in result.text


async def test_a_daemon_set_that_went_back_keeps_the_pods_it_had(namespace: Namespace, cluster: Cluster) -> None:
    """Those that the bad release never came to are of a generation before, and of the template that was meant."""
    web = namespace.workload("web", "DaemonSet")
    namespace.service("web")
    good = {pod["metadata"]["name"] for pod in web.pods()}
    web.set_image(cluster.images.bad)
    web.wait_image(cluster.images.bad)
    async with operating(namespace, workloads={"web": {"kind": "DaemonSet", "service": "web"}}) as op:
        facts, undo = await op.planned("undo", workload="web")
        await op.executed(undo.calls)
        look, _, _ = await op.done("rollout", workload="web", digest=str(facts["target"]), wait=60)
        assert "behind its Service only 3 new" in look.seen
        assert len(good & {pod["metadata"]["name"] for pod in web.pods()}) == 2, "the bad release came to one"
        _, other = await op.planned("rollout", workload="web", digest="template:other", wait=60)
        with pytest.raises(WarroomError, match="it asks for another template than was meant"):
            await op.executed(other.calls)


@pytest.mark.parametrize(
    ("status", "one"),
    [
        ("failed", {"updateRevision": "b", "updatedReplicas": 1}),
        ("waiting", {"updateRevision": "b", "updatedReplicas": 2, "replicas": 2}),
        ("waiting", {"updateRevision": "b", "readyReplicas": 2}),
        ("done", {"updateRevision": "b"}),
        ("failed", {"currentReplicas": 1}),
        ("done", {}),
    ],
    ids=["old-left", "made-again", "unready", "all-replaced", "gone-back", "as-ever"],
)
def test_a_stateful_set_whose_pods_are_replaced_by_hand(status: str, one: Json) -> None:
    assert rollout(of("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, **one)).status == status


async def test_pods_that_were_all_replaced_by_hand_are_a_rollout(namespace: Namespace, cluster: Cluster) -> None:
    """Its controller goes on to call the revision of before the current one."""
    web = namespace.workload("web", "StatefulSet", replicas=1, spec={"updateStrategy": {"type": "OnDelete"}})
    web.set_image(cluster.images.next)
    async with operating(namespace, workloads={"web": {"kind": "StatefulSet"}}) as op:
        _, waiting = await op.planned("rollout", workload="web", wait=60)
        with pytest.raises(WarroomError, match="only where somebody deletes them"):
            await op.executed(waiting.calls)
        await op.done("delete-pod", workload="web", pod="web-0")
        look, _, _ = await op.done("rollout", workload="web", wait=60)
        assert "1 of 1 new and ready" in look.seen
        status = web.get()["status"]
        assert status["currentRevision"] != status["updateRevision"]


async def test_an_evicted_pod_stays_and_counts_for_nothing(namespace: Namespace, cluster: Cluster) -> None:
    web = namespace.workload("web", replicas=1)
    evict(web)
    web.set_image(cluster.images.next)
    new = cluster.images.next
    wait_for(lambda: [one["spec"]["containers"][0]["image"] for one in ready(web)] == [new], "it is rolled out")
    evict(web)
    wait_for(lambda: len(ready(web)) == 1, "another was made")
    runs = ready(web)[0]["status"]["containerStatuses"][0]["imageID"]
    async with operating(namespace) as op:
        digest = runs.rpartition("@")[2]
        look, _, _ = await op.done("rollout", workload="web", digest=digest, wait=30)
        assert "1 of 1 new and available" in look.seen
        now = await KubernetesReleases().running(op.context)
        assert now is not None
        assert "1 pod, 1 ready" in now.note
        assert "beside it" not in now.note
        for identity in (digest, str(now.digest)):
            probed = await op.probed("running-digest", workload="web", digest=identity)
            assert probed.verdict == "pass", probed
        own = str(now.digest).removeprefix("template:")
        assert memory(op.context).of(web.uid, own) is not None, "what it runs with is remembered"


def ready(web: Workload) -> list[Json]:
    return [pod for pod in web.pods() if is_ready(pod)]


def evict(web: Workload) -> None:
    """As the kubelet does on a full disk: the pod stays, and its ReplicaSet makes another."""
    name = ready(web)[0]["metadata"]["name"]
    gone = {"phase": "Failed", "reason": "Evicted", "message": "low on disk"}
    body = {"status": {**gone, "conditions": None, "containerStatuses": None}}
    web.cluster.merge(f"/api/v1/namespaces/{web.namespace}/pods/{name}/status", body)


def test_an_injected_container_that_comes_first_is_not_the_release_s() -> None:
    """It is in no template: there the first is another."""
    good, proxy = (f"sha256:{each * 64}" for each in "ab")
    marks = {"labels": {"controller-revision-hash": "a"}}
    runs = [{"name": "istio-proxy", "imageID": f"r/proxy@{proxy}"}, {"name": "app", "imageID": f"r/app@{good}"}]
    pod = {
        "metadata": {"name": "web-0", "uid": "p", "ownerReferences": [{"uid": "w", "controller": True}], **marks},
        "spec": {"containers": [{"name": "istio-proxy"}, {"name": "app"}]},
        "status": {"phase": "Running", "containerStatuses": runs},
    }
    template = {"spec": {"containers": [{"name": "app", "image": "r/app:1"}]}}
    one = of("StatefulSet", {"template": template})
    wanted = Wanted(key="web", uid="w", kind="StatefulSet", digest=good)
    assert settled(one, Around((), [pod], None), wanted).status == "done"
    assert settled(one, Around((), [pod], None), wanted.model_copy(update={"digest": proxy})).status == "failed"
    stored = {
        "metadata": {"name": "a", "uid": "r", "ownerReferences": [{"uid": "w", "controller": True}]},
        "data": {"spec": {"template": template}},
        "revision": 1,
    }
    (revision,) = revisions_of("StatefulSet", one, [stored], [pod])
    assert digests([revision], None) == {"web-0": good}
    assert digests([revision], "gone") == {"web-0": good}


@pytest.mark.needs("kube-emulator")
async def test_an_api_server_that_is_busy_for_a_moment_ends_no_waiting(namespace: Namespace, cluster: Cluster) -> None:
    web = namespace.workload("web", "StatefulSet", replicas=1, spec={"updateStrategy": {"type": "OnDelete"}})
    async with operating(namespace, workloads={"web": {"kind": "StatefulSet"}}) as op:
        _, waiting = await op.planned("rollout", workload="web", wait=60)
        cluster.steer.fail("/pods$", 503, method="GET")
        (result,) = await op.executed(waiting.calls)
        assert "1 of 1 new and ready" in result.text
        _, deleting = await op.planned("delete-pod", workload="web", pod="web-0")
        cluster.steer.fail("/pods/web-0$", 429, times=2, method="GET", reason="TooManyRequests")
        *_, result = await op.executed(deleting.calls)
        assert "was made again" in result.text
        _, waiting = await op.planned("rollout", workload="web", wait=60)
        cluster.steer.deny("list", "pods", namespace.name)
        with pytest.raises(WarroomError, match="pods"):
            await op.executed(waiting.calls)
        cluster.steer.reset()
        assert len(web.pods()) == 1


def test_an_app_that_can_t_be_asked_says_nothing_against_itself() -> None:
    assert held(Said("1.2"), "v1.2").same is True
    assert held(Said("1.3"), "1.2").same is False
    assert held(Said(commit="0123456789abcdef"), "fedcba9876543210").same is False
    assert held(Said(words="HTTP 502"), "1.2").same is None


async def test_what_an_app_that_can_t_be_asked_runs_is_not_known(
    namespace: Namespace, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace.workload("web", replicas=1)
    monkeypatch.setattr(sender, "WORD_S", 0.2)
    with HTTPServer(host="127.0.0.1") as app:
        app.expect_request("/version").respond_with_json({}, status=502)
        async with operating(namespace, workloads={"web": {"version_url": app.url_for("/version")}}) as op:
            facts, waiting = await op.planned("rollout", workload="web", version="v7", wait=60)
            with pytest.raises(TimedOut, match=r"1 of 1 new and available.*; yet the app does not say what it is"):
                await op.executed(waiting.calls)
            assert (await op.look("rollout", facts, workload="web", version="v7")).verdict == "cannot-tell"
            now = await KubernetesReleases().running(op.context)
            assert now is not None
            probed = await op.probed("running-digest", workload="web", digest=now.digest, version="v7")
            assert probed.verdict == "inconclusive", probed
            app.clear()
            app.expect_request("/version").respond_with_json({"commit": "0123456789abcdef"})
            probed = await op.probed("running-digest", workload="web", digest=now.digest, version="fedcba9876")
            assert (probed.verdict, "where fedcba9876 was meant" in probed.words) == ("fail", True)


@pytest.mark.needs("kube-emulator")
async def test_one_without_a_revision_yet_is_not_said_to_have_no_container(
    namespace: Namespace, cluster: Cluster
) -> None:
    cluster.steer.hold("deployments")
    namespace.workload("web", wait=False)
    async with operating(namespace, workloads={"web": {"container": "app"}}) as op:
        probed = await op.probed("unchanged", workload="web", digest="template:x")
        assert probed.words.endswith("has no revision of its template yet")


@pytest.mark.needs("kube-emulator")
async def test_whether_all_is_rolled_out_is_asked_once_of_each(namespace: Namespace, cluster: Cluster) -> None:
    namespace.workload("web", replicas=1)
    namespace.workload("agent", "DaemonSet")
    namespace.service("web")
    workloads = {"web": {"service": "web"}, "agent": {"kind": "DaemonSet"}}
    async with operating(namespace, workloads=workloads) as op:
        cluster.steer.forget()
        probed = await op.probed("rolled-out")
        assert dict(probed.numbers) == {"web": 1, "agent": 3}, probed
        asked = [one.path.rpartition("/")[2] for one in cluster.steer.requests() if namespace.name in one.path]
        assert sorted(asked) == sorted(
            ["web", "pods", "replicasets", "endpointslices", "agent", "pods", "controllerrevisions"]
        )
