"""Numbers of pods: to zero and back to what was recorded, and the writers of a service stopped and let go again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, JsonValue

from warroom.api import BadInput, Context, Facts
from warroom.model.base import Duration, Fact
from warroom.model.call import ApiCall
from warroom.model.plan import Preview, Risk
from warroom.model.units import listed
from warroom_kubernetes import calls
from warroom_kubernetes.asking import Cluster, cluster
from warroom_kubernetes.config import Config, Name
from warroom_kubernetes.finish import Wanted
from warroom_kubernetes.operations.args import WorkloadArgs
from warroom_kubernetes.operations.scene import Found, Json, find, listing, mapping, may, scaled_by
from warroom_kubernetes.operations.setting import Setting, Settings, facts_of, preview_of
from warroom_kubernetes.patching import noted

RECORDED = "warroom/replicas"
"""On what was scaled to zero: the number of pods that it had. On a CronJob that was suspended: ``running``."""


class ScaleArgs(WorkloadArgs):
    """``to``: how many pods, or ``recorded``: as many as there were before warroom scaled it to zero."""

    to: Annotated[int, Field(ge=0, le=10_000)] | Literal["recorded"]
    wait: Annotated[Duration, Field(ge=1, le=3600)] = 180


class Scale(Settings):
    name = "scale"
    title = "Scale a workload"
    risk: Risk = "disruptive"
    args: type[BaseModel] = ScaleArgs

    async def facts(self, ctx: Context, args: ScaleArgs) -> Facts:
        async with cluster(ctx) as api:
            one = await find(ctx, api, args.workload)
            _scalable(one)
            await may(api, one.at)
            count = _recorded(one) if args.to == "recorded" else args.to
            hpas = await scaled_by(api, one)
            waits = [_waited(one, count)]
            return await facts_of(api, [_number(one, count)], _notes(one, count, hpas), waits=list(waits))

    def preview(self, config: Config, args: ScaleArgs, facts: Facts) -> Preview:
        return preview_of(facts, waits=_waits(facts, args.wait), destroys=_logs(facts))


class WritersArgs(Fact):
    """``workloads``: those that are meant; left out, all that the platform's configuration calls writers."""

    workloads: tuple[Name, ...] = Field(default=(), max_length=100)
    wait: Annotated[Duration, Field(ge=1, le=3600)] = 180


class StopWrites(Settings):
    name = "stop-writes"
    title = "Stop all writers"
    risk: Risk = "disruptive"
    args: type[BaseModel] = WritersArgs

    async def facts(self, ctx: Context, args: WritersArgs) -> Facts:
        settings: list[Setting] = []
        notes: list[str] = []
        waits: list[JsonValue] = []
        async with cluster(ctx) as api:
            for one in await _writers(ctx, api, args):
                await may(api, one.at)
                if one.kind == "CronJob":
                    settings.append(_suspended(one, True))
                    notes += _running_jobs(one)
                    continue
                _scalable(one)
                hpas = await scaled_by(api, one)
                settings += [
                    _number(one, 0),
                    *(_asleep(one, hpa) for hpa in hpas if hpa["spec"].get("minReplicas") == 0),
                ]
                notes += _notes(one, 0, hpas)
                waits.append(_waited(one, 0))
            return await facts_of(api, settings, notes, waits=waits)

    def preview(self, config: Config, args: WritersArgs, facts: Facts) -> Preview:
        return preview_of(facts, waits=_waits(facts, args.wait), destroys=_logs(facts))


class ResumeWrites(Settings):
    """Only what warroom stopped itself: what stood still before, or what somebody else stopped, stays as it is."""

    name = "resume-writes"
    title = "Let the writers go on"
    risk: Risk = "disruptive"
    args: type[BaseModel] = WritersArgs

    async def facts(self, ctx: Context, args: WritersArgs) -> Facts:
        settings: list[Setting] = []
        notes: list[str] = []
        waits: list[JsonValue] = []
        async with cluster(ctx) as api:
            for one in await _writers(ctx, api, args):
                if RECORDED not in one.notes:
                    notes.append(f"{one.title} is left as it is: warroom has not stopped it")
                elif one.kind == "CronJob":
                    settings.append(_suspended(one, False))
                else:
                    count = _recorded(one)
                    settings.append(_number(one, count))
                    waits.append(_waited(one, count))
            if not settings:
                raise BadInput(
                    "There is no writer to let go on", "; ".join(notes), "scale it up by hand, or by `scale`"
                )
            return await facts_of(api, settings, notes, waits=waits)

    def preview(self, config: Config, args: WritersArgs, facts: Facts) -> Preview:
        return preview_of(facts, waits=_waits(facts, args.wait))


