"""The one place where text from outside becomes text of ours: control bytes made visible, secrets taken out."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, JsonValue

Model = TypeVar("Model", bound=BaseModel)


class Cleaner(Protocol):
    """What ``warroom.redact.Redactor`` is, as far as acting needs it."""

    def clean(self, text: str) -> str: ...

    def register(self, value: str, name: str) -> None: ...


def clean_json(clean: Cleaner, value: JsonValue) -> JsonValue:
    """Every string in ``value``, keys too, cleaned."""
    if isinstance(value, str):
        return clean.clean(value)
    if isinstance(value, list):
        return [clean_json(clean, each) for each in value]
    if isinstance(value, dict):
        return {clean.clean(key): clean_json(clean, each) for key, each in value.items()}
    return value


def clean_fact(clean: Cleaner, fact: Model) -> Model:
    """The same fact with every string in it cleaned. For facts that a plugin made from what it read."""
    raw: Any = fact.model_dump(mode="json", by_alias=True)
    return type(fact).model_validate(clean_json(clean, raw))
