"""The requests that change a workload, each with the line that people would paste to do the same."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from warroom.api import BadInput, Facts
from warroom.model.call import API_BODY_LIMIT, ApiCall
from warroom_kubernetes.changes.patching import Op
from warroom_kubernetes.objects.lengths import cut
from warroom_kubernetes.reach.asking import JSON_PATCH
from warroom_kubernetes.reach.gojson import go_json

PATCH_S = 30.0
"""How long the answer to a change may take: admission webhooks have up to 30 s of their own, most answer at once."""
BRIEF = 200
"""Characters that ``ApiCall.brief`` may have."""
LONGEST = 60_000
"""Characters of a line that people can paste: one word of it has 128 kB at most on Linux, and a plan keeps them all."""
ROLLED_OUT = "rolled-out"
"""A condition: what ``workload.completion`` calls done. ``wanted`` are its ``Wanted``'s fields."""
REPLACED = "replaced"
"""A condition: a pod of this name with another UID than ``wanted`` is ready."""
MANAGER = "warroom"
"""By which managedFields tell our own changes from others'."""


@dataclass(frozen=True)
class At:
    """One object, as Calls name it: ``resource`` is what kubectl calls it, ``path`` where it is, ``uid`` which one."""

    kubectl: tuple[str, ...]
    namespace: str
    resource: str
    name: str
    path: str
    uid: str

    @property
    def slashed(self) -> str:
        return f"{self.resource}/{self.name}"

    def line(self, *words: str) -> str:
        """``kubectl --context prod -n shop scale deployment/web …``, quoted."""
        return shlex.join([*self.kubectl, "-n", self.namespace, *words])

    def told(self) -> dict[str, JsonValue]:
        return {
            "kubectl": list(self.kubectl),
            "namespace": self.namespace,
            "resource": self.resource,
            "name": self.name,
            "path": self.path,
            "uid": self.uid,
        }


def at(facts: Facts | Mapping[str, Any]) -> At:
    """Out of what ``At.told`` gave."""
    words = facts["kubectl"]
    assert isinstance(words, list)
    rest = {key: str(facts[key]) for key in ("namespace", "resource", "name", "path", "uid")}
    return At(kubectl=tuple(str(word) for word in words), **rest)


def patch(one: At, ops: Sequence[Op], line: str = "", brief: str = "") -> ApiCall:
    """``line`` where kubectl has a shorter one for the same; else the patch itself, which ``brief`` says in words.

    Raises BadInput where it is more than the API takes of one request.
    """
    if len(go_json(list(ops))) > API_BODY_LIMIT:
        raise BadInput(
            f"The change of {one.slashed} is too large",
            f"its patch has more than {API_BODY_LIMIT // 2**20} MB: its template is tested and replaced as a whole",
            f"do it by hand: {one.line('rollout', 'history', one.slashed)}",
        )
    line = line or patch_line(one, ops)
    if len(line) > LONGEST:
        brief = f"{cut(brief, BRIEF - 40)} (too long to be pasted)"
        line = one.line("get", one.slashed, "-o", "yaml")
    return ApiCall(
        method="PATCH",
        path=one.path,
        query={"fieldManager": MANAGER},
        content_type=JSON_PATCH,
        body=list(ops),
        expect=(200,),
        timeout_s=PATCH_S,
        line=line,
        brief=cut(brief, BRIEF),
    )


def patch_line(one: At, ops: Sequence[Op]) -> str:
    text = go_json(list(ops)).decode()
    return one.line("patch", one.slashed, "--type=json", "-p", text if text.isprintable() else _escaped(text))


def _escaped(text: str) -> str:
    """What can't be printed as kubectl reads it, which takes a patch for YAML: that knows no pair of surrogates."""

    def escape(char: str) -> str:
        return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"

    return "".join(char if char.isprintable() else escape(char) for char in text)


def waiting(one: At, condition: str, wanted: JsonValue, seconds: float, line: str = "") -> ApiCall:
    """Changes nothing: asks until the condition holds, or can't any more."""
    return ApiCall(
        method="GET",
        path=one.path,
        expect=(200,),
        timeout_s=seconds,
        line=line or one.line("get", one.slashed),
        until=condition,
        wanted=wanted,
    )


def look(one: At) -> ApiCall:
    """Changes nothing: where what is wanted stands already, the step has still something to show."""
    return ApiCall(method="GET", path=one.path, expect=(200,), timeout_s=PATCH_S, line=one.line("get", one.slashed))


def delete_pod(one: At) -> ApiCall:
    """Only that very pod: one of the same name that came after it is left alone."""
    return ApiCall(
        method="DELETE",
        path=one.path,
        body={"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": one.uid}},
        expect=(200, 202),
        timeout_s=PATCH_S,
        line=one.line("delete", one.slashed, "--wait=false"),
    )
