"""JSON patches (RFC 6902) that change an object only while it is still what was seen.

The server applies the tests and changes of one patch as one, and tries again by itself where only the version moved:
so a write of status, or of an autoscaler, does not disturb it, and a change of what is tested refuses all of it (422).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from warroom.model.base import canonical, sha256
from warroom_kubernetes.objects.controllers import LAST_APPLIED
from warroom_kubernetes.objects.templates import plain

Op = dict[str, JsonValue]
Hidden = Callable[[JsonValue], bool]

SKIPPED_ANNOTATIONS = frozenset(
    {
        LAST_APPLIED,
        "deployment.kubernetes.io/revision",
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.deployment.rollback.to",
    }
)
"""Those that `kubectl rollout undo` leaves on a Deployment as they are."""
OURS = "warroom/"
"""Begins the annotations by which warroom keeps what it has to put back. They belong to no revision, though the
controller copies them to its ReplicaSets.
"""

LONGEST_NOTE, MOST_PARTS = 16_384, 200
"""Characters, and objects and lists, of what warroom notes on an object as JSON."""


class Carries(Exception):
    """The change would carry what is secret at this path, and that may stand in no plan."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def pointer(*words: str | int) -> str:
    return "".join("/" + str(word).replace("~", "~0").replace("/", "~1") for word in words)


def test(path: str, value: JsonValue) -> Op:
    """``value`` None: nothing is there."""
    return {"op": "test", "path": path, "value": value}


def put(path: str, value: JsonValue) -> Op:
    """Sets it, whether or not it was there; what holds it must be."""
    return {"op": "add", "path": path, "value": value}


def replace(path: str, value: JsonValue) -> Op:
    return {"op": "replace", "path": path, "value": value}


def remove(path: str) -> Op:
    return {"op": "remove", "path": path}


def template_hash(template: Mapping[str, Any]) -> str:
    """Of what it says, however it is written: what the cluster adds to a stored one does not count."""
    return sha256(canonical(plain(template)))


def replaced(path: str, old: JsonValue, new: JsonValue, hidden: Hidden) -> list[Op]:
    """From ``old`` to ``new`` as a whole: tested first. Where a secret stands in either, only what differs is named.

    Raises ``Carries`` where what differs is itself secret.
    """
    if not hidden(old) and not hidden(new):
        return [test(path, old), replace(path, new)]
    return [*_tests(path, old, hidden), *_changes(path, old, new, hidden)]


def _tests(path: str, value: JsonValue, hidden: Hidden) -> Iterator[Op]:
    """Everything but the secrets, in pieces as large as can be."""
    if not hidden(value):
        yield test(path, value)
    elif isinstance(value, dict):
        for key, item in value.items():
            # A variable's name may be what makes its value secret: alone, the value would not look it.
            if not (_variable(value) and key == "value"):
                yield from _tests(path + pointer(key), item, hidden)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _tests(path + pointer(index), item, hidden)


def _variable(value: Mapping[str, Any]) -> bool:
    return "name" in value and "value" in value


def _changes(path: str, old: JsonValue, new: JsonValue, hidden: Hidden) -> Iterator[Op]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        if not hidden(old) and not hidden(new):
            yield replace(path, new)
            return
        if hidden(new) and _variable(new) and old.get("value") != new["value"]:
            raise Carries(path)
        for key in [key for key in old if key not in new]:
            yield remove(path + pointer(key))
        for key, item in new.items():
            if key in old:
                yield from _changes(path + pointer(key), old[key], item, hidden)
            else:
                yield put(path + pointer(key), _shown(path, item, hidden))
    elif isinstance(old, list) and isinstance(new, list) and (hidden(old) or hidden(new)):
        yield from _in_list(path, old, new, hidden)
    else:
        yield replace(path, _shown(path, new, hidden))


