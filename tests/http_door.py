"""A plugin's context with the read door as the product has it, on the machine's clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from pydantic import BaseModel

from warroom.actions.commands import CommandLog
from warroom.actions.doors import HttpClient, Reading
from warroom.api import Clock, Context
from warroom.engine.core import SystemClock
from warroom.errors import BadInput
from warroom.redact import Redactor


@asynccontextmanager
async def http_context(
    platform: str, config: BaseModel, secrets: Mapping[str, str], clock: Clock | None = None
) -> AsyncIterator[Context]:
    """``secrets`` are the values by name; any other is not set."""

    def secret(name: str) -> str:
        if name not in secrets:
            raise BadInput(f"the secret {name} is not set")
        return secrets[name]

    used, http = clock or SystemClock(), HttpClient()
    door = Reading(http, CommandLog(), used, Redactor())
    try:
        yield Context(platform=platform, config=config, read=door, clock=used, secret=secret)
    finally:
        await http.close()
