"""Numbers of pods: to zero and back to what was recorded, and the writers of a service stopped and let go again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, JsonValue

from warroom.api import BadInput, Context, Facts
from warroom.model.base import Duration, Fact
from warroom.model.call import ApiCall
from warroom.model.plan import ELSEWHERE, STOPPED, Preview, Risk
from warroom.model.plan import RECORDED as BY_US
from warroom.model.units import listed
from warroom_kubernetes.changes import calls
from warroom_kubernetes.changes.patching import noted
from warroom_kubernetes.config import Config, Name
from warroom_kubernetes.objects.templates import images_of
from warroom_kubernetes.operations.args import WorkloadArgs
from warroom_kubernetes.operations.autoscalers import KEPT, restored, suspended
from warroom_kubernetes.operations.setting import Setting, Settings, facts_of, preview_of
from warroom_kubernetes.operations.subject import Found, Json, find, listing, mapping, may, scaled_by, tried
from warroom_kubernetes.reach.asking import Cluster, cluster
from warroom_kubernetes.workload.completion import Wanted

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
            return await facts_of(api, [_number(one, count, hpas)], _notes(one, count, hpas), waits=list(waits))

    def preview(self, config: Config, args: ScaleArgs, facts: Facts) -> Preview:
        return preview_of(facts, waits=_waits(facts, args.wait), destroys=_logs(facts))


class WritersArgs(Fact):
    """``workloads``: those that are meant; left out, all that the platform's configuration calls writers, and where it
    calls none so, those that are rolled back together."""

    workloads: tuple[Name, ...] = Field(default=(), max_length=100)
    wait: Annotated[Duration, Field(ge=1, le=3600)] = 180


class ResumeArgs(WritersArgs):
    """``after_stop``: a step before this one stops them. What runs when the plan is made is then what comes back, and
    what warroom stopped of those that are rolled back together comes back with it."""

    after_stop: bool = False


class StopWrites(Settings):
    name = "stop-writes"
    title = "Stop all writers"
    risk: Risk = "disruptive"
    args: type[BaseModel] = WritersArgs

    async def facts(self, ctx: Context, args: WritersArgs) -> Facts:
        settings: list[Setting] = []
        notes: list[str] = []
        waits: list[JsonValue] = []
        config: Config = ctx.config
        if not args.workloads and not config.writers:
            who = listed(list(config.together), 4)
            notes.append(f"no workload is called a writer (writer: true), so these are taken for writers: {who}")
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
                    _number(one, 0, hpas),
                    # An autoscaler that may have zero pods would wake it again.
                    *(suspended(one.at, hpa) for hpa in hpas if _may_be_zero(hpa)),
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
    args: type[BaseModel] = ResumeArgs

    async def facts(self, ctx: Context, args: ResumeArgs) -> Facts:
        settings: list[Setting] = []
        notes: list[str] = []
        waits: list[JsonValue] = []
        async with cluster(ctx) as api:
            found = await _stopped(ctx, api, args)
            for one, hpas, asleep in found:
                if RECORDED not in one.notes:
                    notes.append(f"{one.title} is left as it is: warroom has not stopped it")
                    continue
                await may(api, one.at)
                if one.kind == "CronJob":
                    settings.append(_suspended(one, False))
                    continue
                count = _recorded(one)
                woken = [restored(one.at, hpa) for hpa in asleep if KEPT in _notes_of(hpa)]
                settings += [_number(one, count, hpas), *woken]
                if not args.after_stop:
                    notes.append(f"{one.title} goes on with what it asks for now: {images_of(one.template)}")
                waits.append(_waited(one, count))
            if not settings and not args.after_stop:
                raise BadInput(
                    "There is no writer to let go on", "; ".join(notes), "scale it up by hand, or by `scale`"
                )
            if args.after_stop:
                settings = [replace(each, later=True) for each in settings] or [_as_it_is(found[0][0])]
                notes.append("what it does is worked out for writers that are stopped; it is not tried beforehand")
            return await facts_of(api, settings, notes, waits=waits)

    def preview(self, config: Config, args: ResumeArgs, facts: Facts) -> Preview:
        return preview_of(facts, waits=_waits(facts, args.wait))


async def _stopped(ctx: Context, api: Cluster, args: ResumeArgs) -> list[tuple[Found, list[Json], list[Json]]]:
    """Each writer with its autoscalers, and those of them that warroom may have held still because of it; where a step
    of the same plan stops them, as they will be then. Of what is stopped already, that is what comes back."""
    writers = await _writers(ctx, api, args)
    config: Config = ctx.config
    known = {one.key for one in writers}
    others = [] if args.workloads else [await find(ctx, api, key) for key in config.together if key not in known]
    to_come = args.after_stop and not any(RECORDED in one.notes for one in (*writers, *others))
    found: list[tuple[Found, list[Json], list[Json]]] = []
    for one in writers:
        hpas = await scaled_by(api, one)
        asleep = [hpa for hpa in hpas if _may_be_zero(hpa)]
        if to_come and not _stands(one):
            found.append((_as_stopped(one), hpas, [await _held(api, one, hpa) for hpa in asleep]))
        else:
            found.append((one, hpas, asleep))
    if args.after_stop:
        found += [(one, [], []) for one in others if RECORDED in one.notes]
    return found


def _stands(one: Found) -> bool:
    """Nothing of it runs, or is begun."""
    return bool(one.spec.get("suspend")) if one.kind == "CronJob" else one.spec.get("replicas", 1) == 0


def stands_still(one: Found) -> dict[str, JsonValue]:
    """Whether there are no pods of it to come, and who has seen to that."""
    if one.kind in ("CronJob", "DaemonSet") or not _stands(one):
        return {}
    return {STOPPED: BY_US if RECORDED in one.notes else ELSEWHERE}


def _as_stopped(one: Found) -> Found:
    """As `stop-writes` leaves it."""
    cron = one.kind == "CronJob"
    kept = "running" if cron else str(one.spec.get("replicas", 1))
    spec = {**one.spec, **({"suspend": True} if cron else {"replicas": 0})}
    head = {**one.object["metadata"], "annotations": {**one.notes, RECORDED: kept}}
    return replace(one, object={**one.object, "metadata": head, "spec": spec})


async def _held(api: Cluster, one: Found, hpa: Json) -> Json:
    """The server's own defaults are in what it makes of it, which must be recognised then."""
    setting = suspended(one.at, hpa)
    if setting.was == setting.becomes:
        return hpa
    outcome = await tried(api, setting.at, setting.ops, f"to hold {setting.at.name} still")
    return {**(outcome.object or hpa), "apiVersion": hpa["apiVersion"]}


