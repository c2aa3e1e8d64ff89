"""How far did it come? Judged from the lab's own records and from what runs, never from what was asked."""

from __future__ import annotations

from typing import Any

from warroom.api import BadInput, Context, Facts, WarroomError
from warroom.model.plan import Look
from warroom_lab.control import ask


async def record_of(ctx: Context, key: str) -> dict[str, Any] | None:
    """The lab's record of the change begun under this key; None when none was. Raises WarroomError."""
    try:
        return await ask(ctx, f"/operations/{key}")
    except BadInput:
        return None


def unseen(error: WarroomError) -> Look:
    return Look(verdict="cannot-tell", seen=f"the lab can't be asked: {error}")


def told(record: dict[str, Any]) -> str:
    """A record in words: its state, how far it came, and why it ended badly."""
    steps = [str(step["name"]) for step in record["steps"]]
    came = f" at {steps[-1]}" if steps and record["state"] != "done" else ""
    return f"the lab's record says {record['state']}{came}" + (f": {record['error']}" if record["error"] else "")


async def by_record(ctx: Context, facts: Facts, none: str) -> Look:
    """For a change that leaves nothing to see but the lab's own record of it. ``none`` says that nothing was begun."""
    try:
        record = await record_of(ctx, str(facts["key"]))
    except WarroomError as error:
        return unseen(error)
    if record is None:
        return Look(verdict="not-begun", seen=none)
    return Look(verdict="done" if record["state"] == "done" else "partly", seen=told(record))
