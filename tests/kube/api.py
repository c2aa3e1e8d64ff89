"""The server's own work on an object: reads, and writes with admission, versions, preconditions and dry run."""

from __future__ import annotations

import copy
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.kube import clock
from tests.kube.defaults import check_shape, defaulted, template_generation, validate
from tests.kube.errors import MODIFIED, ApiError, already_exists, conflict, invalid, not_found
from tests.kube.managed import managed
from tests.kube.patches import PatchError, json_patch, merge_patch, strategic
from tests.kube.resources import Resource, resource
from tests.kube.store import Obj, Store

SERVER_FIELDS = ("uid", "creationTimestamp", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds")
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def suffix(length: int = 5) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


@dataclass(frozen=True)
class Write:
    """Who writes, and how."""

    manager: str = "kube-controller-manager"
    dry: bool = False
    odd: frozenset[str] = frozenset()
    """Texts of the body that the server's own encoder would write otherwise."""

    status: bool = False
    """To the status subresource."""


CONTROLLER = Write()
STATUS = Write(status=True)


class Api:
    def __init__(self) -> None:
        self.store = Store()
        self.admission: list[Callable[[Resource, Obj], None]] = []
        """Each may refuse a new object with an ApiError."""

    # ---- reading

    def read(self, of: Resource, namespace: str, name: str) -> Obj:
        found = self.store.get(of.key, namespace, name)
        if found is None:
            raise not_found(of.plural, of.group, name)
        return found

    # ---- writing

    def create(self, of: Resource, namespace: str, body: Any, how: Write = CONTROLLER) -> Obj:
        check_shape(of, body)
        obj: Obj = copy.deepcopy(body)
        meta = obj.setdefault("metadata", {})
        if not meta.get("name"):
            if not meta.get("generateName"):
                raise invalid(
                    of.kind, of.group, "", [("metadata.name", "Required value: name or generateName is required")]
                )
            meta["name"] = meta["generateName"] + suffix()
        if meta.get("resourceVersion"):
            raise ApiError(400, "resourceVersion should not be set on objects to be created")
        self._in_namespace(of, namespace, meta)
        if self.store.find(of.key, namespace, meta["name"]):
            raise already_exists(of.plural, of.group, meta["name"])
        for name in SERVER_FIELDS:
            meta.pop(name, None)
        if of.status:
            obj.pop("status", None)
            meta["generation"] = 1
        defaulted(of, obj)
        if of.plural == "daemonsets":
            template_generation(obj, None)
        validate(of, obj, None)
        for admit in self.admission:
            admit(of, obj)
        _birth(of, obj)
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": clock.seconds()}
        meta["managedFields"] = managed(obj, None, how.manager, of.api_version, clock.seconds(), False)
        if how.dry:
            return obj
        return self.store.put(of.key, obj)

    def _in_namespace(self, of: Resource, namespace: str, meta: Obj) -> None:
        if not of.namespaced:
            meta.pop("namespace", None)
            return
        if meta.setdefault("namespace", namespace) != namespace:
            raise ApiError(400, "the namespace of the provided object does not match the namespace sent on the request")
        home = self.store.get(("", "namespaces"), "", namespace)
        if home is None:
            raise not_found("namespaces", "", namespace)
        if home["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise ApiError(403, f'{of.plural} "{meta["name"]}" is forbidden: {why}')

    def update(self, of: Resource, namespace: str, name: str, body: Any, how: Write = CONTROLLER) -> Obj:
        before = self.read(of, namespace, name)
        check_shape(of, body)
        given = body.get("metadata", {}).get("resourceVersion")
        if given and given != before["metadata"]["resourceVersion"]:
            raise conflict(of.plural, of.group, name, MODIFIED)
        return self._replace(of, before, copy.deepcopy(body), how)

    def patch(self, of: Resource, namespace: str, name: str, kind: str, body: Any, how: Write = CONTROLLER) -> Obj:
        before = self.read(of, namespace, name)
        after = patched(of, before, kind, body, how.odd)
        if not isinstance(after, dict) or not isinstance(after.get("metadata"), dict):
            raise ApiError(422, "the patched object is none")
        if after["metadata"].get("resourceVersion") not in (None, before["metadata"]["resourceVersion"]):
            raise conflict(of.plural, of.group, name, MODIFIED)
        return self._replace(of, before, copy.deepcopy(after), how)

    def _replace(self, of: Resource, before: Obj, obj: Obj, how: Write) -> Obj:
        old, meta = before["metadata"], obj.setdefault("metadata", {})
        if meta.get("uid") not in (None, old["uid"]):
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old['uid']}"
            raise conflict(of.plural, of.group, old["name"], why)
        if meta.get("name", old["name"]) != old["name"]:
            raise ApiError(
                400, f"the name of the object ({meta['name']}) does not match the name on the URL ({old['name']})"
            )
        for name in (*SERVER_FIELDS, "generation", "namespace", "name", "managedFields", "resourceVersion"):
            meta.pop(name, None)
            if name in old:
                meta[name] = old[name]
        if of.status and how.status:
            notes = {"annotations": meta["annotations"]} if of.plural == "deployments" and "annotations" in meta else {}
            # A Deployment's annotations are written through its status too: its controller keeps the revision there.
            obj = {**before, "metadata": {**old, **notes}, "status": obj.get("status", {})}
        elif of.status:
            obj["status"] = before.get("status", {})
            if not obj["status"] and "status" not in before:
                obj.pop("status")
        if not how.status:
            defaulted(of, obj)
            if of.plural == "daemonsets":
                template_generation(obj, before)
            validate(of, obj, before)
        if of.plural == "pods" and not how.status:
            _pod_update(of, before, obj)
        meta = obj["metadata"]
        if of.status and not how.status and _of_generation(of, obj) != _of_generation(of, before):
            meta["generation"] = old.get("generation", 1) + 1
        if _same(obj, before):
            return before
        meta["managedFields"] = managed(obj, before, how.manager, of.api_version, clock.seconds(), how.status)
        if how.dry:
            return obj
        if meta.get("deletionTimestamp") and not meta.get("finalizers") and not _graceful(of, obj):
            return self._gone(of, obj)
        return self.store.put(of.key, obj)

    def delete(self, of: Resource, namespace: str, name: str, options: Any = None, how: Write = CONTROLLER) -> Obj:
        """The object as it is about to go, or as it went."""
        obj, options = self.read(of, namespace, name), options or {}
        self._preconditions(of, obj, options.get("preconditions") or {})
        if how.dry:
            return obj
        meta = dict(obj["metadata"])
        policy = options.get("propagationPolicy", "Background")
        finalizers = list(meta.get("finalizers") or [])
        word = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(policy)
        if word and word not in finalizers:
            finalizers.append(word)
        if of.plural == "namespaces" and not obj.get("spec", {}).get("finalizers"):
            finalizers = []
        waits = bool(finalizers) or (of.plural == "namespaces" and bool(obj["spec"].get("finalizers")))
        if of.plural == "pods":
            grace = options.get("gracePeriodSeconds")
            grace = obj["spec"].get("terminationGracePeriodSeconds", 30) if grace is None else grace
            # A pod that no node has taken up goes at once.
            if grace > 0 and obj["spec"].get("nodeName"):
                waits = True
                meta["deletionGracePeriodSeconds"] = grace
        if not waits:
            return self._gone(of, obj)
        if finalizers:
            meta["finalizers"] = finalizers
        if not meta.get("deletionTimestamp"):
            meta["deletionTimestamp"] = clock.seconds()
            if of.status and "generation" in meta:
                meta["generation"] += 1
        changed = {**obj, "metadata": meta}
        if of.plural == "namespaces":
            changed["status"] = {"phase": "Terminating"}
        return obj if _same(changed, obj) else self.store.put(of.key, changed)

    def _preconditions(self, of: Resource, obj: Obj, wanted: Obj) -> None:
        for field, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            has = obj["metadata"][field]
            if wanted.get(field) not in (None, has):
                why = f"{word} in precondition: {wanted[field]}, {word} in object meta: {has}"
                raise conflict(of.plural, of.group, obj["metadata"]["name"], f"Precondition failed: {why}")

    def _gone(self, of: Resource, obj: Obj) -> Obj:
        meta = obj["metadata"]
        return self.store.drop(of.key, meta.get("namespace", ""), meta["name"]) or obj

    def remove(self, of: Resource, obj: Obj) -> None:
        """The kubelet's last word on a pod: gone, unless a finalizer holds it."""
        meta = obj["metadata"]
        now = self.store.get(of.key, meta.get("namespace", ""), meta["name"])
        if now and now["metadata"]["uid"] == meta["uid"] and not now["metadata"].get("finalizers"):
            self._gone(of, now)

    # ---- what controllers use

    def set_status(self, plural: str, obj: Obj, status: Obj, group: str = "apps") -> Obj:
        """Of the object as it stands now; nothing when it is gone or says the same."""
        of, meta = resource(group, plural), obj["metadata"]
        now = self.store.get(of.key, meta.get("namespace", ""), meta["name"])
        if now is None or now["metadata"]["uid"] != meta["uid"] or now.get("status") == status:
            return now or obj
        how = replace(STATUS, manager="kubelet") if plural == "pods" else STATUS
        return self._replace(of, now, {**now, "metadata": dict(now["metadata"]), "status": status}, how)


def patched(of: Resource, before: Obj, kind: str, body: Any, odd: frozenset[str]) -> Any:
    try:
        match kind:
            case "application/json-patch+json":
                return json_patch(before, body, odd)
            case "application/merge-patch+json":
                return merge_patch(before, body)
            case "application/strategic-merge-patch+json":
                if of.custom:
                    raise ApiError(
                        415,
                        "the body of the request was in an unknown format - accepted media types include: "
                        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
                    )
                return strategic(before, body)
    except PatchError:
        # All that a client is told; which of its steps did not apply stays in the server.
        raise ApiError(422, "the server rejected our request due to an error in our request", "Invalid") from None
    raise ApiError(415, f"the body of the request was in an unknown format - {kind or 'none'}")


def _of_generation(of: Resource, obj: Obj) -> Any:
    """What counts as a new generation: the spec, and of a Deployment its annotations as well."""
    notes = obj["metadata"].get("annotations") if of.plural == "deployments" else None
    return obj.get("spec"), notes


def _same(one: Obj, two: Obj) -> bool:
    return one == two


def _graceful(of: Resource, obj: Obj) -> bool:
    """Somebody else takes the last step: the kubelet for a pod on a node, the namespace's emptying."""
    if of.plural == "pods":
        return bool(obj["spec"].get("nodeName")) and obj["metadata"].get("deletionGracePeriodSeconds", 0) > 0
    return of.plural == "namespaces" and bool(obj["spec"].get("finalizers"))


def _birth(of: Resource, obj: Obj) -> None:
    """The status, labels and finalizers that some resources are created with."""
    match of.plural:
        case "namespaces":
            obj["spec"] = {"finalizers": ["kubernetes"]}
            obj["status"] = {"phase": "Active"}
            obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
        case "pods":
            obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
        case "deployments" | "replicasets" | "statefulsets":
            obj["status"] = {} if of.plural == "deployments" else {"replicas": 0}
        case "daemonsets":
            names = ("currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady")
            obj["status"] = dict.fromkeys(names, 0)
        case "services" | "cronjobs":
            obj["status"] = {"loadBalancer": {}} if of.plural == "services" else {}
        case _:
            return


def _pod_update(of: Resource, before: Obj, obj: Obj) -> None:
    """Of a pod's spec only images, deadlines and tolerations may change."""

    def fixed(pod: Obj) -> Obj:
        spec = copy.deepcopy(pod["spec"])
        for container in [*spec.get("containers", []), *spec.get("initContainers", [])]:
            container.pop("image", None)
        return {k: v for k, v in spec.items() if k not in ("activeDeadlineSeconds", "tolerations", "nodeName")}

    if fixed(before) != fixed(obj):
        why = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`"
        raise invalid(of.kind, of.group, before["metadata"]["name"], [("spec", why)])
