"""A command inside a running container, as a list of words; no shell reads it unless it is one itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field

from warroom.api import BadInput, Context, Facts, WarroomError
from warroom.model.base import Duration, Fact
from warroom.model.call import CallResult, ProcessCall
from warroom.model.plan import Look, Preview, Risk
from warroom_compose import calls
from warroom_compose.config import Config, ServiceName
from warroom_compose.operations.definition import refuse_v1
from warroom_compose.operations.scene import pinned, scene, unseen, words
from warroom_compose.operations.seeing import reaches_back, recorded

Word = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]


class ExecArgs(Fact):
    """``command`` is a program and its words. Its first word is no option; a secret has no place in it."""

    service: ServiceName
    command: Annotated[tuple[Word, ...], Field(min_length=1, max_length=100)]
    wait: Annotated[Duration, Field(ge=1, le=3600)] = 60


class Exec:
    """It runs in the first of the service's running containers."""

    name = "exec"
    title = "Run a command in a container"
    risk: Risk = "disruptive"
    args: type[BaseModel] = ExecArgs

    async def facts(self, ctx: Context, args: ExecArgs) -> Facts:
        _no_option(args.command[0])
        async with scene(ctx) as here:
            await refuse_v1(ctx)
            running = here.project.running(args.service)
            if not running:
                raise BadInput(f"{args.service} does not run", "a command needs a running container", "start it first")
            facts = here.facts((args.service,))
        return {**facts, "container": running[0].id, "index": running[0].number}

    def preview(self, config: Config, args: ExecArgs, facts: Facts) -> Preview:
        _no_option(args.command[0])
        index = f"--index={facts['index']}"
        argv = (*words(facts["usual"]), "exec", "-T", index, "--", args.service, *args.command)
        return Preview(
            calls=(ProcessCall(argv=argv, timeout_s=args.wait),),
            no_inverse="what a command did only its author knows how to take back",
            pinned=pinned(facts, definition=False),
            notes=("warroom sees how it ended, and not what it did",),
            expected_s=1,
            timeout_s=args.wait + calls.SLACK,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        """``output``: the beginning of what it wrote."""
        return {"output": results[0].text[:2000]} if results else {}

    async def check(self, ctx: Context, args: ExecArgs, facts: Facts) -> Look:
        """By the engine's own record of what was executed in that container since the plan was made."""
        line = f"exec_create: {' '.join(args.command)}"
        try:
            async with scene(ctx) as here:
                filters = {"type": ["container"], "container": [str(facts["container"])]}
                since = int(str(facts["now"]))
                seen = await recorded(here.engine, since, here.stand.now, filters)
                whole = await reaches_back(here.engine, since, here.stand.now)
        except WarroomError as error:
            return unseen(error)
        begun = [_id(each) for each in seen if str(each["Action"]).strip() == line.strip()]
        ends = {_id(each): _exit(each) for each in seen if each["Action"] == "exec_die"}
        if not begun:
            if not whole:
                return Look(verdict="cannot-tell", seen="the engine's record does not reach back to when it was begun")
            return Look(verdict="not-begun", seen=f"{args.command[0]} was not run in {args.service}")
        code = ends.get(begun[-1])
        if code is None:
            return Look(
                verdict="partly", seen=f"{args.command[0]} was begun in {args.service}, and its end is not seen"
            )
        seen_words = f"{args.command[0]} ended with {code} in {args.service}"
        return Look(verdict="done" if code == "0" else "partly", seen=seen_words)


def _no_option(word: str) -> None:
    """``docker compose exec`` would take it for its own."""
    if word.startswith("-"):
        raise BadInput("The command is an option", f"it begins with {word!r}", "name a program first")


def _id(event: Mapping[str, Any]) -> str:
    return str(event["Actor"]["Attributes"].get("execID", ""))


def _exit(event: Mapping[str, Any]) -> str:
    return str(event["Actor"]["Attributes"].get("exitCode", ""))
