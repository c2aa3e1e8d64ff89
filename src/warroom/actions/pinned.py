"""Is what was approved still so? Fingerprints and pinned facts, read again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from warroom.actions.platform import ActivePlatform
from warroom.errors import WarroomError
from warroom.model.plan import Plan, Preview, Step

Fingerprint = Callable[[str], Awaitable[str | None]]
"""Reads a platform's identity now; None when it can't be read (a warning, not a difference)."""


async def moved(
    plan: Plan,
    step: Step,
    platforms: Mapping[str, ActivePlatform],
    fingerprint: Fingerprint,
    changed: Collection[str] = (),
) -> str:
    """Why ``step`` must not start, in words; empty when it may. Facts in ``changed`` were changed by earlier steps."""
    if not step.platform:
        return ""
    platform = platforms.get(step.platform)
    if platform is None:
        return f"the platform {step.platform} is not there"
    # Side by side: what comes between a person's key and the change is what an outage lasts longer.
    wanted = plan.fingerprint.get(step.platform)
    seen, fresh = await asyncio.gather(fingerprint(step.platform), _again(platform, step))
    if wanted is not None and seen is not None and seen != wanted:
        return f"{step.platform} is another one now: {seen} instead of {wanted}"
    if fresh is None:
        return ""
    if isinstance(fresh, WarroomError):
        return f"what it rests on can't be read again: {fresh}"
    for name, value in step.preview.pinned.items():
        if name not in changed and fresh.pinned.get(name) != value:
            return f"{name} is {_brief(fresh.pinned.get(name))} now, {_brief(value)} was shown"
    return ""


async def _again(platform: ActivePlatform, step: Step) -> Preview | WarroomError | None:
    """None where nothing is to be compared: a step that undoes rests on what was captured."""
    if step.undoes:
        return None
    try:
        return (await platform.previewed(step.operation, step.args, again=True))[1]
    except WarroomError as error:
        return error


def _brief(value: object) -> str:
    """A digest by its beginning: nobody reads more of it, and the plan has it all."""
    text = str(value)
    return text if len(text) <= 30 else f"{text[:24]}…"


async def plan_moved(
    plan: Plan, settled: Collection[str], platforms: Mapping[str, ActivePlatform], fingerprint: Fingerprint
) -> str:
    """The same for every step that has still to run, all at once; what earlier steps change is left out.

    Each platform says once who it is: it is the same question for all its steps.
    """
    identities: dict[str, asyncio.Task[str | None]] = {}

    async def once(platform: str) -> str | None:
        if platform not in identities:
            identities[platform] = asyncio.ensure_future(_awaited(fingerprint(platform)))
        return await asyncio.shield(identities[platform])

    changed: set[str] = set()
    asked = []
    for step in plan.steps:
        if step.id not in settled:
            asked.append((step, moved(plan, step, platforms, once, frozenset(changed))))
        changed.update(step.preview.changes)
    try:
        reasons = await asyncio.gather(*(each for _, each in asked))
    finally:
        for task in identities.values():
            task.cancel()
    return next((f"{step.title}: {why}" for (step, _), why in zip(asked, reasons, strict=True) if why), "")


async def _awaited(asked: Awaitable[str | None]) -> str | None:
    return await asked
