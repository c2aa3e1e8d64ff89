"""What an operation and its check see of the engine beside the project's containers: its clock, images, events."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from warroom.api import Context, TimedOut
from warroom_compose import looking
from warroom_compose.calls import MOMENTS
from warroom_compose.client import Engine, NotThere, part
from warroom_compose.looking import Image
from warroom_compose.operations.downtime import NS, Moment
from warroom_compose.project import LABEL, Container

_LARGEST = 4 * 2**20
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


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
    now = ns(str(told.get("SystemTime", "")))
    middle = before.timestamp() + (after - before).total_seconds() / 2
    return Stand(str(told.get("ID", "")), now, now / NS - middle if now else 0, str(told.get("Architecture", "")))


async def image(engine: Engine, name: str) -> Image | None:
    """The local image of this name, digest or ID; None when there is none."""
    try:
        return await looking.image(engine, name)
    except NotThere:
        return None


async def architecture(engine: Engine, name: str) -> str:
    """What a local image was built for: ``amd64``, ``arm64``."""
    return str((await engine.ask(lambda api: api.inspect_image(name))).get("Architecture", ""))


async def happened(
    engine: Engine, since: int, until: int, filters: Mapping[str, Sequence[str]], *, timeout: float = 10
) -> list[dict[str, Any]]:
    """The engine's own record between two of its moments (ns), oldest first. It keeps the last 256 events only."""
    times = {"since": f"{since // NS}.{since % NS:09}", "until": f"{until // NS}.{until % NS:09}"}
    body = bytearray()
    try:
        async with asyncio.timeout(timeout):
            async for chunk in await engine.read("/events", timeout=timeout, filters=dict(filters), **times):
                body += chunk
                if len(body) > _LARGEST:
                    break
    except TimeoutError:
        raise TimedOut("The engine's events were not told in time", f"not within {timeout:g} s") from None
    return [json.loads(line) for line in bytes(body).splitlines() if line.strip().endswith(b"}")]


async def moments(engine: Engine, project: str, since: int, until: int) -> list[Moment]:
    """What became of the project's containers."""
    filters = {"type": ["container"], "label": [f"{LABEL}project={project}"], "event": list(MOMENTS)}
    return [
        Moment(
            at=int(each["timeNano"]),
            container=str(each["Actor"]["ID"]),
            service=str(each["Actor"]["Attributes"].get(f"{LABEL}service", "")),
            what=str(each["Action"]),
            image=str(each["Actor"]["Attributes"].get(f"{LABEL}image", "")),
        )
        for each in await happened(engine, since, until, filters)
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
    body = bytearray()
    path = f"/containers/{part(one.id)}/logs"
    if one.log_driver in ("none", "syslog", "gelf", "fluentd", "awslogs", "splunk"):
        return []
    async for chunk in await engine.read(path, timeout=engine.timeout, stdout=1, stderr=1, tail=count):
        body += chunk
        if len(body) > _LARGEST:
            break
    lines = (bytes(body) if one.tty else unframed(bytes(body))).decode("utf-8", "replace").splitlines()
    return [line for line in lines if line.strip()][-count:]


def unframed(body: bytes) -> bytes:
    """Without the eight bytes that the engine puts before each piece of a stream."""
    out, at = bytearray(), 0
    while at + 8 <= len(body):
        size = int.from_bytes(body[at + 4 : at + 8], "big")
        out += body[at + 8 : at + 8 + size]
        at += 8 + size
    return bytes(out)


def ns(text: str) -> int:
    """Docker's time, which has nanoseconds, as ns since 1970; 0 for "never" (its year 1) and for no time."""
    found = _TIME.fullmatch(text)
    if found is None or found[1] < "1970":
        return 0
    seconds = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00")).timestamp()
    return int(seconds) * NS + int((found[2] or "").ljust(9, "0"))


def ns_of(moment: datetime | None) -> int:
    return 0 if moment is None else int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6) * 1000
