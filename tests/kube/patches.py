"""The three kinds of patch: RFC 6902 with its tests, RFC 7386, and Kubernetes' strategic merge."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from tests.kube.errors import ApiError


class PatchError(Exception):
    """It can't be applied to what stands."""


# ---- JSON patch


def _words(pointer: str) -> list[str]:
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        raise PatchError(f'JSON Pointer should be empty or start with "/", found {pointer!r}')
    return [word.replace("~1", "/").replace("~0", "~") for word in pointer[1:].split("/")]


def _index(word: str, longest: int) -> int:
    if word == "-":
        return longest
    if not word.isdigit() or int(word) > longest:
        raise PatchError(f"Unable to access invalid index: {word}")
    return int(word)


def _look(doc: Any, words: list[str], pointer: str) -> Any:
    for word in words:
        if isinstance(doc, dict) and word in doc:
            doc = doc[word]
        elif isinstance(doc, list) and _index(word, len(doc)) < len(doc):
            doc = doc[_index(word, len(doc))]
        else:
            raise PatchError(f"doc is missing path: {pointer}: missing value")
    return doc


def _add(doc: Any, pointer: str, value: Any) -> Any:
    words = _words(pointer)
    if not words:
        return value
    parent = _look(doc, words[:-1], pointer)
    if isinstance(parent, dict):
        parent[words[-1]] = value
    elif isinstance(parent, list):
        parent.insert(_index(words[-1], len(parent)), value)
    else:
        raise PatchError(f"add operation does not apply: doc is missing path: {pointer!r}: missing value")
    return doc


def _remove(doc: Any, pointer: str, what: str = "remove") -> Any:
    words = _words(pointer)
    try:
        parent = _look(doc, words[:-1], pointer)
        _look(parent, words[-1:], pointer)
    except PatchError:
        raise PatchError(f'{what} operation does not apply: doc is missing path: "{pointer}": missing value') from None
    if isinstance(parent, dict):
        return parent.pop(words[-1])
    return parent.pop(_index(words[-1], len(parent)))


def _same(one: Any, two: Any, odd: frozenset[str]) -> bool:
    """JSON's equality: a boolean is no number. The server's library compares texts as they are written."""
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_same(one[key], two[key], odd) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(_same(a, b, odd) for a, b in zip(one, two, strict=True))
    return type(one) is type(two) and bool(one == two) and not (isinstance(two, str) and two in odd)


_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')
_GO = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def oddly_written(body: bytes) -> frozenset[str]:
    """The texts in it that Go's encoder, which the server writes its own side with, would write with other bytes."""
    odd: set[str] = set()
    for token in _TEXT.findall(body):
        text = json.loads(token)
        usual = "".join(_GO.get(letter, letter) for letter in json.dumps(text, ensure_ascii=False))
        if usual.encode() != token:
            odd.add(text)
    return frozenset(odd)


def json_patch(doc: Any, steps: Any, odd: frozenset[str] = frozenset()) -> Any:
    """All of it or nothing: ``doc`` itself is never changed. PatchError where it does not apply."""
    if not isinstance(steps, list):
        raise ApiError(400, "error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    doc = copy.deepcopy(doc)
    for step in steps:
        path, value = step.get("path", ""), copy.deepcopy(step.get("value"))
        match step.get("op"):
            case "add":
                doc = _add(doc, path, value)
            case "remove":
                _remove(doc, path)
            case "replace":
                if path:
                    _remove(doc, path, "replace")
                doc = _add(doc, path, value)
            case "test":
                doc = _tested(doc, path, value, odd)
            case "move":
                doc = _add(doc, path, _remove(doc, step["from"], "move"))
            case "copy":
                doc = _add(doc, path, copy.deepcopy(_look(doc, _words(step["from"]), step["from"])))
            case unknown:
                raise ApiError(400, f"Unexpected kind: {unknown}")
    return doc


def _tested(doc: Any, path: str, value: Any, odd: frozenset[str]) -> Any:
    try:
        found = _look(doc, _words(path), path)
    except PatchError:
        if value is None:  # A path that is not there equals null, as the server's library has it.
            return doc
        raise PatchError(f"testing path {path} failed: value is missing") from None
    if not _same(found, value, odd):
        raise PatchError(f"testing value {path} failed: test failed")
    return doc


# ---- merge patch


def merge_patch(doc: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(doc) if isinstance(doc, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


# ---- strategic merge patch

MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "ports": ("containerPort", "port"),
    "secrets": ("name",),
    "taints": ("key",),
    "addresses": ("type",),
}
"""The list fields with ``patchStrategy: merge``, and what their items are told apart by. ``ports`` are a container's
or a Service's. All others are replaced.
"""

MERGED_VALUES = {"finalizers"}
"""Lists of plain values that are joined."""

DIRECTIVES = ("$patch", "$retainKeys")


def _merge_key(field: str, items: list[Any]) -> str:
    for key in MERGE_KEYS.get(field, ()):
        if any(isinstance(item, dict) and key in item for item in items):
            return key
    return ""


def strategic(doc: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    if patch.get("$patch") == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key not in DIRECTIVES}
    result = dict(doc) if isinstance(doc, dict) else {}
    if isinstance(kept := patch.get("$retainKeys"), list):
        result = {key: value for key, value in result.items() if key in kept}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            field = key.partition("/")[2]
            result[field] = [one for one in result.get(field, []) if one not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            if value.get("$patch") == "delete":
                result.pop(key, None)
            else:
                result[key] = strategic(result.get(key), value)
        elif isinstance(value, list):
            order = patch.get(f"$setElementOrder/{key}")
            result[key] = _lists(key, result.get(key) or [], value, order)
        else:
            result[key] = value
    return result


def _lists(field: str, old: list[Any], new: list[Any], order: list[Any] | None) -> list[Any]:
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in new):
        return [copy.deepcopy(item) for item in new if not (isinstance(item, dict) and set(item) == {"$patch"})]
    if field in MERGED_VALUES:
        return [*old, *(item for item in new if item not in old)]
    key = _merge_key(field, [*new, *old])
    if not key:
        return copy.deepcopy(new)
    result = {item[key]: dict(item) for item in old if key in item}
    named: list[Any] = []
    for item in new:
        if key not in item:
            raise ApiError(400, f"map: {item} does not contain declared merge key: {key}")
        if item.get("$patch") == "delete":
            result.pop(item[key], None)
        else:
            result[item[key]] = strategic(result.get(item[key]), item)
            named.append(item[key])
    first = named if order is None else [at for item in order if (at := item.get(key)) in result]
    return [result[at] for at in _ordered(first, [item[key] for item in old if item.get(key) in result])]


def _ordered(first: list[Any], before: list[Any]) -> list[Any]:
    """What the patch names keeps the patch's order; each of the others comes before the first that followed it."""
    places = {at: place for place, at in enumerate(before)}
    result, start = list(first), 0
    for at in before:
        if at in first:
            continue
        later = [n for n in range(start, len(result)) if places.get(result[n], -1) > places[at]]
        start = later[0] if later else len(result)
        result.insert(start, at)
        start += 1
    return result
