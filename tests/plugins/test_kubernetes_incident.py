"""Whole incidents on a cluster, by the runbook that a file gets that names one: several workloads, several clusters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.engines import World
from tests.kube.cluster import STRATEGIC, Cluster
from tests.kube.workloads import Namespace, Workload
from tests.plugins.kubernetes_watching import outside
from tests.world import until
from warroom.engine.engine import Engine
from warroom.journal.folder import StateFolder
from warroom.model import intent as it
from warroom.model.signal import SignalReading
from warroom.runbook import load


def platform(namespace: Namespace, workloads: str) -> str:
    at = f"kubeconfig: {namespace.cluster.kubeconfig}, context: {namespace.cluster.context}"
    return f"{{plugin: kubernetes, config: {{{at}, namespace: {namespace.name}, workloads: {workloads}}}}}"


@asynccontextmanager
async def incident(folder: Path, more: str = "", **platforms: str) -> AsyncIterator[World]:
    """On the same folder again: warroom is started anew, and takes up what was open."""
    path = folder / "warroom.yaml"
    named = ", ".join(f"{name}: {each}" for name, each in platforms.items())
    path.write_text(
        f"extends: default\nformat: 1\nservice: shop\nenvironment: {{kind: drill}}\nplatforms: {{{named}}}\n{more}",
        encoding="utf-8",
    )
    async with Engine(load(path).runbook, StateFolder(folder / "state")) as engine:
        yield World(engine, folder)


async def prepared(world: World, target: str, *include: str) -> list[str]:
    """The plan's steps."""
    await world.ok(it.OpenIncident(title="it burns"))
    await world.ok(it.ChooseTarget(text=target))
    await world.ok(it.ProposePlan(procedure="option-c", include=include))
    return [step.id for step in world.state.plan.plan.steps]


async def ran(world: World) -> Any:
    """The plan after its run: another may begin."""
    await world.run(world.state.plan.hash)
    await until(lambda: world.state.plan.ended_at is not None and not world._acting.running, 90)
    return world.state.plan


def released(*workloads: Workload, image: str) -> None:
    """Another release of each, rolled out."""
    for one in workloads:
        one.set_image(image)
    for one in workloads:
        one.wait_rolled_out()


def broken_once(namespace: Namespace) -> Workload:
    """Its first release never came up; the cluster gives such a one up after some seconds."""
    bad = namespace.cluster.images.bad
    made = namespace.workload("web", image=bad, replicas=1, wait=False, spec={"progressDeadlineSeconds": 4})
    made.wait_image(bad)
    return made


def left(world: World) -> SignalReading:
    found: SignalReading = world.engine.sensing.signals.readings()["as-left"]
    return found


def put_by(one: Workload, manager: str, image: str) -> None:
    body = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}
    one.cluster.ok("PATCH", one.path, body, {"fieldManager": manager}, kind=STRATEGIC)


async def test_what_belongs_together_goes_back_as_one_with_its_writers_stopped_first(
    namespace: Namespace, cluster: Cluster, tmp_path: Path
) -> None:
    """And what is changed of it while warroom does not run is an alarm as soon as it does."""
    web = await outside(namespace.workload, "web", replicas=2)
    worker = await outside(namespace.workload, "worker", replicas=1)
    cron = await outside(namespace.workload, "cron", "CronJob")
    await outside(released, web, worker, image=cluster.images.next)
    together = "web: {writer: true}, worker: {writer: true, with_release: true}, cron: {kind: CronJob, writer: true}"
    platforms = {"kubernetes": platform(namespace, f"{{{together}}}")}
    good = cluster.images.good.rpartition(":")[2]
    async with incident(tmp_path, **platforms) as world:
        steps = await prepared(world, good, "stop")
        assert steps == ["stop", "undo", "undo-worker", "start", "status", "status-worker"]
        plan = await ran(world)
        assert plan.status == "done", plan.detail
        assert (web.image, worker.image) == (cluster.images.good, cluster.images.good)
        assert [one.get()["spec"]["replicas"] for one in (web, worker)] == [2, 1]
        assert not cron.get()["spec"]["suspend"]
        await until(lambda: left(world).value == 1)
    for one in (web, worker):  # each field that warroom wrote is somebody else's since
        await outside(put_by, one, "ci", cluster.images.next)
    async with incident(tmp_path, **platforms) as world:
        await until(lambda: left(world).value == 0)
        assert "ci at" in left(world).words
        firing = world.engine.sensing.triggers.readings()["as-left"]
        await until(lambda: world.engine.sensing.readings["as-left"].status == "firing", 30)
        assert firing.severity == "critical"


