"""What the application says of itself, where the runbook names an address for it."""

from __future__ import annotations

from dataclasses import dataclass

from warroom.api import Context, WarroomError


@dataclass(frozen=True)
class Said:
    version: str = ""
    commit: str | None = None
    words: str = ""


async def said_by(ctx: Context, url: str | None, timeout: float) -> Said | None:
    """None where no address is configured; without a version where it does not answer with one."""
    if url is None:
        return None
    try:
        reply = await ctx.read.http("GET", url, timeout=timeout)
    except WarroomError as error:
        return Said(words=f"the app does not say what it is: {error.title}"[:200])
    told = reply.data if isinstance(reply.data, dict) else {}
    version, commit = told.get("version"), told.get("commit")
    if reply.status != 200 or not (isinstance(version, str) or isinstance(commit, str)):
        return Said(words=f"the app does not say what it is: HTTP {reply.status} without a version")
    named = version if isinstance(version, str) else ""
    return Said(named[:100], commit[:64] if isinstance(commit, str) else None, f"the app says {named or commit}"[:120])
