"""The emulator's controllers and kubelet do what Kubernetes' own do, where a rollback meets them."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.kube.cluster import Cluster, Json, wait_for
from tests.kube.workloads import Namespace, Workload

REVISION = "deployment.kubernetes.io/revision"


def condition(workload: Workload, kind: str) -> Json:
    found = [one for one in workload.get().get("status", {}).get("conditions", []) if one["type"] == kind]
    return found[0] if found else {}


def reason_of(workload: Workload, kind: str = "Progressing") -> str:
    return str(condition(workload, kind).get("reason", ""))


def waiting(pod: Json) -> str:
    statuses = pod["status"].get("containerStatuses", [])
    return str(statuses[0]["state"].get("waiting", {}).get("reason", "")) if statuses else ""


def undo(web: Workload, revision: str) -> None:
    """As kubectl does it: the template of that ReplicaSet, without the controller's label."""
    (rs,) = [one for one in web.replica_sets() if one["metadata"]["annotations"][REVISION] == revision]
    template = rs["spec"]["template"]
    del template["metadata"]["labels"]["pod-template-hash"]
    web.cluster.json_patch(web.path, {"op": "replace", "path": "/spec/template", "value": template})


def test_a_rollout_goes_pod_by_pod_and_is_numbered(cluster: Cluster, namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=4)
    assert web.revision == 1
    version = web.get()["metadata"]["resourceVersion"]
    path = web.path.rpartition("/")[0]
    with cluster.watch(path, resourceVersion=version, fieldSelector="metadata.name=web") as events:
        web.set_image(cluster.images.next, cause="v2")
        web.wait_rolled_out()
        end = web.get()["metadata"]["resourceVersion"]
        seen = []
        for event in events:
            seen.append(event["object"])
            if event["object"]["metadata"]["resourceVersion"] == end:
                break
    # 25 % of 4: never less than 3 that serve, never more than 5. A real controller adds up what its ReplicaSets said
    # last, of which one may not have told of its end yet.
    assert min(one["status"].get("availableReplicas", 0) for one in seen) >= 3
    assert max(one["status"].get("replicas", 0) for one in seen) <= (5 if cluster.emulated else 6)
    assert len({one["status"].get("updatedReplicas", 0) for one in seen}) > 2
    assert web.revision == 2
    old, new = web.replica_sets()
    assert (old["spec"]["replicas"], new["spec"]["replicas"]) == (0, 4)
    assert new["metadata"]["annotations"]["kubernetes.io/change-cause"] == "v2"
    assert reason_of(web) == "NewReplicaSetAvailable"


def test_going_back_raises_the_old_number(cluster: Cluster, namespace: Namespace) -> None:
    web = namespace.workload("web")
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    undo(web, "1")
    web.wait_rolled_out()
    notes = [rs["metadata"]["annotations"] for rs in web.replica_sets()]
    assert [one[REVISION] for one in notes] == ["2", "3"]
    assert notes[1]["deployment.kubernetes.io/revision-history"] == "1"
    assert (web.revision, web.image) == (3, cluster.images.good)


def test_the_history_has_its_limit(cluster: Cluster, namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=1, spec={"revisionHistoryLimit": 0})
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    wait_for(lambda: len(web.replica_sets()) == 1, "the old ReplicaSet's end")


def test_a_bad_release_stays_beside_the_good_one_until_its_deadline(cluster: Cluster, namespace: Namespace) -> None:
    web = namespace.workload("web", spec={"progressDeadlineSeconds": 2})
    web.set_image(cluster.images.bad)
    wait_for(lambda: reason_of(web) == "ProgressDeadlineExceeded", "the deadline")
    assert condition(web, "Progressing")["status"] == "False"
    assert condition(web, "Available")["status"] == "True"
    status = web.get()["status"]
    assert (status["readyReplicas"], status["updatedReplicas"], status["unavailableReplicas"]) == (2, 1, 1)
    undo(web, "1")
    web.wait_rolled_out()
    assert reason_of(web) == "NewReplicaSetAvailable"


