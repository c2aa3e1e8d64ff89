"""From a procedure and a target to a plan: every Call, inverse and pinned fact worked out before anything runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue, ValidationError

from warroom.actions.binding import fill, fill_commands
from warroom.actions.platform import ActivePlatform
from warroom.errors import BadInput
from warroom.model.call import Call, ManualCall
from warroom.model.choice import Chosen
from warroom.model.cutover import left_down, outage
from warroom.model.halted import stops_again
from warroom.model.plan import RECORDED, STOPPED, Plan, Preview, Step
from warroom.model.release import Release
from warroom.model.runbook import Procedure, Runbook, StepDecl
from warroom.model.units import listed

Purpose = Literal["rollback", "undo", "stop-writes", "resume-writes", "other"]


@dataclass(frozen=True)
class Situation:
    """What a plan is made in. ``fingerprints`` are those read just now, by platform. ``stopped``: in words, that writes
    stand stopped, as far as the incident tells; empty where they go on. A step whose facts say ``stopped: recorded``
    has seen that warroom stopped them. ``silent``: ``running`` is what ran last, and nothing is seen to run now.
    ``choices``: what a person chose for the procedure, held to what there is."""

    incident: str
    runbook: Runbook
    running: Release | None
    target: Release | None
    fingerprints: Mapping[str, str]
    stopped: str = ""
    silent: bool = False
    choices: Sequence[Chosen] = ()

    @property
    def runs_now(self) -> Release | None:
        return None if self.silent else self.running

    def names(self) -> dict[str, str | None]:
        """The placeholders a runbook may use; one that is not known now is None."""
        names: dict[str, str | None] = {"incident": self.incident, "service": self.runbook.service}
        for who, release in (("target", self.target), ("running", self.running)):
            for part in ("version", "commit", "digest"):
                names[f"{who}.{part}"] = getattr(release, part) if release else None
        return names | {f"choice.{chosen.choice}": chosen.value for chosen in self.choices}


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
    made = {chosen.choice for chosen in situation.choices}
    if missing := [choice.title for name, choice in procedure.choices.items() if name not in made]:
        title = f"it asks for a choice first: {listed(missing)}"
        raise BadInput(title, "only a person can make it", "prepare its plan, which asks")
    unknown = [step_id for step_id in (*include, *manual) if step_id not in procedure.steps]
    if unknown:
        known = ", ".join(procedure.steps)
        raise BadInput(f"{procedure.title} has no step {unknown[0]}", f"its steps are: {known}", "propose it again")
    # A person is not asked for what is done. What warroom does itself is done again, and shows that it is so.
    done = [name for name, step in stops_again(procedure).items() if step.op is None] if situation.stopped else []
    taken = _taken(procedure, include, done, stopped=bool(situation.stopped))
    steps = await _steps(situation, taken, platforms, manual)
    if still := {step.platform for step in steps if step.facts.get(STOPPED) == RECORDED}:
        more = _taken(procedure, include, done, stopped=True)
        taken = {n: s for n, s in more.items() if n in taken or (s.op or "").partition(".")[0] in still}
        steps = await _steps(situation, taken, platforms, manual, steps)
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
        target=situation.target if _goes_to_it(procedure) else None,
        running=situation.runs_now,
        steps=tuple(steps),
        expected_s=_expected(procedure, steps),
        notes=(*_stopped_already(situation, procedure, steps), *_notes(procedure, steps)),
        choices=tuple(situation.choices),
    )


async def _steps(
    situation: Situation,
    taken: Mapping[str, StepDecl],
    platforms: Mapping[str, ActivePlatform],
    manual: Sequence[str],
    known: Sequence[Step] = (),
) -> list[Step]:
    """``known`` are those that were worked out a moment ago."""
    made = {step.id: step for step in known}
    for name, decl in taken.items():
        if name not in made:
            made[name] = await _step(situation, name, decl, platforms, by_hand=name in manual)
    return [made[name] for name in taken]


def _taken(procedure: Procedure, include: Sequence[str], done: Sequence[str], *, stopped: bool) -> dict[str, StepDecl]:
    """``done`` are those that need not be asked for."""
    own = {
        name: step for name, step in procedure.steps.items() if name in include or not (step.if_needed or name in done)
    }
    if not stopped and not any(step.role == "stop-writes" for step in own.values()):
        return {name: step for name, step in own.items() if not step.after_stop}
    return own


def _stopped_already(situation: Situation, procedure: Procedure, steps: Sequence[Step]) -> Iterator[str]:
    """What becomes of its steps that stop writes where these stand stopped."""
    if not situation.stopped:
        return
    taken = {step.id for step in steps}
    stops = {name: step.title for name, step in stops_again(procedure).items()}
    left = [f"“{title}”" for name, title in stops.items() if name not in taken]
    kept = [f"“{title}”" for name, title in stops.items() if name in taken]
    if kept:
        yield f"{situation.stopped}: {listed(kept)} {'makes' if len(kept) == 1 else 'make'} sure that they are"
    elif left:
        yield f"{situation.stopped}: {listed(left)} {'is' if len(left) == 1 else 'are'} left out"


def _notes(procedure: Procedure, steps: Sequence[Step]) -> tuple[str, ...]:
    """Why, once for all steps that have the same reason."""
    titles: dict[str, list[str]] = {}
    for step in steps:
        if why := procedure.steps[step.id].why:
            titles.setdefault(why, []).append(step.title)
    return tuple(f"{listed(those)}: {why}" for why, those in titles.items())


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
        raise BadInput("there is nothing to undo", "no step that ended has an inverse", "choose another way on")
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
                        "restores": None,
                        "stops": step.preview.starts,
                        "starts": step.preview.stops,
                        "writes": "",
                        "unproven": "",
                        "loses": (step.preview.back,) if step.preview.back else (),
                        "leaves": (),
                        "keeps": step.preview.ends,
                        "ends": step.preview.keeps,
                    }
                ),
            }
        )
        for step, inverse in reversed(done)
    )
    plan = Plan(
        id=uuid.uuid4().hex[:12],
        incident=situation.incident,
        purpose="undo",
        procedure="undo",
        title=title,
        fingerprint=dict(situation.fingerprints),
        runbook_hash=situation.runbook.hash,
        target=None,
        running=situation.runs_now,
        steps=steps,
        expected_s=sum(step.preview.expected_s for step in steps),
    )
    if not (down := outage(plan)):
        return plan
    words = "an outage" if left_down(step.preview for step in steps) else "an outage while it runs"
    return plan.model_copy(update={"title": f"{title}: {words}", "notes": (down,)})


def _goes_to_it(procedure: Procedure) -> bool:
    """Stopping the writers and letting them go on leave the release as it is, as does what changes nothing that is in
    use; unless a step names the target."""
    if procedure.kind not in ("stop-writes", "resume-writes", "other"):
        return True
    return any("${target." in step.model_dump_json() for step in procedure.steps.values())


def _purpose(procedure: Procedure) -> Purpose:
    if procedure.kind == "database":
        return "other" if procedure.then is not None else "rollback"
    return procedure.kind


def _expected(procedure: Procedure, steps: Sequence[Step]) -> float:
    """The steps' own estimates where they give any; else the middle of what the runbook's author expects."""
    own = sum(step.preview.expected_s for step in steps)
    if own or not procedure.expected:
        return own
    return (procedure.expected[0].least + procedure.expected[0].most) / 2


def pinned(plan: Plan) -> dict[str, dict[str, JsonValue]]:
    """Every step's pinned facts, by step."""
    return {step.id: dict(step.preview.pinned) for step in plan.steps}
