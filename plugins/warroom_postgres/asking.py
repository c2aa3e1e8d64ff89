"""Asking the configured database, and saying in a line why it gave no answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from warroom.api import BadInput, CannotLook, Context, DoorRefused, Rows, StoreRefused, WarroomError
from warroom_postgres.config import Config

FULL = "53300"
NOT_LET_IN = ("28", "42501")
_MISSING = {"42P01": "there is no such table", "42703": "there is no such column", "3F000": "there is no such schema"}


async def ask(
    ctx: Context,
    statement: str,
    *,
    names: Mapping[str, str] | None = None,
    parameters: Sequence[JsonValue] = (),
    timeout: float | None = None,
    at_most: int = 100,
) -> Rows:
    """Raises WarroomError; see ``warroom.api.ReadDoor.sql``."""
    config: Config = ctx.config
    seconds = timeout or config.timeout
    return await ctx.read.sql(
        config.url,
        statement,
        timeout=seconds,
        parameters=parameters,
        names=names,
        at_most=at_most,
        through=config.through.relay if config.through else (),
    )


def why(error: WarroomError, *, fix: bool = True) -> str:
    """The error on one line, cut, ending in what to do about it (``fix``): for a sample's or a check's words."""
    if isinstance(error, StoreRefused) and error.code in _MISSING:
        named = re.search(r"(?:relation|column|schema) (\S+(?: of relation \S+)?) does not exist", error.cause)
        return f"{_MISSING[error.code]}: {named[1]}" if named else _MISSING[error.code]
    said = ": ".join(part.rstrip(".") for part in (error.title, error.cause) if part)[:220]
    return f"{said}; {error.hint}"[:300] if error.hint and fix else said


def serves(error: WarroomError) -> bool | None:
    """Whether the database serves, by the error that asking it gave: None where that says more of warroom."""
    if isinstance(error, BadInput | CannotLook | DoorRefused):
        return None
    if isinstance(error, StoreRefused):
        if error.code.startswith(NOT_LET_IN):
            return None
        return not error.code.startswith(("53", "57P", "3D"))
    return False