def _in_list(path: str, old: list[JsonValue], new: list[JsonValue], hidden: Hidden) -> Iterator[Op]:
    """What is secret stays where it is, and what stands between is replaced. From the end to the beginning, so that
    what is still to be changed keeps its place."""
    end_old, end_new = len(old), len(new)
    for at_old, at_new in [*reversed(_anchors(old, new, hidden)), (-1, -1)]:
        between = old[at_old + 1 : end_old], new[at_new + 1 : end_new]
        if between[0] != between[1]:
            for index in reversed(range(at_old + 1, end_old)):
                yield remove(path + pointer(index))
            for item in reversed(between[1]):
                yield put(path + pointer(at_old + 1), _shown(path, item, hidden))
        if at_old >= 0:
            yield from _changes(path + pointer(at_old), old[at_old], new[at_new], hidden)
        end_old, end_new = at_old, at_new


def _anchors(old: list[JsonValue], new: list[JsonValue], hidden: Hidden) -> list[tuple[int, int]]:
    """Pairs of places of what is secret in either list and stands in both, in the order of both."""
    secret = {_key(item) for item in [*old, *new] if hidden(item)}
    mine, theirs = ([n for n, item in enumerate(items) if _key(item) in secret] for items in (old, new))
    keys = [_key(old[n]) for n in mine], [_key(new[n]) for n in theirs]
    matched = difflib.SequenceMatcher(None, *keys, autojunk=False).get_matching_blocks()
    return [(mine[a + step], theirs[b + step]) for a, b, size in matched for step in range(size)]


def _key(item: JsonValue) -> bytes:
    """What is told apart by a name keeps its place in the list while it changes."""
    if isinstance(item, dict) and isinstance(item.get("name"), str):
        return canonical({"name": item["name"]})
    return canonical(item)


def _shown(path: str, value: JsonValue, hidden: Hidden) -> JsonValue:
    if hidden(value):
        raise Carries(path)
    return value


def _nothing(value: JsonValue) -> bool:
    return False


def annotated(now: Mapping[str, str] | None, wanted: Mapping[str, str], hidden: Hidden = _nothing) -> list[Op]:
    """As `kubectl rollout undo` leaves them: ``wanted``, and those it never touches as they are.

    One by one, since the controller writes its own beside them. What is taken away is tested first. One that holds a
    secret is neither put nor tested: what is there stays, such as a change cause with a password in its command.
    """
    wanted = {key: value for key, value in wanted.items() if not _kept(key) and not hidden({key: value})}
    if now is None:
        put_all: dict[str, JsonValue] = dict(wanted)
        at = "/metadata/annotations"
        return [test(at, None), put(at, put_all)] if put_all else []
    ops: list[Op] = []
    for key, value in sorted(wanted.items()):
        if now.get(key) != value:
            ops.append(put(pointer("metadata", "annotations", key), value))
    for key in sorted(now):
        if not _kept(key) and key not in wanted and not hidden({key: now[key]}):
            at = pointer("metadata", "annotations", key)
            ops += [test(at, now[key]), remove(at)]
    return ops


def _kept(key: str) -> bool:
    return key in SKIPPED_ANNOTATIONS or key.startswith(OURS)


def noted(thing: Mapping[str, Any], key: str, value: str | None) -> list[Op]:
    """Sets one annotation, and leaves what others have noted meanwhile; None takes it away, only while it is what it
    is now."""
    found = (thing.get("metadata") or {}).get("annotations")
    if value is None:
        at = pointer("metadata", "annotations", key)
        return [test(at, found[key]), remove(at)] if found and key in found else []
    if not found:  # an empty map, as a way back leaves it, is served as none by some kinds, and kept by others
        alone = [test("/metadata/annotations", None)] if found is None else []
        return [*alone, put("/metadata/annotations", {key: value})]
    return [put(pointer("metadata", "annotations", key), value)]


def noted_json(text: str) -> JsonValue:
    """What warroom has noted on an object, where whoever may change that writes what they like. Raises ValueError."""
    if len(text) > LONGEST_NOTE or text.count("[") + text.count("{") > MOST_PARTS:
        raise ValueError("longer or deeper than anything that warroom notes")
    found: JsonValue = json.loads(text)
    json.dumps(found, allow_nan=False)
    return found


def value_at(thing: Any, path: str) -> Any:
    """None where there is nothing."""
    for word in path.split("/")[1:]:
        key = word.replace("~1", "/").replace("~0", "~")
        if isinstance(thing, list):
            thing = thing[int(key)] if key.isdigit() and int(key) < len(thing) else None
        else:
            thing = thing.get(key) if isinstance(thing, Mapping) else None
    return thing
