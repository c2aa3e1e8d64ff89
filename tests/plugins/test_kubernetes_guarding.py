"""After a rollback by warroom, whoever changes the template is named; before one, or half an hour later, nobody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kube.cluster import STRATEGIC, Cluster
from tests.kube.workloads import Namespace, Workload
from tests.plugins.kubernetes_watching import gathering, outside
from warroom_kubernetes.guarding import Guard
from warroom_kubernetes.live import WorkloadSeen, workload
from warroom_kubernetes.watching import Change

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
IMAGE: dict[str, Any] = {"f:containers": {'k:{"name":"app"}': {".": {}, "f:image": {}}}}


def entry(manager: str, at: datetime, fields: Mapping[str, Any] = IMAGE, below: str = "f:template") -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": "Update",
        "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "fieldsV1": {"f:spec": {below: {"f:spec": dict(fields)}}},
    }


def web(image: str, *managed: Mapping[str, Any], uid: str = "u1", ready: int = 3, replicas: int = 3) -> WorkloadSeen:
    told = {
        "metadata": {"name": "web", "uid": uid, "generation": 1, "managedFields": list(managed)},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "app", "image": image}]}}},
        "status": {"observedGeneration": 1, "readyReplicas": ready},
    }
    return workload("Deployment", told)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def rolled_back() -> tuple[Guard, WorkloadSeen]:
    """warroom's write is seen as it happens."""
    guard = Guard("Deployment web")
    bad = web("bad", entry("kubectl-set", after(-900)))
    good = web("good", entry("warroom", NOW))
    guard.take(Change(None, bad, listed=True), after(-60))
    assert guard.value(NOW) == (None, 0, "no rollback in the last 30 minutes")
    guard.take(Change(bad, good), NOW)
    assert guard.value(NOW)[:2] == (1.0, 1)
    return guard, good


@pytest.mark.parametrize("listed", [False, True])
def test_who_puts_the_bad_version_back_is_named(listed: bool) -> None:
    guard, good = rolled_back()
    guard.take(Change(good, web("bad", entry("argocd-controller", after(20))), listed), after(21))
    words = "template of Deployment web changed by argocd-controller at 12:00:20"
    assert guard.value(after(22)) == (0.0, 1, words)
    assert guard.value(after(29 * 60))[0] == 0
    assert list(guard.words) == [(after(21), words)]


def test_of_several_managers_it_is_the_one_that_wrote() -> None:
    guard = Guard("Deployment web")
    probe: dict[str, Any] = {"f:terminationGracePeriodSeconds": {}}
    helm = entry("helm", after(-3600), probe)
    good = web("good", helm, entry("warroom", NOW))
    guard.take(Change(None, good, listed=True), after(5))
    guard.take(Change(good, web("bad", helm, entry("flux", after(7), IMAGE))), after(8))
    assert "changed by flux at 12:00:07" in guard.value(after(9))[2]


def test_scaling_status_and_a_restart_of_the_watch_are_no_alarm() -> None:
    guard, good = rolled_back()
    scaled = web("good", entry("warroom", NOW), entry("hpa", after(5), {"x": {}}, "f:replicas"), ready=1, replicas=9)
    guard.take(Change(good, scaled), after(6))
    guard.take(Change(scaled, web("good", entry("warroom", NOW)), listed=True), after(7))
    assert guard.value(after(8))[0] == 1
    assert not guard.words


def test_a_second_rollback_of_warrooms_is_none_and_ends_the_alarm() -> None:
    guard, good = rolled_back()
    bad = web("bad", entry("ci", after(20)))
    guard.take(Change(good, bad), after(20))
    assert guard.value(after(21))[0] == 0
    guard.take(Change(bad, web("good", entry("warroom", after(30)))), after(30))
    assert guard.value(after(31)) == (1.0, 1, "as warroom left it at 12:00:30")
    assert guard.value(after(30 * 60 + 29))[0] == 1
    assert guard.value(after(30 * 60 + 30))[0] is None


def test_after_half_an_hour_a_deployment_is_no_alarm() -> None:
    guard, good = rolled_back()
    guard.take(Change(good, web("next", entry("ci", after(1801)))), after(1801))
    assert guard.value(after(1802)) == (None, 0, "no rollback in the last 30 minutes")
    assert not guard.words


def test_an_alarm_stands_a_while_although_the_template_is_back() -> None:
    guard, good = rolled_back()
    bad = web("bad", entry("ci", after(20)))
    guard.take(Change(good, bad), after(20))
    guard.take(Change(bad, web("good", entry("kubectl-edit", after(22)))), after(22))
    value, _, words = guard.value(after(23))
    assert (value, words) == (0.0, "template of Deployment web changed by ci at 12:00:20, and is back")
    assert guard.value(after(90))[0] == 1
    assert "changed by ci" in guard.value(after(90))[2]


def test_who_was_faster_than_the_first_look_is_named_where_the_api_still_knows() -> None:
    guard = Guard("Deployment web")
    other: dict[str, Any] = {"f:containers": {'k:{"name":"app"}': {"f:env": {}}}}
    guard.take(Change(None, web("good", entry("warroom", NOW), entry("ci", after(30), other)), listed=True), after(60))
    assert guard.value(after(60))[0] == 0
    assert "changed by ci" in guard.value(after(60))[2]
    found_late = Guard("Deployment web")
    found_late.take(Change(None, web("good", entry("warroom", NOW)), listed=True), after(60))
    assert found_late.value(after(60))[0] == 1


def test_one_that_was_made_again_is_an_alarm() -> None:
    guard, good = rolled_back()
    guard.take(Change(good, None), after(20))
    guard.take(Change(None, web("bad", entry("argocd", after(21)), uid="u2")), after(21))
    assert guard.value(after(22)) == (0.0, 1, "Deployment web was deleted and made again by argocd at 12:00:21")


def test_without_managed_fields_nobody_is_named_and_it_is_an_alarm_all_the_same() -> None:
    guard, good = rolled_back()
    guard.take(Change(good, web("bad")), after(20))
    assert guard.value(after(22))[2] == "template of Deployment web changed by an unknown field manager"


def put_by(one: Workload, manager: str, image: str) -> None:
    body = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}
    one.cluster.ok("PATCH", one.path, body, {"fieldManager": manager}, kind=STRATEGIC)


async def test_on_a_cluster_the_alarm_names_who_put_it_back(cluster: Cluster, namespace: Namespace) -> None:
    one = await outside(namespace.workload, "web")
    signal, words = "template-unchanged-web", "template of Deployment web changed by argocd-controller"
    async with gathering(namespace, logs=True) as found:
        await found.until(lambda: "no rollback" in found.words(signal), "nothing is guarded")
        await outside(put_by, one, "warroom", cluster.images.next)
        await found.until(lambda: found.value(signal) == 1, "it is guarded")
        await outside(one.scale, 3)
        await outside(one.wait_rolled_out)
        await found.until(lambda: found.value("ready-web") == 1, "scaled")
        assert (found.value(signal), found.value("template-unchanged")) == (1, 1)
        await outside(put_by, one, "argocd-controller", cluster.images.good)
        began = found.ctx.clock.monotonic()
        await found.until(lambda: found.value(signal) == 0, "the alarm")
        assert found.ctx.clock.monotonic() - began < 10
        assert words in found.words(signal)
        await found.until(lambda: any(words in text for text in found.texts("kubernetes")), "the line")