def test_a_paused_deployment_waits(cluster: Cluster, namespace: Namespace) -> None:
    web = namespace.workload("web")
    web.patch({"spec": {"paused": True}})
    wait_for(lambda: reason_of(web) == "DeploymentPaused", "the pause")
    web.set_image(cluster.images.next)
    web.scale(3)
    wait_for(lambda: web.get()["status"].get("readyReplicas") == 3, "the third pod")
    assert len(web.replica_sets()) == 1
    web.patch({"spec": {"paused": None}})
    web.wait_rolled_out()
    assert len(web.replica_sets()) == 2


def test_recreate_ends_the_old_pods_first(cluster: Cluster, namespace: Namespace) -> None:
    web = namespace.workload("web", spec={"strategy": {"type": "Recreate"}})
    pods = namespace.path("v1", "pods")
    version = cluster.get(pods)["metadata"]["resourceVersion"]
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    with cluster.watch(pods, resourceVersion=version, timeoutSeconds=1) as events:
        kinds = [event["type"] for event in events if event["type"] != "MODIFIED"]
    assert kinds == ["DELETED", "DELETED", "ADDED", "ADDED"]


def test_a_quota_is_said_where_it_stops_a_rollout(namespace: Namespace) -> None:
    namespace.create("v1", "resourcequotas", "ResourceQuota", "few", spec={"hard": {"pods": "1"}})
    web = namespace.workload("web", wait=False)
    wait_for(lambda: reason_of(web, "ReplicaFailure") == "FailedCreate", "the quota's refusal")
    assert "exceeded quota: few" in condition(web, "ReplicaFailure")["message"]


def test_a_pod_for_which_there_is_no_node(cluster: Cluster, namespace: Namespace) -> None:
    spec = {"template": {"spec": {"nodeSelector": {"no": "such"}}}}
    web = namespace.workload("web", replicas=1, wait=False, spec=spec)

    def reason() -> str:
        conditions = [one for pod in web.pods() for one in pod["status"].get("conditions", [])]
        return str(conditions[0].get("reason", "")) if conditions else ""

    wait_for(lambda: reason() == "Unschedulable", "the scheduler's word")
    events = cluster.items(namespace.path("v1", "events"), fieldSelector="reason=FailedScheduling")
    assert events[0]["message"].startswith("0/")


@pytest.mark.needs("kube-emulator")
def test_the_schedulers_events_have_no_last_time_stamp(cluster: Cluster, namespace: Namespace) -> None:
    namespace.workload("web", replicas=1)
    (event,) = cluster.items(namespace.path("v1", "events"), fieldSelector="reason=Scheduled")
    assert (event["lastTimestamp"], event["firstTimestamp"], bool(event["eventTime"])) == (None, None, True)


@pytest.mark.needs("kube-emulator")
def test_an_image_decides_what_its_container_does(cluster: Cluster, namespace: Namespace) -> None:
    cluster.steer.image("x/gone:1", "no-such-image")
    cluster.steer.image("x/dies:1", "crashes", lines=["boom"])
    gone = namespace.workload("gone", image="x/gone:1", replicas=1, wait=False)
    dies = namespace.workload("dies", image="x/dies:1", replicas=1, wait=False)
    wait_for(lambda: [waiting(pod) for pod in gone.pods()] == ["ImagePullBackOff"], "the pull to fail twice")
    wait_for(lambda: [waiting(pod) for pod in dies.pods()] == ["CrashLoopBackOff"], "the crash")
    (pod,) = dies.pods()
    status = pod["status"]["containerStatuses"][0]
    assert status["lastState"]["terminated"]["exitCode"] == 1
    path = f"{namespace.path('v1', 'pods', pod['metadata']['name'])}/log"
    wait_for(lambda: cluster.ask("GET", path, query={"previous": "true"}).status == 200, "the second start")
    assert cluster.ask("GET", path, query={"previous": "true"}).body == "boom\n"
    cluster.steer.image("x/gone:1", "runs", digest="sha256:" + "1" * 64)
    gone.wait_rolled_out()
    assert gone.pods()[0]["status"]["containerStatuses"][0]["imageID"] == "docker.io/x/gone@sha256:" + "1" * 64


