"""From what the engine says of containers to values, each with its words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from warroom.model.units import listed, many
from warroom_compose.config import Config, Service
from warroom_compose.project import Container

Value = tuple[float | None, int | None, str]
"""A sample's value, its count, and its words."""
STOPPED: Value = (None, None, "none of its containers runs")


@dataclass(frozen=True)
class Used:
    """Of one container at one moment. ``memory`` in bytes without what the kernel can take back; ``cpu_ns`` and
    ``system_ns`` are counters, of the container's and of all the host's CPU time. None where the engine can't say."""

    memory: int | None
    cpu_ns: int | None
    system_ns: int | None


def used(told: Mapping[str, Any]) -> Used:
    """From one of ``/containers/ID/stats``, as ``docker stats`` counts it."""
    memory, cpu = told.get("memory_stats") or {}, told.get("cpu_stats") or {}
    usage, parts = memory.get("usage"), memory.get("stats") or {}
    if usage is not None:
        cache = parts.get("total_inactive_file", parts.get("inactive_file", 0))  # cgroup v1, v2
        usage = int(usage) - int(cache) if int(cache) < int(usage) else int(usage)
    total, system = (cpu.get("cpu_usage") or {}).get("total_usage"), cpu.get("system_cpu_usage")
    return Used(usage, int(total) if total else None, int(system) if system else None)


def of_service(
    containers: Sequence[Container],
    declared: Service,
    now: Mapping[str, Used],
    before: Mapping[str, Used],
    host_cpus: float,
) -> dict[str, Value]:
    running = [one for one in containers if one.running]
    values = {"running": _running(containers, running), "health": _health(containers, running, declared)}
    running = [one for one in running if one.id in now]  # what ended since it was listed uses nothing
    if not running:
        return values | {"memory-used": STOPPED, "cpu-used": STOPPED}
    values["memory-used"] = _most([(one, _memory(one, declared, now[one.id])) for one in running])
    values["cpu-used"] = _most([(one, _cpu(one, now[one.id], before.get(one.id), host_cpus)) for one in running])
    return values


def _running(containers: Sequence[Container], running: Sequence[Container]) -> Value:
    words = f"{len(running)} of {many(len(containers), 'container')}" if containers else "it has no container"
    return float(len(running)), 1, "; ".join([words, *_stopped(containers)])


def _stopped(containers: Sequence[Container]) -> list[str]:
    told = [f"{one.shown} {_state(one)}" for one in containers if not one.running]
    return [listed(told, 3)] if told else []


def _state(one: Container) -> str:
    if one.state == "exited":
        return "was killed: out of memory" if one.oom_killed else f"ended with exit code {one.exit_code}"
    return f"is {one.state}"


def _health(containers: Sequence[Container], running: Sequence[Container], declared: Service) -> Value:
    """Well where all run and all that are checked are healthy. One that only runs is not known to be well."""
    if declared.one_shot:
        return _one_shot(containers)
    if not containers:
        return 0.0, 1, "it has no container"
    if len(running) < len(containers):
        return 0.0, 1, "; ".join(_stopped(containers))
    bad = [one.shown for one in running if one.health == "unhealthy"]
    if bad:
        return 0.0, 1, f"unhealthy: {listed(bad, 3)}"
    if starting := [one.shown for one in running if one.health == "starting"]:
        return None, None, f"still starting: {listed(starting, 3)}"
    if unchecked := [one.shown for one in running if one.health == "none"]:
        return None, None, f"running, and nothing checks its health: {listed(unchecked, 3)}"
    return 1.0, 1, f"healthy: {many(len(running), 'container')}"


def with_own(engines: Value, own: Value | None) -> Value:
    """Health by the engine's check and by warroom's own: what either finds ill is; where the engine has no check, or
    is still starting, warroom's own decides."""
    if own is None or engines[0] == 0.0:
        return engines
    if own[0] == 0.0 or engines[0] is None:
        return own[0], own[1], f"its health address: {own[2]}"
    return engines


def _one_shot(containers: Sequence[Container]) -> Value:
    if not containers:
        return None, None, "it has not run"
    failed = [one for one in containers if one.state == "exited" and one.exit_code]
    if failed:
        return 0.0, 1, listed([f"{one.shown} {_state(one)}" for one in failed], 3)
    if all(one.state == "exited" for one in containers):
        return 1.0, 1, "it ran to its end"
    return None, None, "it has not come to its end yet"


