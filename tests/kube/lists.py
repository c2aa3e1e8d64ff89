"""Lists by page, each page of the version at which the first was taken; and watches from a version."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.kube.errors import ApiError, expired
from tests.kube.resources import Resource
from tests.kube.selectors import Test, by_fields, by_labels
from tests.kube.store import Change, Obj, Store, Stored

LATE = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You can start a new list without the continue parameter."
)


@dataclass(frozen=True)
class Scope:
    """What a list or a watch is about."""

    of: Resource
    namespace: str
    name: str = ""
    """A watch of one object by its path."""

    labels: str = ""
    fields: str = ""

    @staticmethod
    def of_query(of: Resource, namespace: str, name: str, query: Mapping[str, str]) -> Scope:
        return Scope(of, namespace, name, query.get("labelSelector", ""), query.get("fieldSelector", ""))

    def test(self) -> Test:
        tests: list[Test] = []
        if self.labels:
            tests.append(by_labels(self.labels))
        if self.fields:
            tests.append(by_fields(self.fields, self.of.plural))
        if self.name:
            tests.append(lambda obj: obj["metadata"]["name"] == self.name)
        return lambda obj: all(test(obj) for test in tests)


def page(store: Store, scope: Scope, query: Mapping[str, str]) -> bytes:
    limit = _number(query, "limit")
    version, after = store.version, ("", "")
    if token := query.get("continue", ""):
        version, after = _opened(token)
        if version < store.oldest:
            raise expired(LATE)
    elif query.get("resourceVersionMatch") == "Exact":
        version = _number(query, "resourceVersion")
        if version < store.oldest:
            raise expired(f"The resourceVersion for the provided list is too old: {version}")
    elif _number(query, "resourceVersion") > store.version:
        raise ApiError(
            504, f"Too large resource version: {query['resourceVersion']}, current: {store.version}", "Timeout"
        )
    test, more = scope.test(), False
    shown: list[Row] = []
    for row in _at(store, scope, version, after):
        if test(row[2].obj):
            if limit and len(shown) == limit:
                more = True
                break
            shown.append(row)
    meta: Obj = {"resourceVersion": str(version)}
    if more:
        last = shown[-1][:2]
        meta["continue"] = _token(version, *last)
        if not (scope.labels or scope.fields):
            meta["remainingItemCount"] = store.table(scope.of.key).left(scope.namespace, last)
    head = {"kind": f"{scope.of.kind}List", "apiVersion": scope.of.api_version, "metadata": meta}
    # Of its own resources the server leaves kind and apiVersion out of a list's items; of custom ones it doesn't.
    own = json.dumps({"apiVersion": scope.of.api_version, "kind": scope.of.kind}, separators=(",", ":")).encode()[1:-1]
    cut = b"" if scope.of.custom else own + b","
    body = b",".join(b"{" + one.json()[1:].removeprefix(cut) for _, _, one in shown)
    return json.dumps(head).encode()[:-1] + b', "items": [' + body + b"]}"


Row = tuple[str, str, Stored]


def _at(store: Store, scope: Scope, version: int, after: tuple[str, str]) -> Iterator[Row]:
    """As it stood then, from there on."""
    now = store.table(scope.of.key).each(scope.namespace, after)
    was: dict[tuple[str, str], Stored | None] = {}
    if version < store.version:
        for change in store.since(version):
            if change.key == scope.of.key and scope.namespace in ("", change.namespace):
                was.setdefault((change.namespace, change.name), change.before)
    if not was:
        return now
    kept = [row for row in now if row[:2] not in was]
    kept += [(*name, one) for name, one in was.items() if one and name > after]
    return iter(sorted(kept, key=lambda row: row[:2]))


def _number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "") or "0"
    if not text.isdigit():
        raise ApiError(400, f"invalid {name}: {text!r}")
    return int(text)


def _token(version: int, namespace: str, name: str) -> str:
    raw = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": [namespace, name]}).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _opened(token: str) -> tuple[int, tuple[str, str]]:
    try:
        raw = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(raw["rv"]), (raw["start"][0], raw["start"][1])
    except (ValueError, KeyError, TypeError):
        raise ApiError(400, "continue key is not valid") from None


# ---- watches

END = b""
"""A queue's last word: the server closes this watch."""