@pytest.mark.needs("kube-emulator")
def test_logs_are_followed_limited_and_stamped(cluster: Cluster, namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=1)
    name = web.pods()[0]["metadata"]["name"]
    path = f"{namespace.path('v1', 'pods', name)}/log"
    assert cluster.ask("GET", path, query={"tailLines": 1}).body == "listening on :8080\n"
    assert str(cluster.ask("GET", path, query={"timestamps": "true"}).body)[10] == "T"
    refused = cluster.ask("GET", path, query={"previous": "true"})
    assert (refused.status, refused.reason) == (400, "BadRequest")
    with cluster.stream(path, follow="true", tailLines=0) as lines:
        cluster.steer.say(namespace.name, name, "one", "two")
        assert list(itertools.islice(lines, 2)) == [b"one\n", b"two\n"]
        cluster.delete(namespace.path("v1", "pods", name))
        assert list(lines) == [b"got SIGTERM: stopping\n"]


def test_endpoints_are_the_ready_pods(cluster: Cluster, namespace: Namespace) -> None:
    namespace.service("web")
    web = namespace.workload("web")

    def rows() -> list[Json]:
        query = "kubernetes.io/service-name=web"
        slices = cluster.items(namespace.path("discovery.k8s.io/v1", "endpointslices"), labelSelector=query)
        return [row for one in slices for row in one.get("endpoints") or []]

    def ready() -> set[str]:
        return {row["targetRef"]["uid"] for row in rows() if row["conditions"]["ready"]}

    def uids() -> set[str]:
        return {pod["metadata"]["uid"] for pod in web.pods()}

    before = uids()
    wait_for(lambda: ready() == before, "both pods behind the Service")
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    wait_for(lambda: ready() == uids(), "the new pods alone behind the Service")
    assert not ready() & before
    good = uids()
    web.set_image(cluster.images.bad)
    wait_for(lambda: len(rows()) == 3, "the bad pod in the slice")
    assert ready() == good


def test_a_stateful_set_waits_for_its_broken_pod(cluster: Cluster, namespace: Namespace) -> None:
    db = namespace.workload("db", "StatefulSet")
    good = db.get()["status"]["currentRevision"]
    db.set_image(cluster.images.bad)
    broken = namespace.path("v1", "pods", "db-1")
    wait_for(lambda: [pod["spec"]["containers"][0]["image"] for pod in db.pods()][-1] == cluster.images.bad, "db-1 bad")
    stuck = cluster.get(broken)["metadata"]["uid"]
    revisions = cluster.items(namespace.path("apps/v1", "controllerrevisions"))
    data = next(one["data"] for one in revisions if one["metadata"]["name"] == good)
    assert data["spec"]["template"]["$patch"] == "replace"
    db.patch(data)
    wait_for(lambda: db.get()["status"]["observedGeneration"] == db.get()["metadata"]["generation"], "the new template")
    left = cluster.get(broken)["metadata"]
    assert (left["uid"], "deletionTimestamp" in left) == (stuck, False)
    cluster.delete(broken, {"preconditions": {"uid": stuck}})
    db.wait_rolled_out()
    assert {pod["spec"]["containers"][0]["image"] for pod in db.pods()} == {cluster.images.good}
    numbers = sorted(one["revision"] for one in cluster.items(namespace.path("apps/v1", "controllerrevisions")))
    assert numbers == [2, 3]


