"""At a console on an engine in this process, or at none: a headless drill tells its story as lines."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from warroom.cli.loop import run, settle
from warroom.errors import WarroomError

if TYPE_CHECKING:
    from warroom.console.appearance import Appearance
    from warroom.console.settings import Settings
    from warroom.engine.engine import Engine
    from warroom.journal.folder import StateFolder
    from warroom.model.event import Actor
    from warroom.model.runbook import Runbook


def needs_a_terminal(otherwise: str) -> None:
    """The console reads its keys from standard input and draws on standard error."""
    for stream, name in ((sys.stdin, "standard input"), (sys.stderr, "standard error")):
        if not stream.isatty():
            raise WarroomError("The console needs a terminal", f"{name} is none", otherwise)


async def open_console(runbook: Runbook, folder: StateFolder, settings: Settings, look: Appearance) -> int:
    """The engine and a console on it, in this process, until the person leaves."""
    from warroom.engine.engine import Engine

    async with Engine(runbook, folder) as engine:
        code = await sit(settings, look, engine)
        left = left_behind(engine)
    if left:
        aside(left)
    return code


def left_behind(engine: Engine) -> str:
    """What goes on without anybody watching, once the console is left; empty when nothing does."""
    from warroom.model.halted import halted

    core = engine.core
    incident = core.state.incident
    if incident is None or incident.closed is not None:
        return ""
    halt = halted(core.runbook, core.state)
    stopped = f", with writes stopped{halt.how}" if halt is not None else ""
    return f"{incident.id} is still open{stopped}, and nobody watches it now: `warroom` goes on with it"


async def sit(settings: Settings, look: Appearance, engine: Engine) -> int:
    """One person at a console on this engine. Who they are is the kernel's word."""
    from warroom.cli.clipboard import copier
    from warroom.console.app import WarroomConsole

    console = WarroomConsole(engine.session(person()), settings=settings, look=look, copier=copier())
    settle()
    return await console.run_async(mouse=settings.mouse) or console.return_code or 0


def person() -> Actor:
    """Who sits here, by the kernel's user id; USER and SUDO_USER are only what somebody says."""
    import os
    import pwd

    from warroom.model.event import Actor

    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid-{uid}"
    return Actor(name=name, uid=uid)


def aside(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _aloud(line: str) -> None:
    print(line, flush=True)


def unattended(play: Callable[..., Any], folder: Path, as_json: bool) -> NoReturn:
    """With --json the story goes to standard error, and standard output has the one object alone."""
    import json

    say = aside if as_json else _aloud
    result = run(play, folder, say)
    say(_ending(result))
    if as_json:
        print(json.dumps(result), flush=True)
    raise typer.Exit(0 if result["verified"] == "pass" else 1)


def _ending(result: dict[str, Any]) -> str:
    words = {
        "pass": f"recovered: {result['to']} runs in place of {result['from']}, and everything that was checked holds",
        "fail": f"NOT recovered: rolled back to {result['to']}, and verification failed",
        "inconclusive": "NOT proven: nobody can say from this that it is recovered",
    }
    report = f"; report: {result['report']}" if result["report"] else ""
    return f"{words[result['verified']]}{report}"
