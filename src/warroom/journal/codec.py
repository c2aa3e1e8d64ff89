"""An event as bytes and back.

A newer version or an unknown kind comes back as ``Raw``: shown as it is, and folded into nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

from pydantic import JsonValue, TypeAdapter, ValidationError

from warroom.errors import BadInput
from warroom.model.base import Instant, stored
from warroom.model.event import EVENT_VERSION, EVENTS, Actor, Event, Raw

LARGEST = 8 * 1024 * 1024
"""Bytes of one entry."""

UPCASTS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""For each older version, what turns its JSON into that of the next one. Version 1 is the first."""

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


def encode(event: Event) -> bytes:
    """The bytes that are stored and hashed. Raises BadInput for what JSON has no word for, or what is too large."""
    if isinstance(event.body, Raw):
        raise BadInput("This can't be recorded", "an entry this warroom can't read is never written by it")
    try:
        data = stored(event)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{event.body.type} can't be recorded", f"it is not plain JSON: {error}") from error
    if len(data) > LARGEST:
        raise BadInput(f"{event.body.type} can't be recorded", f"it has {len(data):,} bytes, of at most {LARGEST:,}")
    return data


def decode(data: bytes, seq: int) -> Event:
    """Never raises: what can't be read as an event of today is an event with a ``Raw`` body and the place ``seq``."""
    try:
        event = EVENTS.validate_json(data)
        if event.v == EVENT_VERSION and event.seq == seq:
            return event
    except (ValidationError, RecursionError):
        pass
    text = data.decode("utf-8", "replace")
    try:
        document = parse(data)
    except (ValueError, RecursionError):
        return _raw(seq, text, {})
    if not isinstance(document, dict) or document.get("seq") != seq:
        return _raw(seq, text, {})
    try:
        return EVENTS.validate_python(_upcast(document))
    except (ValidationError, RecursionError, ValueError, TypeError, KeyError):
        return _raw(seq, text, document)


def why_unreadable(event: Event) -> str | None:
    """Why nothing may be added after such an entry, or None."""
    if not isinstance(event.body, Raw):
        return None
    if event.v > EVENT_VERSION:
        return f"entry {event.seq} was written by a newer warroom (version {event.v}, this one knows {EVENT_VERSION})"
    return f"entry {event.seq} is of a kind this warroom does not know"


def _upcast(document: dict[str, Any]) -> dict[str, Any]:
    version = document.get("v")
    if not isinstance(version, int) or isinstance(version, bool) or version > EVENT_VERSION:
        raise ValueError("a version this warroom does not know")
    while version < EVENT_VERSION:
        document = {**UPCASTS[version](document), "v": version + 1}
        version += 1
    return document


def _raw(seq: int, text: str, envelope: dict[str, Any]) -> Event:
    """``envelope`` is what is known of when and who; each part that can't be read is said to be unknown."""
    version = envelope.get("v")
    try:
        at = _INSTANT.validate_python(envelope.get("at"))
    except ValidationError:
        at = datetime.fromtimestamp(0, UTC)
    try:
        actor = Actor.model_validate(envelope.get("actor"))
    except ValidationError:
        actor = Actor(name="unknown", kind="engine")
    try:
        content = _JSON.validate_python(envelope.get("body", text))
    except (ValidationError, RecursionError):
        content = text
    name = envelope.get("id")
    return Event(
        v=version if isinstance(version, int) and not isinstance(version, bool) else EVENT_VERSION,
        seq=seq,
        at=at,
        id=name if isinstance(name, str) else "",
        actor=actor,
        body=Raw(body=content),
    )


def parse(data: bytes) -> Any:
    """Strict JSON: no NaN, and no half of a surrogate pair, which nothing could write out again.

    Raises ValueError or RecursionError.
    """
    document = json.loads(data.decode(), parse_constant=_refuse)
    json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    return document


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
