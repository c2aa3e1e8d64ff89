"""With the runbook that the README shows, and nothing more, an outage fires; what nobody knows does not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from warroom.decision import TreeReader
from warroom.model.runbook import Runbook
from warroom.model.signal import Sample, TriggerReading
from warroom.runbook import load
from warroom.signals import TriggerBook
from warroom.testing.clock import VirtualClock
from warroom_kubernetes.watch.live import workload
from warroom_kubernetes.watch.measures import UNMEASURED, Value, of_workload

WEB = ("served", "well")
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def shown(tmp_path: Path) -> Runbook:
    readme = Path(__file__).parents[2] / "README.md"
    text = readme.read_text(encoding="utf-8").partition("## Kubernetes")[2].split("```yaml\n")[1].partition("```")[0]
    path = tmp_path / "warroom.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path).runbook


def web(ready: int, wanted: int = 3, **status: Any) -> dict[str, Value]:
    """What the platform says of a Deployment with so many pods."""
    told = {
        "metadata": {"name": "web", "uid": "u1", "generation": 1},
        "spec": {"replicas": wanted, "template": {"spec": {"containers": [{"name": "app", "image": "app:v1"}]}}},
        "status": {"observedGeneration": 1, "readyReplicas": ready, "replicas": wanted, "updatedReplicas": wanted}
        | {"availableReplicas": ready, **status},
    }
    return of_workload("web", "Deployment", workload("Deployment", told), [], UNMEASURED, NOW)


LATE = {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}
STALE: dict[str, Value] = {"ready": (None, None, "stale: no answer"), "health": (None, None, "stale: no answer")}


class Bench:
    def __init__(self, runbook: Runbook) -> None:
        self.runbook, self.clock = runbook, VirtualClock()
        self.book = TriggerBook(runbook, self.clock)

    def see(self, seconds: int, values: dict[str, Value]) -> dict[str, TriggerReading]:
        """At the platform's own pace, a look every two seconds."""
        for _ in range(seconds // 2):
            self.clock.tick(2)
            for signal_id, signal in self.runbook.signals.items():
                source = signal.source.signal if signal.source is not None else ""
                if source in ("ready-web", "health-web"):
                    value, count, words = values[source.removesuffix("-web")]
                    one = Sample(signal=source, value=value, count=count, at=self.clock.now(), words=words)
                    self.book.add(one, signal_id)
        return self.book.readings()

    def status(self, seconds: int, values: dict[str, Value]) -> tuple[str, str]:
        found = self.see(seconds, values)
        return found["served"].status, found["well"].status


def test_nobody_served_for_a_minute_is_critical_and_the_tree_says_what_to_do(shown: Runbook) -> None:
    bench = Bench(shown)
    assert bench.status(120, web(3)) == ("ok", "ok")
    assert bench.status(56, web(0)) == ("pending", "pending")
    assert bench.status(10, web(0))[0] == "firing"
    found = bench.book.readings()
    assert (found["served"].title, found["served"].severity) == ("Nobody is served", "critical")
    assert "outage" in found["served"].impact
    reading = TreeReader(shown, bench.clock).read(found, {}, lambda signal, over: (None, "not measured"))
    assert reading.advice == "rollback-now"
    assert "Nobody is served" in reading.reason
    assert bench.status(90, web(3))[0] == "ok"


def test_one_pod_that_is_left_is_somebody_and_a_rollout_that_failed_is_a_warning(shown: Runbook) -> None:
    bench = Bench(shown)
    assert bench.status(300, web(1, 500, **LATE)) == ("ok", "firing")
    found = bench.book.readings()
    assert found["well"].severity == "warning"
    reading = TreeReader(shown, bench.clock).read(found, {}, lambda signal, over: (None, "not measured"))
    assert [step.node for step in reading.path] == ["degraded", "severity", "getting-worse"], "a person is asked"


@pytest.mark.parametrize(("values", "words"), [(web(0, 0), "scaled to zero"), (STALE, "stale")])
def test_what_is_scaled_to_zero_or_not_known_fires_nothing_and_is_not_called_well(
    shown: Runbook, values: dict[str, Value], words: str
) -> None:
    bench = Bench(shown)
    assert words in values["ready"][2]
    assert bench.status(600, values) == ("unknown", "unknown")
    bench.status(60, web(3))
    assert bench.status(600, values) == ("unknown", "unknown")


def test_an_outage_that_is_stopped_on_purpose_is_not_called_over(shown: Runbook) -> None:
    bench = Bench(shown)
    assert bench.status(90, web(0))[0] == "firing"
    assert bench.status(300, web(0, 0))[0] in ("firing", "unknown")
    assert "firing" in bench.book.readings()["served"].words


def test_pods_that_come_within_a_minute_are_no_outage(shown: Runbook) -> None:
    bench = Bench(shown)
    bench.status(60, web(3))
    bench.status(40, web(0))
    assert bench.status(30, web(3))[0] == "ok"


def test_every_workload_that_is_rolled_back_is_watched(shown: Runbook) -> None:
    own = {name: trigger.title for name, trigger in shown.triggers.items() if name.startswith(WEB)}
    assert own == {
        "served": "Nobody is served",
        "well": "web is not well",
        "well-worker": "worker is not well",
    }
    source = shown.signals["well-worker"].source
    assert source is not None
    assert source.signal == "health-worker"