def _memory(one: Container, declared: Service, now: Used) -> Value:
    if now.memory is None:
        return None, None, f"{one.shown}: the engine can't say what it uses"
    limit = one.memory_limit or declared.memory_limit or 0
    if not limit:
        words = f"{one.shown}: {_mb(now.memory)}, and it has no limit: set mem_limit, or memory_limit in the runbook"
        return None, None, words
    words = f"{one.shown}: {_mb(now.memory)} of {_mb(limit)}"
    return min(1.0, now.memory / limit), 1, words if one.memory_limit else f"{words}, the runbook's own limit"


def _mb(size: int) -> str:
    return f"{size / 2**20:,.0f} MB"


def _cpu(one: Container, now: Used, before: Used | None, host_cpus: float) -> Value:
    """The share of what it may use, since the look before. The host's counter goes on by all its CPUs together."""
    if now.cpu_ns is None or now.system_ns is None:
        return None, None, f"{one.shown}: the engine can't say what it uses"
    if before is None or before.cpu_ns is None or before.system_ns is None:
        return None, None, f"{one.shown}: measured from the next look on"
    spent, whole = now.cpu_ns - before.cpu_ns, now.system_ns - before.system_ns
    if spent < 0 or whole <= 0 or host_cpus <= 0:
        return None, None, f"{one.shown}: its counters began anew"
    cores = spent / whole * host_cpus
    allowed = min(one.cpus, host_cpus) if one.cpus else host_cpus
    return min(1.0, cores / allowed), 1, f"{one.shown}: {cores:.2f} of {allowed:g} CPUs"


def _most(found: Sequence[tuple[Container, Value]]) -> Value:
    """The highest. Unknown as soon as one is: the fullest could be that one."""
    missing = [value for _, value in found if value[0] is None]
    return missing[0] if missing else max((value for _, value in found), key=lambda each: each[0] or 0)


def of_project(values: Mapping[str, Value], config: Config) -> dict[str, Value]:
    """Of all services that matter together."""
    lasting = [name for name, one in config.services.items() if not one.one_shot]
    return {
        "services-running": _all_run(values, lasting),
        "services-healthy": _all_well(values, list(config.services)),
        "memory-used": _highest(values, "memory-used", lasting),
        "cpu-used": _highest(values, "cpu-used", lasting),
        "restarts": _sum(values, "restarts", list(config.services)),
        "oom-kills": _sum(values, "oom-kills", list(config.services)),
    }


def _all_run(values: Mapping[str, Value], services: Sequence[str]) -> Value:
    missing = [f"{name}: {values[f'running-{name}'][2]}" for name in services if not values[f"running-{name}"][0]]
    if missing:
        return 0.0, 1, listed(missing, 3)
    return 1.0, 1, f"{listed(list(services), 6)} run" if services else "there is none that should"


def _all_well(values: Mapping[str, Value], services: Sequence[str]) -> Value:
    """One that is not well decides; else one that is not known."""
    told = {name: values[f"health-{name}"] for name in services}
    for wanted in (0.0, None):
        if found := [f"{name}: {words}" for name, (value, _, words) in told.items() if value == wanted]:
            return (wanted, None if wanted is None else 1, listed(found, 3))
    return 1.0, 1, f"{listed(list(services), 6)} healthy"


def _highest(values: Mapping[str, Value], what: str, services: Sequence[str]) -> Value:
    """Of the services that run; unknown as soon as one of theirs is. A service that is stopped uses nothing."""
    told = [values[f"{what}-{name}"] for name in services if values[f"{what}-{name}"] != STOPPED]
    missing = [words for value, _, words in told if value is None]
    if missing:
        return None, None, "; ".join(missing)
    return max(told, key=lambda each: each[0] or 0) if told else STOPPED


def _sum(values: Mapping[str, Value], what: str, services: Sequence[str]) -> Value:
    told = {name: values[f"{what}-{name}"] for name in services}
    numbers = {name: value for name, (value, _, _) in told.items() if value is not None}
    words = listed([told[name][2] for name, value in numbers.items() if value], 3)
    if len(numbers) < len(told) and not any(numbers.values()):
        return None, None, next(words for value, _, words in told.values() if value is None)
    return float(sum(numbers.values())), 1, words or "none"
