"""The objects, and the history of their changes that watches are served from: what etcd and the watch cache are.

An object in the store is never changed in place: a change puts a new dict in its place.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Obj = dict[str, Any]
Key = tuple[str, str]
"""(group, plural)."""

HISTORY = 50_000


@dataclass(eq=False)
class Stored:
    obj: Obj
    version: int
    _bytes: bytes = b""

    def json(self) -> bytes:
        """Written once for all who ask."""
        if not self._bytes:
            self._bytes = json.dumps(self.obj, separators=(",", ":")).encode()
        return self._bytes


@dataclass(frozen=True)
class Change:
    kind: str
    """ADDED, MODIFIED or DELETED."""

    key: Key
    namespace: str
    name: str
    now: Stored
    before: Stored | None


@dataclass
class Table:
    """One resource's objects: by namespace, then name, both in the order the API lists them."""

    spaces: dict[str, dict[str, Stored]] = field(default_factory=dict)
    _names: dict[str, list[str]] = field(default_factory=dict)
    """Sorted, until one comes or goes."""

    def each(self, namespace: str = "", after: tuple[str, str] = ("", "")) -> Iterator[tuple[str, str, Stored]]:
        for space in [namespace] if namespace else sorted(self.spaces):
            if space < after[0]:
                continue
            found, names = self.spaces.get(space, {}), self.names(space)
            for name in names[bisect_right(names, after[1]) if space == after[0] else 0 :]:
                yield space, name, found[name]

    def names(self, space: str) -> list[str]:
        if space not in self._names:
            self._names[space] = sorted(self.spaces.get(space, {}))
        return self._names[space]

    def moved(self, space: str) -> None:
        """A name has come or gone."""
        self._names.pop(space, None)

    def left(self, namespace: str, after: tuple[str, str]) -> int:
        """How many follow that one."""
        spaces = [namespace] if namespace else list(self.spaces)
        later = sum(len(self.spaces.get(space, {})) for space in spaces if space > after[0])
        names = self.names(after[0])
        return later + len(names) - bisect_right(names, after[1])


class Store:
    def __init__(self) -> None:
        self.version = 1000
        self.oldest = 1000
        """No watch can begin before this version."""

        self.changes: deque[Change] = deque()
        self.listeners: list[Callable[[Change], None]] = []
        self._tables: dict[Key, Table] = {}

    def table(self, key: Key) -> Table:
        return self._tables.setdefault(key, Table())

    def find(self, key: Key, namespace: str, name: str) -> Stored | None:
        return self.table(key).spaces.get(namespace, {}).get(name)

    def get(self, key: Key, namespace: str, name: str) -> Obj | None:
        found = self.find(key, namespace, name)
        return found.obj if found else None

    def all(self, key: Key, namespace: str = "") -> list[Obj]:
        """In no particular order: for controllers."""
        table = self.table(key)
        if namespace:
            return [one.obj for one in table.spaces.get(namespace, {}).values()]
        return [one.obj for space in table.spaces.values() for one in space.values()]

    def put(self, key: Key, obj: Obj) -> Obj:
        """As it stands from now, with a version of its own."""
        meta = obj["metadata"]
        namespace, name = meta.get("namespace", ""), meta["name"]
        self.version += 1
        first: Obj = {name: obj[name] for name in ("apiVersion", "kind") if name in obj}
        obj = {**first, **obj, "metadata": {**meta, "resourceVersion": str(self.version)}}
        space = self.table(key).spaces.setdefault(namespace, {})
        before, now = space.get(name), Stored(obj, self.version)
        space[name] = now
        if before is None:
            self.table(key).moved(namespace)
        self._tell(Change("MODIFIED" if before else "ADDED", key, namespace, name, now, before))
        return obj

    def drop(self, key: Key, namespace: str, name: str) -> Obj | None:
        before = self.table(key).spaces.get(namespace, {}).pop(name, None)
        if before is None:
            return None
        self.table(key).moved(namespace)
        self.version += 1
        obj = {**before.obj, "metadata": {**before.obj["metadata"], "resourceVersion": str(self.version)}}
        self._tell(Change("DELETED", key, namespace, name, Stored(obj, self.version), before))
        return obj

    def compact(self) -> None:
        self.version += 1
        self.changes.clear()
        self.oldest = self.version

    def since(self, version: int) -> list[Change]:
        found: list[Change] = []
        for change in reversed(self.changes):
            if change.now.version <= version:
                break
            found.append(change)
        return found[::-1]

    def _tell(self, change: Change) -> None:
        self.changes.append(change)
        if len(self.changes) > HISTORY:
            self.oldest = self.changes.popleft().now.version
        for listener in list(self.listeners):
            listener(change)
