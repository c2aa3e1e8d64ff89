"""Objects for evidence: as the API served them, without the values that templates give to containers.

They stand in more places than one: in the template, in what kubectl last applied, in stored revisions. A Secret is
never asked for; should one be met, only the names of its keys are kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from warroom_kubernetes.objects.controllers import LAST_APPLIED

WITHHELD = "‹withheld›"
_PAIRS = ("env", "httpHeaders")
"""Lists of ``name`` and ``value``."""


def withheld(thing: Any, *, managed: bool = False) -> Any:
    """A copy. ``managed``: managedFields are kept, which say who set what and hold no values."""
    if isinstance(thing, list):
        return [withheld(one, managed=managed) for one in thing]
    if not isinstance(thing, Mapping):
        return thing
    found: dict[str, Any] = {}
    secret = thing.get("kind") == "Secret"
    for name, value in thing.items():
        if name == "managedFields" and not managed:
            continue
        if secret and name in ("data", "stringData") and isinstance(value, Mapping):
            found[name] = dict.fromkeys(value, WITHHELD)
        elif name in _PAIRS and isinstance(value, list):
            found[name] = [_pair(one) for one in value]
        elif name == "annotations" and isinstance(value, Mapping):
            found[name] = {key: _applied(one) if key == LAST_APPLIED else one for key, one in value.items()}
        else:
            found[name] = withheld(value, managed=managed)
    return found


def _pair(one: Any) -> Any:
    if isinstance(one, Mapping) and one.get("value") not in (None, ""):
        return {**one, "value": WITHHELD}
    return one


def _applied(text: Any) -> Any:
    """The same object once more, as text."""
    try:
        told = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return WITHHELD
    return json.dumps(withheld(told), ensure_ascii=False)
