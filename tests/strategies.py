"""Values of any model, made from its types: what can be written down can be generated, so nothing is left out by hand.

Texts are often one of a few short words, so that ids meet, and otherwise anything: markup, escapes, NUL, bidi.
"""

from __future__ import annotations

import math
import re
import types
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Annotated, Any, ForwardRef, Literal, Union, get_args, get_origin

import annotated_types as at
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import AwareDatetime, BaseModel, JsonValue, ValidationError
from pydantic.fields import FieldInfo

MOST = (2, 2, 1, 1)
"""How many items a collection has at most, by how deep its model is nested; deeper ones stay empty, options away."""
SHALLOW = 3
"""From here on texts are short words and JSON is flat: a whole runbook must fit into what hypothesis draws."""

WORDS = st.sampled_from(["a", "b", "lab", "step-1"])
HOSTILE = st.sampled_from(
    [
        "-x",
        "--detach",
        "; id",
        "$(id)",
        "[/x]",
        "[@click=app.quit]x[/]",
        "\x1b]52;c;aGk=\x07",
        "\u202e",
        "\x00",
        "'\"\\",
        "",
    ]
)
TEXT = WORDS | HOSTILE | st.text(st.characters(codec="utf-8"), max_size=12)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.builds(datetime.fromtimestamp, st.floats(1, 7e9), st.just(UTC) | OFFSETS)
LEAF: SearchStrategy[JsonValue] = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
JSON: SearchStrategy[JsonValue] = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)


def members(union: Any) -> tuple[type[BaseModel], ...]:
    """The classes of ``Annotated[A | B | …, …]``."""
    inner = get_args(union)[0] if get_origin(union) is Annotated else union
    return get_args(inner)


@cache
def models(model: type[BaseModel], depth: int = 0) -> SearchStrategy[Any]:
    """Instances, made through validation from each field's type; what a validator across fields refuses is left out."""
    needed: dict[str, SearchStrategy[Any]] = {}
    optional: dict[str, SearchStrategy[Any]] = {}
    for name, field in model.model_fields.items():
        strategy = of_type(field.annotation, tuple(field.metadata), depth + 1)
        (needed if field.is_required() else optional)[field.alias or name] = strategy
    values = st.fixed_dictionaries(needed, optional=optional if depth < len(MOST) else {})

    def made(raw: dict[str, Any]) -> BaseModel | None:
        try:
            return model.model_validate(raw)
        except ValidationError:
            return None

    return values.map(made).filter(lambda instance: instance is not None)


def of_type(kind: Any, limits: tuple[Any, ...] = (), depth: int = 0) -> SearchStrategy[Any]:
    """Raises ``TypeError`` for a type nobody taught it: better than leaving a field out."""
    if kind is AwareDatetime or kind is datetime:
        return INSTANTS
    if kind is JsonValue:
        return JSON if depth < SHALLOW else LEAF
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return of_type(args[0], limits + args[1:], depth)
    if origin in (Union, types.UnionType):
        some = [a for a in args if a is not types.NoneType] if depth < len(MOST) or types.NoneType not in args else []
        return st.one_of(*([st.none()] if types.NoneType in args else []), *(of_type(a, limits, depth) for a in some))
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (tuple, list, dict):
        return _collection(origin, args, limits, depth)
    if isinstance(kind, ForwardRef):
        raise TypeError(f"{kind} was never resolved")
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return st.deferred(lambda: models(kind, depth))
    return _scalar(kind, limits, depth)


def _collection(origin: Any, args: tuple[Any, ...], limits: tuple[Any, ...], depth: int) -> SearchStrategy[Any]:
    low, high = int(_limit(limits, at.MinLen, "min_length", 0)), int(_limit(limits, at.MaxLen, "max_length", 99))
    high = max(low, min(high, MOST[depth] if depth < len(MOST) else 0))
    if origin is dict:
        return st.dictionaries(of_type(args[0], (), depth), of_type(args[1], (), depth), min_size=low, max_size=high)
    if origin is tuple and args[-1] is not Ellipsis:
        return st.tuples(*(of_type(arg, (), depth) for arg in args))
    lists = st.lists(of_type(args[0], (), depth), min_size=low, max_size=high)
    return lists.map(tuple) if origin is tuple else lists


def _scalar(kind: Any, limits: tuple[Any, ...], depth: int) -> SearchStrategy[Any]:
    if kind is bool:
        return st.booleans()
    if kind is int:
        low, high = _bounds(limits, -(2**40), 2**40)
        return st.integers(math.ceil(low), math.floor(high))
    if kind is float:
        low, high = _bounds(limits, -1e15, 1e15)
        open_low = any(isinstance(limit, at.Gt) for limit in _flat(limits))
        return st.floats(low, high, exclude_min=open_low, allow_nan=False)
    if kind is str:
        pattern = next((limit.pattern for limit in limits if getattr(limit, "pattern", None)), None)
        if pattern is not None:
            ids = [
                "a",
                "b",
                "lab",
                "a-b",
                "lab.restart",
                "health",
                "x.svg",
                "http://[::1]/{a}",
                "/api/v1",
                "text/plain",
            ]
            return st.sampled_from([text for text in ids if re.search(pattern, text)])
        low, high = _limit(limits, at.MinLen, "min_length", 0), _limit(limits, at.MaxLen, "max_length", 1000)
        texts = TEXT if depth < SHALLOW else WORDS | HOSTILE
        return texts.filter(lambda text: low <= len(text) <= high)
    raise TypeError(f"no strategy for {kind!r}")


def _flat(limits: tuple[Any, ...]) -> list[Any]:
    return [part for limit in limits for part in (limit.metadata if isinstance(limit, FieldInfo) else [limit])]


def _limit(limits: tuple[Any, ...], kind: type, name: str, otherwise: float) -> float:
    return next((getattr(limit, name) for limit in _flat(limits) if isinstance(limit, kind)), otherwise)


def _bounds(limits: tuple[Any, ...], low: float, high: float) -> tuple[float, float]:
    low = max(_limit(limits, at.Ge, "ge", low), _limit(limits, at.Gt, "gt", low))
    return low, min(_limit(limits, at.Le, "le", high), _limit(limits, at.Lt, "lt", high))
