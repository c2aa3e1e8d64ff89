"""Evidence of a cluster: everything, in its order, and none of its secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kube.cluster import wait_for
from tests.kube.workloads import Namespace, Workload
from tests.plugins.kubernetes_reading import config_of, doors_of, reading
from warroom.actions.evidence import Bundle
from warroom.api import Context, WarroomError
from warroom.engine.core import SystemClock
from warroom.redact import Redactor
from warroom.testing.fakes import FakeFolder
from warroom_kubernetes.evidence.collecting import LogCollector, StateCollector
from warroom_kubernetes.evidence.logs import Log, wanted
from warroom_kubernetes.evidence.withheld import WITHHELD, withheld
from warroom_kubernetes.objects.moments import by_time, happened_at, instant

CANARIES = {
    "env": "Canary-of-an-environment-0b7e",
    "plain": "Canary-whose-name-tells-nothing-4c1d",
    "url": "Canary-in-an-address-9d2c",
    "secret": "Canary-of-a-secret-31f0",
    "header": "Canary-of-a-probe-77aa",
    "old": "Canary-of-an-earlier-revision-5a3e",
    "applied": "Canary-of-what-was-applied-8e1b",
}


async def captured(ctx: Context, redactor: Redactor, root: Path) -> Path:
    bundle = Bundle(root, "bundle", "incident", SystemClock(), redactor)
    for collector in (LogCollector(), StateCollector()):
        await collector.collect(ctx, bundle.for_collector(collector.name))
    return bundle.path


def canary_shop(namespace: Namespace) -> Workload:
    """At its second revision, with a secret in each place that has one."""
    url = f"postgres://shop:{CANARIES['url']}@db/shop"
    env = [{"name": "API_TOKEN", "value": CANARIES["old"]}, {"name": "DATABASE_URL", "value": url}]
    probe = {"httpGet": {"path": "/", "port": 8080, "httpHeaders": [{"name": "X-Key", "value": CANARIES["header"]}]}}
    applied = {"spec": {"template": {"spec": {"containers": [{"env": [{"name": "A", "value": CANARIES["applied"]}]}]}}}}
    namespace.create("v1", "secrets", "Secret", "login", stringData={"password": CANARIES["secret"]})
    web = namespace.workload(
        replicas=1, metadata={"annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(applied)}}
    )
    container: dict[str, Any] = {
        "name": "app",
        "env": env,
        "livenessProbe": probe,
        "envFrom": [{"secretRef": {"name": "login"}}],
    }
    web.patch({"spec": {"template": {"spec": {"containers": [container]}}}})
    container["env"] = [
        {"name": "API_TOKEN", "value": CANARIES["env"]},
        {"name": "COLOUR", "value": CANARIES["plain"]},
    ]
    web.patch({"spec": {"template": {"spec": {"containers": [container]}}}})
    web.wait_rolled_out()
    return web


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
async def test_everything_is_there(kind: Any, namespace: Namespace, tmp_path: Path) -> None:
    images = namespace.cluster.images
    web = namespace.workload(kind=kind, replicas=1)
    web.set_image(images.next)
    web.wait_rolled_out()
    namespace.service()
    folder = FakeFolder(tmp_path)
    async with reading(namespace, workloads={"web": {"kind": kind}}) as ctx:
        await LogCollector().collect(ctx, folder)
        await StateCollector().collect(ctx, folder)
    assert set(folder.kinds.values()) == {"logs", *StateCollector.kinds}
    told = {file.stem: json.loads(file.read_text()) for file in tmp_path.glob("*.json")}
    name = f"{kind.lower()}_web"
    stored = "replicasets" if kind == "Deployment" else "controllerrevisions"
    assert told[name]["metadata"]["uid"] == web.uid
    assert "managedFields" in told[name]["metadata"]
    assert len(told[f"{name}_{stored}"]) == 2
    assert [one["revision"] for one in told[f"{name}_revisions"]] == [2, 1]
    (pod,) = told[f"{name}_pods"]
    assert pod["status"]["containerStatuses"][0]["imageID"]
    assert told["services"][0]["metadata"]["name"] == "web"
    assert told["events"]["events"]
    assert told["versions"]["uids"] == {f"{kind} {namespace.name}/web": web.uid}
    assert told["versions"]["cluster"]["version"]["gitVersion"]
    log = (tmp_path / f"{pod['metadata']['name']}_app.log").read_text()
    first = log.splitlines()[0].partition(" ")[0]
    assert instant(first) is not None, first


async def test_what_is_around_it_is_there_and_nothing_was_left_out(namespace: Namespace, tmp_path: Path) -> None:
    namespace.workload(replicas=1)
    namespace.service()
    namespace.autoscaler()
    at = namespace.path("discovery.k8s.io/v1", "endpointslices")
    wait_for(lambda: bool(namespace.cluster.items(at)), "its endpoints")
    async with reading(namespace) as ctx:
        await StateCollector().collect(ctx, FakeFolder(tmp_path))
    (one,) = json.loads((tmp_path / "autoscalers.json").read_text())
    assert (one["metadata"]["name"], one["spec"]["maxReplicas"]) == ("web", 5)
    assert json.loads((tmp_path / "endpointslices.json").read_text())
    assert json.loads((tmp_path / "versions.json").read_text())["not read"] == {}


async def test_no_secret_is_in_it(namespace: Namespace, tmp_path: Path) -> None:
    """Without the redactor's help: what is withheld is so because of where it stands."""
    web = canary_shop(namespace)
    if namespace.cluster.emulated:
        (pod,) = web.pods()
        namespace.cluster.steer.say(namespace.name, pod["metadata"]["name"], f"began with {CANARIES['env']}")
    plain = FakeFolder(tmp_path)
    async with doors_of(config_of(namespace.cluster, namespace.name)) as doors:
        await StateCollector().collect(doors.context, plain)
        asked = doors.lines()
    for file in tmp_path.iterdir():
        text = file.read_text()
        assert [name for name, canary in CANARIES.items() if canary in text] == [], file.name
    assert not any("/secrets" in line for line in asked)
    told = json.loads((tmp_path / "deployment_web.json").read_text())
    (container,) = told["spec"]["template"]["spec"]["containers"]
    assert {"name": "API_TOKEN", "value": WITHHELD} in container["env"]
    redactor = Redactor()
    async with reading(namespace, redactor) as ctx:
        path = await captured(ctx, redactor, tmp_path / "sealed")
    for file in (each for each in path.rglob("*") if each.is_file()):
        text = file.read_text()
        assert [name for name, canary in CANARIES.items() if canary in text] == [], file.name


