"""Signals of the services that matter: do they run, are they well, how near their limits are they, were they killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace

from warroom.api import BadInput, Context, SignalOffer, TimedOut, Unreachable, WarroomError
from warroom.model.signal import Sample
from warroom_compose.client import Engine, NotThere, engine
from warroom_compose.config import Config
from warroom_compose.deaths import Deaths
from warroom_compose.measures import Used, Value, of_project, of_service, used, with_own
from warroom_compose.project import Container, NoProject, Project, find

WINDOW_S = 600
"""How far back what was killed or began anew counts, in seconds."""

_PROJECT = {
    "reachable": SignalOffer("Docker engine answers", "state"),
    "services-running": SignalOffer("services running", "state"),
    "services-healthy": SignalOffer("services healthy", "state"),
    "memory-used": SignalOffer("memory in use, of the fullest container", "ratio"),
    "cpu-used": SignalOffer("CPU in use, of the busiest container", "ratio"),
    "restarts": SignalOffer("containers that ended by themselves in 10 minutes", "count"),
    "oom-kills": SignalOffer("containers out of memory in 10 minutes", "count"),
}
_SERVICE = {
    "running": SignalOffer("{} containers running", "count"),
    "health": SignalOffer("{} health", "state"),
    "memory-used": SignalOffer("{} memory in use", "ratio"),
    "cpu-used": SignalOffer("{} CPU in use", "ratio"),
    "restarts": SignalOffer("{} containers that ended by themselves in 10 minutes", "count"),
    "oom-kills": SignalOffer("{} out of memory in 10 minutes", "count"),
}


def offered(config: Config) -> dict[str, SignalOffer]:
    own = {name: replace(offer, every=config.every) for name, offer in _PROJECT.items()}
    for service in config.services:
        for name, offer in _SERVICE.items():
            own[f"{name}-{service}"] = replace(offer, title=offer.title.format(service), every=config.every)
    return own


class ComposeSignals:
    def offers(self, config: Config) -> Mapping[str, SignalOffer]:
        """Of the project as a whole, and of each service that matters under its name: ``memory-used-web``."""
        return offered(config)

    async def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncGenerator[Sample, None]:
        """All of them, again and again. What can't be known has no value, and says why."""
        config: Config = ctx.config
        if unknown := sorted(wanted - offered(config).keys()):
            raise BadInput(f"compose has no signal {unknown[0]}", "", f"It has: {', '.join(offered(config))}.")
        deaths = Deaths(ctx, WINDOW_S)
        watch = asyncio.create_task(deaths.watch())
        before: dict[str, Used] = {}
        try:
            while True:
                began = ctx.clock.monotonic()
                values, before = await _look(ctx, deaths, before)
                at = ctx.clock.now()
                for name in sorted(wanted & values.keys()):
                    value, count, words = values[name]
                    yield Sample(signal=name, value=value, count=count, at=at, source=ctx.platform, words=words[:300])
                if watch.done():
                    await watch
                await ctx.clock.sleep(max(0.0, config.every - (ctx.clock.monotonic() - began)))
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)


async def _look(ctx: Context, deaths: Deaths, before: Mapping[str, Used]) -> tuple[dict[str, Value], dict[str, Used]]:
    """Every value now, and what was used by each container, to tell the next look what was used since."""
    config: Config = ctx.config
    try:
        async with engine(ctx) as of:
            project = await find(ctx, of, only=config.services.keys())
            now = await _used(of, project, config)
            cpus = await _cpus(of)
    except NoProject as error:
        return _gone(config, str(error)), {}
    except WarroomError as error:
        words = f"{error.title}: {error.cause}" if error.cause else error.title
        values: dict[str, Value] = dict.fromkeys(offered(config), (None, None, words))
        return values | {"reachable": (0.0, 1, words)}, {}
    values = {"reachable": (1.0, 1, "it answers")}
    asked = await _asked(ctx)
    for service, declared in config.services.items():
        told = of_service(project.of(service), declared, now, before, cpus)
        told["health"] = with_own(told["health"], asked.get(service))
        told |= deaths.of(service)
        values |= {f"{name}-{service}": value for name, value in told.items()}
    return values | of_project(values, config), now


def _gone(config: Config, words: str) -> dict[str, Value]:
    """The engine answers, and has nothing of the project: none of its services runs. That is known."""
    values: dict[str, Value] = dict.fromkeys(offered(config), (None, None, words))
    values |= {"reachable": (1.0, 1, "it answers"), "services-running": (0.0, 1, words)}
    values |= {"services-healthy": (0.0, 1, words)}
    for service, declared in config.services.items():
        values[f"running-{service}"] = (0.0, 1, words)
        if not declared.one_shot:
            values[f"health-{service}"] = (0.0, 1, words)
    return values


async def _asked(ctx: Context) -> dict[str, Value]:
    """By service, what its ``health_url`` answers, where the runbook names one."""
    config: Config = ctx.config
    urls = {service: one.health_url for service, one in config.services.items() if one.health_url is not None}

    async def ask(url: str) -> Value:
        try:
            reply = await ctx.read.http("GET", url, timeout=config.timeout)
        except (Unreachable, TimedOut) as error:
            return 0.0, 1, f"{error.title}: {error.cause}" if error.cause else error.title
        except WarroomError as error:
            return None, None, str(error)
        return float(200 <= reply.status < 300), 1, f"HTTP {reply.status}"

    return dict(zip(urls, await asyncio.gather(*map(ask, urls.values())), strict=True))


async def _used(of: Engine, project: Project, config: Config) -> dict[str, Used]:
    """By container, of those that run."""
    running = [one for service in config.services for one in project.running(service)]

    async def ask(one: Container) -> tuple[str, Used] | None:
        try:
            told = await of.ask(lambda api: api.stats(one.id, stream=False, one_shot=True))
        except NotThere:
            return None
        return one.id, used(told)

    found = await asyncio.gather(*(ask(one) for one in running))
    return dict(each for each in found if each is not None)


async def _cpus(of: Engine) -> float:
    """How many the host has."""
    return float((await of.ask(lambda api: api.info())).get("NCPU") or 0)