async def _writers(ctx: Context, api: Cluster, args: WritersArgs) -> list[Found]:
    config: Config = ctx.config
    keys = args.workloads or config.writers
    if not keys:
        raise BadInput("No workload is called a writer", "the platform's workloads have no writer: true", "say which")
    return [await find(ctx, api, key) for key in keys]


def _scalable(one: Found) -> None:
    if one.kind in ("CronJob", "DaemonSet"):
        why = "it is suspended instead" if one.kind == "CronJob" else "it has a pod on each node that it fits"
        raise BadInput(f"{one.title} can't be scaled", why, "name another workload, or do it by hand")


def _recorded(one: Found) -> int:
    text = one.notes.get(RECORDED, "")
    if not text.isascii() or not text.isdigit() or len(text) > 5:
        raise BadInput(f"No number is recorded for {one.title}", "warroom has not scaled it to zero", "give a number")
    return int(text)


def _number(one: Found, to: int) -> Setting:
    """The number that it had is kept on the object itself, in the same change: whoever comes later finds it."""
    was = one.spec.get("replicas", 1)
    kept = one.notes.get(RECORDED)
    value = str(was) if to == 0 and was > 0 else kept if to == 0 else None
    line = one.at.line("scale", one.at.slashed, f"--replicas={to}", f"--current-replicas={was}")
    back = one.at.line("scale", one.at.slashed, f"--replicas={was}", f"--current-replicas={to}")
    more, more_back = _record(one, value)
    return Setting(one.at, one.title, "the number of pods", "/spec/replicas", was, to, more, more_back, line, back)


def _record(one: Found, value: str | None) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    kept = one.notes.get(RECORDED)
    if value == kept:
        return (), ()
    after: Json = {"metadata": {"annotations": {**one.notes, **({RECORDED: value} if value is not None else {})}}}
    if value is None:
        del after["metadata"]["annotations"][RECORDED]
    return tuple(noted(one.object, RECORDED, value)), tuple(noted(after, RECORDED, kept))


def _suspended(one: Found, to: bool) -> Setting:
    was = bool(one.spec.get("suspend", False))
    kept = one.notes.get(RECORDED)
    value = ("running" if not was else kept) if to else None
    more, more_back = _record(one, value)
    return Setting(one.at, one.title, "suspend", "/spec/suspend", was, to, more, more_back)


def _asleep(one: Found, hpa: Json) -> Setting:
    """An autoscaler that may have zero pods would wake it again."""
    from warroom_kubernetes.operations.autoscalers import suspended

    return suspended(one.at, hpa)


def _running_jobs(one: Found) -> list[str]:
    active = [str(each.get("name")) for each in one.status.get("active") or ()]
    return [f"{one.title}: jobs that run already go on to their end: {listed(active, 4)}"] if active else []


def _notes(one: Found, to: int, hpas: Sequence[Json]) -> list[str]:
    was = one.spec.get("replicas", 1)
    notes = [f"{one.title}: from {was} to {to} pods"]
    if to == 0 and was > 0:
        notes.append(f"an outage: nothing of {one.at.name} answers from then until it is scaled up again")
    for hpa in hpas:
        name, least = hpa["metadata"]["name"], (hpa.get("spec") or {}).get("minReplicas", 1)
        if to == 0 and least:
            notes.append(f"its autoscaler {name} stops by itself at zero pods, and goes on once there are some again")
        elif to and to < least:
            notes.append(f"its autoscaler {name} will make it {least} at least")
        elif to:
            notes.append(f"its autoscaler {name} goes on from there and may choose another number")
    return notes


def _waited(one: Found, count: int) -> dict[str, JsonValue]:
    wanted = Wanted(key=one.key, uid=one.at.uid, kind=one.kind, zero=count == 0)
    return {"at": one.at.told(), "wanted": wanted.model_dump(mode="json")}


def _waits(facts: Facts, seconds: float) -> list[ApiCall]:
    made = []
    for each in map(mapping, listing(facts["waits"])):
        at = calls.at(each["at"])
        line = at.line("rollout", "status", at.slashed, f"--timeout={round(seconds)}s")
        made.append(calls.waiting(at, calls.ROLLED_OUT, each["wanted"], seconds, line))
    return made


def _logs(facts: Facts) -> tuple[str, ...]:
    fewer = [
        one
        for one in map(mapping, listing(facts["settings"]))
        if one["field"] == "/spec/replicas" and int(one["becomes"] or 0) < int(one["was"] or 0)
    ]
    return ("logs",) if fewer else ()
