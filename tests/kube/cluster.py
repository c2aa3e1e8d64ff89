"""What a test holds of a cluster, whether that is the emulator of this package or a real one.

    def test_it(cluster: Cluster, namespace: Namespace) -> None:
        web = namespace.workload("web")                       # a Deployment with 2 ready pods of images.good
        web.set_image(cluster.images.next); web.wait_rolled_out()

Everything here is a test's own preparation and looking: whatever fails raises KubeProblem with the API's own words.
``cluster.steer`` exists with the emulator alone; a test that uses it is marked ``needs("kube-emulator")``.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from tests.kube.steering import Steering

Json = dict[str, Any]

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
WAIT_S = 60.0
OLDER = {
    ("autoscaling/v2", "horizontalpodautoscalers"): "autoscaling/v2beta2",
    ("batch/v1", "cronjobs"): "batch/v1beta1",
    ("discovery.k8s.io/v1", "endpointslices"): "discovery.k8s.io/v1beta1",
}
"""What a cluster of before 1.21 (autoscalers: 1.23) serves instead; the fields that tests use are the same."""


class KubeProblem(AssertionError):
    """The cluster did not do what a test's own preparation asked of it."""


class Door(Protocol):
    """One request to the API server: status and body."""

    def __call__(self, method: str, path: str, body: bytes, content_type: str, /) -> tuple[int, bytes]: ...


Opener = Callable[[str], AbstractContextManager[Iterator[bytes]]]
"""A GET whose lines are read as they come; KubeProblem when it is refused."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    """Parsed JSON; a str for what is none (logs)."""

    @property
    def reason(self) -> str:
        return str(self.body.get("reason", "")) if isinstance(self.body, dict) else ""

    @property
    def message(self) -> str:
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else str(self.body)


@dataclass(frozen=True)
class Images:
    """On a real cluster from WARROOM_TEST_IMAGE_GOOD, _NEXT and _BAD."""

    good: str
    next: str
    bad: str
    """Never becomes ready: it ends by itself, or can't be pulled."""


def wait_for(happened: Callable[[], bool], what: str, seconds: float = WAIT_S) -> None:
    """Generous: a bound for what is broken, not for what is slow."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise KubeProblem(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


@dataclass
class Cluster:
    kubeconfig: Path
    context: str
    images: Images
    door: Door
    opener: Opener
    steering: Steering | None = None
    """None on a real cluster."""

    made: list[str] = field(default_factory=list)
    """Namespaces that are to be removed at the end."""

    versions: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def emulated(self) -> bool:
        return self.steering is not None

    @property
    def steer(self) -> Steering:
        if self.steering is None:
            raise KubeProblem('a real cluster can\'t be steered: mark the test needs("kube-emulator")')
        return self.steering

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str | int] = {},
        content_type: str = JSON,
    ) -> Answer:
        """Whatever the API says, also a refusal."""
        full = f"{path}?{urlencode(query)}" if query else path
        status, raw = self.door(method, full, b"" if body is None else json.dumps(body).encode(), content_type)
        try:
            return Answer(status, json.loads(raw))
        except ValueError:
            return Answer(status, raw.decode(errors="replace"))

    def ok(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str | int] = {}, kind: str = JSON
    ) -> Json:
        """The same, and it must have been done."""
        answer = self.ask(method, path, body, query, kind)
        if answer.status >= 300 or not isinstance(answer.body, dict):
            raise KubeProblem(f"{method} {path}: {answer.status} {answer.message}")
        return answer.body

    def get(self, path: str, **query: str | int) -> Json:
        return self.ok("GET", path, query=query)

    def post(self, path: str, body: Json, **query: str | int) -> Json:
        return self.ok("POST", path, body, query)

    def put(self, path: str, body: Json, **query: str | int) -> Json:
        return self.ok("PUT", path, body, query)

    def delete(self, path: str, body: Json | None = None, **query: str | int) -> Json:
        return self.ok("DELETE", path, body, query)

    def json_patch(self, path: str, *steps: Json) -> Json:
        return self.ok("PATCH", path, list(steps), kind=JSON_PATCH)

    def merge(self, path: str, body: Json) -> Json:
        return self.ok("PATCH", path, body, kind=MERGE)

    def strategic(self, path: str, body: Json) -> Json:
        return self.ok("PATCH", path, body, kind=STRATEGIC)

    def items(self, path: str, **query: str | int) -> list[Json]:
        found: list[Json] = self.get(path, **query)["items"]
        return found

    @contextmanager
    def stream(self, path: str, **query: str | int) -> Iterator[Iterator[bytes]]:
        """The lines of a watch or a followed log, as they come; a line that stays out for 30 s is an error."""
        with self.opener(f"{path}?{urlencode(query)}") as lines:
            yield lines

    @contextmanager
    def watch(self, path: str, **query: str | int) -> Iterator[Iterator[Json]]:
        with self.stream(path, watch="true", **query) as lines:
            yield (json.loads(line) for line in lines)

    def version(self, group: str, plural: str) -> str:
        """``group``, which names a version too; or the one of OLDER, where the cluster serves only that."""
        key = (group, plural)
        if key in OLDER and key not in self.versions:
            served = self.ask("GET", f"/apis/{group}").body
            rows = served.get("resources", []) if isinstance(served, dict) else []
            self.versions[key] = group if any(row["name"] == plural for row in rows) else OLDER[key]
        return self.versions.get(key, group)

    def uid(self) -> str:
        """The cluster's own: that of its kube-system."""
        return str(self.get("/api/v1/namespaces/kube-system")["metadata"]["uid"])

    def make_namespace(self) -> str:
        name = f"warroom-test-{secrets.token_hex(4)}"
        self.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.made.append(name)
        return name

    def remove_namespace(self, name: str) -> None:
        self.ask("DELETE", f"/api/v1/namespaces/{name}")
        self.made.remove(name)
