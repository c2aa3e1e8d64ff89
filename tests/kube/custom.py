"""The kinds of Argo CD and Flux on a real cluster that has none: their CustomResourceDefinitions, cut down to what
warroom reads and writes, and to what they must have. The server then prunes and checks as with their own.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tests.kube.cluster import MERGE, Cluster, Json, wait_for

MADE = "warroom.dev/made-for-tests"
METRICS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/pods.metrics.k8s.io"
PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TEXT, FLAG, NUMBER = {"type": "string"}, {"type": "boolean"}, {"type": "integer", "format": "int64"}


def fields(required: tuple[str, ...] = (), **properties: Any) -> Json:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


AUTOMATED = fields(allowEmpty=FLAG, enabled=FLAG, prune=FLAG, selfHeal=FLAG)
SYNC = fields(
    automated=AUTOMATED,
    retry=fields(limit=NUMBER),
    syncOptions={"type": "array", "items": TEXT},
)
SOURCE = fields(("kind", "name"), apiVersion=TEXT, kind=TEXT, name=TEXT, namespace=TEXT)
KINDS: tuple[tuple[str, str, str, str, Json], ...] = (
    (
        *("argoproj.io", "v1alpha1", "applications", "Application"),
        fields(
            ("destination", "project"),
            destination=fields(name=TEXT, namespace=TEXT, server=TEXT),
            project=TEXT,
            source=fields(("repoURL",), path=TEXT, repoURL=TEXT, targetRevision=TEXT),
            syncPolicy=SYNC,
        ),
    ),
    (
        *("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization"),
        fields(
            ("interval", "prune", "sourceRef"), interval=TEXT, path=TEXT, prune=FLAG, sourceRef=SOURCE, suspend=FLAG
        ),
    ),
    (
        *("helm.toolkit.fluxcd.io", "v2", "helmreleases", "HelmRelease"),
        fields(("interval",), interval=TEXT, chartRef=SOURCE, suspend=FLAG),
    ),
    (
        *("image.toolkit.fluxcd.io", "v1", "imageupdateautomations", "ImageUpdateAutomation"),
        fields(("interval", "sourceRef"), interval=TEXT, sourceRef=SOURCE, suspend=FLAG),
    ),
)


def definition(group: str, version: str, plural: str, kind: str, spec: Json) -> Json:
    schema = fields(("spec",), apiVersion=TEXT, kind=TEXT, metadata={"type": "object"}, spec=spec)
    schema["properties"]["status"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    # Argo CD's has no subresource for its status, Flux's have.
    status: Json = {} if group == "argoproj.io" else {"subresources": {"status": {}}}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **status}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [served]},
    }


def _served(cluster: Cluster, listed: str) -> bool:
    return cluster.ask("GET", listed).status == 200


def metrics_definition() -> Json:
    """metrics.k8s.io as a custom resource: what a metrics server measures is then what a test writes."""
    quantities = {"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": True}}
    containers = {"type": "array", "items": fields(name=TEXT, usage=quantities)}
    body = definition("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", {})
    schema = fields(apiVersion=TEXT, kind=TEXT, metadata={"type": "object"}, timestamp=TEXT, window=TEXT)
    schema["properties"]["containers"] = containers
    body["spec"]["versions"][0] = {**body["spec"]["versions"][0], "schema": {"openAPIV3Schema": schema}}
    body["spec"]["names"]["singular"] = "podmetrics"
    body["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, for tests"}
    return body


@contextmanager
def kinds_of_others(cluster: Cluster) -> Iterator[None]:
    """Those that the cluster has stay as they are. Those that were made for tests go with the last one that uses them:
    several processes may run tests on one cluster."""
    with _served_by(cluster, [] if cluster.emulated else [definition(*one) for one in KINDS]):
        yield


@contextmanager
def metrics_served(cluster: Cluster) -> Iterator[bool]:
    """Whether a test can say what a pod uses; a real cluster's own metrics server is left alone."""
    own = cluster.ask("GET", "/apis/metrics.k8s.io").status == 404 or cluster.ask("GET", METRICS).status == 200
    if cluster.emulated or not own:
        yield cluster.emulated
        return
    with _served_by(cluster, [metrics_definition()]):
        yield True


def uses(cluster: Cluster, namespace: str, pod: Json, cpu_m: int, memory_mi: int) -> None:
    """What its first container uses now."""
    name, head = pod["metadata"]["name"], pod["metadata"]
    if cluster.emulated:
        cluster.steer.usage(namespace, name, cpu_m, memory_mi)
        return
    used = {"cpu": f"{cpu_m}m", "memory": f"{memory_mi}Mi"}
    body = {
        "apiVersion": "metrics.k8s.io/v1beta1",
        "kind": "PodMetrics",
        "metadata": {"name": name, "namespace": namespace, "labels": head["labels"]},
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "window": "15s",
        "containers": [{"name": pod["spec"]["containers"][0]["name"], "usage": used}],
    }
    cluster.post(f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods", body)


@contextmanager
def _served_by(cluster: Cluster, definitions: list[Json]) -> Iterator[None]:
    mark = f"{MADE}-{secrets.token_hex(4)}"
    used: list[str] = []
    try:
        for body in definitions:
            wait_for(partial(_taken, cluster, body, mark), f"{body['metadata']['name']} is there")
            used.append(f"{PATH}/{body['metadata']['name']}")
            spec = body["spec"]
            listed = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
            wait_for(partial(_served, cluster, listed), f"{listed} is served")
        yield
    finally:
        for at in used:
            _left(cluster, at, mark)


def _taken(cluster: Cluster, body: Json, mark: str) -> bool:
    """False while another's is on its way out."""
    at = f"{PATH}/{body['metadata']['name']}"
    there = cluster.ask("GET", at)
    if there.status == 404:
        notes = {**body["metadata"].get("annotations", {}), mark: "used"}
        head = {**body["metadata"], "labels": {MADE: "true"}, "annotations": notes}
        return cluster.ask("POST", PATH, {**body, "metadata": head}).status < 300
    if MADE not in (there.body["metadata"].get("labels") or {}):
        return True
    if there.body["metadata"].get("deletionTimestamp"):
        return False
    return cluster.ask("PATCH", at, {"metadata": {"annotations": {mark: "used"}}}, content_type=MERGE).status < 300


def _left(cluster: Cluster, at: str, mark: str) -> None:
    head = cluster.get(at)["metadata"]
    if MADE not in (head.get("labels") or {}):
        return
    head = cluster.merge(at, {"metadata": {"annotations": {mark: None}}})["metadata"]
    if not any(name.startswith(MADE) for name in head.get("annotations") or {}):
        # Whoever has taken it in this very moment keeps it.
        cluster.ask("DELETE", at, {"preconditions": {"resourceVersion": head["resourceVersion"]}})
