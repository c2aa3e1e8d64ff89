"""kill -9 of an engine that rolls a Deployment back: what it left is looked at, told as it is, and sent no second time
unasked."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.faults.engine_child import ME
from tests.faults.kubernetes_child import kubernetes_runbook, load_kubernetes, run
from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace, Workload
from tests.plugins.kubernetes_watching import outside
from tests.world import until
from warroom import process
from warroom.engine.engine import Engine
from warroom.journal.folder import StateFolder
from warroom.model import intent as it
from warroom.session import Accepted

ROOT = Path(__file__).parents[2]


async def killed_at(point: str, state: Path, namespace: Namespace) -> None:
    lines: list[str] = []
    wrong: list[str] = []

    def on_line(stream: str, line: str) -> None:
        (lines if stream == "stdout" else wrong).append(line)

    cluster = namespace.cluster
    words = [str(state), str(cluster.kubeconfig), cluster.context, namespace.name, point]
    child = await process.start(
        [sys.executable, "-m", "tests.faults.kubernetes_child", *words], cwd=ROOT, on_line=on_line
    )
    try:
        async with asyncio.timeout(60):
            while f"paused {point}" not in lines:
                assert child.returncode is None, wrong
                await asyncio.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
    finally:
        await child.stop(grace=0)


POINTS = {
    "after:step-intended:undo": ("undo", "not-begun"),
    "before:call-made:undo": ("undo", "done"),
    "waiting": ("status", "partly"),
}
"""Where it is killed → the step that is UNKNOWN at the next start, and what its check sees."""
SAMPLE = "before:call-made:undo"
"""The patch was taken, and nobody has written that down."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "point" in metafunc.fixturenames:
        metafunc.parametrize("point", list(POINTS) if metafunc.config.getoption("--full") else [SAMPLE])


async def test_what_it_left_is_told_and_sent_no_second_time(
    cluster: Cluster, namespace: Namespace, tmp_path: Path, point: str
) -> None:
    step, verdict = POINTS[point]
    bad = point == "waiting"  # gone back to what never becomes ready, so that the wait lasts
    first = cluster.images.bad if bad else cluster.images.good
    web: Workload = await outside(partial(namespace.workload, "web", image=first, replicas=1, wait=not bad))
    await outside(web.wait_image, first)
    await outside(web.set_image, cluster.images.next)
    await outside(web.wait_rolled_out)
    before = (await outside(web.get))["metadata"]["generation"]
    state = tmp_path / "state"
    await killed_at(point, state, namespace)
    sent = 0 if verdict == "not-begun" else 1
    assert (await outside(web.get))["metadata"]["generation"] == before + sent

    load = load_kubernetes(str(cluster.kubeconfig), cluster.context, namespace.name)
    async with Engine(kubernetes_runbook(), StateFolder(state), load=load) as engine:

        def plan() -> Any:
            return engine.core.state.plan

        await until(lambda: plan() is not None and plan().steps[step].status == "unknown")
        seen = plan().steps[step].look
        assert (plan().status, seen.verdict) == ("unknown", verdict), seen
        with pytest.raises(AssertionError, match=f"Step {step} is unknown"):
            await run(engine)
        assert (await outside(web.get))["metadata"]["generation"] == before + sent, "it was sent again unasked"
        if bad:
            return
        choice: Any = "again" if verdict == "not-begun" else "done"
        resolve = it.ResolveStep(hash=plan().hash, step=step, attempt=1, choice=choice, reason="I looked")
        assert isinstance(await engine.session(ME).submit(uuid.uuid4().hex, resolve), Accepted)
        await run(engine)
        await until(lambda: plan().ended_at is not None)
        assert plan().status == "done", plan()
    assert (await outside(web.get))["metadata"]["generation"] == before + 1
    assert (await outside(lambda: web.image)) == first
