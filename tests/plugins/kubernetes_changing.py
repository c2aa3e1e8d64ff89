"""One operation of the Kubernetes plugin at a time, on a workload of the tests, through the product's own doors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_reading import Doors, config_of, doors_of
from warroom.actions.changing import expected
from warroom.api import Context, Facts, Operation, Probed
from warroom.model.call import Call, CallResult
from warroom.model.plan import Look, Preview
from warroom_kubernetes import plugin


def operation(name: str) -> Operation:
    found = plugin.operation(name)
    assert found is not None, name
    return found


@dataclass
class Operating:
    namespace: Namespace
    doors: Doors
    said: list[str] = field(default_factory=list)
    """What the sender told while it waited."""

    @property
    def context(self) -> Context:
        return self.doors.context

    async def planned(self, name: str, **args: object) -> tuple[Facts, Preview]:
        checked = operation(name).args.model_validate(args)
        facts = json.loads(json.dumps(await operation(name).facts(self.context, checked)))
        return facts, operation(name).preview(self.context.config, checked, facts)

    async def executed(self, calls: tuple[Call, ...] | None) -> list[CallResult]:
        """To the first one that does not come back as expected."""
        assert calls is not None
        door = self.doors.changing(calls)
        results: list[CallResult] = []
        for call in calls:
            results.append(await door.execute(call, lambda _, text: self.said.append(text)))
            if not expected(call, results[-1]):
                break
        return results

    async def look(self, name: str, facts: Facts, **args: object) -> Look:
        return await operation(name).check(self.context, operation(name).args.model_validate(args), facts)

    async def done(self, name: str, **args: object) -> tuple[Look, Preview, dict[str, str]]:
        """All of it, held to be done: what was seen, what was planned, and its outputs."""
        facts, preview = await self.planned(name, **args)
        results = await self.executed(preview.calls)
        look = await self.look(name, facts, **args)
        assert look.verdict == "done", (look, results[-1])
        return look, preview, dict(operation(name).outputs(results))

    async def taken_back(self, name: str, preview: Preview, facts: Facts, **args: object) -> Look:
        """By the captured inverse, which must have been taken."""
        results = await self.executed(preview.inverse)
        assert all(expected(call, result) for call, result in zip(preview.inverse or (), results, strict=True)), results
        look = await self.look(name, facts, **args)
        assert look.verdict == "not-begun", look
        return look

    async def probed(self, name: str, **args: object) -> Probed:
        probe = plugin.probe(name)
        assert probe is not None, name
        return await probe.probe(self.context, probe.args.model_validate(args))


@asynccontextmanager
async def operating(namespace: Namespace, **config: Any) -> AsyncIterator[Operating]:
    """``config`` as in ``config_of``."""
    async with doors_of(config_of(namespace.cluster, namespace.name, **config)) as doors:
        yield Operating(namespace, doors)
