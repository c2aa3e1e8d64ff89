"""A rollback beside kubectl's, one after the other on the same cluster: how long, and what each asks of the API.

Twice: with pods that are ready at once, where nothing but what comes on top of a rollout is measured, and with pods
that take seconds to be ready, as real ones do. Held to the goals with ``--full``, on a machine that does nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from tests.bench.rollouts import watched
from tests.engines import World
from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace, Workload
from tests.world import until
from warroom.engine.engine import Engine
from warroom.journal.folder import StateFolder
from warroom.model import intent as it
from warroom.runbook import load
from warroom_kubernetes.reach.asking import LATELY_S
from warroom_kubernetes.reach.client import Client

ABOVE_S = 1.0
ABOVE = 1.05
READY_AFTER_S = 4
"""Of a pod that is like real ones, by its readiness probe's initialDelaySeconds."""
ROUNDS = 3


@dataclass(frozen=True)
class Figures:
    """Seconds, and requests to the API. ``noticed`` is from when the API told that it is available to the end."""

    accepted: float
    noticed: float
    total: float
    requests: int
    bytes: int | None

    def __str__(self) -> str:
        told = f"key to patch {self.accepted:.2f} s, available to noticed {self.noticed:.2f} s, {self.total:.2f} s"
        size = f", {self.bytes:,} bytes" if self.bytes is not None else ""
        return f"{told} in all; {self.requests} requests{size}"


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


def _waits(web: Workload, image: str, seconds: int) -> None:
    """Another release, whose pods are ready so many seconds after they began."""
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "initialDelaySeconds": seconds or None}
    web.patch(
        {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image, "readinessProbe": probe}]}}}}
    )
    web.wait_rolled_out()


def _good_revision(web: Workload) -> int:
    """The newest of the good image: what it was gone back to has a new number each time."""
    sets = web.replica_sets()
    good = web.cluster.images.good
    return max(
        int(one["metadata"]["annotations"]["deployment.kubernetes.io/revision"])
        for one in sets
        if one["spec"]["template"]["spec"]["containers"][0]["image"] == good
    )


def _bytes(cluster: Cluster, agent: str) -> int | None:
    if not cluster.emulated:
        return None
    seen = [one for one in cluster.steer.requests() if one.agent.lower().startswith(agent)]
    assert seen, {one.agent for one in cluster.steer.requests()}
    return sum(one.received + one.sent for one in seen)


def _by_kubectl(web: Workload) -> Figures:
    """What people type, one after the other."""
    at = [f"--kubeconfig={web.cluster.kubeconfig}", f"--context={web.cluster.context}", "-n", web.namespace, "-v=6"]
    revision = _good_revision(web)
    if web.cluster.emulated:
        web.cluster.steer.forget()
    told = ""
    with watched(web) as seen:
        began = time.monotonic()
        for words in (["undo", f"--to-revision={revision}"], ["status", "--timeout=60s"]):
            argv = ["kubectl", *at, "rollout", words[0], "deployment/web", *words[1:]]
            ran = subprocess.run(argv, check=True, timeout=90, stderr=subprocess.PIPE, text=True)
            told += ran.stderr
        ended = time.monotonic()
    requests = sum("http" in line and "milliseconds" in line for line in told.splitlines())
    size = _bytes(web.cluster, "kubectl")
    return Figures(seen.changed - began, ended - seen.available, ended - began, requests, size)


@contextlib.contextmanager
def _counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every request of ours that went out, by its path."""
    sent: list[str] = []
    real = Client._sent

    async def counting(self: Client, *args: object) -> object:
        sent.append(f"{args[2]} {args[3]}")
        return await real(self, *args)  # type: ignore[arg-type]  # handed on as they came

    with monkeypatch.context() as patch:
        patch.setattr(Client, "_sent", counting)
        yield sent


async def _by_warroom(
    folder: Path, web: Workload, namespace: Namespace, monkeypatch: pytest.MonkeyPatch, read_s: float
) -> Figures:
    """``read_s``: how long a person reads the plan before the key."""
    cluster = web.cluster
    folder.mkdir()
    async with Engine(load(_runbook(folder, namespace)).runbook, StateFolder(folder / "state")) as engine:
        world = World(engine, folder)
        await world.ok(it.OpenIncident(title="it burns"))
        await world.ok(it.ChooseTarget(text=cluster.images.good.rpartition(":")[2]))
        await world.ok(it.ProposePlan(procedure="option-c", manual=()))
        await asyncio.sleep(read_s)
        if cluster.emulated:
            cluster.steer.forget()
        with _counted(monkeypatch) as sent, watched(web) as seen:
            began = time.monotonic()
            await world.run(world.state.plan.hash)
            await until(lambda: world.state.plan.ended_at is not None, 90)
            ended = time.monotonic()
            requests = len(sent)
        assert world.state.plan.status == "done", world.state.plan.detail
        size = _bytes(cluster, "warroom")
    return Figures(seen.changed - began, ended - seen.available, ended - began, requests, size)


def _median(of: list[Figures]) -> Figures:
    sizes = [one.bytes for one in of if one.bytes is not None]
    return Figures(
        median(one.accepted for one in of),
        median(one.noticed for one in of),
        median(one.total for one in of),
        round(median(one.requests for one in of)),
        round(median(sizes)) if sizes else None,
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("ready_after", [0, READY_AFTER_S], ids=["at-once", "after-seconds"])
async def test_a_rollback_beside_kubectl_s(
    tmp_path: Path, namespace: Namespace, full: bool, ready_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``total`` beside kubectl's counts where pods take their time: of a rollout that is over at once it says nothing,
    and what comes on top of one is the same second at most."""
    if ready_after and not full:
        ready_after = 1
    images = namespace.cluster.images
    web = namespace.workload("web", image=images.next)
    _waits(web, images.good, ready_after)
    read_s = LATELY_S + 1 if full else 0.0  # what was asked for the plan is old by then, as it will be
    ours: list[Figures] = []
    theirs: list[Figures] = []
    has_kubectl = shutil.which("kubectl") is not None
    for number in range(ROUNDS if full else 1):
        await asyncio.to_thread(_waits, web, images.next, 0)
        ours.append(await _by_warroom(tmp_path / str(number), web, namespace, monkeypatch, read_s))
        print(f"\nwarroom: {ours[-1]}")
        if has_kubectl:
            await asyncio.to_thread(_waits, web, images.next, 0)
            theirs.append(await asyncio.to_thread(_by_kubectl, web))
            print(f"kubectl rollout undo && kubectl rollout status: {theirs[-1]}")
    mine = _median(ours)
    print(f"pods ready after {ready_after} s, in the middle of {len(ours)}: warroom: {mine}")
    assert not full or mine.accepted + mine.noticed <= ABOVE_S
    if not theirs:
        return
    other = _median(theirs)
    print(f"kubectl: {other}; in all {mine.total / other.total:.3f}x, {mine.total - other.total:+.2f} s")
    assert not full or not ready_after or mine.total <= other.total * ABOVE
