"""Waiting for a rollout: what `kubectl rollout status` does, with what is stuck, and with what really runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from warroom.api import Context, Facts, WarroomError
from warroom.model.base import Duration
from warroom.model.call import CallResult
from warroom.model.plan import Look, Preview, Risk
from warroom.model.units import listed
from warroom_kubernetes.changes import calls
from warroom_kubernetes.config import Config
from warroom_kubernetes.objects.revisions import PREFIX
from warroom_kubernetes.objects.stuck import summed, troubles
from warroom_kubernetes.operations.args import Text, WorkloadArgs
from warroom_kubernetes.operations.subject import find, mapping, pinned, unseen
from warroom_kubernetes.reach.asking import Cluster, cluster, server_now
from warroom_kubernetes.workload.completion import (
    Wanted,
    around,
    beside_the_deadline,
    container_of,
    settled,
)
from warroom_kubernetes.workload.reading import standing
from warroom_kubernetes.workload.version import agrees, said_by, word_of

EXPECTED_S = 90.0
DIGEST = r"^(sha256:[0-9a-f]{64}|template:.{0,300})?$"


class RolloutArgs(WorkloadArgs):
    """``digest`` is what it must come to: an image's, which its pods must run, or a template's (``template:HASH``),
    which it must ask for. ``version`` is what the app must call itself, where it is asked. ``zero``: no pod at all
    counts as well.
    """

    wait: Annotated[Duration, Field(ge=1, le=7200)] = 600
    digest: Annotated[str, Field(max_length=400, pattern=DIGEST)] = ""
    version: Text = ""
    zero: bool = False


class Rollout:
    name = "rollout"
    title = "Wait for the rollout"
    risk: Risk = "safe"
    args: type[BaseModel] = RolloutArgs

    async def facts(self, ctx: Context, args: RolloutArgs) -> Facts:
        async with cluster(ctx) as api:
            one = await find(ctx, api, args.workload)
            other = await _other_names(ctx, api, args.workload) if args.version else ""
        deadline = one.spec.get("progressDeadlineSeconds") if one.kind == "Deployment" else None
        version = "" if other else args.version
        return {**one.facts(), "deadline_s": deadline, "version": version, "other_names": other}

    def preview(self, config: Config, args: RolloutArgs, facts: Facts) -> Preview:
        at = calls.at(mapping(facts["at"]))
        line = at.line("rollout", "status", at.slashed, f"--timeout={round(args.wait)}s")
        notes = [str(facts["other_names"])] if facts["other_names"] else []
        deadline = facts["deadline_s"]
        if isinstance(deadline, int) and deadline < args.wait:
            notes.append(f"the cluster itself gives up after {deadline} s without progress, which ends this too")
        if config.workloads[args.workload].service is None:
            notes.append("no Service is named for it in the runbook, so who is reached behind one is not looked at")
        return Preview(
            calls=(calls.waiting(at, calls.ROLLED_OUT, _wanted(args, facts).model_dump(mode="json"), args.wait, line),),
            no_inverse="it only waits",
            pinned=pinned(facts),
            notes=tuple(notes),
            expected_s=min(EXPECTED_S, args.wait),
            timeout_s=args.wait + 30,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        """``seconds`` that it took from when it was waited for."""
        return {"seconds": f"{results[0].seconds:.3f}"} if results else {}

    async def check(self, ctx: Context, args: RolloutArgs, facts: Facts) -> Look:
        config: Config = ctx.config
        declared = config.workloads[args.workload]
        try:
            async with cluster(ctx) as api:
                one = await find(ctx, api, args.workload)
                if one.at.uid != mapping(facts["at"])["uid"]:
                    return Look(verdict="cannot-tell", seen=f"{one.title} is another one now")
                seen = await around(api, declared, one.object, one.at.namespace)
                how = settled(one.object, seen, _wanted(args, facts), container_of(config, args.workload))
                if how.status == "done":
                    return await _by_its_word(ctx, api, args.workload, str(facts["version"]), how.words)
        except WarroomError as error:
            return unseen(error)
        ill = summed(beside_the_deadline(troubles(one.object, list(seen.pods), (), server_now(ctx))))
        return Look(verdict="partly", seen="; ".join(filter(None, [how.words, ill])))


async def _other_names(ctx: Context, api: Cluster, key: str) -> str:
    """Why what the app calls itself can't be held against a release's version; empty where it can, or is not known."""
    config: Config = ctx.config
    told = await said_by(ctx, api, config.workloads[key])
    if told is None or not (told.version or told.commit):
        return ""
    known = (await standing(ctx, api, key)).revisions
    if any(agrees(told, each.version) for each in known):
        return ""
    names = listed([each.version for each in known], 3)
    return f"{told.words}, which names none of {names}: its word is not waited for"


async def _by_its_word(ctx: Context, api: Cluster, key: str, version: str, words: str) -> Look:
    config: Config = ctx.config
    word = await word_of(ctx, api, config.workloads[key], version)
    if word is None:
        return Look(verdict="done", seen=words)
    if word.same:
        return Look(verdict="done", seen=f"{words}; {word.words}")
    return Look(verdict="cannot-tell" if word.same is None else "partly", seen=f"{words}; yet {word.words}")


def _wanted(args: RolloutArgs, facts: Facts) -> Wanted:
    at = mapping(facts["at"])
    return Wanted.model_validate(
        {
            "key": args.workload,
            "uid": at["uid"],
            "kind": facts["kind"],
            "digest": args.digest if args.digest.startswith("sha256:") else "",
            "template": args.digest.removeprefix(PREFIX) if args.digest.startswith(PREFIX) else "",
            "version": facts["version"],
            "zero": args.zero,
        }
    )
