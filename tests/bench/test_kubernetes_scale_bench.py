"""The whole program on a namespace with many pods: how soon it draws, what memory it takes, what it asks for.

Once each in one run: beside few pods, beside many that are no concern of it, and for a workload that has many itself.
"""

from __future__ import annotations

import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bench.churn import churning
from tests.kube.cluster import Cluster
from tests.kube.emulator import emulated_apart
from tests.kube.steering import Seen
from tests.kube.workloads import Namespace
from tests.terminals import Terminal, screen

FIRST_PAINT_S = 3.0
MEMORY_MB = 250.0
SIZE = (140, 40)
PROGRAM = "from warroom.cli import main; main()"


@dataclass(frozen=True)
class Sizes:
    """``large`` is the workload that has so many pods itself; seconds of ``watching`` count once its pods are known."""

    deployments: int
    pods: int
    large: int
    watching: float


FULL = Sizes(deployments=500, pods=10_000, large=2_000, watching=60.0)
SAMPLE = Sizes(deployments=10, pods=200, large=100, watching=1.0)


@dataclass(frozen=True)
class Figures:
    """Seconds from the start of the process; megabytes resident, at most and at the end; bytes of the API's answers.

    ``painting`` is what it had of the processor until then, ``alone`` how long that took less what it waited for a
    processor that others had: what is held to the goal, since a machine that others load says nothing of us.
    ``reached`` of ``told``: bytes of pods and of events that came to us while others changed, of all that there were.
    """

    painted: float
    painting: float
    alone: float
    known: float
    most: float
    after: float
    watched: int
    listed: int
    logs: int
    requests: int
    reached: dict[str, int]
    told: dict[str, int]
    changes: int

    def __str__(self) -> str:
        cpu = f"{self.alone:.2f} s without waiting for a processor, {self.painting:.2f} s of one"
        seen = f"first paint {self.painted:.2f} s ({cpu}), pods known {self.known:.2f} s, {self.most:.0f} MB at most"
        asked = f"{self.listed:,} bytes of lists and others, {self.watched:,} of watches, {self.logs:,} of logs"
        heard = [f"{self.reached[what]:,} of {self.told[what]:,} bytes of {what}" for what in self.told]
        churn = f"{self.changes} changes, of which came to us {' and '.join(heard)}"
        return f"{seen}, {self.after:.0f} MB at the end; {self.requests} requests: {asked}; {churn}"


def _runbook(folder: Path, cluster: Cluster, namespace: str, name: str) -> Path:
    at = f"kubeconfig: {cluster.kubeconfig}, context: {cluster.context}"
    config = f"{{{at}, namespace: {namespace}, workloads: {{web: {{name: {name}}}}}}}"
    path = folder / "warroom.yaml"
    signal = "{title: pods ready, unit: ratio, source: {platform: kubernetes, signal: ready-web}}"
    path.write_text(
        "extends: default\nformat: 1\nservice: shop\nenvironment: {kind: drill}\n"
        f"platforms: {{kubernetes: {{plugin: kubernetes, config: {config}}}}}\n"
        f"signals: {{health-web: {signal}}}\ncomponents: {{web: {{title: Web, signal: health-web}}}}\n",
        encoding="utf-8",
    )
    return path


def _cpu(pid: int) -> float:
    """Seconds of processor that it has had, its own and the system's for it."""
    told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def _waited(pid: int) -> float:
    """Seconds that its first thread, which draws, could have run and did not, since others had the processors."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def _memory(pid: int) -> tuple[float, float]:
    """Megabytes resident: now and at most."""
    told = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))
    return int(told["VmRSS"]) / 1024, int(told["VmHWM"]) / 1024


def _measured(folder: Path, cluster: Cluster, namespace: Namespace, name: str, pods: int, watching: float) -> Figures:
    folder.mkdir()
    runbook = _runbook(folder, cluster, namespace.name, name)
    cluster.steer.forget()
    began = time.monotonic()
    argv = [sys.executable, "-c", PROGRAM, "-f", str(runbook), "--state", str(folder / "state")]
    with Terminal(argv, SIZE, {"HOME": str(folder)}) as terminal:
        terminal.until("shop")
        painted = time.monotonic() - began
        painting, waited = _cpu(terminal.process.pid), _waited(terminal.process.pid)
        terminal.until(rf"{pods} of {pods}|100 ?%")
        known = time.monotonic() - began
        with churning(namespace, name) as churn:
            terminal.read(watching)
        after, most = _memory(terminal.process.pid)
        assert terminal.process.poll() is None, screen(terminal.data)
    seen = [one for one in cluster.steer.requests() if one.agent.startswith("warroom")]
    watches = [one for one in seen if one.query.get("watch") == "true"]
    logs = [one for one in seen if one.path.endswith("/log")]
    sent = sum(one.sent for one in seen)
    watched, logged = sum(one.sent for one in watches), sum(one.sent for one in logs)
    _held_to_the_filter(watches)
    reached = {what: sum(one.sent for one in watches if one.path.endswith(f"/{what}")) for what in churn.told}
    rest = sent - watched - logged
    return Figures(
        painted,
        painting,
        painted - waited,
        known,
        most,
        after,
        watched,
        rest,
        logged,
        len(seen),
        reached,
        churn.told,
        churn.changes,
    )


def _held_to_the_filter(watches: list[Seen]) -> None:
    """The server sends what is asked for, not the namespace."""
    assert watches
    for one in watches:
        assert one.query.get("fieldSelector") or one.query.get("labelSelector"), one


@pytest.mark.timeout(600)
def test_a_namespace_of_many_pods(tmp_path: Path, full: bool) -> None:
    """Held to the goals where nothing else runs; among other tests the figures are only told."""
    sizes = FULL if full else SAMPLE
    kube = tmp_path / "kube"
    kube.mkdir()
    with emulated_apart(kube) as cluster:
        few, many = Namespace(cluster, cluster.make_namespace()), Namespace(cluster, cluster.make_namespace())
        large = Namespace(cluster, cluster.make_namespace())
        each = sizes.pods // sizes.deployments
        cluster.steer.populate(few.name, deployments=1, pods=each)
        cluster.steer.populate(many.name, deployments=sizes.deployments, pods=sizes.pods)
        cluster.steer.populate(large.name, deployments=1, pods=sizes.large)
        found: dict[str, Figures] = {}
        for what, namespace, pods in (("few", few, each), ("many", many, each), ("large", large, sizes.large)):
            figures = _measured(tmp_path / what, cluster, namespace, "app-000", pods, sizes.watching)
            found[what] = figures
            print(f"\n{what}: {figures}")
    for what in ("many", "large"):
        one, base = found[what], found["few"]
        beside = f"first paint {one.painted / base.painted:.2f}x, memory {one.most / base.most:.2f}x"
        print(f"{what} beside few: {beside}")
    heard = found["many"]
    # One change in twenty is of its own pods; of the others' events the half that are warnings can't be filtered out.
    assert heard.reached["pods"] <= heard.told["pods"] / 4, heard
    assert not full or heard.reached["events"] <= heard.told["events"] * 3 / 4, heard
    assert not full or max(one.alone for one in found.values()) <= FIRST_PAINT_S
    assert not full or max(one.most for one in found.values()) <= MEMORY_MB
