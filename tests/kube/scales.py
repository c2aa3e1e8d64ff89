"""The scale subresource: a view of a workload's replicas."""

from __future__ import annotations

import copy
from typing import Any

from tests.kube.api import Api, Write, patched
from tests.kube.errors import MODIFIED, ApiError, conflict, invalid
from tests.kube.resources import Resource
from tests.kube.store import Obj


def scale_of(of: Resource, obj: Obj) -> Obj:
    meta, spec = obj["metadata"], obj["spec"]
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in kept if name in meta},
        "spec": {"replicas": spec.get("replicas", 1)} if spec.get("replicas", 1) else {},
        "status": {
            "replicas": obj.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }


def scaled(api: Api, of: Resource, namespace: str, name: str, kind: str, body: Any, how: Write) -> Obj:
    """``kind`` is the patch's content type, "" for an update."""
    before = api.read(of, namespace, name)
    view = scale_of(of, before)
    after = patched(of, view, kind, body, how.odd) if kind else body
    if not isinstance(after, dict) or not isinstance(after.get("spec", {}), dict):
        raise ApiError(400, "the object provided is no Scale")
    meta = after.get("metadata") or {}
    if meta.get("uid") not in (None, before["metadata"]["uid"]):
        why = (
            f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {before['metadata']['uid']}"
        )
        raise conflict(of.plural, of.group, name, why)
    if meta.get("resourceVersion") not in (None, before["metadata"]["resourceVersion"]):
        raise conflict(of.plural, of.group, name, MODIFIED)
    replicas = (after.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or replicas < 0:
        why = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise invalid("Scale", "autoscaling", name, [("spec.replicas", why)])
    changed = copy.deepcopy(before)
    changed["spec"]["replicas"] = replicas
    return scale_of(of, api._replace(of, before, changed, how))
