"""Why a rollout is stuck, and how far it is, from objects as the API serves them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from warroom_kubernetes.objects.moments import by_time
from warroom_kubernetes.objects.rollouts import rollout
from warroom_kubernetes.objects.stuck import Why, summed, troubles
from warroom_kubernetes.workload.completion import Around, beyond_waiting

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web-1", "uid": "p1"}, "status": {"phase": "Pending", **status}}


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    return {"containerStatuses": [{"name": "app", "image": "shop:v3", "state": state, **more}]}


def event(reason: str, message: str, **more: Any) -> dict[str, Any]:
    return {"reason": reason, "message": message, "involvedObject": {"uid": "p1"}, "lastTimestamp": None, **more}


CRASH = {"exitCode": 137, "reason": "OOMKilled"}
UNFIT = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: no memory"}]


@pytest.mark.parametrize(
    ("why", "words", "one", "events"),
    [
        (
            "image",
            "manifest unknown",
            pod(**waiting("ImagePullBackOff")),
            [event("Failed", "Failed to pull: manifest unknown")],
        ),
        ("image", "InvalidImageName", pod(**waiting("InvalidImageName")), []),
        ("config", 'secret "x" not found', pod(**waiting("CreateContainerConfigError", 'secret "x" not found')), []),
        (
            "crash",
            "exit code 137 (OOMKilled), started again 4 times",
            pod(**waiting("CrashLoopBackOff", restartCount=4, lastState={"terminated": CRASH})),
            [],
        ),
        (
            "crash",
            "exit code 137 (OOMKilled)",
            pod(
                containerStatuses=[
                    {
                        "name": "app",
                        "state": {"terminated": CRASH},
                        "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
                    }
                ]
            ),
            [],
        ),
        ("unschedulable", "0/3 nodes: no memory", pod(conditions=UNFIT), []),
        ("volume", "FailedMount: timed out", pod(), [event("FailedMount", "timed out")]),
        (
            "probe",
            "Readiness probe failed: 503",
            pod(phase="Running", containerStatuses=[{"name": "app", "ready": False, "state": {"running": {}}}]),
            [event("Unhealthy", "Readiness probe failed: 503")],
        ),
        ("evicted", "low on disk", pod(phase="Failed", reason="Evicted", message="low on disk"), []),
    ],
    ids=["image", "no-image-name", "config", "crash", "crashed-again", "unschedulable", "volume", "probe", "evicted"],
)
def test_what_holds_up_a_pod(why: Why, words: str, one: dict[str, Any], events: list[dict[str, Any]]) -> None:
    (found,) = troubles({"kind": "Deployment"}, [one], events, NOW)
    assert (found.why, found.pod) == (why, "web-1")
    assert words in found.words
    assert found.hopeless is ("InvalidImageName" in words)


def test_why_an_image_can_t_be_pulled_is_told_first_and_by_the_pull_itself() -> None:
    """As a kubelet says it: its last words are that there is an error."""
    said = [
        event("Failed", 'Failed to pull image "shop:v3": not found'),
        event("Failed", "Error: ErrImagePull"),
        event("BackOff", 'Back-off pulling image "shop:v3"'),
        event("Failed", "Error: ImagePullBackOff"),
    ]
    (found,) = troubles({"kind": "Deployment"}, [pod(**waiting("ImagePullBackOff"))], said, NOW)
    assert found.words == 'web-1/app: ImagePullBackOff: Failed to pull image "shop:v3": not found'
    (bare,) = troubles({"kind": "Deployment"}, [pod(**waiting("ErrImagePull"))], [], NOW)
    assert bare.words == "web-1/app: ErrImagePull: shop:v3"


@pytest.mark.parametrize(
    ("probes", "words"),
    [({}, "it is not ready"), ({"startupProbe": {"exec": {}}}, "not started by its startup probe")],
    ids=["none", "one"],
)
def test_without_a_startup_probe_nothing_is_said_of_one(probes: dict[str, Any], words: str) -> None:
    """``started`` is false for a moment of every container."""
    one = pod(phase="Running", containerStatuses=[{"name": "app", "started": False, "state": {"running": {}}}])
    one["spec"] = {"containers": [{"name": "app", **probes}]}
    (found,) = troubles({"kind": "Deployment"}, [one], [], NOW)
    assert words in found.words


def test_a_pod_that_is_well_is_no_trouble() -> None:
    fine = pod(phase="Running", containerStatuses=[{"name": "app", "ready": True, "state": {"running": {}}}])
    ended = pod(phase="Succeeded", containerStatuses=[{"name": "app", "state": {"terminated": {"exitCode": 0}}}])
    assert troubles({"kind": "Deployment"}, [fine, ended], [], NOW) == []


def test_a_pod_that_does_not_end_is_told_only_after_its_grace() -> None:
    held = {"name": "web-1", "deletionTimestamp": "2026-03-02T02:59:00Z", "finalizers": ["shop/lock"]}
    (found,) = troubles({}, [{"metadata": held, "status": {}}], [], NOW)
    assert (found.why, "shop/lock" in found.words, "60 s" in found.words) == ("terminating", True, True)
    just = {**held, "deletionTimestamp": "2026-03-02T03:00:10Z"}
    assert troubles({}, [{"metadata": just, "status": {}}], [], NOW) == []


def test_quota_and_deadline_of_the_workload_come_with_the_cause_first() -> None:
    conditions = [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
        {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: pods"},
    ]
    one = {"kind": "Deployment", "metadata": {"name": "web"}, "spec": {}, "status": {"conditions": conditions}}
    found = troubles(one, [], [], NOW)
    assert [each.why for each in found] == ["quota", "deadline"]
    assert "600 s" in found[1].words


OLD = {"name": "db-1", "uid": "p1", "labels": {"controller-revision-hash": "a"}}
LOOP = waiting("CrashLoopBackOff", restartCount=2)


@pytest.mark.parametrize(
    ("certain", "status", "strategy", "seen"),
    [
        (True, {"phase": "Running", **LOOP}, {}, 2),
        (True, waiting("ImagePullBackOff"), {}, 2),
        (True, waiting("CreateContainerConfigError"), {}, 2),
        (True, {"initContainerStatuses": LOOP["containerStatuses"]}, {}, 2),
        (True, LOOP, {"rollingUpdate": {"partition": 1}}, 2),
        (False, LOOP, {"rollingUpdate": {"partition": 2}}, 2),
        (False, LOOP, {"type": "OnDelete"}, 2),
        (False, LOOP, {}, 1),
        (False, {"phase": "Failed", **LOOP}, {}, 2),
        (False, waiting("CrashLoopBackOff", restartCount=1), {}, 2),
        (False, waiting("ErrImagePull"), {}, 2),
        (False, waiting("ContainerCreating"), {}, 2),
        (False, {"containerStatuses": [{"name": "app", "ready": False, "state": {"running": {}}}]}, {}, 2),
    ],
    ids=[
        *("crash", "image", "config", "init", "above-partition", "below-partition", "on-delete", "unseen", "ended"),
        *("crashed-once", "first-pull", "begins", "probe"),
    ],
)
def test_a_pod_of_the_old_template_is_waited_for_until_it_is_certain_that_it_stays_broken(
    certain: bool, status: dict[str, Any], strategy: dict[str, Any], seen: int
) -> None:
    """Only a ready one would be replaced, and only by a controller that knows the new template."""
    one = stateful(strategy, updateRevision="b", observedGeneration=seen)
    (found, *_) = troubles(one, [{"metadata": OLD, "status": {"phase": "Pending", **status}}], [], NOW)
    assert (found.why, found.pod, found.hopeless) == ("ordered", "db-1", certain)
    assert "db-1 has to be deleted (delete-pod)" in found.words


def test_of_several_old_pods_the_one_that_is_certain_is_named() -> None:
    begins = {"metadata": {**OLD, "name": "db-0"}, "status": {"phase": "Pending", **waiting("ContainerCreating")}}
    broken = {"metadata": OLD, "status": {"phase": "Running", **LOOP}}
    (found, *_) = troubles(stateful(updateRevision="b"), [begins, broken], [], NOW)
    assert (found.pod, found.hopeless) == ("db-1", True)


def test_many_alike_are_told_once() -> None:
    pods = []
    for number in range(9):
        each = pod(**waiting("ErrImagePull"))
        each["metadata"] = {"name": f"web-{number}", "uid": f"p{number}"}
        pods.append(each)
    assert summed(troubles({}, pods, [], NOW)).endswith("(and 8 more like it)")


def test_events_are_in_order_whichever_time_they_have() -> None:
    series = event("a", "", series={"lastObservedTime": "2026-03-02T03:00:04.000001Z"})
    plain = event("b", "", lastTimestamp="2026-03-02T03:00:03Z")
    new = event("c", "", eventTime="2026-03-02T03:00:02.000000Z")
    bare = event("d", "", metadata={"creationTimestamp": "2026-03-02T03:00:01Z"})
    assert [one["reason"] for one in by_time([series, plain, new, bare])] == ["d", "c", "b", "a"]


def deployment(wanted: int = 3, **status: Any) -> dict[str, Any]:
    counts = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
    head = {"name": "web", "generation": 2}
    return {"kind": "Deployment", "metadata": head, "spec": {"replicas": wanted}, "status": {**counts, **status}}


@pytest.mark.parametrize(
    ("status", "words", "one"),
    [
        ("done", "3 of 3 new and available", deployment()),
        ("waiting", "has not seen the change", deployment(observedGeneration=1)),
        ("waiting", "1 of 3 pods are new", deployment(updatedReplicas=1)),
        ("waiting", "1 old to be ended", deployment(replicas=4)),
        ("waiting", "2 of 3 new ones are available", deployment(availableReplicas=2)),
        ("failed", "wants no pod at all", deployment(0)),
        (
            "failed",
            "no progress for 600 s",
            deployment(conditions=[{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]),
        ),
        ("failed", "it is paused", {**deployment(updatedReplicas=1), "spec": {"replicas": 3, "paused": True}}),
    ],
    ids=["done", "unseen", "updating", "old", "unavailable", "zero", "deadline", "paused"],
)
def test_how_far_a_deployment_is(status: str, words: str, one: dict[str, Any]) -> None:
    found = rollout(one)
    assert found.status == status
    assert words in found.words


def stateful(strategy: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    told = {
        "observedGeneration": 2,
        "currentRevision": "a",
        "updateRevision": "a",
        "currentReplicas": 3,
        "readyReplicas": 3,
    }
    head, spec = (
        {"name": "db", "generation": 2},
        {"replicas": 3, "updateStrategy": strategy or {"type": "RollingUpdate"}},
    )
    return {"kind": "StatefulSet", "metadata": head, "spec": spec, "status": {**told, **status}}


@pytest.mark.parametrize(
    ("status", "one"),
    [
        ("done", stateful()),
        ("waiting", stateful(updateRevision="b", updatedReplicas=1)),
        ("waiting", stateful(readyReplicas=2)),
        ("failed", stateful({"type": "OnDelete"}, updateRevision="b")),
        ("done", stateful({"rollingUpdate": {"partition": 2}}, updateRevision="b", updatedReplicas=1)),
        ("failed", stateful({"rollingUpdate": {"partition": 3}}, updateRevision="b")),
    ],
    ids=["done", "updating", "unready", "on-delete", "partition", "all-held"],
)
def test_how_far_a_statefulset_is(status: str, one: dict[str, Any]) -> None:
    assert rollout(one).status == status


def test_how_far_a_daemonset_is() -> None:
    told = {"observedGeneration": 1, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}
    one: dict[str, Any] = {
        "kind": "DaemonSet",
        "metadata": {"name": "log", "generation": 1},
        "spec": {},
        "status": told,
    }
    assert rollout(one).status == "done"
    assert rollout({**one, "status": {**told, "numberAvailable": 2}}).status == "waiting"
    assert rollout({**one, "status": {**told, "desiredNumberScheduled": 0}}).status == "failed"
    assert rollout({**one, "status": {**told, "desiredNumberScheduled": 0}}, zero=True).status == "done"


def test_an_image_name_of_the_release_that_was_left_ends_no_rollback() -> None:
    """Its pods are still there at the first look, and no waiting would mend them: they go. Of what was gone back to no
    waiting mends one; before its ReplicaSet is known, nobody can tell whose pod it is."""

    def owned_by(kind: str, uid: str) -> dict[str, Any]:
        return {"ownerReferences": [{"kind": kind, "uid": uid, "controller": True}]}

    def of(image: str) -> dict[str, Any]:
        return {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}

    web = {"kind": "Deployment", "metadata": {"name": "web", "uid": "d"}, "spec": of("shop:v2")}
    sets = [
        {"metadata": {"name": f"web-{uid}", "uid": uid, **owned_by("Deployment", "d")}, "spec": of(image)}
        for uid, image in (("good", "shop:v2"), ("bad", "Shop:V3"))
    ]

    def ends(uid: str, stored: list[dict[str, Any]]) -> bool:
        one = pod(**waiting("InvalidImageName"))
        one["metadata"] |= owned_by("ReplicaSet", uid)
        return beyond_waiting(web, Around(stored, [one], None), troubles(web, [one], [], NOW))

    assert not ends("bad", sets)
    assert ends("good", sets)
    assert not ends("good", [])


def test_a_stateful_set_s_old_pod_that_holds_up_the_others_ends_it_all_the_same() -> None:
    one, broken = stateful(updateRevision="b"), {"metadata": OLD, "status": {"phase": "Running", **LOOP}}
    assert beyond_waiting(one, Around((), [broken], None), troubles(one, [broken], [], NOW))