async def test_the_log_of_the_run_before_is_there_too(namespace: Namespace, tmp_path: Path) -> None:
    """A pod that can't begin has no log: that is said in its place, and what can be read is there."""
    web = namespace.workload(replicas=1)
    web.set_image(namespace.cluster.images.bad)
    wait_for(lambda: any(restarts(pod) or never_began(pod) for pod in web.pods()), "a pod that crashed or can't begin")
    folder = FakeFolder(tmp_path)
    async with reading(namespace) as ctx:
        await LogCollector().collect(ctx, folder)
    names = {file.name for file in tmp_path.iterdir()}
    for pod in web.pods():
        name = pod["metadata"]["name"]
        assert f"{name}_app.log" in names
        if restarts(pod) > 1:
            assert f"{name}_app.previous.log" in names


def restarts(pod: dict[str, Any]) -> int:
    return sum(one["restartCount"] for one in pod["status"].get("containerStatuses") or ())


def never_began(pod: dict[str, Any]) -> bool:
    states = [one["state"] for one in pod["status"].get("containerStatuses") or ()]
    return any("Pull" in str(state.get("waiting", {}).get("reason")) for state in states)


@pytest.mark.needs("kube-emulator")
async def test_what_may_not_be_read_is_named_and_the_rest_is_there(namespace: Namespace, tmp_path: Path) -> None:
    namespace.workload(replicas=1)
    for resource in ("horizontalpodautoscalers", "configmaps"):
        namespace.cluster.steer.deny("list", resource, namespace.name)
    folder = FakeFolder(tmp_path)
    async with reading(namespace, workloads={"web": {}, "absent": {}}) as ctx:
        await StateCollector().collect(ctx, folder)
        told = json.loads((tmp_path / "versions.json").read_text())
        assert set(told["not read"]) == {"absent", "autoscalers"}
        assert (tmp_path / "services.json").exists()
        namespace.cluster.steer.deny("list", "events", namespace.name)
        again = FakeFolder(tmp_path / "again")
        again.root.mkdir()
        with pytest.raises(WarroomError, match="events can't be read"):
            await StateCollector().collect(ctx, again)
        assert (again.root / "versions.json").exists()
        namespace.cluster.steer.deny("get", "pods/log", namespace.name)
        logs = FakeFolder(tmp_path / "logs")
        logs.root.mkdir()
        with pytest.raises(WarroomError):
            await LogCollector().collect(ctx, logs)


async def test_a_cron_jobs_pods_are_its_jobs(namespace: Namespace, tmp_path: Path) -> None:
    nightly = namespace.workload("nightly", kind="CronJob", wait=False)
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": nightly.uid, "controller": True}
    containers = [{"name": "app", "image": namespace.cluster.images.good}]
    pods = {"metadata": {"labels": {"app": "nightly"}}, "spec": {"restartPolicy": "Never", "containers": containers}}
    namespace.create(
        "batch/v1",
        "jobs",
        "Job",
        "nightly-1",
        metadata={"ownerReferences": [owner]},
        spec={"template": pods, "parallelism": 0},
    )
    folder = FakeFolder(tmp_path)
    async with reading(namespace, workloads={"nightly": {"kind": "CronJob"}}) as ctx:
        await StateCollector().collect(ctx, folder)
        await LogCollector().collect(ctx, folder)
    (job,) = json.loads((tmp_path / "cronjob_nightly_jobs.json").read_text())
    assert job["metadata"]["name"] == "nightly-1"
    assert (tmp_path / "logs.txt").read_text().startswith("0 logs of 0 pods")


