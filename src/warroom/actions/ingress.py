"""The one place where facts that a plugin made of outside text become facts of ours."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel

from warroom.redact import Redactor

Model = TypeVar("Model", bound=BaseModel)


def clean_fact(redactor: Redactor, fact: Model) -> Model:
    """The same fact with every string in it cleaned: control bytes made visible, secrets taken out."""
    raw: Any = fact.model_dump(mode="json", by_alias=True)
    return type(fact).model_validate(redactor.clean_json(raw))