def test_a_daemon_set_rolls_too(cluster: Cluster, namespace: Namespace) -> None:
    agent = namespace.workload("agent", "DaemonSet")
    agent.set_image(cluster.images.next)
    agent.wait_rolled_out()
    assert {pod["spec"]["containers"][0]["image"] for pod in agent.pods()} == {cluster.images.next}
    assert len(cluster.items(namespace.path("apps/v1", "controllerrevisions"))) == 2


@pytest.mark.needs("kube-emulator")
def test_an_autoscaler_follows_the_load_unless_it_is_told_not_to(cluster: Cluster, namespace: Namespace) -> None:
    web = namespace.workload("web")
    cluster.steer.hold("autoscaling")
    namespace.autoscaler("web", least=2, most=4)
    path = namespace.path("autoscaling/v2", "horizontalpodautoscalers", "web")
    behavior = {way: {"selectPolicy": "Disabled"} for way in ("scaleUp", "scaleDown")}
    cluster.merge(path, {"spec": {"behavior": behavior}})
    for pod in web.pods():
        cluster.steer.usage(namespace.name, pod["metadata"]["name"], cpu_m=100, memory_mi=10)
    cluster.steer.hold()
    wait_for(lambda: cluster.get(path).get("status", {}).get("currentReplicas") == 2, "the autoscaler's look")
    assert web.get()["spec"]["replicas"] == 2
    cluster.merge(path, {"spec": {"behavior": None}})
    wait_for(lambda: web.get()["spec"]["replicas"] == 4, "more pods")
    web.scale(0)

    def active() -> str:
        conditions = cluster.get(path)["status"]["conditions"]
        return str(next((one["reason"] for one in conditions if one["type"] == "ScalingActive"), ""))

    wait_for(lambda: active() == "ScalingDisabled", "the autoscaler to give up at zero")
    assert web.get()["spec"]["replicas"] == 0


def test_what_is_owned_goes_with_its_owner(cluster: Cluster, namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=1)
    kept = namespace.workload("kept", replicas=1)
    web.delete()
    cluster.delete(kept.path, propagationPolicy="Orphan")
    wait_for(lambda: not web.replica_sets() and not web.pods(), "the end of all that was web's")
    wait_for(lambda: cluster.ask("GET", kept.path).status == 404, "the end of the Deployment alone")
    assert len(kept.pods()) == 1


def test_a_finalizer_holds_a_pod(cluster: Cluster, namespace: Namespace) -> None:
    web = namespace.workload("web", replicas=1)
    path = namespace.path("v1", "pods", web.pods()[0]["metadata"]["name"])
    cluster.merge(path, {"metadata": {"finalizers": ["example.org/hold"]}})
    cluster.delete(path)
    wait_for(lambda: len(web.pods()) == 2, "the pod in its place")
    assert cluster.get(path)["metadata"]["deletionTimestamp"]
    cluster.merge(path, {"metadata": {"finalizers": None}})
    wait_for(lambda: cluster.ask("GET", path).status == 404, "its end")


@pytest.mark.needs("kubectl")
def test_kubectl_rolls_it_back(cluster: Cluster, namespace: Namespace, workload: Callable[..., Any]) -> None:
    web = workload("web", replicas=1)

    def kubectl(*words: str) -> str:
        argv = ["kubectl", "--kubeconfig", str(cluster.kubeconfig), "--context", cluster.context, "-n", namespace.name]
        done = subprocess.run([*argv, *words], capture_output=True, timeout=90, check=False)
        return (done.stdout + done.stderr).decode()

    assert "image updated" in kubectl("set", "image", "deployment/web", f"app={cluster.images.next}")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert "rolled back" in kubectl("rollout", "undo", "deployment/web", "--to-revision=1")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert (web.image, web.revision) == (cluster.images.good, 3)
    assert "unable to find" in kubectl("rollout", "undo", "deployment/web", "--to-revision=9")
    assert "skipped rollback" in kubectl("rollout", "undo", "deployment/web", "--to-revision=3")