async def test_one_that_somebody_paused_keeps_nobody_from_going_back(
    namespace: Namespace, cluster: Cluster, tmp_path: Path
) -> None:
    """It goes on with its own undo, and the plan says so."""
    web, worker, feed = [await outside(namespace.workload, name, replicas=1) for name in ("web", "worker", "feed")]
    await outside(released, web, worker, feed, image=cluster.images.next)
    await outside(feed.patch, {"spec": {"paused": True}})
    together = "web: {}, worker: {with_release: true}, feed: {with_release: true}"
    async with incident(tmp_path, kubernetes=platform(namespace, f"{{{together}}}")) as world:
        await prepared(world, cluster.images.good.rpartition(":")[2])
        told = {step.id: step.preview.notes[0] for step in world.state.plan.plan.steps}
        assert told["undo-feed"].startswith("Deployment feed was paused")
        assert "paused" not in told["undo"] + told["undo-worker"]
        plan = await ran(world)
        assert plan.status == "done", plan.detail
        assert [one.image for one in (web, worker, feed)] == [cluster.images.good] * 3
        assert not feed.get()["spec"].get("paused")


def changed(one: Workload, manager: str, container: dict[str, Any]) -> None:
    body = {"spec": {"template": {"spec": {"containers": [{"name": "app", **container}]}}}}
    one.cluster.ok("PATCH", one.path, body, {"fieldManager": manager}, kind=STRATEGIC)
    one.wait_rolled_out()


BACK = """procedures:
  back:
    title: Back to the one before
    use_when: The newest is bad
    kind: rollback
    steps:
      undo: {title: Back, op: kubernetes.undo, with: {workload: web}, role: application}
"""


async def guarded(world: World, words: str, web: Workload, *env: str) -> str:
    """It is as warroom left it, and says since when. ``words`` are those of before, the new ones are returned."""
    reading = left(world)

    def told() -> bool:
        """By a new look: what is old says so in words of its own, and keeps the value of before."""
        nonlocal reading
        reading = left(world)
        return reading.value is not None and reading.freshness == "fresh" and reading.words != words

    await until(told)
    assert reading.value == 1, reading.words
    assert "web: as warroom left it" in reading.words
    (app,) = web.get()["spec"]["template"]["spec"]["containers"]
    assert tuple(one["name"] for one in app["env"]) == env
    return reading.words


async def test_warrooms_own_way_back_is_never_told_as_somebody_elses(
    namespace: Namespace, cluster: Cluster, tmp_path: Path
) -> None:
    """There and back, and back again: each way only takes a field away, which leaves no time of anybody."""
    web = await outside(namespace.workload, "web", replicas=1)
    (first,) = (await outside(cluster.get, f"/apis/apps/v1/namespaces/{namespace.name}/replicasets"))["items"]
    both = [{"name": "LEVEL", "value": "info"}, {"name": "NEW", "value": "1"}]
    await outside(changed, web, "kubectl-client-side-apply", {"env": both})
    platforms = {"kubernetes": platform(namespace, "{web: {}}")}
    async with incident(tmp_path, more=BACK, **platforms) as world:
        await until(lambda: left(world).value == 1)
        words = left(world).words
        await world.ok(it.OpenIncident(title="it burns"))
        await world.ok(it.ChooseTarget(text=first["metadata"]["labels"]["pod-template-hash"]))
        await world.ok(it.ProposePlan(procedure="back"))
        assert (await ran(world)).status == "done"
        words = await guarded(world, words, web, "LEVEL")
        await world.ok(it.Undo())
        assert (await ran(world)).status == "done"
        words = await guarded(world, words, web, "LEVEL", "NEW")
        await world.ok(it.ProposePlan(procedure="back"))
        assert (await ran(world)).status == "done"
        await guarded(world, words, web, "LEVEL")
    async with incident(tmp_path, more=BACK, **platforms) as world:
        await guarded(world, "", web, "LEVEL")


async def test_of_several_clusters_the_next_is_not_touched_once_one_has_failed(
    namespace: Namespace, cluster: Cluster, tmp_path: Path
) -> None:
    """Both are the same cluster here, and each its own place in it."""
    other = Namespace(cluster, await outside(cluster.make_namespace))
    here, there = [await outside(broken_once, each) for each in (namespace, other)]
    await outside(released, here, there, image=cluster.images.good)
    bad = cluster.images.bad.rpartition(":")[2]
    async with incident(tmp_path, eu=platform(namespace, "{web: {}}"), us=platform(other, "{web: {}}")) as world:
        assert await prepared(world, bad) == ["undo", "status", "undo-us", "status-us"]
        titles = [step.title for step in world.state.plan.plan.steps]
        assert titles[0].endswith("in eu")
        assert titles[2].endswith("in us")
        plan = await ran(world)
        assert plan.status == "failed"
        assert [plan.steps[name].status for name in ("undo", "status", "undo-us", "status-us")] == [
            *("done", "failed"),
            *("planned", "planned"),
        ]
        assert here.image == cluster.images.bad
        assert there.image == cluster.images.good, "the next one goes on as it was"
    await outside(cluster.remove_namespace, other.name)
