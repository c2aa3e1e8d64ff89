"""The JSON Schema of a runbook's *file*, made from the models, for editors and for other programs.

What crosses from one part to another (names that must be there, the tree's answers) no schema says; ``load`` does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from warroom.model.runbook import Runbook
from warroom.runbook.cross import LIMITS
from warroom.runbook.loader import ALWAYS
from warroom.runbook.merge import BASES, KEYED

SCHEMA_FILE = Path(__file__).with_name("schema.json")


def json_schema() -> dict[str, Any]:
    """With ``extends``, most sections may be left out, and an entry may be null, which takes the default's out."""
    schema = Runbook.model_json_schema(by_alias=True, mode="validation")
    whole = list(schema.pop("required"))
    properties: dict[str, Any] = {"extends": {"enum": list(BASES), "description": _EXTENDS}, **schema["properties"]}
    for section in KEYED:
        properties[section] = _removable(properties[section])
    _exactly_one(schema["$defs"]["StepDecl"], ("op", "manual"))
    _exactly_one(schema["$defs"]["Condition"], LIMITS)
    _close(schema)
    _close(properties)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "A warroom runbook",
        "properties": properties,
        "required": [name for name in ALWAYS if name in properties],
        "anyOf": [{"required": ["extends"]}, {"required": whole, "not": {"required": ["extends"]}}],
    }


def schema_text() -> str:
    """The schema as it is published: indented, with a line's end."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


_EXTENDS = "Merged over the default runbook: an entry replaces the entry of its id whole, an empty one takes it out."


def _removable(section: dict[str, Any]) -> dict[str, Any]:
    made = dict(section)
    for key in ("additionalProperties", "patternProperties"):
        value = made.get(key)
        if key == "additionalProperties" and isinstance(value, dict):
            made[key] = {"anyOf": [value, {"type": "null"}]}
        elif isinstance(value, dict):
            made[key] = {pattern: {"anyOf": [entry, {"type": "null"}]} for pattern, entry in value.items()}
    return made


def _close(node: Any) -> None:
    """Keys that are no names are refused: a pattern alone lets others through unchecked."""
    if isinstance(node, dict):
        if "patternProperties" in node:
            node.setdefault("additionalProperties", False)
        for each in node.values():
            _close(each)
    elif isinstance(node, list):
        for each in node:
            _close(each)


def _exactly_one(definition: dict[str, Any], names: tuple[str, ...]) -> None:
    """One of these keys, not null; as a file that has none or two of them would be refused."""
    for name in names:
        kept = [each for each in definition["properties"][name].get("anyOf", []) if each != {"type": "null"}]
        if kept:
            one = kept[0] if len(kept) == 1 else {"anyOf": kept}
            about = {k: v for k, v in definition["properties"][name].items() if k not in ("anyOf", "default")}
            definition["properties"][name] = {**about, **one}
    definition["oneOf"] = [{"required": [name]} for name in names]