async def test_events_are_in_their_order_on_a_cluster(namespace: Namespace, tmp_path: Path) -> None:
    """Also those of the newer interface, which leave lastTimestamp null."""
    namespace.workload(replicas=1)
    about = {"kind": "Pod", "name": "web-1", "namespace": namespace.name, "apiVersion": "v1"}
    for name, at in (("late", "2031-01-01T00:00:01.500000Z"), ("later", "2031-01-01T00:00:02.000000Z")):
        namespace.create(
            "v1",
            "events",
            "Event",
            name,
            involvedObject=about,
            eventTime=at,
            reason="Scheduled",
            type="Normal",
            message=name,
            reportingComponent="test",
            reportingInstance="test-1",
            action="Binding",
        )
    folder = FakeFolder(tmp_path)
    async with reading(namespace) as ctx:
        await StateCollector().collect(ctx, folder)
    lines = (tmp_path / "events.txt").read_text().splitlines()
    assert [line.rpartition(": ")[2] for line in lines[-2:]] == ["late", "later"]
    assert lines == sorted(lines, key=lambda line: line.partition(" ")[0])


def an_event(**told: Any) -> dict[str, Any]:
    return {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "7"}, **told}


@pytest.mark.parametrize(
    ("event", "second"),
    [
        (an_event(lastTimestamp="2026-01-01T00:00:05Z", firstTimestamp="2026-01-01T00:00:01Z", eventTime=None), 5),
        (an_event(lastTimestamp=None, firstTimestamp=None, eventTime="2026-01-01T00:00:06.250000Z"), 6),
        (an_event(eventTime="2026-01-01T00:00:01Z", series={"lastObservedTime": "2026-01-01T00:00:09.000000Z"}), 9),
        (an_event(lastTimestamp=None, firstTimestamp="2026-01-01T00:00:03Z"), 3),
        (an_event(lastTimestamp=None), 0),
        (an_event(lastTimestamp="2026-01-01T00:00:04Z", series={"lastObservedTime": "2026-01-01T00:00:02Z"}), 4),
    ],
    ids=["last", "event-time", "series", "first", "created", "newest-of-them"],
)
def test_when_an_event_was_seen_last(event: dict[str, Any], second: int) -> None:
    at = happened_at(event)
    assert at is not None
    assert at.second == second


def test_an_event_without_any_time_comes_first_and_one_second_is_in_the_servers_order() -> None:
    none = {"metadata": {"name": "none"}}
    tenth = {"metadata": {"name": "tenth", "resourceVersion": "10"}, "lastTimestamp": "2026-01-01T00:00:01Z"}
    ninth = {"metadata": {"name": "ninth", "resourceVersion": "9"}, "lastTimestamp": "2026-01-01T00:00:01Z"}
    assert [one["metadata"]["name"] for one in by_time([tenth, ninth, none])] == ["none", "ninth", "tenth"]
    assert happened_at({"lastTimestamp": "yesterday"}) is None


def test_what_is_withheld_and_what_is_not() -> None:
    told: dict[str, Any] = {
        "kind": "List",
        "items": [{"kind": "Secret", "metadata": {"name": "s", "managedFields": [1]}, "data": {"k": "dg=="}}],
        "env": [{"name": "A", "value": "a"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{broken", "note": "kept"},
    }
    found = withheld(told)
    assert found["items"] == [{"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": WITHHELD}}]
    assert found["env"] == [{"name": "A", "value": WITHHELD}, told["env"][1]]
    assert found["annotations"] == {"kubectl.kubernetes.io/last-applied-configuration": WITHHELD, "note": "kept"}
    assert told["env"][0]["value"] == "a", "a copy"


def test_the_troubled_ones_are_read_first_and_the_run_before_too() -> None:
    def pod(name: str, made: str, ready: str, count: int = 0) -> dict[str, Any]:
        status = {"conditions": [{"type": "Ready", "status": ready}]}
        told = [{"name": "app", "restartCount": count}]
        head = {"name": name, "namespace": "shop", "creationTimestamp": made}
        return {
            "metadata": head,
            "spec": {"containers": [{"name": "app"}]},
            "status": {**status, "containerStatuses": told},
        }

    found = wanted([pod("old", "1", "True"), pod("young", "3", "True"), pod("ill", "2", "False", 4)])
    assert found == [
        Log("shop", "ill", "app"),
        Log("shop", "ill", "app", previous=True),
        Log("shop", "young", "app"),
        Log("shop", "old", "app"),
    ]
