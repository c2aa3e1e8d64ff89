"""Evidence of what Redis was doing: what it says of itself, its clients, its limits. No keys and no values."""

from __future__ import annotations

import json

from pydantic import JsonValue

from warroom.api import Context, Folder, WarroomError
from warroom_redis.info import ask, parsed, why

SETTINGS = ("maxmemory", "maxmemory-policy", "maxclients", "timeout", "appendonly", "save")


class StateCollector:
    name = "redis"
    kinds: tuple[str, ...] = ("cache-state",)
    timeout_s = 30.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        """What can't be read says why in its place; without INFO it raises."""
        said: dict[str, JsonValue] = dict(parsed(await ask(ctx, "INFO", "all")))
        about = {
            "info": said,
            "settings": [await _or_why(ctx, "CONFIG", "GET", name) for name in SETTINGS],
            "clients": await _or_why(ctx, "CLIENT", "LIST"),
            "latency": await _or_why(ctx, "LATENCY", "LATEST"),
            "slow commands": await _or_why(ctx, "SLOWLOG", "LEN"),
            "memory": await _or_why(ctx, "MEMORY", "STATS"),
        }
        await folder.write("redis.json", json.dumps(about, indent=1).encode(), kind="cache-state")


async def _or_why(ctx: Context, *command: str) -> JsonValue:
    """The reply; an object with the error where it was refused, as managed services do with some."""
    try:
        return await ask(ctx, *command)
    except WarroomError as error:
        return {"error": why(error)}
