"""ControllerRevisions: what a StatefulSet's or a DaemonSet's template was, by number."""

from __future__ import annotations

import copy
import hashlib
import json

from tests.kube.api import ALPHABET, Api
from tests.kube.controllers import owned, owner_reference
from tests.kube.resources import resource
from tests.kube.store import Obj

REVISIONS = resource("apps", "controllerrevisions")
MARK = "controller-revision-hash"


def data_of(owner: Obj) -> Obj:
    """As both controllers keep it: a strategic merge patch that replaces the template."""
    return {"spec": {"template": {**copy.deepcopy(owner["spec"]["template"]), "$patch": "replace"}}}


def history(api: Api, owner: Obj) -> list[Obj]:
    """Oldest number first."""
    found = owned(api.store.all(REVISIONS.key, owner["metadata"]["namespace"]), owner)
    return sorted(found, key=lambda one: int(one["revision"]))


def current(api: Api, owner: Obj) -> Obj:
    """The revision of the template as it stands: made, or an older equal one raised to the highest number."""
    space, data = owner["metadata"]["namespace"], data_of(owner)
    known = history(api, owner)
    same = next((one for one in reversed(known) if one["data"] == data), None)
    number = int(known[-1]["revision"]) + 1 if known else 1
    if same is not None:
        if same is known[-1]:
            return same
        body = {**same, "metadata": dict(same["metadata"]), "revision": number}
        return api.update(REVISIONS, space, same["metadata"]["name"], body)
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).digest()
    mark = "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:10])
    labels = {**(owner["spec"]["template"]["metadata"].get("labels") or {})}
    name = f"{owner['metadata']['name']}-{mark}"
    # A DaemonSet's pods carry the hash alone, a StatefulSet's the revision's whole name.
    labels[MARK] = mark if owner["kind"] == "DaemonSet" else name
    head: Obj = {"name": name, "labels": labels, "ownerReferences": [owner_reference(owner)]}
    if notes := owner["metadata"].get("annotations"):
        head["annotations"] = dict(notes)
    body = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": head, "data": data, "revision": number}
    return api.create(REVISIONS, space, body)


def mark_of(revision: Obj) -> str:
    return str(revision["metadata"]["labels"][MARK])


def template_of(revision: Obj) -> Obj:
    return {key: value for key, value in revision["data"]["spec"]["template"].items() if key != "$patch"}


def truncate(api: Api, owner: Obj, pods: list[Obj], live: set[str]) -> None:
    """The oldest beyond the limit go, but none that a pod or the status still names."""
    marks = {pod["metadata"]["labels"].get(MARK) for pod in pods} | live
    old = [one for one in history(api, owner) if mark_of(one) not in marks and one["metadata"]["name"] not in live]
    for one in old[: max(0, len(old) - owner["spec"].get("revisionHistoryLimit", 10))]:
        api.delete(REVISIONS, owner["metadata"]["namespace"], one["metadata"]["name"])
