"""Operations: a preview is pure and says everything, nothing hostile or secret reaches an argv, check only looks."""

from __future__ import annotations

import asyncio
import copy
import shlex
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import JsonValue, ValidationError

from warroom.api import Context, Facts, Operation
from warroom.errors import WarroomError
from warroom.model.base import canonical
from warroom.model.call import ApiCall, Call, ProcessCall, SqlCall
from warroom.model.plan import Look, Preview
from warroom.testing.conformance.findings import Findings, jsonable
from warroom.testing.conformance.guard import Guard, WitnessedDoor, watched

HOSTILE = ("--detach", "-oProxyCommand=id", "-")


@dataclass(frozen=True)
class Case:
    """An operation with arguments that work on the platform the suite is run on."""

    operation: str
    args: Mapping[str, JsonValue] = field(default_factory=dict)


async def check_operation(
    operation: Operation,
    ctx: Context,
    case: Case,
    secrets: set[str],
    findings: Findings,
    patience: float,
    *,
    sends: bool = True,
) -> None:
    """``secrets`` are the values that were given out so far; it may grow while this runs. ``sends``: there is a sender
    for ApiCalls."""
    where = f"operation {operation.name}"
    with findings.within(where):
        args = operation.args.model_validate(dict(case.args))
        door = WitnessedDoor(ctx.read)
        seen = replace(ctx, read=door)
        guard = Guard("reading")
        with watched(guard):
            async with asyncio.timeout(patience):
                facts = await operation.facts(seen, args)
        _unseen_effects(guard, f"{where}, facts", findings)
        findings.hold(jsonable(dict(facts)), "its facts must be JSON", where)
        preview = check_preview(operation, ctx.config, args, facts, findings)
        if preview is None:
            return
        await _check_looks(operation, seen, args, facts, findings, patience)
        asked = [call for call in _calls(preview) if isinstance(call, ApiCall | SqlCall)]
        unsent = not sends and any(isinstance(call, ApiCall) for call in asked)
        findings.hold(not unsent, "an ApiCall needs a sender", where)
        kept: list[JsonValue] = [call.model_dump(mode="json") for call in asked]
        hidden = bool(asked) and ctx.hidden([*kept, dict(facts)])
        words = "what is redacted may stand in no ApiCall or SqlCall, nor in the facts behind it"
        findings.hold(not hidden, words, where)
        _no_secret(preview, facts, door, secrets, where, findings)
        await _hostile(operation, ctx, case, facts, findings)


def check_preview(operation: Operation, config: Any, args: Any, facts: Facts, findings: Findings) -> Preview | None:
    """The preview, if it is one. The first call is not watched: it may import."""
    where = f"operation {operation.name}, preview"
    before = copy.deepcopy((args, dict(facts)))
    first = operation.preview(config, args, facts)
    if not findings.typed(first, Preview, "it must return a Preview", where):
        return None
    guard = Guard("pure")
    with findings.within(where), watched(guard):
        again = [operation.preview(config, args, copy.deepcopy(dict(facts))) for _ in range(2)]
        findings.hold(again == [first, first], "the same arguments and facts must give the same preview", where)
    _unseen_effects(guard, where, findings)
    findings.hold((args, dict(facts)) == before, "it must leave its arguments and facts as they are", where)
    findings.hold(jsonable(first), "it must survive a journey through JSON", where)
    if first.inverse is None:
        findings.hold(bool(first.no_inverse.strip()), "without an inverse it must say why there is none", where)
    else:
        findings.hold(bool(first.inverse), "an inverse must have Calls", where)
    if operation.risk == "destructive":
        said = first.destroys or any(note.strip() for note in first.notes)
        findings.hold(bool(said), "what is destructive must name what it destroys, or say why it names nothing", where)
    findings.hold(first.expected_s <= first.timeout_s, "it may not be expected to outlast its timeout", where)
    findings.hold(all(call.paste().strip() for call in _calls(first)), "every Call must be drawn", where)
    return first


def check_executed(previewed: Sequence[Call], executed: Sequence[Call], findings: Findings) -> None:
    """What went through a change door, in order, is what was previewed; only Refs may have been bound to values."""
    counts = f"{len(previewed)} previewed, {len(executed)} executed"
    same = len(previewed) == len(executed)
    findings.hold(same, "every Call that was previewed must be executed, and no other", "run", counts)
    for number, (shown, done) in enumerate(zip(previewed, executed, strict=False), 1):
        same = _bound(shown.model_dump(mode="json"), done.model_dump(mode="json"))
        findings.hold(same, "what is executed must be what was previewed", f"run, Call {number}", done.paste())


