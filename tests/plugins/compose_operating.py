"""One operation of the Compose plugin at a time, on a sample project, through the product's own doors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.plugins.compose_projects import Project
from tests.plugins.compose_reading import Doors, config_of, doors_of
from warroom.actions.changing import expected
from warroom.api import Context, Facts, Probed
from warroom.model.call import Call, CallResult
from warroom.model.plan import Look, Preview
from warroom_compose import plugin


@dataclass
class Operating:
    project: Project
    doors: Doors

    @property
    def context(self) -> Context:
        return self.doors.context

    @property
    def pins(self) -> str:
        """What is pinned: the override's text; "" while there is none."""
        found = list((self.project.folder.parent / "pins").rglob("*.yaml"))
        return found[0].read_text() if found else ""

    async def planned(self, name: str, **args: object) -> tuple[Facts, Preview]:
        operation = plugin.operation(name)
        assert operation is not None
        checked = operation.args.model_validate(args)
        facts = json.loads(json.dumps(await operation.facts(self.context, checked)))
        return facts, operation.preview(self.context.config, checked, facts)

    async def executed(self, calls: tuple[Call, ...] | None) -> list[CallResult]:
        """To the first one that does not come back as expected."""
        assert calls is not None
        door = self.doors.changing(calls)
        results: list[CallResult] = []
        for call in calls:
            results.append(await door.execute(call))
            if not expected(call, results[-1]):
                break
        return results

    async def look(self, name: str, facts: Facts, **args: object) -> Look:
        operation = plugin.operation(name)
        assert operation is not None
        return await operation.check(self.context, operation.args.model_validate(args), facts)

    async def done(self, name: str, **args: object) -> tuple[Look, dict[str, str]]:
        """All of it, held to be done: what was seen, and its outputs."""
        operation = plugin.operation(name)
        assert operation is not None
        facts, preview = await self.planned(name, **args)
        results = await self.executed(preview.calls)
        look = await self.look(name, facts, **args)
        assert look.verdict == "done", (look, results[-1])
        return look, dict(operation.outputs(results))

    async def probed(self, name: str, **args: object) -> Probed:
        probe = plugin.probe(name)
        assert probe is not None
        return await probe.probe(self.context, probe.args.model_validate(args))


def lines(preview: Preview) -> list[str]:
    """The command lines as people paste them, from the words after the project's own."""
    return [call.paste().split("docker-compose.yml ")[-1] for call in preview.calls]


@asynccontextmanager
async def operating(project: Project, **config: Any) -> AsyncIterator[Operating]:
    """``config`` as in ``config_of``."""
    async with doors_of(config_of(project, **config)) as doors:
        yield Operating(project, doors)
