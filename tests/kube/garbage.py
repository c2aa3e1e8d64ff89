"""What goes with its owner, and what goes with its namespace."""

from __future__ import annotations

from collections.abc import Iterator

from tests.kube.controllers import Item, Work
from tests.kube.resources import RESOURCES, Resource, resource
from tests.kube.store import Change, Obj

NAMESPACES = resource("", "namespaces")
SERVED = tuple({one.key: one for one in RESOURCES}.values())


class Garbage:
    def __init__(self, work: Work) -> None:
        self.work, self.api = work, work.api
        work.syncs["garbage"] = self.sync
        work.syncs["namespaces"] = self.empty
        work.concerns.append(self.concern)

    def concern(self, change: Change) -> list[Item]:
        meta = change.now.obj["metadata"]
        items: list[Item] = []
        if change.key == NAMESPACES.key:
            return [("namespaces", "", change.name)] if meta.get("deletionTimestamp") else []
        if change.kind == "DELETED":
            items.append(("garbage", change.namespace, meta["uid"]))
            home = self.api.store.get(NAMESPACES.key, "", change.namespace)
            if home and home["metadata"].get("deletionTimestamp"):
                items.append(("namespaces", "", change.namespace))
            items += [("garbage", change.namespace, one["uid"]) for one in meta.get("ownerReferences") or []]
        elif meta.get("deletionTimestamp") and meta.get("finalizers"):
            items.append(("garbage", change.namespace, meta["uid"]))
        return items

    def _all(self, space: str) -> Iterator[tuple[Resource, Obj]]:
        for of in SERVED:
            if of.namespaced:
                for obj in self.api.store.all(of.key, space):
                    yield of, obj

    def sync(self, space: str, uid: str) -> None:
        if space == "":
            return
        owner: tuple[Resource, Obj] | None = None
        below: list[tuple[Resource, Obj]] = []
        for of, obj in self._all(space):
            if obj["metadata"]["uid"] == uid:
                owner = (of, obj)
            elif any(one["uid"] == uid for one in obj["metadata"].get("ownerReferences") or []):
                below.append((of, obj))
        if owner is None:
            for of, obj in below:
                self._lose(of, obj, uid)
            return
        of, obj = owner
        finalizers = obj["metadata"].get("finalizers") or []
        if "orphan" in finalizers:
            for under, one in below:
                self._orphan(under, one, uid)
            self._drop(of, obj, "orphan")
        elif "foregroundDeletion" in finalizers:
            if not below:
                self._drop(of, obj, "foregroundDeletion")
            for under, one in below:
                if not one["metadata"].get("deletionTimestamp"):
                    options = {"propagationPolicy": "Foreground"}
                    self.api.delete(under, space, one["metadata"]["name"], options)

    def _lose(self, of: Resource, obj: Obj, uid: str) -> None:
        meta = obj["metadata"]
        others = [one for one in meta["ownerReferences"] if one["uid"] != uid]
        if others:
            self._orphan(of, obj, uid)
        elif not meta.get("deletionTimestamp"):
            self.api.delete(of, meta["namespace"], meta["name"])

    def _orphan(self, of: Resource, obj: Obj, uid: str) -> None:
        others = [one for one in obj["metadata"]["ownerReferences"] if one["uid"] != uid]
        self._meta(of, obj, "ownerReferences", others)

    def _drop(self, of: Resource, obj: Obj, word: str) -> None:
        self._meta(of, obj, "finalizers", [one for one in obj["metadata"]["finalizers"] if one != word])

    def _meta(self, of: Resource, obj: Obj, field: str, values: list[Obj]) -> None:
        meta = {key: value for key, value in obj["metadata"].items() if key != field}
        changed = {**obj, "metadata": meta | ({field: values} if values else {})}
        self.api.update(of, meta.get("namespace", ""), meta["name"], changed)

    def empty(self, space: str, name: str) -> None:
        home = self.api.store.get(NAMESPACES.key, "", name)
        if home is None or not home["metadata"].get("deletionTimestamp"):
            return
        left = 0
        for of, obj in list(self._all(name)):
            if not obj["metadata"].get("deletionTimestamp"):
                self.api.delete(of, name, obj["metadata"]["name"])
            left += self.api.store.find(of.key, name, obj["metadata"]["name"]) is not None
        if left == 0:
            self.api.store.drop(NAMESPACES.key, "", name)
