"""Reading one value out of a JSON document, and comparing a document with the part of it that is expected."""

from __future__ import annotations

import json
import math
import re
from typing import Annotated, Final

from pydantic import Field, JsonValue

FIELD = r"^(?:/[^\x00-\x1f]{0,200}|[A-Za-z0-9_$-]+(?:\.[A-Za-z0-9_$-]+)*)$"
FieldPath = Annotated[str, Field(pattern=FIELD, max_length=200)]
"""Where in a JSON document: ``memory.used``, ``items.0.id``, or a JSON pointer ``/memory/used``."""


class Missing:
    def __repr__(self) -> str:
        return "missing"


MISSING: Final = Missing()
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def pick(document: JsonValue, path: str) -> JsonValue | Missing:
    """The value at ``path``, or MISSING. Never raises."""
    here = document
    for part in _parts(path):
        if isinstance(here, dict) and part in here:
            here = here[part]
        elif isinstance(here, list) and _INDEX.fullmatch(part) and int(part) < len(here):
            here = here[int(part)]
        else:
            return MISSING
    return here


def _parts(path: str) -> list[str]:
    if path.startswith("/"):
        return [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    return path.split(".")


def number(document: JsonValue, path: str) -> tuple[float | None, str]:
    """(the finite number at ``path``, "") or (None, why there is none). True and "12" are not numbers."""
    found = pick(document, path)
    if isinstance(found, Missing):
        return None, f"the reply has no {path}"
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None, f"{path} is {short(found)}, not a number"
    if not math.isfinite(found):
        return None, f"{path} is not a finite number"
    return float(found), ""


def size(document: JsonValue, path: str) -> tuple[float | None, str]:
    """(how many entries the list or object at ``path`` has, "") or (None, why that can't be told)."""
    found = pick(document, path)
    if isinstance(found, Missing):
        return None, f"the reply has no {path}"
    if not isinstance(found, list | dict):
        return None, f"{path} is {short(found)}, not a list"
    return float(len(found)), ""


def same(expected: JsonValue, found: JsonValue) -> bool:
    """Equal as JSON: 1 and 1.0 are, 1 and true are not."""
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    return expected == found


def lacking(expected: JsonValue, found: JsonValue, where: str = "") -> str:
    """What of ``expected`` is not in ``found``, in words; empty when all of it is.

    An object may have more keys than expected; a list must have the same length.
    """
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return f"{where or 'the reply'} is {short(found)}, an object was expected"
        for key, value in expected.items():
            inner = f"{where}.{key}" if where else key
            if key not in found:
                return f"the reply has no {inner}"
            if why := lacking(value, found[key], inner):
                return why
        return ""
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return next((why for i, (a, b) in pairs if (why := lacking(a, b, f"{where}.{i}" if where else str(i)))), "")
    if same(expected, found):
        return ""
    return f"{where or 'the reply'} is {short(found)}, {short(expected)} was expected"


def short(value: JsonValue, most: int = 60) -> str:
    """The value as JSON, on one line, cut."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else text[: most - 1] + "…"
