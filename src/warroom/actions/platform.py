"""A platform as the engine holds it: its plugin, its checked configuration, and the context its calls get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from warroom.api import Context, Operation, Plugin
from warroom.errors import BadInput


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
