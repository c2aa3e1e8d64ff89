"""A real cluster for the same tests: WARROOM_TEST_KUBECONFIG, and images that it can run.

The tests make namespaces of their own (``warroom-test-…``) and remove them, and so with the kinds of others that the
cluster lacks (``custom.py``); they touch nothing else.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kube.cluster import Cluster, Images, KubeProblem


@dataclass(frozen=True)
class Settings:
    kubeconfig: str
    context: str
    good: str
    next: str
    bad: str


# Read when this is imported: the tests' private home takes WARROOM_… out of the environment afterwards.
REAL = Settings(
    kubeconfig=os.environ.get("WARROOM_TEST_KUBECONFIG", ""),
    context=os.environ.get("WARROOM_TEST_CONTEXT", ""),
    good=os.environ.get("WARROOM_TEST_IMAGE_GOOD", ""),
    next=os.environ.get("WARROOM_TEST_IMAGE_NEXT", ""),
    bad=os.environ.get("WARROOM_TEST_IMAGE_BAD", ""),
)


def images() -> Images:
    if not (REAL.good and REAL.next and REAL.bad):
        raise KubeProblem(
            "WARROOM_TEST_KUBECONFIG is set: WARROOM_TEST_IMAGE_GOOD, _NEXT and _BAD must name images for it"
        )
    return Images(REAL.good, REAL.next, REAL.bad)


def lines_of(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest


@contextmanager
def real_cluster() -> Iterator[Cluster]:
    # The client's package is typed in part: as Any it needs no exception at each call.
    config: Any = importlib.import_module("kubernetes.config")
    path = Path(REAL.kubeconfig).expanduser().resolve()
    contexts, current = config.list_kube_config_contexts(config_file=str(path))
    name = REAL.context or current["name"]
    if name not in {one["name"] for one in contexts}:
        raise KubeProblem(f"{path} has no context {name!r}")
    api: Any = config.new_client_from_config(config_file=str(path), context=name)

    def door(method: str, target: str, body: bytes, content_type: str) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        api.update_params_for_auth(headers, [], ["BearerToken"], target, method, body)
        answer = api.rest_client.pool_manager.request(
            method, f"{api.configuration.host}{target}", body=body or None, headers=headers, timeout=30
        )
        return answer.status, answer.data

    @contextmanager
    def opener(target: str) -> Iterator[Iterator[bytes]]:
        headers: dict[str, str] = {}
        api.update_params_for_auth(headers, [], ["BearerToken"], target, "GET", None)
        url = f"{api.configuration.host}{target}"
        answer = api.rest_client.pool_manager.request("GET", url, headers=headers, timeout=30, preload_content=False)
        try:
            if answer.status != 200:
                raise KubeProblem(f"GET {target}: {answer.status} {answer.data.decode()}")
            yield lines_of(answer.stream(65536))
        finally:
            answer.close()

    cluster = Cluster(path, name, images(), door, opener)
    try:
        yield cluster
    finally:
        for namespace in list(cluster.made):
            cluster.remove_namespace(namespace)
        api.close()
