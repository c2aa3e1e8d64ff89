"""What a runbook says about where backups lie."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from warroom.model.base import Duration, Fact


def _folder(text: str) -> str:
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or str(path) == "/" or not text.isprintable():
        raise ValueError("the whole path of a folder was expected, such as /backups, without ..")
    return str(path)


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("the name of a time zone was expected, such as UTC or Europe/Berlin") from None
    return text


class Backups(Fact):
    """``folders`` are looked through, ``depth`` folders deep, for dumps called like one of ``names`` (``ai_saas_*``).

    ``database`` is what the dumps' database is called, where that is not the name of the live one. ``zone`` is that of
    the clock on the wall where dumps are made: their headers and names don't say. A header that does not fit a name by
    that clock may be by another, such as a container's: then both are reckoned with. A newest good one that is older
    than ``max_age`` is not enough to be ready.
    """

    folders: tuple[Annotated[str, Field(max_length=1000), AfterValidator(_folder)], ...] = Field(
        min_length=1, max_length=10
    )
    names: tuple[Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/\x00-\x1f]+$")], ...] = Field(
        default=("*",), min_length=1, max_length=10
    )
    depth: int = Field(default=1, ge=0, le=3)
    database: str | None = Field(default=None, min_length=1, max_length=63)
    zone: Annotated[str, Field(max_length=60), AfterValidator(_zone)] | None = None
    max_age: Annotated[Duration, Field(ge=60)] | None = None
