"""Who set what on an object, by its managedFields: the field manager is the only name that the API keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from warroom_kubernetes.objects.moments import NEVER, instant

TEMPLATE = ("spec", "template")


@dataclass(frozen=True)
class Writer:
    """``at`` is when this manager last wrote anything to the object; ``fields`` are paths below what was asked for."""

    manager: str
    operation: str
    at: datetime | None
    fields: tuple[str, ...] = ()
    subresource: str = ""

    @property
    def words(self) -> str:
        return f"{self.manager}{f', {self.at:%Y-%m-%d %H:%M:%S} UTC' if self.at is not None else ''}"


def writers(thing: Mapping[str, Any], below: Sequence[str] = TEMPLATE) -> list[Writer]:
    """Who owns fields there, newest first. One that is taken over is no longer its earlier owner's."""
    found = []
    for entry in (thing.get("metadata") or {}).get("managedFields") or ():
        if not isinstance(entry, Mapping):
            continue
        owned: Any = entry.get("fieldsV1")
        for word in below:
            owned = owned.get(f"f:{word}") if isinstance(owned, Mapping) else None
        if isinstance(owned, Mapping):
            found.append(
                Writer(
                    str(entry.get("manager") or "unknown"),
                    str(entry.get("operation") or ""),
                    instant(entry.get("time")),
                    tuple(sorted(_paths(owned))),
                    str(entry.get("subresource") or ""),
                )
            )
    return sorted(found, key=lambda one: one.at or NEVER, reverse=True)


def _paths(owned: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """``spec.containers[app].image`` for ``f:spec``, ``f:containers``, ``k:{"name":"app"}``, ``f:image``."""
    inner = {word: one for word, one in owned.items() if word != "."}
    if not inner and at:
        yield at.lstrip(".")
    for word, one in inner.items():
        yield from _paths(one if isinstance(one, Mapping) else {}, at + _word(word))


def _word(word: str) -> str:
    kind, _, rest = word.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind != "k":
        return f"[{rest}]"
    try:
        keys = json.loads(rest)
    except (ValueError, RecursionError):
        return f"[{rest}]"
    return f"[{','.join(str(value) for value in keys.values())}]" if isinstance(keys, dict) else f"[{rest}]"
