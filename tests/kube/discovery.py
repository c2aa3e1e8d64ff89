"""/version, health and the lists of what is served, as clients such as kubectl look them up."""

from __future__ import annotations

from typing import Any

from tests.kube.resources import METRICS, RESOURCES, REVIEWS, Resource

VERSION = {
    "major": "1",
    "minor": "33",
    "gitVersion": "v1.33.0+emulator",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2025-04-23T00:00:00Z",
    "goVersion": "go1.24.2",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def answer(path: str, metrics: bool) -> Any:
    """A str is text; None: not one of these paths."""
    served = (*RESOURCES, *REVIEWS, *(METRICS if metrics else ()))
    words = path.strip("/").split("/")
    if path == "/version":
        return VERSION
    if words[0] in ("healthz", "readyz", "livez"):
        return "ok"
    if words == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"]}
    if words == ["api", "v1"]:
        return _resources("", "v1", served)
    if words == ["apis"]:
        groups = list(dict.fromkeys(one.group for one in served if one.group))
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name, served) for name in groups]}
    if words[0] == "apis" and len(words) in (2, 3) and any(one.group == words[1] for one in served):
        return _group(words[1], served) if len(words) == 2 else _resources(words[1], words[2], served)
    return None


def _group(name: str, served: tuple[Resource, ...]) -> dict[str, Any]:
    versions = list(dict.fromkeys(one.version for one in served if one.group == name))
    named = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": named, "preferredVersion": named[0]}


def _resources(group: str, version: str, served: tuple[Resource, ...]) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for one in served:
        if (one.group, one.version) != (group, version):
            continue
        row: dict[str, Any] = {
            "name": one.plural,
            "singularName": one.kind.lower(),
            "namespaced": one.namespaced,
            "kind": one.kind,
            "verbs": list(one.verbs),
        }
        rows.append(
            row | ({"shortNames": list(one.short)} if one.short else {}) | ({"categories": ["all"]} if one.all else {})
        )
        for sub in one.subresources:
            rows.append(_sub(one, sub))
    shown = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": shown, "resources": rows}


def _sub(one: Resource, sub: str) -> dict[str, Any]:
    row = {"name": f"{one.plural}/{sub}", "singularName": "", "namespaced": one.namespaced}
    if sub == "scale":
        return row | {"group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]}
    verbs = {"log": ["get"], "eviction": ["create"]}.get(sub, ["get", "patch", "update"])
    return row | {"kind": "Eviction" if sub == "eviction" else one.kind, "verbs": verbs}
