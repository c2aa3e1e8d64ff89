"""What a rollback's times are measured by: the Deployment itself, watched from beside, the same way for both."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.kube.cluster import Json, KubeProblem
from tests.kube.workloads import Workload

WITHIN_S = 60.0


@dataclass
class Watched:
    """``time.monotonic()`` of when the API told: of the changed template, and that kubectl's conditions hold."""

    generation: int
    changed: float = 0.0
    available: float = 0.0
    trouble: str = ""
    watching: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def take(self, one: Json) -> bool:
        """Whether it is rolled out."""
        head, spec, status = one["metadata"], one["spec"], one.get("status", {})
        if head["generation"] <= self.generation:
            return False
        self.changed = self.changed or time.monotonic()
        wanted = spec["replicas"]
        counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
        if status.get("observedGeneration", 0) < head["generation"] or any(count != wanted for count in counts):
            return False
        self.available = time.monotonic()
        return True


@contextmanager
def watched(web: Workload) -> Iterator[Watched]:
    """While a block rolls it back. At its end it is waited until all was seen."""
    now = web.get()
    found = Watched(now["metadata"]["generation"])
    version = now["metadata"]["resourceVersion"]
    thread = threading.Thread(target=_watch, args=(web, version, found), daemon=True)
    thread.start()
    assert found.watching.wait(WITHIN_S)
    yield found
    assert found.over.wait(WITHIN_S), "the rollout was not seen"
    assert not found.trouble, found.trouble
    thread.join(WITHIN_S)


def _watch(web: Workload, version: str, found: Watched) -> None:
    folder = web.path.rpartition("/")[0]
    query = {"fieldSelector": f"metadata.name={web.name}", "resourceVersion": version}
    try:
        with web.cluster.watch(folder, **query) as events:
            found.watching.set()
            for event in events:
                if found.take(event["object"]):
                    return
    except (KubeProblem, OSError) as error:
        found.trouble = str(error)
    finally:
        found.watching.set()
        found.over.set()
