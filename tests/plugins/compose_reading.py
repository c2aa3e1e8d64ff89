"""The Compose plugin's context on a sample project, with the product's own doors and redactor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.plugins.compose_projects import Project
from warroom.actions.commands import CommandLog
from warroom.actions.doors import HttpClient, Reading
from warroom.api import Context
from warroom.engine.core import SystemClock
from warroom.engine.secrets import Secrets
from warroom.redact import Redactor
from warroom_compose.config import Config

LONG = 60.0
"""Seconds; a bound for what is broken, not for what is slow."""


@asynccontextmanager
async def context_of(config: Mapping[str, Any], redactor: Redactor | None = None) -> AsyncIterator[Context]:
    http, clock, cleaner = HttpClient(), SystemClock(), redactor or Redactor()
    hide: Callable[[Mapping[str, str]], None] = lambda settings: cleaner.register_settings(settings, "compose")  # noqa: E731
    try:
        yield Context(
            platform="compose",
            config=Config.model_validate(dict(config)),
            read=Reading(http, CommandLog(), clock, cleaner),
            clock=clock,
            secret=Secrets(cleaner),
            hide=hide,
        )
    finally:
        await http.close()


@asynccontextmanager
async def reading(project: Project, redactor: Redactor | None = None, **config: Any) -> AsyncIterator[Context]:
    """``config``: more of the plugin's own, or other than here."""
    told = {
        "project": project.name,
        "host": project.engine.host,
        "pins": str(project.folder.parent / "pins"),
        "services": {"web": {"version_url": f"{project.url}/api/version"}, "db": {}, "redis": {}},
        "timeout": 30,
        **config,
    }
    async with context_of(told, redactor) as ctx:
        yield ctx
