"""Signals of workloads: what is counted of pods and metrics, and that what can't be known is not taken for well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kube.cluster import Cluster
from tests.kube.custom import metrics_served, uses
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_watching import gathering, outside
from warroom.api import BadInput
from warroom.testing.fakes import a_context
from warroom_kubernetes.config import Config
from warroom_kubernetes.objects.quantities import quantity
from warroom_kubernetes.signals import KubernetesSignals, offered
from warroom_kubernetes.watch.collection import Change
from warroom_kubernetes.watch.ends import Ends
from warroom_kubernetes.watch.live import PodSeen, belongs, held_up, pod, workload
from warroom_kubernetes.watch.measures import (
    Usage,
    Used,
    Value,
    endpoints,
    of_all,
    of_usage,
    of_workload,
    slice_seen,
    usage,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MB = 2**20


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("128Mi", 128 * MB),
        ("1.5Gi", 1.5 * 2**30),
        ("100m", 0.1),
        ("12345n", 12345e-9),
        ("250u", 250e-6),
        ("2", 2.0),
        ("1e3", 1000.0),
        ("1E", 1e18),
        ("5k", 5000.0),
        (".5", 0.5),
        ("0", 0.0),
        (3, 3.0),
        ("", None),
        ("12 Mi", None),
        ("1K", None),
        ("NaN", None),
        ("1e9999", None),
        ("9" * 70, None),
        (None, None),
        (True, None),
    ],
)
def test_quantities(text: object, value: float | None) -> None:
    found = quantity(text)
    assert found == value if value is None else found == pytest.approx(value)


# ---- one pod, one workload


def status(name: str = "app", **more: Any) -> dict[str, Any]:
    return {"name": name, "ready": True, "restartCount": 0, "state": {"running": {}}, "imageID": "x@sha256:1", **more}


def told_pod(name: str = "web-5d8-1", *statuses: Mapping[str, Any], ready: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "uid": f"u-{name}",
            "creationTimestamp": "2026-11-23T11:00:00Z",
            "labels": {"pod-template-hash": "5d8"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d8", "controller": True}],
        },
        "spec": {"containers": [{"name": "app", "resources": {"limits": {"memory": "100Mi", "cpu": "500m"}}}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": list(statuses) or [status()],
            **more,
        },
    }


def ended(at: datetime, code: int = 1, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "finishedAt": f"{at:%Y-%m-%dT%H:%M:%SZ}"}}


BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (told_pod("a", status(state=BACK_OFF, lastState=ended(NOW, 137, "OOMKilled"))), "exit code 137, OOMKilled"),
        (told_pod("a", status(state={"waiting": {"reason": "ImagePullBackOff"}})), "ImagePullBackOff"),
        (told_pod("a", status(state={"waiting": {"reason": "ContainerCreating"}})), "being started"),
        (told_pod("a", status(ready=False)), "app not ready"),
        (
            told_pod("a", conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]),
            "Unschedulable",
        ),
        (told_pod("a", phase="Failed", reason="Evicted", message="low on memory"), "Evicted: low on memory"),
        ({"metadata": {"name": "a"}}, "not ready"),
    ],
    ids=["crash", "image", "starting", "probe", "schedule", "evicted", "bare"],
)
def test_why_a_pod_is_not_ready(told: dict[str, Any], words: str) -> None:
    assert words in held_up(pod(told))


def web(**more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "uid": "w", "generation": 4},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {}},
        "status": {
            "observedGeneration": 4,
            **dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 3),
            **more,
        },
    }


def values(told: Mapping[str, Any] | None, *pods: PodSeen, measured: Usage | None = None) -> dict[str, Value]:
    seen = None if told is None else workload("Deployment", told)
    return of_workload("web", "Deployment", seen, pods, measured or Usage({}), NOW)


def stuck(reason: str = "CrashLoopBackOff") -> PodSeen:
    return pod(told_pod("web-6f-1", status(state={"waiting": {"reason": reason}}), ready=False))


DEADLINE = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]


@pytest.mark.parametrize(
    ("told", "pods", "value", "words"),
    [
        (web(), (), 1.0, "3 of 3 ready"),
        (web(replicas=4, updatedReplicas=1), (stuck(),), 0.0, "3 of 3 ready; CrashLoopBackOff in web-6f-1"),
        (
            web(replicas=4, updatedReplicas=1),
            (stuck("ImagePullBackOff"),),
            0.0,
            "3 of 3 ready; ImagePullBackOff in web-6f-1",
        ),
        (web(replicas=4, updatedReplicas=1, conditions=DEADLINE), (), 0.0, "progress deadline"),
        (
            web(replicas=4, updatedReplicas=1, readyReplicas=2),
            (stuck("ContainerCreating"),),
            None,
            "rolling out, 1 new",
        ),
        (web(replicas=4, updatedReplicas=1), (stuck("ContainerCreating"),), 1.0, "rolling out, 1 new"),
        (web(replicas=4, updatedReplicas=1, readyReplicas=0), (), 0.0, "0 of 3 ready"),
        (web(readyReplicas=2), (), 0.0, "2 of 3 ready"),
        (web(observedGeneration=3), (), None, "has not seen"),
        (None, (), 0.0, "there is no Deployment web"),
    ],
    ids=["well", "crash", "image", "deadline", "rolling", "surge", "none", "fewer", "unseen", "gone"],
)
def test_a_workload_is_not_well_while_its_new_pods_are_stuck(
    told: dict[str, Any] | None, pods: tuple[PodSeen, ...], value: float | None, words: str
) -> None:
    found = values(told, *pods)["health"]
    assert found[0] == value
    assert words in found[2]


def test_a_workload_that_somebody_holds_still_is_well_as_long_as_its_pods_are() -> None:
    paused = web()
    paused["spec"]["paused"] = True
    assert values(paused)["health"][:2] == (1.0, 1)
    zero = web()
    zero["spec"]["replicas"] = 0
    assert values(zero)["health"] == (None, 0, "scaled to zero: none is wanted, and none serves")


def test_the_ready_ratio_is_of_what_is_wanted() -> None:
    one = pod(told_pod("web-5d8-1", status(state=BACK_OFF), ready=False))
    found = values(web(readyReplicas=2, availableReplicas=2), one)
    assert found["ready"] == (2 / 3, 1, "2 of 3 ready; web-5d8-1: CrashLoopBackOff")
    assert found["pods-not-ready"] == (1.0, 1, "web-5d8-1: CrashLoopBackOff")
    assert found["rollout"][0] is None
    assert values(web())["ready"] == (1.0, 1, "3 of 3 ready")
    assert values(web(readyReplicas=1))["pods-not-ready"] == (2.0, 1, "2 pods not there")
    assert values(web())["rollout"][0] == 1


def test_what_is_not_there_is_not_well_and_what_is_not_wanted_is_not_bad() -> None:
    assert values(None)["ready"] == (0.0, 1, "there is no Deployment web")
    zero = web(readyReplicas=0, replicas=0, updatedReplicas=0, availableReplicas=0)
    zero["spec"]["replicas"] = 0
    assert values(zero)["ready"][:2] == (None, 0)
    assert values(zero)["rollout"][:2] == (None, 0)
    assert values(web(observedGeneration=3))["ready"][:2] == (None, None)
    late = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
    assert values(web(conditions=late, updatedReplicas=1))["rollout"][0] == 0
    going = replace(pod(told_pod(ready=False)), deleting=True)
    assert values(web(), going)["pods-not-ready"][0] == 0


def test_pods_are_their_workloads_own() -> None:
    one = pod(told_pod())
    assert belongs(one, "Deployment", "web")
    assert not belongs(replace(one, owner="ReplicaSet/web-canary-5d8"), "Deployment", "web")
    assert belongs(replace(one, owner="StatefulSet/db"), "StatefulSet", "db")
    assert belongs(replace(one, owner="Job/report-29"), "CronJob", "report")
    assert not belongs(replace(one, owner=""), "Deployment", "web")


# ---- metrics


def metrics(memory: str = "95Mi", cpu: str = "250m", name: str = "web-5d8-1") -> Usage:
    item = {"metadata": {"name": name}, "timestamp": "2026-11-23T11:59:50Z"}
    return usage([{**item, "containers": [{"name": "app", "usage": {"cpu": cpu, "memory": memory}}]}])


def test_what_is_measured_is_as_old_as_the_oldest_of_it() -> None:
    items = [{"metadata": {"name": f"web-{n}"}, "timestamp": f"2026-11-23T11:5{n}:00Z"} for n in (9, 2, 7)]
    assert usage(items).at == datetime(2026, 11, 23, 11, 52, tzinfo=UTC)


def test_memory_and_cpu_are_measured_against_their_limits() -> None:
    one = pod(told_pod())
    found = of_usage([one], metrics(), NOW)
    assert found["memory-used"] == (0.95, 1, "web-5d8-1/app: 95 MB of 100 MB")
    assert found["cpu-used"] == (0.5, 1, "web-5d8-1/app: 0.25 of 0.5 CPUs")
    assert found["cpu"][0] == pytest.approx(0.25)
    unlimited = replace(one, containers=tuple(replace(c, memory_limit=None, cpu_limit=None) for c in one.containers))
    for name in ("memory-used", "cpu-used"):
        value, _, words = of_usage([unlimited], metrics(), NOW)[name]
        assert (value, "no limit" in words) == (None, True)
    both = Usage({**metrics().used, **metrics(name="web-5d8-2").used})
    assert of_usage([one, replace(unlimited, name="web-5d8-2")], both, NOW)["memory-used"][0] is None


def test_a_pod_that_is_not_measured_makes_it_unknown_unless_it_is_new() -> None:
    one, other = pod(told_pod()), pod(told_pod("web-5d8-2"))
    assert of_usage([one, other], metrics(), NOW)["memory-used"][0] is None
    new = replace(other, created=NOW - timedelta(seconds=30))
    assert of_usage([one, new], metrics(), NOW)["memory-used"][0] == 0.95
    assert of_usage([], metrics(), NOW)["memory-used"][:2] == (None, 0)
    assert of_usage([one], Usage({}, None, "no metrics"), NOW)["cpu"] == (None, None, "no metrics")
    assert of_usage([one], Usage({("web-5d8-1", "app"): Used(None, None)}), NOW)["memory-used"][0] is None


# ---- ends


def test_an_end_is_counted_once_as_it_passes_through_the_status() -> None:
    ends = Ends()
    at = NOW - timedelta(seconds=5)
    steps = [
        told_pod(),
        told_pod("web-5d8-1", status(state=ended(at, 137, "OOMKilled"))),
        told_pod("web-5d8-1", status(state=BACK_OFF, lastState=ended(at, 137, "OOMKilled"))),
        told_pod("web-5d8-1", status(restartCount=1, lastState=ended(at, 137, "OOMKilled"))),
        told_pod("web-5d8-1", status(restartCount=1, lastState=ended(at, 137, "OOMKilled")), ready=False),
    ]
    seen = [pod(told) for told in steps]
    for old, new in zip([None, *seen], seen, strict=False):
        ends.take(Change(old, new), NOW)
        assert ends.values(NOW)["restarts"][0] == (0 if old is None else 1)
    assert ends.values(NOW)["restarts"] == (1.0, 1, "the last: web-5d8-1/app ended with exit code 137, OOMKilled")
    assert ends.values(NOW)["oom-kills"][0] == 1
    ends.take(Change(seen[-1], pod(told_pod("web-5d8-1", status(restartCount=4, lastState=ended(NOW))))), NOW)
    assert ends.values(NOW)["restarts"][0] == 4
    assert ends.values(NOW)["oom-kills"][0] == 1
    assert ends.values(NOW + timedelta(minutes=11))["restarts"] == (0.0, 1, "none")


def test_what_ended_before_the_first_look_counts_if_it_was_lately() -> None:
    for minutes, count in ((5, 1.0), (15, 0.0)):
        ends = Ends()
        lately = status(restartCount=7, lastState=ended(NOW - timedelta(minutes=minutes)))
        ends.take(Change(None, pod(told_pod("web-5d8-1", lately)), listed=True), NOW)
        assert ends.values(NOW)["restarts"][0] == count


def test_who_is_ended_by_a_rollout_or_ends_well_is_no_restart() -> None:
    ends = Ends()
    one = pod(told_pod())
    ends.take(Change(one, replace(pod(told_pod("web-5d8-1", status(state=ended(NOW, 143)))), deleting=True)), NOW)
    job = replace(one, owner="Job/nightly-1")
    well = replace(pod(told_pod("web-5d8-1", status(state=ended(NOW, 0, "Completed")))), owner="Job/nightly-1")
    ends.take(Change(job, well), NOW)
    assert ends.values(NOW)["restarts"][0] == 0


def test_what_should_serve_for_ever_and_ends_well_has_ended_all_the_same() -> None:
    """A failing liveness probe has it stopped, and it may stop gracefully."""
    ends = Ends()
    well = told_pod("web-5d8-1", status(restartCount=2, lastState=ended(NOW, 0, "Completed")))
    ends.take(Change(pod(told_pod()), pod(well)), NOW)
    assert ends.values(NOW)["restarts"][0] == 2


def test_endpoints_that_do_not_say_are_ready() -> None:
    said: tuple[dict[str, bool] | None, ...] = (None, {"ready": True}, {"ready": False}, {})
    told = [
        {"addresses": [f"10.0.0.{n}"]} | ({"conditions": one} if one is not None else {}) for n, one in enumerate(said)
    ]
    assert endpoints([slice_seen({"endpoints": told})]) == (3.0, 1, "3 ready, 1 not")
    assert endpoints([]) == (0.0, 1, "0 ready")


def test_a_pod_with_addresses_of_two_families_is_one() -> None:
    pods = [{"uid": "1"}, {"uid": "2"}]
    four = [{"addresses": ["10.0.0.1"], "targetRef": one} for one in pods]
    six = [{"addresses": ["fd00::1"], "targetRef": one} for one in pods]
    assert endpoints([slice_seen({"endpoints": four}), slice_seen({"endpoints": six})]) == (2.0, 1, "2 ready")


def test_of_all_the_worst_counts_and_an_unknown_one_hides_no_bad_one() -> None:
    base = {f"{name}-{key}": (1.0, 1, "") for name in ("ready", "template-unchanged") for key in "ab"}
    base |= {f"{n}-{k}": (0.0, 1, "") for n in ("pods-not-ready", "restarts", "oom-kills") for k in "ab"}
    base |= {f"{name}-{key}": (0.5, 1, "") for name in ("memory-used", "cpu-used") for key in "ab"}
    assert of_all({**base, "ready-b": (0.5, 1, "1 of 2")}, ["a", "b"])["ready"] == (0.5, 1, "b: 1 of 2")
    assert of_all({**base, "ready-b": (None, None, "?")}, ["a", "b"])["ready"] == (None, None, "b: ?")
    assert of_all({**base, "ready-b": (None, None, "?"), "ready-a": (0.0, 1, "")}, ["a", "b"])["ready"][0] == 0
    assert of_all({**base, "ready-b": (None, 0, "zero")}, ["a", "b"])["ready"][0] == 1
    assert of_all({**base, "restarts-a": (None, None, "?")}, ["a", "b"])["restarts"][0] is None
    assert of_all({**base, "restarts-a": (None, None, "?"), "restarts-b": (2.0, 1, "x")}, "ab")["restarts"][0] == 2


# ---- on a cluster


def test_the_offers_are_of_the_whole_and_of_each_workload() -> None:
    config = Config.model_validate({"workloads": {"web": {"service": "web"}, "worker": {}}})
    names = set(offered(config))
    assert {"reachable", "watch", "ready", "ready-web", "restarts-worker", "endpoints-web"} <= names
    assert "endpoints-worker" not in names
    assert all(offer.active is False and offer.every == config.every for offer in offered(config).values())


async def test_a_signal_that_there_is_not_is_refused() -> None:
    ctx = a_context(Config.model_validate({"workloads": {"web": {}}}))
    with pytest.raises(BadInput, match="no signal nonsense"):
        await anext(KubernetesSignals().samples(ctx, frozenset({"nonsense"})))


async def test_a_good_workload_and_then_a_bad_release(cluster: Cluster, namespace: Namespace) -> None:
    one = await outside(namespace.workload, "web")
    await outside(namespace.service, "web")
    async with gathering(namespace, workloads={"web": {"service": "web"}}) as found:
        await found.until(lambda: found.value("ready-web") == 1 and found.value("endpoints-web") == 2, "all well")
        assert (found.value("reachable"), found.value("watch"), found.value("pods-not-ready")) == (1, 1, 0)
        assert (found.value("rollout-web"), found.value("restarts")) == (1, 0)
        assert found.samples["template-unchanged"].value == 1
        await outside(one.set_image, cluster.images.bad)
        await found.until(lambda: (found.value("pods-not-ready-web") or 0) >= 1, "its pod is not ready")

        def pulled() -> bool:
            return "ImagePull" not in found.words("pods-not-ready-web")

        await found.until(lambda: (found.value("restarts-web") or 0) >= 1 or not pulled(), "the bad one ends")
        assert not found.value("restarts-web") or "ended with exit code" in found.words("restarts-web")


async def test_a_workload_that_is_not_there_and_one_that_comes(namespace: Namespace) -> None:
    async with gathering(namespace) as found:
        await found.until(lambda: found.words("ready-web") == "there is no Deployment web", "gone")
        assert found.value("ready-web") == 0
        await outside(namespace.workload, "web", replicas=1)
        await found.until(lambda: found.value("ready-web") == 1, "it came")


async def test_metrics_and_a_cluster_without_them(cluster: Cluster, namespace: Namespace) -> None:
    limits = {"resources": {"limits": {"memory": "100Mi", "cpu": "1"}}}
    spec = {"containers": [{"name": "app", "image": cluster.images.good, **limits}]}
    one = await outside(namespace.workload, "web", replicas=1, spec={"template": {"spec": spec}})
    with metrics_served(cluster) as told:
        if told:
            await outside(uses, cluster, namespace.name, (await outside(one.pods))[0], 500, 90)
        async with gathering(namespace) as found:
            await found.until(lambda: found.value("memory-used-web") is not None, "measured")
            assert not told or found.value("memory-used-web") == pytest.approx(0.9)
            assert not told or found.value("cpu-used") == pytest.approx(0.5)
    if cluster.emulated:
        await outside(cluster.steer.metrics, False)
    elif not told:
        return
    async with gathering(namespace) as found:
        await found.until(lambda: "metrics.k8s.io" in found.words("memory-used-web"), "none")
        assert found.value("memory-used-web") is None
        assert found.value("ready-web") == 1


async def test_other_kinds_are_counted_as_their_status_says(cluster: Cluster, namespace: Namespace) -> None:
    await outside(namespace.workload, "db", "StatefulSet", replicas=2)
    await outside(namespace.workload, "agent", "DaemonSet")
    await outside(namespace.workload, "report", "CronJob")
    kinds = {"db": {"kind": "StatefulSet"}, "agent": {"kind": "DaemonSet"}, "report": {"kind": "CronJob"}}
    async with gathering(namespace, workloads=kinds) as found:
        await found.until(lambda: found.value("ready-db") == found.value("ready-agent") == 1, "both are ready")
        await found.until(lambda: "ready-report" in found.samples and found.value("watch") == 1, "all are live")
        assert "2 of 2 ready" in found.words("ready-db")
        assert (found.value("rollout-db"), found.value("rollout-agent")) == (1, 1)
        assert found.samples["ready-report"].count == 0
        assert found.value("ready") == 1
