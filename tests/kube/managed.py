"""managedFields: who last set which field, as server-side bookkeeping for updates and patches has it."""

from __future__ import annotations

from typing import Any

from tests.kube.patches import MERGE_KEYS
from tests.kube.store import Obj

UNTRACKED = {
    ("apiVersion",),
    ("kind",),
    ("metadata", "name"),
    ("metadata", "namespace"),
    ("metadata", "uid"),
    ("metadata", "resourceVersion"),
    ("metadata", "generation"),
    ("metadata", "creationTimestamp"),
    ("metadata", "deletionTimestamp"),
    ("metadata", "managedFields"),
    ("metadata", "selfLink"),
}

Path = tuple[str, ...]


def _keyed(field: str, value: list[Any]) -> str:
    for key in MERGE_KEYS.get(field, ()):
        if value and all(isinstance(one, dict) and key in one for one in value):
            return key
    return ""


def leaves(value: Any, at: Path = (), field: str = "") -> dict[Path, Any]:
    """Each field that can be owned by itself, in fieldsV1's words, and its value."""
    if isinstance(value, dict):
        if not value:
            return {at: {}}
        found: dict[Path, Any] = {}
        for name, one in value.items():
            found |= leaves(one, (*at, f"f:{name}"), name)
        return found
    if isinstance(value, list) and (key := _keyed(field, value)):
        found = {}
        for one in value:
            item = (*at, f'k:{{"{key}":{_quoted(one[key])}}}')
            found[(*item, ".")] = True
            found |= leaves(one, item)
        return found
    return {at: value}


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _fields(obj: Obj, status: bool) -> dict[Path, Any]:
    found: dict[Path, Any] = {}
    for top, value in obj.items():
        if (top == "status") != status or (top,) in UNTRACKED:
            continue
        if top == "metadata":
            kept = {name: one for name, one in value.items() if (top, name) not in UNTRACKED}
            found |= leaves(kept, (f"f:{top}",), top) if kept else {}
        else:
            found |= leaves(value, (f"f:{top}",), top)
    return found


def _tree(paths: set[Path]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path in sorted(paths):
        node = root
        for word in path:
            node = node.setdefault(word, {})
    return root


def _paths(tree: dict[str, Any], at: Path = ()) -> set[Path]:
    if not tree:
        return {at} if at else set()
    found: set[Path] = set()
    for word, below in tree.items():
        found |= _paths(below, (*at, word))
    return found


def managed(obj: Obj, before: Obj | None, manager: str, api_version: str, now: str, status: bool) -> list[Obj]:
    """The entries after this change; those whose fields another has set lose them."""
    new = _fields(obj, status)
    old = _fields(before, status) if before else {}
    mine = {path for path, value in new.items() if path not in old or old[path] != value}
    entries: list[Obj] = []
    own = False
    for entry in (before or {}).get("metadata", {}).get("managedFields", []):
        if entry.get("subresource", "") != ("status" if status else ""):
            entries.append(entry)
            continue
        held = _paths(entry["fieldsV1"])
        if entry["manager"] == manager:
            left = {path for path in held | mine if path in new}
            own = True
        else:
            left = {path for path in held - mine if path in new}
        if left == held and (entry["manager"] != manager or not mine):
            entries.append(entry)
        elif left:
            time = now if entry["manager"] == manager and mine else entry["time"]
            entries.append({**entry, "time": time, "fieldsV1": _tree(left)})
    if mine and not own:
        entry = {"manager": manager, "operation": "Update", "apiVersion": api_version, "time": now}
        entry |= {"fieldsType": "FieldsV1", "fieldsV1": _tree(mine)}
        entries.append(entry | ({"subresource": "status"} if status else {}))
    return entries
