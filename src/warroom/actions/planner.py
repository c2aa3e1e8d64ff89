"""From a procedure and a target to a plan: every Call, inverse and pinned fact worked out before anything runs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue, ValidationError

from warroom.actions.binding import fill, fill_commands
from warroom.actions.platform import ActivePlatform
from warroom.errors import BadInput
from warroom.model.call import Call, ManualCall
from warroom.model.plan import Plan, Preview, Step
from warroom.model.release import Release
from warroom.model.runbook import Procedure, Runbook, StepDecl

Purpose = Literal["rollback", "undo", "stop-writes", "resume-writes", "other"]


@dataclass(frozen=True)
class Situation:
    """What a plan is made in. ``fingerprints`` are those read just now, by platform."""

    incident: str
    runbook: Runbook
    running: Release | None
    target: Release | None
    fingerprints: Mapping[str, str]

    def names(self) -> dict[str, str | None]:
        """The placeholders a runbook may use; one that is not known now is None."""
        names: dict[str, str | None] = {"incident": self.incident, "service": self.runbook.service}
        for who, release in (("target", self.target), ("running", self.running)):
            for part in ("version", "commit", "digest"):
                names[f"{who}.{part}"] = getattr(release, part) if release else None
        return names


async def make_plan(
    situation: Situation,
    procedure_id: str,
    platforms: Mapping[str, ActivePlatform],
    *,
    include: Sequence[str] = (),
    manual: Sequence[str] = (),
) -> Plan:
    """Raises BadInput where the procedure, a platform or an argument is not as it must be; nothing is changed."""
    procedure = situation.runbook.procedures.get(procedure_id)
    if procedure is None:
        known = ", ".join(situation.runbook.procedures) or "none"
        raise BadInput(f"there is no procedure {procedure_id}", f"the runbook has: {known}", "choose one of them")
    unknown = [step_id for step_id in (*include, *manual) if step_id not in procedure.steps]
    if unknown:
        known = ", ".join(procedure.steps)
        raise BadInput(f"{procedure.title} has no step {unknown[0]}", f"its steps are: {known}", "propose it again")
    steps = [
        await _step(situation, step_id, decl, platforms, by_hand=step_id in manual)
        for step_id, decl in procedure.steps.items()
        if not decl.if_needed or step_id in include
    ]
    if not steps:
        raise BadInput(f"{procedure.title} has no step to run", "every step of it is optional", "include a step")
    return Plan(
        id=uuid.uuid4().hex[:12],
        incident=situation.incident,
        purpose=_purpose(procedure),
        procedure=procedure_id,
        title=procedure.title,
        fingerprint=dict(situation.fingerprints),
        runbook_hash=situation.runbook.hash,
        target=situation.target,
        running=situation.running,
        steps=tuple(steps),
        expected_s=_expected(procedure, steps),
        notes=tuple(f"{s.title}: {procedure.steps[s.id].why}" for s in steps if procedure.steps[s.id].why),
    )


async def _step(
    situation: Situation, step_id: str, decl: StepDecl, platforms: Mapping[str, ActivePlatform], *, by_hand: bool
) -> Step:
    if decl.op is None:
        return _manual_step(situation, step_id, decl)
    platform_id, _, name = decl.op.partition(".")
    platform = platforms.get(platform_id)
    if platform is None:
        raise BadInput(
            f"step {step_id} needs the platform {platform_id}", "it is not there", "see its row, or do it by hand"
        )
    operation = platform.operation(name)
    filled = fill(decl.with_, situation.names())
    try:
        args = operation.args.model_validate(filled)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"step {step_id}: {where}: {first['msg']}", f"for {decl.op}", "correct the runbook") from None
    facts, preview = await platform.previewed(name, args)
    if decl.timeout is not None:
        preview = preview.model_copy(update={"timeout_s": decl.timeout})
    return Step(
        id=step_id,
        title=decl.title,
        platform=platform_id,
        operation=name,
        plugin=platform.plugin.name,
        plugin_version=platform.plugin.version,
        args=args.model_dump(mode="json"),
        risk=operation.risk,
        role=decl.role,
        preview=preview,
        manual=by_hand,
        facts=dict(facts),
    )


def _manual_step(situation: Situation, step_id: str, decl: StepDecl) -> Step:
    """A step that only a person can do. What they should paste is shown; nothing can prove it, so it stays claimed."""
    assert decl.manual is not None  # the loader holds: op or manual, never neither
    do = str(fill(decl.manual.do, situation.names()))
    commands = fill_commands(decl.manual.commands, situation.names())
    calls: tuple[Call, ...] = (ManualCall(text=do, commands=commands),)
    return Step(
        id=step_id,
        title=decl.title,
        platform="",
        operation="manual",
        plugin="warroom",
        plugin_version="1",
        args={},
        risk=decl.manual.risk,
        role=decl.role,
        preview=Preview(calls=calls, no_inverse="a person does this elsewhere", timeout_s=decl.timeout or 3600),
        manual=True,
    )


def undo_plan(situation: Situation, done: Sequence[tuple[Step, tuple[Call, ...]]], title: str) -> Plan:
    """A plan of captured inverses, newest first. Raises BadInput when there is nothing to take back."""
    if not done:
        raise BadInput("there is nothing to undo", "no step that ended has an inverse", "choose another target instead")
    steps = tuple(
        step.model_copy(
            update={
                "id": f"undo-{step.id}",
                "title": f"Undo: {step.title}",
                "undoes": True,
                "preview": step.preview.model_copy(
                    update={
                        "calls": inverse,
                        "inverse": None,
                        "no_inverse": "this is itself an undo",
                        "pinned": {},
                        "destroys": (),
                        "notes": (),
                    }
                ),
            }
        )
        for step, inverse in reversed(done)
    )
    return Plan(
        id=uuid.uuid4().hex[:12],
        incident=situation.incident,
        purpose="undo",
        procedure="undo",
        title=title,
        fingerprint=dict(situation.fingerprints),
        runbook_hash=situation.runbook.hash,
        target=None,
        running=situation.running,
        steps=steps,
        expected_s=sum(step.preview.expected_s for step in steps),
    )


def _purpose(procedure: Procedure) -> Purpose:
    return "rollback" if procedure.kind == "database" else procedure.kind


def _expected(procedure: Procedure, steps: Sequence[Step]) -> float:
    """The steps' own estimates where they give any; else the middle of what the runbook's author expects."""
    own = sum(step.preview.expected_s for step in steps)
    if own or not procedure.expected:
        return own
    return (procedure.expected[0].least + procedure.expected[0].most) / 2


def pinned(plan: Plan) -> dict[str, dict[str, JsonValue]]:
    """Every step's pinned facts, by step."""
    return {step.id: dict(step.preview.pinned) for step in plan.steps}
