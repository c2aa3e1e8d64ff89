"""A platform as the engine holds it: its plugin, its checked configuration, and the context its calls get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from warroom.api import Context, Operation, Plugin
from warroom.errors import BadInput
from warroom.model.plan import Preview
from warroom.plugins import called, isolated

FACTS_TIMEOUT = 30.0


@dataclass(frozen=True)
class ActivePlatform:
    id: str
    plugin: Plugin
    context: Context

    @property
    def config(self) -> Any:
        return self.context.config

    def operation(self, name: str) -> Operation:
        found = self.plugin.operation(name)
        if found is None:
            known = ", ".join(sorted(o.name for o in self.plugin.operations)) or "none"
            raise BadInput(
                f"{self.id} has no operation {name}",
                f"its plugin {self.plugin.name} has: {known}",
                "correct the runbook",
            )
        return found

    async def previewed(self, name: str, args: Any) -> tuple[Mapping[str, JsonValue], Preview]:
        """The facts read now, and what ``preview`` makes of them. ``args`` are data, or the operation's own model.

        Raises WarroomError where they can't be had in ``FACTS_TIMEOUT`` seconds; a plugin's fault is one as well.
        """
        operation = self.operation(name)
        what = f"{self.id}.{name}"
        checked = called(what, lambda: operation.args.model_validate(args))
        facts = dict(await isolated(what, operation.facts(self.context, checked), timeout=FACTS_TIMEOUT))
        return facts, called(what, lambda: operation.preview(self.config, checked, facts))
