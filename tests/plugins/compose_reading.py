"""The Compose plugin's context on a sample project, with the product's own doors and redactor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from tests.plugins.compose_projects import Project
from warroom.actions.changing import Changing
from warroom.actions.commands import CommandLog
from warroom.actions.doors import HttpClient, Reading
from warroom.api import Context
from warroom.engine.core import SystemClock
from warroom.engine.secrets import Secrets
from warroom.model.call import Call
from warroom.redact import Redactor
from warroom_compose.config import Config

LONG = 60.0
"""Seconds; a bound for what is broken, not for what is slow."""


@dataclass(frozen=True)
class Doors:
    """A context, and what its read door was made of. ``log`` has every command line that went through a door."""

    context: Context
    http: HttpClient
    log: CommandLog
    redactor: Redactor

    def changing(self, calls: tuple[Call, ...]) -> Changing:
        """The change door, for these calls alone."""
        context = self.context
        return Changing(
            calls, http=self.http, log=self.log, clock=context.clock, cleaner=self.redactor, secret=context.secret
        )


@asynccontextmanager
async def doors_of(
    config: Mapping[str, Any],
    redactor: Redactor | None = None,
    environment: Literal["production", "staging", "drill"] = "production",
) -> AsyncIterator[Doors]:
    """``config`` as a runbook's file writes it."""
    http, log, clock, cleaner = HttpClient(), CommandLog(), SystemClock(), redactor or Redactor()

    def hide(settings: Mapping[str, str]) -> None:
        cleaner.register_settings(settings, "compose")

    context = Context(
        platform="compose",
        config=Config.model_validate(dict(config)),
        read=Reading(http, log, clock, cleaner),
        clock=clock,
        secret=Secrets(cleaner),
        environment=environment,
        hide=hide,
    )
    try:
        yield Doors(context, http, log, cleaner)
    finally:
        await http.close()


@asynccontextmanager
async def context_of(config: Mapping[str, Any], redactor: Redactor | None = None) -> AsyncIterator[Context]:
    async with doors_of(config, redactor) as doors:
        yield doors.context


def config_of(project: Project, **more: Any) -> dict[str, Any]:
    """``more`` of the plugin's configuration, or other than here."""
    return {
        "project": project.name,
        "host": project.engine.host,
        "pins": str(project.folder.parent / "pins"),
        "services": {"web": {"version_url": f"{project.url}/api/version"}, "db": {}, "redis": {}},
        **more,
    }


@asynccontextmanager
async def reading(project: Project, redactor: Redactor | None = None, **config: Any) -> AsyncIterator[Context]:
    """``config`` as in ``config_of``."""
    async with context_of(config_of(project, **{"timeout": 30, **config}), redactor) as ctx:
        yield ctx
