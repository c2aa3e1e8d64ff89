"""After a rollback by warroom, whoever changes the template is named; before one, or half an hour later, nobody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kube.cluster import STRATEGIC, Cluster
from tests.kube.workloads import Namespace, Workload
from tests.plugins.kubernetes_watching import gathering, outside
from warroom.api import Acted
from warroom_kubernetes.watch.collection import Change
from warroom_kubernetes.watch.guard import Guard, Left, left_of, meant_of
from warroom_kubernetes.watch.live import WorkloadSeen, workload

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
    assert guard.value(NOW) == (1.0, 1, "no rollback in the last 30 minutes")
    guard.take(Change(bad, good), NOW)
    assert guard.value(NOW)[:2] == (1.0, 1)
    return guard, good


@pytest.mark.parametrize("listed", [False, True])
def test_who_puts_the_bad_version_back_is_named(listed: bool) -> None:
    guard, good = rolled_back()
    guard.take(Change(good, web("bad", entry("argocd-controller", after(20))), listed), after(21))
    words = "argocd-controller at 12:00:20 changed the template of Deployment web"
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
    assert "flux at 12:00:07 changed the template" in guard.value(after(9))[2]


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
    assert guard.value(after(30 * 60 + 30))[2] == "no rollback in the last 30 minutes"


def test_after_half_an_hour_a_deployment_is_no_alarm() -> None:
    guard, good = rolled_back()
    guard.take(Change(good, web("next", entry("ci", after(1801)))), after(1801))
    assert guard.value(after(1802)) == (1.0, 1, "no rollback in the last 30 minutes")
    assert not guard.words


def test_an_alarm_stands_a_while_although_the_template_is_back() -> None:
    guard, good = rolled_back()
    bad = web("bad", entry("ci", after(20)))
    guard.take(Change(good, bad), after(20))
    guard.take(Change(bad, web("good", entry("kubectl-edit", after(22)))), after(22))
    value, _, words = guard.value(after(23))
    assert (value, words) == (0.0, "ci at 12:00:20 changed the template of Deployment web, and it is back")
    assert guard.value(after(90))[0] == 1
    assert "ci at 12:00:20 changed" in guard.value(after(90))[2]


def test_who_was_faster_than_the_first_look_is_named_where_the_api_still_knows() -> None:
    guard = Guard("Deployment web")
    other: dict[str, Any] = {"f:containers": {'k:{"name":"app"}': {"f:env": {}}}}
    guard.take(Change(None, web("good", entry("warroom", NOW), entry("ci", after(30), other)), listed=True), after(60))
    assert guard.value(after(60))[0] == 0
    assert "ci at 12:00:30 changed" in guard.value(after(60))[2]
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
    assert guard.value(after(22))[2] == "an unknown field manager changed the template of Deployment web"


def put_by(one: Workload, manager: str, image: str) -> None:
    body = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}
    one.cluster.ok("PATCH", one.path, body, {"fieldManager": manager}, kind=STRATEGIC)


async def test_on_a_cluster_the_alarm_names_who_put_it_back(cluster: Cluster, namespace: Namespace) -> None:
    one = await outside(namespace.workload, "web")
    signal, words = "template-unchanged-web", "argocd-controller at"
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
        assert found.ctx.clock.monotonic() - began < 30
        assert words in found.words(signal)
        await found.until(lambda: any(words in text for text in found.texts("kubernetes")), "the line")


def left(image: str, uid: str = "u1", seconds: float = 1) -> Left:
    return Left(web(image).template, uid, after(seconds))


@pytest.mark.parametrize(
    ("known", "found", "told"),
    [
        (left("good"), web("bad", entry("ci", after(30))), "ci at 12:00:30 changed the template of Deployment web"),
        (
            left("good"),
            web("bad", entry("ci", after(-30))),
            "left no name: in its managedFields the last to write is ci at",
        ),
        (left("good"), web("bad", uid="u2"), "Deployment web was deleted and made again by an unknown field manager"),
        (left("good"), web("good", entry("ci", after(30))), ""),
        (left("good", seconds=-1801), web("bad", entry("ci", after(30))), ""),
        (None, web("bad", entry("ci", after(30))), ""),
    ],
)
def test_what_was_changed_while_warroom_was_not_running_shows_against_what_it_left(
    known: Left | None, found: WorkloadSeen, told: str
) -> None:
    guard = Guard("Deployment web", lambda: known)
    guard.take(Change(None, found, listed=True), after(60))
    value, _, words = guard.value(after(61))
    assert value == (0 if told else 1), words
    assert told in words


def test_a_later_write_of_warrooms_own_counts_more_than_an_older_journal() -> None:
    guard = Guard("Deployment web", lambda: left("good"))
    guard.take(Change(None, web("better", entry("warroom", after(30))), listed=True), after(60))
    assert guard.value(after(61)) == (1.0, 1, "as warroom left it at 12:00:30")


def acts(
    operation: str,
    *,
    undone: bool = False,
    workload: str = "web",
    at: float = 0,
    done: bool = True,
    hashes: tuple[str, str] = ("bad", "good"),
) -> Acted:
    facts: dict[str, Any] = {"workload": workload, "at": {"uid": "u1"}, "template": hashes[0], "after": hashes[1]}
    return Acted(operation=operation, facts=facts, undone=undone, at=after(at), open=not done)


def test_what_was_left_is_what_the_last_change_of_the_template_made_of_it() -> None:
    assert left_of([], "web") is None
    assert left_of([acts("scale")], "web") is None
    assert left_of([acts("undo", workload="worker")], "web") is None
    assert left_of([acts("undo"), acts("scale", at=5)], "web") == Left("good", "u1", NOW)
    assert left_of([acts("undo"), acts("undo", undone=True, at=9)], "web") == Left("bad", "u1", after(9))
    assert left_of([acts("undo"), acts("restart", at=9)], "web") is None
    assert left_of([acts("undo"), acts("undo", undone=True, at=9, done=False)], "web") == Left("good", "u1", NOW)


def test_what_is_meant_is_what_was_begun_since_the_last_that_was_done() -> None:
    back = acts("undo", undone=True, at=9, done=False)
    assert meant_of([acts("undo"), back], "web") == (Left("bad", "u1", after(9)),)
    assert meant_of([back, acts("undo", at=20)], "web") == ()
    assert meant_of([back, acts("restart", at=20, done=False)], "web") == (Left("bad", "u1", after(9)),)
    assert meant_of([back], "worker") == ()


def guarding(acted: list[Acted]) -> Guard:
    return Guard("Deployment web", lambda: left_of(acted, "web"), lambda: meant_of(acted, "web"))


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("seen_before", [True, False])
def test_warrooms_own_change_that_leaves_no_time_is_no_alarm_and_is_guarded(seen_before: bool, done: bool) -> None:
    """Both ways only take fields away, so that warroom's entry is that of its first write, or none at all."""
    one = entry("warroom", NOW)
    good, bad, third = web("good", one), web("bad", one), web("third", one)
    hashes = (bad.template, good.template)
    acted = [acts("undo", hashes=hashes)]
    guard = guarding(acted)
    if seen_before:
        guard.take(Change(None, good, listed=True), after(5))
    acted.append(acts("undo", undone=True, at=20, done=done, hashes=hashes))
    guard.take(Change(good, bad) if seen_before else Change(None, bad, listed=True), after(21))
    assert guard.value(after(22)) == (1.0, 1, "as warroom left it at 12:00:20")
    assert not guard.words
    guard.take(Change(bad, third), after(30))
    value, _, words = guard.value(after(31))
    assert value == 0
    assert "Somebody changed the template of Deployment web and left no name" in words
    assert "the last to write is warroom at 12:00:00" in words


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("manager", ["warroom", "ci"])
def test_warrooms_own_second_rollback_ends_the_alarm_though_it_leaves_no_time(done: bool, manager: str) -> None:
    """What came in between only put a field in, which is only taken away: nobody else is the writer then."""
    one = entry("warroom", NOW)
    extra: dict[str, Any] = {"f:containers": {'k:{"name":"app"}': {"f:env": {}}}}
    good, bad = web("good", one), web("bad", one, entry("ci", after(20), extra))
    hashes = (bad.template, good.template)
    acted = [acts("undo", hashes=hashes)]
    guard = guarding(acted)
    guard.take(Change(None, good, listed=True), after(5))
    guard.take(Change(good, bad), after(20))
    assert guard.value(after(21))[0] == 0
    acted.append(acts("undo", at=25, done=done, hashes=hashes))
    again = good if manager == "warroom" else web("good", one, entry("ci", after(26), extra))
    guard.take(Change(bad, again), after(26))
    assert guard.value(after(27)) == (1.0, 1, "as warroom left it at 12:00:25")
    guard.take(Change(again, web("bad", one, entry("ci", after(40), extra))), after(40))
    assert guard.value(after(41))[0] == 0, "it is guarded as the first one was"


def test_who_takes_away_a_field_that_warroom_wrote_is_not_taken_for_warroom() -> None:
    guard, good = rolled_back()
    less = web("bad", entry("warroom", NOW, {"f:containers": {}}))
    guard.take(Change(good, less), after(20))
    assert guard.value(after(21))[0] == 0
