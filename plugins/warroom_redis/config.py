"""What a runbook says about a Redis server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from warroom.model.base import Duration, Fact

Secret = Annotated[str, Field(pattern=r"^(?:env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\x00-\x1f]+)$", max_length=4000)]
"""The name of a secret whose value is the address, as the application has it in REDIS_URL."""


class Config(Fact):
    """``every`` is the pause between two looks, ``timeout`` the longest that one may take, ``role`` what it ought to
    be."""

    url: Secret = "env:REDIS_URL"
    every: Annotated[Duration, Field(ge=0.2)] = 5
    timeout: Annotated[Duration, Field(ge=0.1, le=60)] = 2
    role: Literal["master", "replica"] = "master"