def _may_be_zero(hpa: Json) -> bool:
    """Such a one is held still while its target stands at zero: others stop by themselves there."""
    return (hpa.get("spec") or {}).get("minReplicas") == 0


def _notes_of(hpa: Json) -> dict[str, str]:
    return dict(hpa["metadata"].get("annotations") or {})


def _as_it_is(one: Found) -> Setting:
    if one.kind == "CronJob":
        was = bool(one.spec.get("suspend", False))
        return Setting(one.at, one.title, "suspend", "/spec/suspend", was, was)
    count = one.spec.get("replicas", 1)
    return Setting(one.at, one.title, "the number of pods", "/spec/replicas", count, count)


async def _writers(ctx: Context, api: Cluster, args: WritersArgs) -> list[Found]:
    """Where none is called one, those that are rolled back together are taken for it."""
    config: Config = ctx.config
    taken = [key for key in config.together if config.workloads[key].kind != "DaemonSet"]  # nothing can stop one
    return [await find(ctx, api, key) for key in args.workloads or config.writers or taken or config.together]


def _scalable(one: Found) -> None:
    if one.kind in ("CronJob", "DaemonSet"):
        why = "it is suspended instead" if one.kind == "CronJob" else "it has a pod on each node that it fits"
        raise BadInput(f"{one.title} can't be scaled", why, "name another workload, or do it by hand")


def _recorded(one: Found) -> int:
    text = one.notes.get(RECORDED, "")
    if not text.isascii() or not text.isdigit() or len(text) > 5:
        raise BadInput(f"No number is recorded for {one.title}", "warroom has not scaled it to zero", "give a number")
    return int(text)


def _number(one: Found, to: int, hpas: Sequence[Json] = ()) -> Setting:
    """The number that it had is kept on the object itself, in the same change: whoever comes later finds it.

    One that an autoscaler moves is not held against while it does: what matters is that there are pods, or none.
    """
    was = one.spec.get("replicas", 1)
    kept = one.notes.get(RECORDED)
    value = str(was) if to == 0 and was > 0 else kept if to == 0 else None
    moves = _moves(hpas, max(was, to)) if bool(was) != bool(to) else None
    here, there = (f"--current-replicas={number}" for number in (was, to))
    line = one.at.line("scale", one.at.slashed, f"--replicas={to}", *([here] if not (moves and was) else []))
    back = one.at.line("scale", one.at.slashed, f"--replicas={was}", *([there] if not (moves and to) else []))
    more, more_back = _record(one, value)
    called, field = "the number of pods", "/spec/replicas"
    return Setting(one.at, one.title, called, field, was, to, more, more_back, line, back, moves=moves)


def _moves(hpas: Sequence[Json], now: int) -> tuple[int, int] | None:
    """Between which numbers they move it; None where none does, or where ``now`` is not what they would set."""
    bounds = [(max(1, spec.get("minReplicas", 1)), spec.get("maxReplicas", 0)) for spec in (h["spec"] for h in hpas)]
    if not bounds:
        return None
    least, most = min(low for low, _ in bounds), max(high for _, high in bounds)
    return (least, most) if least <= now <= most else None


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
            if was:
                notes.append(
                    f"until then it may set another number; {was} is what is recorded, and what it goes on from"
                )
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
