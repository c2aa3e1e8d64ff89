"""What Redis says of itself in INFO, and what follows from it. Pure, but for asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from warroom.api import BadInput, CannotLook, Context, DoorRefused, StoreRefused, WarroomError
from warroom_redis.config import Config

Value = tuple[float | None, int | None, str]
"""A sample's value, its count, and its words."""

NOT_LET_IN = frozenset({"NOAUTH", "WRONGPASS", "NOPERM"})
_ROLES = {"master": "master", "slave": "replica"}


async def ask(ctx: Context, *command: str) -> JsonValue:
    config: Config = ctx.config
    return await ctx.read.redis(config.url, *command, timeout=config.timeout)


async def info(ctx: Context, *sections: str) -> dict[str, str]:
    """INFO's fields. Raises WarroomError."""
    return parsed(await ask(ctx, "INFO", *sections))


def parsed(reply: JsonValue) -> dict[str, str]:
    """``name:value`` lines; headings and anything else are passed over."""
    lines = reply.splitlines() if isinstance(reply, str) else []
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon and name[:1] != "#"}


def why(error: WarroomError, *, fix: bool = True) -> str:
    """The error on one line, cut, ending in what to do about it (``fix``): for a sample's or a check's words."""
    said = ": ".join(part.rstrip(".") for part in (error.title, error.cause) if part)[:220]
    return f"{said}; {error.hint}"[:300] if error.hint and fix else said


def serves(error: WarroomError) -> bool | None:
    """Whether it serves, by the error that asking it gave: None where that says more of warroom."""
    if isinstance(error, BadInput | CannotLook | DoorRefused):
        return None
    return None if isinstance(error, StoreRefused) and error.code in NOT_LET_IN else False


def number(said: Mapping[str, str], name: str) -> int | None:
    """A whole number that is not negative; None where there is none."""
    text = said.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def whole(said: Mapping[str, str], name: str) -> Value:
    found = number(said, name)
    return (None, None, f"INFO has no {name}") if found is None else (float(found), 1, "")


def memory(said: Mapping[str, str]) -> Value:
    used, most = number(said, "used_memory"), number(said, "maxmemory")
    if used is None or most is None:
        return None, None, "INFO does not say its memory"
    if most == 0:
        return None, None, f"maxmemory is not set; {_mb(used)} in use"
    return min(1.0, used / most), 1, f"{_mb(used)} of {_mb(most)}, {said.get('maxmemory_policy', 'unknown policy')}"


def _mb(size: int) -> str:
    return f"{size / 2**20:,.1f} MB"


def role(said: Mapping[str, str], expected: str) -> Value:
    """1 while it is what it ought to be, and a replica has its master."""
    found = _ROLES.get(said.get("role", ""))
    if found is None:
        return None, None, "INFO does not say its role"
    if found != expected:
        return 0, 1, f"it is a {found}, and ought to be a {expected}"
    if found == "replica" and said.get("master_link_status") != "up":
        return 0, 1, "a replica whose link to its master is down"
    followers = number(said, "connected_slaves") or 0
    return 1, 1, f"a {found}" + (f" with {followers} replicas" if followers else "")


@dataclass(frozen=True)
class Counters:
    """What only grows while one server process lives. ``at`` is on the monotonic clock, in seconds."""

    at: float
    run_id: str
    evicted: int | None
    rejected: int | None

    @classmethod
    def read(cls, at: float, said: Mapping[str, str]) -> Counters:
        return cls(at, said.get("run_id", ""), number(said, "evicted_keys"), number(said, "rejected_connections"))


def per_minute(now: int | None, then: int | None, before: Counters | None, after: Counters, what: str) -> Value | None:
    """How much a counter grew, by the minute. None for a first look: that only sets the start."""
    if before is None:
        return None
    if now is None or then is None:
        return None, None, f"INFO does not say how many were {what}"
    if before.run_id != after.run_id or now < then or after.at <= before.at:
        return None, None, "it was started anew, or its counters were reset, since the last look"
    return (
        60 * (now - then) / (after.at - before.at),
        now - then,
        f"{now - then} {what} in {after.at - before.at:.1f} s",
    )