def _bound(shown: JsonValue, done: JsonValue) -> bool:
    if isinstance(shown, dict) and shown.get("kind") == "ref" and isinstance(done, str):
        return True
    if isinstance(shown, dict) and isinstance(done, dict):
        return shown.keys() == done.keys() and all(_bound(value, done[key]) for key, value in shown.items())
    if isinstance(shown, list) and isinstance(done, list):
        return len(shown) == len(done) and all(map(_bound, shown, done))
    return shown == done


async def _check_looks(
    operation: Operation, ctx: Context, args: Any, facts: Facts, findings: Findings, patience: float
) -> None:
    where = f"operation {operation.name}, check"
    guard = Guard("reading")
    with findings.within(where), watched(guard):
        async with asyncio.timeout(patience):
            look = await operation.check(ctx, args, facts)
        if findings.typed(look, Look, "it must return a Look", where):
            findings.hold(bool(look.seen.strip()), "it must say what it saw", where)
    _unseen_effects(guard, where, findings)


def _unseen_effects(guard: Guard, where: str, findings: Findings) -> None:
    for told in guard.seen:
        findings.add("it may do nothing but read through the read door", where, told)


def _no_secret(
    preview: Preview, facts: Facts, door: WitnessedDoor, secrets: set[str], where: str, findings: Findings
) -> None:
    kept = canonical(preview).decode() + canonical(dict(facts)).decode()
    argvs = "\0".join(part for argv in door.argvs for part in argv)
    for secret in secrets:
        findings.hold(secret not in kept, "a secret's value may not stand in a preview or in facts", where)
        findings.hold(secret not in argvs, "a secret's value may not stand in an argv", where)


def _calls(preview: Preview) -> tuple[Call, ...]:
    return preview.calls + (preview.inverse or ())


async def _hostile(operation: Operation, ctx: Context, case: Case, facts: Facts, findings: Findings) -> None:
    """Each text among the arguments is replaced by something that begins with '-': refused, or never an option."""
    where = f"operation {operation.name}"
    for name, hostile, raw in _hostile_args(dict(case.args)):
        try:
            args = operation.args.model_validate(raw)
        except ValidationError:
            continue
        door = WitnessedDoor(_Refusing())
        with findings.within(f"{where}, facts with {name} = {hostile}", may_refuse=True):
            await operation.facts(replace(ctx, read=door), args)
        previewed: list[Sequence[object]] = list(door.argvs)
        try:
            preview = operation.preview(ctx.config, args, facts)
            programs = [call for call in _calls(preview) if isinstance(call, ProcessCall)]
            previewed += [argv for call in programs for argv in (call.argv, call.stdin_from) if argv]
            previewed += [shlex.split(call.line) for call in _calls(preview) if isinstance(call, ApiCall)]
        except WarroomError:
            continue
        for argv in previewed:
            reaches = _as_option(hostile, argv)
            told = f"{name} = {hostile} in {argv}"
            findings.hold(not reaches, "no argument that begins with '-' may reach an argv", where, told)


def _as_option(hostile: str, argv: Sequence[object]) -> bool:
    """Where a program would read it as an option; behind ``--`` it would not."""
    before = argv[: argv.index("--")] if "--" in argv else argv
    return hostile in before


def _hostile_args(raw: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in _texts(raw):
        for hostile in HOSTILE:
            changed: Any = copy.deepcopy(raw)
            inner = changed
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = hostile
            yield ".".join(map(str, path)), hostile, changed


def _texts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


class _Refusing:
    """A read door that lets nothing out."""

    async def ask(self, line: str, work: Coroutine[Any, Any, Any], **_: Any) -> Any:
        work.close()
        raise WarroomError("Nothing is read here")

    async def run(self, argv: Sequence[str], **_: Any) -> Any:
        raise WarroomError("Nothing is read here")

    async def http(self, method: str, url: str, **_: Any) -> Any:
        raise WarroomError("Nothing is read here")

    async def stream(self, url: str, **_: Any) -> Any:
        raise WarroomError("Nothing is read here")

    async def sql(self, secret: str, statement: str, **_: Any) -> Any:
        raise WarroomError("Nothing is read here")

    def address(self, secret: str) -> Any:
        raise WarroomError("Nothing is read here")

    def snapshot(self, secret: str, **_: Any) -> Any:
        raise WarroomError("Nothing is read here")

    async def redis(self, secret: str, *command: str, **_: Any) -> Any:
        raise WarroomError("Nothing is read here")

    async def dial(self, to: str | Sequence[str], **_: Any) -> Any:
        raise WarroomError("Nothing is read here")
