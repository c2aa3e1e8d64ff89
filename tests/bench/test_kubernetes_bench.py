"""A rollback beside kubectl's, one after the other on the same cluster: how long, and what each asks of the API."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from pathlib import Path

from tests.engines import World
from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace, Workload
from tests.world import until
from warroom.engine.engine import Engine
from warroom.journal.folder import StateFolder
from warroom.model import intent as it
from warroom.model.event import CallMade, RunEnded
from warroom.runbook import load

ABOVE_S = 1.0
ABOVE = 1.05


def _runbook(tmp_path: Path, namespace: Namespace) -> Path:
    at = f"kubeconfig: {namespace.cluster.kubeconfig}, context: {namespace.cluster.context}"
    config = f"{{{at}, namespace: {namespace.name}, workloads: {{web: {{}}}}}}"
    path = tmp_path / "warroom.yaml"
    path.write_text(
        "extends: default\nformat: 1\nservice: shop\nenvironment: {kind: drill}\n"
        f"platforms: {{kubernetes: {{plugin: kubernetes, config: {config}}}}}\n",
        encoding="utf-8",
    )
    return path


def _broken_again(web: Workload, image: str) -> None:
    web.set_image(image)
    web.wait_rolled_out()


def _by_kubectl(web: Workload, revision: int) -> float:
    """Seconds of what people type."""
    at = [f"--kubeconfig={web.cluster.kubeconfig}", f"--context={web.cluster.context}", "-n", web.namespace]
    began = time.monotonic()
    for words in (["undo", f"--to-revision={revision}"], ["status", "--timeout=60s"]):
        subprocess.run(["kubectl", *at, "rollout", words[0], "deployment/web", *words[1:]], check=True, timeout=90)
    return time.monotonic() - began


def _asked(cluster: Cluster, agent: str) -> str:
    """Requests and bytes since they were forgotten, of those whose program calls itself so."""
    if not cluster.emulated:
        return "requests are counted on the emulator alone"
    seen = [one for one in cluster.steer.requests() if one.agent.lower().startswith(agent)]
    assert seen, {one.agent for one in cluster.steer.requests()}
    return f"{len(seen)} requests, {sum(one.received + one.sent for one in seen):,} bytes"


async def test_a_rollback_beside_kubectl_s(tmp_path: Path, namespace: Namespace, full: bool) -> None:
    """Held to the goals where nothing else runs: among other tests the figures are only told.

    The pods of the emulator are ready at once: what comes on top of a rollout is a second at most, however short it is.
    """
    cluster = namespace.cluster
    web = namespace.workload("web")
    _broken_again(web, cluster.images.next)
    async with Engine(load(_runbook(tmp_path, namespace)).runbook, StateFolder(tmp_path / "state")) as engine:
        world = World(engine, tmp_path)
        await world.ok(it.OpenIncident(title="it burns"))
        tag = cluster.images.good.rpartition(":")[2]
        await world.ok(it.ChooseTarget(text=tag))
        await world.ok(it.ProposePlan(procedure="option-c", manual=()))
        if cluster.emulated:
            cluster.steer.forget()
        began = time.monotonic()
        seen: dict[str, float] = {}

        def note(name: str, kind: type[object]) -> bool:
            there = any(isinstance(event.body, kind) for event in world.engine.core.journal.events())  # type: ignore[union-attr]  # one is open
            seen.setdefault(name, time.monotonic()) if there else None
            return there

        running = asyncio.create_task(world.run(world.state.plan.hash))
        await until(lambda: note("accepted", CallMade))
        while not await asyncio.to_thread(web.rolled_out):
            await asyncio.sleep(0.01)
        available = time.monotonic()
        await until(lambda: note("ended", RunEnded))
        await running
        assert world.state.plan.status == "done", world.state.plan.detail
        ours = _asked(cluster, "warroom")
    accepted, total = seen["accepted"] - began, seen["ended"] - began
    noticed = max(0.0, seen["ended"] - available)
    told = f"\nrollback on Kubernetes: key to accepted patch {accepted:.2f} s, available to noticed {noticed:.2f} s"
    print(f"{told}, {total:.2f} s in all; {ours}")
    if shutil.which("kubectl") is None:
        return
    _broken_again(web, cluster.images.next)
    if cluster.emulated:
        cluster.steer.forget()
    revision = min(
        int(one["metadata"]["annotations"]["deployment.kubernetes.io/revision"]) for one in web.replica_sets()
    )
    theirs = await asyncio.to_thread(_by_kubectl, web, revision)
    print(f"kubectl rollout undo && rollout status: {theirs:.2f} s; {_asked(cluster, 'kubectl')}")
    assert not full or accepted + noticed <= ABOVE_S
    assert not full or total <= max(theirs * ABOVE, theirs + ABOVE_S)
