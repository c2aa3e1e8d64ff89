"""Label and field selectors, as the server reads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.kube.errors import ApiError
from tests.kube.store import Obj

Test = Callable[[Obj], bool]

_SET = re.compile(r"^\s*([^\s!=(),]+)\s+(in|notin)\s*\(([^()]*)\)\s*$")
_EQUAL = re.compile(r"^\s*([^\s!=(),]+)\s*(==|=|!=)\s*([^\s!=(),]*)\s*$")
_THERE = re.compile(r"^\s*(!?)\s*([^\s!=(),]+)\s*$")


def _parts(text: str) -> list[str]:
    """At the commas outside of brackets."""
    return [part for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def labels_of(obj: Obj) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def _requirement(part: str) -> Callable[[dict[str, str]], bool]:
    if match := _SET.match(part):
        name, word, values = match.groups()
        among = {value.strip() for value in values.split(",")}
        # A label that is not there is "not in" whatever the list.
        return (lambda has: has.get(name) in among) if word == "in" else (lambda has: has.get(name) not in among)
    if match := _EQUAL.match(part):
        name, sign, value = match.groups()
        return (lambda has: has.get(name) != value) if sign == "!=" else (lambda has: has.get(name) == value)
    if match := _THERE.match(part):
        absent, name = match.groups()
        return lambda has: (name in has) is (absent == "")
    raise ApiError(400, f"unable to parse requirement: found {part!r}")


def by_labels(text: str) -> Test:
    tests = [_requirement(part) for part in _parts(text)]
    return lambda obj: all(test(labels_of(obj)) for test in tests)


def by_selector(selector: dict[str, Any] | None) -> Test:
    """A LabelSelector of a spec; an empty one finds everything, none finds nothing."""
    if selector is None:
        return lambda obj: False
    wanted: dict[str, str] = selector.get("matchLabels") or {}
    more: list[dict[str, Any]] = selector.get("matchExpressions") or []

    def holds(one: dict[str, Any], has: dict[str, str]) -> bool:
        name, values = one["key"], one.get("values") or []
        match one["operator"]:
            case "In":
                return has.get(name) in values
            case "NotIn":
                return has.get(name) not in values
            case "Exists":
                return name in has
            case _:
                return name not in has

    def test(obj: Obj) -> bool:
        has = labels_of(obj)
        return all(has.get(key) == value for key, value in wanted.items()) and all(holds(one, has) for one in more)

    return test


COMMON_FIELDS = {"metadata.name", "metadata.namespace"}
FIELDS: dict[str, set[str]] = {
    "pods": {
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    },
    "events": {
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    },
    "namespaces": {"status.phase"},
    "secrets": {"type"},
    "nodes": {"spec.unschedulable"},
    "replicasets": {"status.replicas"},
    "jobs": {"status.successful"},
}
"""What each resource can be selected by beside its name; anything else is refused, as the server does."""


def _value(obj: Obj, path: str) -> str:
    found: Any = obj
    for word in path.split("."):
        found = found.get(word) if isinstance(found, dict) else None
    return "" if found is None else str(found)


def by_fields(text: str, plural: str) -> Test:
    tests: list[Test] = []
    for part in _parts(text):
        match = _EQUAL.match(part)
        if not match:
            raise ApiError(400, f"invalid selector: '{part}'; can't understand '{part}'")
        path, sign, value = match.groups()
        if path not in COMMON_FIELDS | FIELDS.get(plural, set()):
            raise ApiError(400, f"field label not supported: {path}", "BadRequest")
        tests.append(_field_test(path, value, sign != "!="))
    return lambda obj: all(test(obj) for test in tests)


def _field_test(path: str, value: str, same: bool) -> Test:
    return lambda obj: (_value(obj, path) == value) is same
