"""A Deployment held in the middle of a rollout and let go again, and pods made anew from the same template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, JsonValue

from warroom.api import BadInput, Context, Facts, WarroomError
from warroom.model.call import CallResult
from warroom.model.plan import Look, Preview, Risk
from warroom_kubernetes.changes import calls
from warroom_kubernetes.changes.patching import put, test, value_at
from warroom_kubernetes.config import Config
from warroom_kubernetes.objects.rollouts import on_delete, rollout
from warroom_kubernetes.operations.args import WorkloadArgs
from warroom_kubernetes.operations.setting import Setting, Settings, facts_of, preview_of
from warroom_kubernetes.operations.subject import Found, find, listing, mapping, may, pin, pinned, tried, unseen
from warroom_kubernetes.reach.asking import cluster

RESTARTED = "kubectl.kubernetes.io/restartedAt"
_HEAD = "/spec/template/metadata"
_NOTE = f"{_HEAD}/annotations/kubectl.kubernetes.io~1restartedAt"


class Pause(Settings):
    name = "pause"
    title = "Pause a rollout"
    risk: Risk = "disruptive"
    args: type[BaseModel] = WorkloadArgs

    async def facts(self, ctx: Context, args: WorkloadArgs) -> Facts:
        return await _paused(ctx, args, True)

    def preview(self, config: Config, args: WorkloadArgs, facts: Facts) -> Preview:
        return preview_of(facts)


class Resume(Settings):
    name = "resume"
    title = "Resume a rollout"
    risk: Risk = "disruptive"
    args: type[BaseModel] = WorkloadArgs

    async def facts(self, ctx: Context, args: WorkloadArgs) -> Facts:
        return await _paused(ctx, args, False)

    def preview(self, config: Config, args: WorkloadArgs, facts: Facts) -> Preview:
        return preview_of(facts)


async def _paused(ctx: Context, args: WorkloadArgs, to: bool) -> Facts:
    async with cluster(ctx) as api:
        one = await find(ctx, api, args.workload)
        if one.kind != "Deployment":
            hint = f"stop-writes with workloads: [{one.key}] suspends it" if one.kind == "CronJob" else "leave it out"
            raise BadInput(f"{one.title} can't be paused", "only the rollout of a Deployment can", hint)
        await may(api, one.at)
        was: JsonValue = True if one.spec.get("paused") else None
        words = ("pause", "resume") if to else ("resume", "pause")
        line, back = (one.at.line("rollout", word, one.at.slashed) for word in words)
        setting = Setting(one.at, one.title, "paused", "/spec/paused", was, True if to else None, (), (), line, back)
        notes = [rollout(one.object, zero=True).words]
        if to:
            notes.append(
                "pods of both templates stay as they are; what rolls it back has to let it go on (undo, resume: true)"
            )
        return await facts_of(api, [setting], notes)


class Restart:
    """As `kubectl rollout restart`: a new revision of the same template, rolled out pod by pod."""

    name = "restart"
    title = "Restart all pods, one after another"
    risk: Risk = "disruptive"
    args: type[BaseModel] = WorkloadArgs

    async def facts(self, ctx: Context, args: WorkloadArgs) -> Facts:
        async with cluster(ctx) as api:
            one = await find(ctx, api, args.workload)
            _restartable(one)
            await may(api, one.at)
            at = ctx.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
            was = value_at(one.object, _NOTE)
            ops = [test("/metadata/uid", one.at.uid), test(_NOTE, was)]
            if value_at(one.object, f"{_HEAD}/annotations"):
                ops.append(put(_NOTE, at))
            else:
                ops = [ops[0], test(f"{_HEAD}/annotations", None), put(f"{_HEAD}/annotations", {RESTARTED: at})]
            outcome = await tried(api, one.at, ops, f"to restart {one.title}")
            notes = ["the same template: what is wrong with the release itself stays wrong"]
            notes += (
                ["its pods are replaced only where somebody deletes them (OnDelete)"] if on_delete(one.spec) else []
            )
            notes += [outcome.why] if outcome.why else []
            return {**one.facts(), "was": was, "becomes": at, "ops": list(ops), "notes": list(notes)}

    def preview(self, config: Config, args: WorkloadArgs, facts: Facts) -> Preview:
        at = calls.at(mapping(facts["at"]))
        line = at.line("rollout", "restart", at.slashed)
        return Preview(
            calls=(calls.patch(at, listing(facts["ops"]), line),),
            no_inverse="a restart has nothing to take back",
            pinned=pinned(facts, "template"),
            changes=(pin("template", facts), pin("target", facts)),
            destroys=("logs",),
            notes=tuple(str(note) for note in listing(facts["notes"])),
            expected_s=2,
            timeout_s=calls.PATCH_S + 30,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {}

    async def check(self, ctx: Context, args: WorkloadArgs, facts: Facts) -> Look:
        """``done``: it was asked for. Whether the new pods are well is told by `rollout`."""
        try:
            async with cluster(ctx) as api:
                one = await find(ctx, api, args.workload)
        except WarroomError as error:
            return unseen(error)
        if one.at.uid != mapping(facts["at"])["uid"]:
            return Look(verdict="cannot-tell", seen=f"{one.title} is another one now")
        now: Any = value_at(one.object, _NOTE)
        how = rollout(one.object, zero=True).words
        if now == facts["becomes"]:
            return Look(verdict="done", seen=f"restarted at {now}; {how}")
        if now == facts["was"]:
            return Look(verdict="not-begun", seen=f"it was not restarted; {how}")
        return Look(verdict="partly", seen=f"somebody else restarted it at {now}; {how}")


def _restartable(one: Found) -> None:
    if one.kind == "CronJob":
        raise BadInput(f"{one.title} has nothing to restart", "its jobs end by themselves", "leave this step out")
    if one.spec.get("paused"):
        line = one.at.line("rollout", "resume", one.at.slashed)
        raise BadInput(f"{one.title} is paused", "its controller rolls nothing out, so kubectl refuses it", line)
