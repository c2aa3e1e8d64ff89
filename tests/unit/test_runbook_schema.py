"""The published schema and the loader say the same of a file's shape."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from warroom.runbook import RunbookInvalid, load
from warroom.runbook.loader import DEFAULT_FILE
from warroom.runbook.nodes import as_json, compose
from warroom.runbook.schema import SCHEMA_FILE, json_schema, schema_text
from warroom.runbook.starter import STARTER_FILE

SAMPLES = Path(__file__).with_name("runbook_samples")
GOOD = sorted(SAMPLES.glob("good_*.yaml"))
BAD = sorted(SAMPLES.glob("bad_*.yaml"))
SCHEMA = json_schema()


def test_the_committed_copy_is_fresh() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), (
        "stale; write it again: warroom schema > src/warroom/runbook/schema.json"
    )


def test_it_speaks_the_file_s_language() -> None:
    assert "from" in SCHEMA["$defs"]["Question"]["properties"]
    assert "for" in SCHEMA["$defs"]["Condition"]["properties"]
    assert "with" in SCHEMA["$defs"]["StepDecl"]["properties"]
    assert "extends" in SCHEMA["properties"]
    assert not [word for word in ("from_", "for_", "with_") if f'"{word}"' in json.dumps(SCHEMA)]


@pytest.mark.parametrize("path", [*GOOD, DEFAULT_FILE, STARTER_FILE], ids=lambda path: path.stem)
def test_good_files(path: Path) -> None:
    load(path)
    assert fits(SCHEMA, _data(path))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_files(path: Path) -> None:
    assert not fits(SCHEMA, _data(path))
    with pytest.raises(RunbookInvalid):
        load(path)


def test_there_are_samples() -> None:
    assert len(GOOD) >= 3
    assert len(BAD) >= 10


def _data(path: Path) -> Any:
    return as_json(compose(path.read_text(encoding="utf-8"), str(path)).root)


TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
KNOWN = {
    "$schema", "$defs", "$ref", "title", "description", "default", "discriminator", "type", "enum", "const", "anyOf",
    "oneOf", "not", "required", "properties", "patternProperties", "propertyNames", "additionalProperties", "items",
    "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "minProperties",
}  # fmt: skip


def fits(schema: Any, value: Any) -> bool:
    """Does the value fit? As much of JSON Schema as ours uses; a word that is not known here fails the test."""
    if isinstance(schema, bool):
        return schema
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "$ref" in schema and not fits(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], value):
        return False
    kinds = TYPES.get(schema.get("type", ""), (object,))
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds and object not in kinds):
        return False
    return (
        ("enum" not in schema or value in schema["enum"])
        and ("const" not in schema or value == schema["const"])
        and ("anyOf" not in schema or any(fits(each, value) for each in schema["anyOf"]))
        and ("oneOf" not in schema or sum(fits(each, value) for each in schema["oneOf"]) == 1)
        and ("not" not in schema or not fits(schema["not"], value))
        and _object(schema, value)
        and _list(schema, value)
        and _text(schema, value)
        and _number(schema, value)
    )


def _object(schema: Any, value: Any) -> bool:
    if not isinstance(value, dict):
        return True
    if not set(schema.get("required", ())) <= set(value) or len(value) < schema.get("minProperties", 0):
        return False
    for key, each in value.items():
        named = [schema["properties"][key]] if key in schema.get("properties", {}) else []
        named += [s for pattern, s in schema.get("patternProperties", {}).items() if re.search(pattern, key)]
        rest = [] if named else [schema.get("additionalProperties", True)]
        if not all(fits(s, each) for s in (*named, *rest)) or not fits(schema.get("propertyNames", True), key):
            return False
    return True


def _list(schema: Any, value: Any) -> bool:
    if not isinstance(value, list):
        return True
    return len(value) >= schema.get("minItems", 0) and all(fits(schema.get("items", True), each) for each in value)


def _text(schema: Any, value: Any) -> bool:
    if not isinstance(value, str):
        return True
    length = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
    return length and ("pattern" not in schema or re.search(schema["pattern"], value) is not None)


def _number(schema: Any, value: Any) -> bool:
    if not isinstance(value, (int, float)):
        return True
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
