"""What an operation and its check see of the engine beside the project's containers: its clock, images, events."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from warroom.api import Context, TimedOut
from warroom_compose.calls import MOMENTS
from warroom_compose.client import Engine, NotThere, part
from warroom_compose.images import Image, of_name
from warroom_compose.lines import entries, objects
from warroom_compose.operations.downtime import Moment
from warroom_compose.project import LABEL, Container, labelled
from warroom_compose.times import NS, instant, ns_of


@dataclass(frozen=True)
class Stand:
    """``now`` is the engine's clock in ns since 1970, ``ahead_s`` by how much it is ahead of this machine's."""

    engine: str
    now: int
    ahead_s: float
    architecture: str


async def stand(ctx: Context, engine: Engine) -> Stand:
    before = ctx.clock.now()
    told = await engine.ask(lambda api: api.info())
    after = ctx.clock.now()
    now = ns_of(instant(told.get("SystemTime")))
    middle = before.timestamp() + (after - before).total_seconds() / 2
    return Stand(str(told.get("ID", "")), now, now / NS - middle if now else 0, str(told.get("Architecture", "")))


async def image(engine: Engine, name: str) -> Image | None:
    """The local image of this name, digest or ID; None when there is none."""
    try:
        return await of_name(engine, name)
    except NotThere:
        return None


async def recorded(
    engine: Engine, since: int, until: int, filters: Mapping[str, Sequence[str]], *, timeout: float = 10
) -> list[dict[str, Any]]:
    """The engine's events between two of its moments (ns), oldest first. It has the last ``REMEMBERED`` only."""
    times = {"since": f"{since // NS}.{since % NS:09}", "until": f"{until // NS}.{until % NS:09}"}
    try:
        async with asyncio.timeout(timeout):
            stream = await engine.read("/events", timeout=timeout, filters=dict(filters), **times)
            return [event async for event in objects(stream)]
    except TimeoutError:
        raise TimedOut("The engine's events were not told in time", f"not within {timeout:g} s") from None


async def reaches_back(engine: Engine, since: int, until: int) -> bool:
    """Whether the engine's record goes back to ``since`` (ns): what is not in it then has not happened.

    An engine keeps its newest ``REMEMBERED`` events, of all its containers, and none over a restart of its own. How
    many it still has tells nothing, since more may come while it is asked; that it has one from before tells.
    """
    every = await recorded(engine, 1, until, {})
    return bool(every) and int(every[0].get("timeNano") or 0) <= since


async def moments(engine: Engine, project: str, since: int, until: int) -> list[Moment]:
    """What became of the project's containers."""
    filters = {"type": ["container"], **labelled(project), "event": list(MOMENTS)}
    return [
        Moment(
            at=int(each["timeNano"]),
            container=str(each["Actor"]["ID"]),
            service=str(each["Actor"]["Attributes"].get(f"{LABEL}service", "")),
            what=str(each["Action"]),
            image=str(each["Actor"]["Attributes"].get(f"{LABEL}image", "")),
        )
        for each in await recorded(engine, since, until, filters)
    ]


async def plight(engine: Engine, one: Container, lines: int = 3) -> str:
    """How it is with a container that is not well: what its health check said last, its exit, its last lines. Raw."""
    told = await engine.ask(lambda api: api.inspect_container(one.id))
    state = told["State"]
    checks = (state.get("Health") or {}).get("Log") or []
    said = [f"{one.shown} ({one.id[:12]}) is {standing(one)}"]
    if checks:
        last = checks[-1]
        words = " ".join(str(last.get("Output", "")).split())[:200] or "no output"
        said.append(f"its last health check exited {last.get('ExitCode')}: {words}")
    if error := str(state.get("Error", "")):
        said.append(f"the engine says: {error[:200]}")
    wrote = await last_lines(engine, one, lines)
    said.append("its last lines: " + " | ".join(line[:200] for line in wrote) if wrote else "it has written nothing")
    return "; ".join(said)


def standing(one: Container) -> str:
    """In words: ``running and unhealthy``, ``exited with 3``."""
    if one.state in ("exited", "dead"):
        return f"{one.state} with {one.exit_code}{', out of memory' if one.oom_killed else ''}"
    if one.state == "restarting":
        return f"restarting over and over ({one.restarts} so far), last exit {one.exit_code}"
    return f"{one.state} and {one.health}" if one.running and one.health != "none" else one.state


async def last_lines(engine: Engine, one: Container, count: int) -> list[str]:
    """The newest lines that it wrote, oldest first; none where its log driver keeps nothing that can be read."""
    if one.log_driver in ("none", "syslog", "gelf", "fluentd", "awslogs", "splunk"):
        return []
    path = f"/containers/{part(one.id)}/logs"
    stream = await engine.read(path, timeout=engine.timeout, stdout=True, stderr=True, timestamps=True, tail=count)
    return [each.text async for each in entries(stream, tty=one.tty) if each.text.strip()][-count:]