class Watch:
    """Events as lines; what does not concern it never enters its queue."""

    def __init__(self, scope: Scope, bookmarks: bool) -> None:
        self.scope, self.bookmarks = scope, bookmarks
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._test = scope.test()

    def concerns(self, change: Change) -> bool:
        return change.key == self.scope.of.key and self.scope.namespace in ("", change.namespace)

    def line(self, change: Change) -> bytes:
        """b"" when it is none of this watch's."""
        now = change.kind != "DELETED" and self._test(change.now.obj)
        before = change.before is not None and self._test(change.before.obj)
        if now:
            return event("MODIFIED" if before else "ADDED", change.now.json())
        if not before:
            return b""
        if change.kind == "DELETED" or change.before is None:
            return event("DELETED", change.now.json())
        # It left the selection: as it was, at the version of the change.
        gone = change.before.obj
        gone = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(change.now.version)}}
        return event("DELETED", json.dumps(gone).encode())

    def bookmark(self, version: int, first: bool = False) -> bytes:
        meta: Obj = {"resourceVersion": str(version), "creationTimestamp": None}
        if first:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        kind = {"kind": self.scope.of.kind, "apiVersion": self.scope.of.api_version, "metadata": meta}
        return event("BOOKMARK", json.dumps(kind).encode())


def event(kind: str, obj: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), obj)


class Watches:
    """All that are open. A store's listener."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.open: list[Watch] = []
        store.listeners.append(self._changed)

    def _changed(self, change: Change) -> None:
        for watch in self.open:
            if watch.concerns(change) and (line := watch.line(change)):
                watch.queue.put_nowait(line)

    def end(self) -> None:
        for watch in self.open:
            watch.queue.put_nowait(END)

    def bookmark(self) -> None:
        for watch in self.open:
            if watch.bookmarks:
                watch.queue.put_nowait(watch.bookmark(self.store.version))

    async def lines(self, scope: Scope, query: Mapping[str, str], wait: Callable[[], float]) -> AsyncIterator[bytes]:
        """``wait`` is how long between two bookmarks, in seconds."""
        asked = _number(query, "resourceVersion")
        watch = Watch(scope, query.get("allowWatchBookmarks") in ("true", "1"))
        initial = query.get("sendInitialEvents") in ("true", "1")
        if asked and asked < self.store.oldest:
            gone = expired(f"too old resource version: {asked} ({self.store.oldest})")
            yield event("ERROR", json.dumps(gone.status()).encode())
            return
        if not asked or initial:
            test = scope.test()
            for _, _, one in self.store.table(scope.of.key).each(scope.namespace):
                if test(one.obj):
                    watch.queue.put_nowait(event("ADDED", one.json()))
            if initial and watch.bookmarks:
                watch.queue.put_nowait(watch.bookmark(self.store.version, first=True))
        else:
            for change in self.store.since(asked):
                if watch.concerns(change) and (line := watch.line(change)):
                    watch.queue.put_nowait(line)
        self.open.append(watch)
        loop, seconds = asyncio.get_running_loop(), _number(query, "timeoutSeconds")
        end = loop.time() + seconds if seconds else float("inf")
        try:
            while True:
                try:
                    async with asyncio.timeout(min(wait(), end - loop.time())):
                        line = await watch.queue.get()
                except TimeoutError:
                    over = loop.time() >= end
                    if watch.bookmarks:
                        yield watch.bookmark(self.store.version)
                    if over:
                        return
                    continue
                if line == END:
                    return
                yield line
        finally:
            self.open.remove(watch)
