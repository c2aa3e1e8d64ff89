"""A pod that is stuck is deleted, so that its controller makes another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from warroom.api import BadInput, Context, Facts, WarroomError
from warroom.model.base import Duration
from warroom.model.call import CallResult
from warroom.model.plan import ALREADY, Look, Preview, Risk
from warroom.model.units import listed
from warroom_kubernetes.changes import calls
from warroom_kubernetes.changes.calls import At
from warroom_kubernetes.config import Config, Name
from warroom_kubernetes.objects.fields import is_ready
from warroom_kubernetes.objects.stuck import summed, troubles
from warroom_kubernetes.operations.args import WorkloadArgs
from warroom_kubernetes.operations.subject import Found, Json, find, listing, mapping, may, unseen
from warroom_kubernetes.reach.asking import Cluster, NotThere, cluster, server_now
from warroom_kubernetes.reach.paths import path
from warroom_kubernetes.workload.completion import around


class DeletePodArgs(WorkloadArgs):
    """``pod`` is one of the workload's; left out, the one that keeps a StatefulSet's rollout from going on."""

    pod: Name | None = None
    wait: Annotated[Duration, Field(ge=1, le=3600)] = 180


class DeletePod:
    name = "delete-pod"
    title = "Delete a stuck pod"
    risk: Risk = "disruptive"
    args: type[BaseModel] = DeletePodArgs

    async def facts(self, ctx: Context, args: DeletePodArgs) -> Facts:
        async with cluster(ctx) as api:
            one = await find(ctx, api, args.workload)
            pod = await _pod(ctx, api, one, args)
            name, uid = str(pod["metadata"]["name"]), str(pod["metadata"]["uid"])
            where = path("v1", "pods", namespace=one.at.namespace, name=name)
            at = At(one.at.kubectl, one.at.namespace, "pod", name, where, uid)
            await may(api, at, "delete")
        ill = summed(troubles(one.object, [pod], (), server_now(ctx)))
        grace = (pod.get("spec") or {}).get("terminationGracePeriodSeconds", 30)
        notes = [
            ill or f"{name} is {'ready' if is_ready(pod) else 'not ready'}: nothing is seen to be the matter with it"
        ]
        notes.append(f"it has {grace} s to end, then it is killed; its controller makes another")
        # What is gone back to may be asked for already: as long as this pod stands it has not come to its end.
        done = {ALREADY: False}
        return {"at": at.told(), "owner": one.facts(), "again": one.kind == "StatefulSet", "notes": list(notes), **done}

    def preview(self, config: Config, args: DeletePodArgs, facts: Facts) -> Preview:
        at, owner = calls.at(mapping(facts["at"])), mapping(facts["owner"])
        line = at.line("wait", "--for=condition=Ready", at.slashed, f"--timeout={round(args.wait)}s")
        waits = (calls.waiting(at, calls.REPLACED, at.uid, args.wait, line),) if facts["again"] else ()
        return Preview(
            calls=(calls.delete_pod(at), *waits),
            no_inverse="a pod that was deleted can't be had back; its controller makes another",
            pinned={f"pod {at.name} in {at.namespace}": at.uid, str(owner["title"]): str(owner["at"]["uid"])},
            changes=(f"pod {at.name} in {at.namespace}",),
            destroys=("logs",),
            notes=tuple(str(note) for note in listing(facts["notes"])),
            expected_s=min(20.0, args.wait),
            timeout_s=args.wait + calls.PATCH_S + 30,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {}

    async def check(self, ctx: Context, args: DeletePodArgs, facts: Facts) -> Look:
        at = calls.at(mapping(facts["at"]))
        try:
            async with cluster(ctx) as api:
                pod = await api.get(at.path)
        except NotThere:
            return Look(verdict="partly" if facts["again"] else "done", seen=f"{at.name} is gone")
        except WarroomError as error:
            return unseen(error)
        if pod["metadata"].get("uid") != at.uid:
            well = is_ready(pod)
            return Look(
                verdict="done" if well else "partly",
                seen=f"{at.name} was made again{'' if well else ', not ready yet'}",
            )
        if pod["metadata"].get("deletionTimestamp"):
            return Look(verdict="partly", seen=f"{at.name} is ending")
        return Look(verdict="not-begun", seen=f"{at.name} is still there")


async def _pod(ctx: Context, api: Cluster, one: Found, args: DeletePodArgs) -> Json:
    config: Config = ctx.config
    mine = (await around(api, config.workloads[one.key], one.object, one.at.namespace)).pods
    name = args.pod
    if name is None:
        held = [each for each in troubles(one.object, mine) if each.why == "ordered"]
        if not held:
            raise BadInput(f"No pod keeps {one.title} from going on", "none is old and not ready", "name the pod")
        name = held[0].pod
    for pod in mine:
        if pod["metadata"]["name"] == name:
            return dict(pod)
    known = listed([str(pod["metadata"]["name"]) for pod in mine], 10) or "none"
    raise BadInput(f"{one.title} has no pod {name}", f"it has: {known}", "correct the step")
