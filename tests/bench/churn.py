"""A namespace in which a lot goes on that is no concern of the workload watched, and how much there is to hear."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.kube.cluster import KubeProblem
from tests.kube.workloads import Namespace

EVERY_S = 0.05
OWN = 20
"""One change in so many is of the workload that is watched."""


@dataclass
class Churn:
    """Bytes that the API had to tell of pods and events while it went on, to whoever asks for all."""

    changes: int = 0
    told: dict[str, int] = field(default_factory=lambda: {"pods": 0, "events": 0})
    trouble: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def churning(namespace: Namespace, own: str) -> Iterator[Churn]:
    """Twenty changes a second of pods: one in ``OWN`` is of ``own``, and as often an event comes of another's."""
    churn = Churn()
    works = [
        threading.Thread(target=_listen, args=(namespace, "pods", churn), daemon=True),
        threading.Thread(target=_listen, args=(namespace, "events", churn), daemon=True),
        threading.Thread(target=_change, args=(namespace, own, churn), daemon=True),
    ]
    for work in works:
        work.start()
    try:
        yield churn
    finally:
        churn.over.set()
        for work in works:
            work.join(40)
    assert not churn.trouble, churn.trouble


def _listen(namespace: Namespace, plural: str, churn: Churn) -> None:
    path = namespace.path("v1", plural)
    now = namespace.cluster.get(path, limit=1)["metadata"]["resourceVersion"]
    try:
        while not churn.over.is_set():
            with namespace.cluster.stream(path, watch="true", resourceVersion=now, timeoutSeconds=1) as lines:
                for line in lines:
                    churn.told[plural] += len(line) + 1
                    now = json.loads(line)["object"]["metadata"]["resourceVersion"]
    except (KubeProblem, OSError) as error:
        churn.trouble.append(f"{plural}: {error}")


def _change(namespace: Namespace, own: str, churn: Churn) -> None:
    cluster, path = namespace.cluster, namespace.path("v1", "pods")
    try:
        others = [one["metadata"]["name"] for one in cluster.items(path, limit=500, labelSelector=f"app!={own}")]
        mine = [one["metadata"]["name"] for one in cluster.items(path, labelSelector=f"app={own}")]
        while not churn.over.is_set():
            number = churn.changes
            turn, ours = divmod(number, OWN)
            whose = mine if ours == OWN - 1 or not others else others
            name = whose[number % len(whose)]
            cluster.merge(f"{path}/{name}", {"metadata": {"annotations": {"turn": str(number)}}})
            if ours == 1 and others:
                _happen(namespace, others[number % len(others)], number, warning=turn % 2 == 0)
            churn.changes += 1
            time.sleep(EVERY_S)
    except (KubeProblem, OSError) as error:
        churn.trouble.append(f"changing: {error}")


def _happen(namespace: Namespace, pod: str, number: int, *, warning: bool) -> None:
    about = {"kind": "Pod", "namespace": namespace.name, "name": pod, "apiVersion": "v1"}
    more = {"reason": "Unhealthy" if warning else "Pulled", "message": f"number {number}", "count": 1}
    kind = "Warning" if warning else "Normal"
    namespace.create("v1", "events", "Event", f"{pod}.{number}", involvedObject=about, type=kind, **more)
