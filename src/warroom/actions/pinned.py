"""Is what was approved still so? Fingerprints and pinned facts, read again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

from warroom.actions.platform import ActivePlatform
from warroom.errors import WarroomError
from warroom.model.plan import Plan, Step

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
    wanted, seen = plan.fingerprint.get(step.platform), await fingerprint(step.platform)
    if wanted is not None and seen is not None and seen != wanted:
        return f"{step.platform} is another one now: {seen} instead of {wanted}"
    if step.undoes:
        return ""
    try:
        _, fresh = await platform.previewed(step.operation, step.args)
    except WarroomError as error:
        return f"what it rests on can't be read again: {error}"
    for name, value in step.preview.pinned.items():
        if name not in changed and fresh.pinned.get(name) != value:
            return f"{name} is {_brief(fresh.pinned.get(name))} now, {_brief(value)} was shown"
    return ""


def _brief(value: object) -> str:
    """A digest by its beginning: nobody reads more of it, and the plan has it all."""
    text = str(value)
    return text if len(text) <= 30 else f"{text[:24]}…"


async def plan_moved(
    plan: Plan, settled: Collection[str], platforms: Mapping[str, ActivePlatform], fingerprint: Fingerprint
) -> str:
    """The same for every step that has still to run, in order; what earlier steps change is left out."""
    changed: set[str] = set()
    for step in plan.steps:
        if step.id not in settled:
            reason = await moved(plan, step, platforms, fingerprint, changed)
            if reason:
                return f"{step.title}: {reason}"
        changed.update(step.preview.changes)
    return ""
