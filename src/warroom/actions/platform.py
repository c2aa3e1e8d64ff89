"""A platform as the engine holds it: its plugin, its checked configuration, and the context its calls get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import JsonValue

from warroom.api import Context, Operation, Plugin
from warroom.errors import BadInput
from warroom.model.call import ApiCall, SqlCall, as_sent
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

    async def previewed(self, name: str, args: Any, *, again: bool = False) -> tuple[Mapping[str, JsonValue], Preview]:
        """The facts read now, and what ``preview`` makes of them. ``args`` are data, or the operation's own model.

        ``again``: only what is pinned counts.
        Raises WarroomError where they can't be had in ``FACTS_TIMEOUT`` seconds; a plugin's fault is one as well.
        """
        operation = self.operation(name)
        what = f"{self.id}.{name}"
        checked = called(what, lambda: operation.args.model_validate(args))
        context = replace(self.context, again=again)
        facts = dict(await isolated(what, operation.facts(context, checked), timeout=FACTS_TIMEOUT))
        preview = called(what, lambda: operation.preview(self.config, checked, facts))
        self._holds_no_secret(what, facts, preview)
        return facts, preview

    def _holds_no_secret(self, what: str, facts: Mapping[str, JsonValue], preview: Preview) -> None:
        """What is sent as it stands is journaled as it stands, and so are the facts that it was made from."""
        calls = (*preview.calls, *(preview.inverse or ()))
        sent = [call for call in calls if isinstance(call, ApiCall | SqlCall)]
        kept: list[JsonValue] = [as_sent(call) for call in sent]
        if sent and self.context.hidden([*kept, dict(facts), dict(preview.pinned)]):
            raise BadInput(
                f"{what} would write a secret down",
                "what it sends, or was made from, has one in plain",
                "keep that value in a Secret of the platform; or do this step by hand",
            )
