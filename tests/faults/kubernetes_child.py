"""An engine in a process of its own that rolls a Deployment of a cluster back, until it is ended.

python -m tests.faults.kubernetes_child STATE KUBECONFIG CONTEXT NAMESPACE POINT

It prints ``paused POINT`` when it has come to where it is to stand still for ever: a point of ``engine_child``, or
``waiting``, which is in the middle of waiting for the rollout.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.faults.engine_child import ME, held_record, say
from tests.world import until, world_runbook
from warroom.api import Context, Sender
from warroom.engine.engine import Engine
from warroom.journal.folder import StateFolder
from warroom.model import intent as it
from warroom.model.call import ApiCall, CallResult
from warroom.model.live import GuardsPage, GuardsQuery
from warroom.model.runbook import Runbook
from warroom.plugins import LoadedPlatform
from warroom.session import Accepted
from warroom_kubernetes import plugin
from warroom_kubernetes.config import Config


def kubernetes_runbook() -> Runbook:
    args = {"workload": "web", "digest": "${target.digest}"}
    undo = {"title": "Undo", "op": "kube.undo", "with": args, "role": "application"}
    status = {"title": "Status", "op": "kube.rollout", "with": {"workload": "web", "wait": 60}}
    back = {"title": "Back", "use_when": "always", "needs": ["kube"], "steps": {"undo": undo, "status": status}}
    source = {"platform": "kube", "signal": "pods-not-ready"}
    return world_runbook(
        platforms={"kube": {"plugin": "kubernetes"}},
        signals={"errors": {"title": "Pods", "unit": "count", "source": source}},
        triggers={},
        verification={},
        procedures={"back": back},
        escalation=[],
    )


@dataclass(frozen=True)
class Halting:
    """Stands still once the rollout is waited for."""

    inner: Sender

    async def send(self, ctx: Context, call: ApiCall, say_so: Callable[[str], None]) -> CallResult:
        if call.until is None:
            return await self.inner.send(ctx, call, say_so)

        def told(words: str) -> None:
            say_so(words)
            say("paused waiting")

        return await self.inner.send(ctx, call, told)


def load_kubernetes(kubeconfig: str, context: str, namespace: str, *, halting: bool = False) -> Any:
    config = Config.model_validate(
        {"kubeconfig": kubeconfig, "context": context, "namespace": namespace, "workloads": {"web": {}}}
    )
    assert plugin.sender is not None
    made = replace(plugin, sender=Halting(plugin.sender)) if halting else plugin

    def load(runbook: Runbook) -> dict[str, LoadedPlatform]:
        return {"kube": LoadedPlatform(plugin=made, config=config, problem=None)}

    return load


async def ask(engine: Engine, intent: it.Intent) -> None:
    reply = await engine.session(ME).submit(uuid.uuid4().hex, intent)
    assert isinstance(reply, Accepted), reply


async def run(engine: Engine) -> None:
    page = await engine.session(ME).query(GuardsQuery())
    assert isinstance(page, GuardsPage)
    waive = tuple(guard.id for guard in page.guards if not guard.hard)
    assert engine.core.state.plan is not None
    await ask(engine, it.RunPlan(hash=engine.core.state.plan.hash, waive=waive, reason="a test"))


async def main(state: Path, kubeconfig: str, context: str, namespace: str, point: str) -> None:
    load = load_kubernetes(kubeconfig, context, namespace, halting=point == "waiting")
    async with Engine(kubernetes_runbook(), StateFolder(state), load=load) as engine:
        held_record(engine, point)
        await until(lambda: engine.core.running is not None)
        await ask(engine, it.OpenIncident(title="it burns"))
        await ask(engine, it.ChooseTarget(text="1"))
        await ask(engine, it.ProposePlan(procedure="back"))
        await run(engine)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
