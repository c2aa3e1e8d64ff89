"""The commands: parse, call, print. Heavy things are imported by the command that needs them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

import warroom
from warroom.cli.entry import run, settle, state_folder
from warroom.cli.evidence import app as evidence_app
from warroom.cli.looks import SlowLine, ThemeOption, looks
from warroom.errors import BadInput, WarroomError
from warroom.model.units import many

if TYPE_CHECKING:
    from warroom.console.appearance import Appearance
    from warroom.console.settings import Settings
    from warroom.engine.engine import Engine
    from warroom.journal.folder import StateFolder
    from warroom.model.event import Actor
    from warroom.model.runbook import Runbook

RUNBOOK = Path("warroom.yaml")

app = typer.Typer(
    name="warroom",
    help="From the alert to a verified rollback and its report, in one terminal.",
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
)
journal_app = typer.Typer(help="Look at an incident's journal.", no_args_is_help=True)
runbook_app = typer.Typer(help="What of the runbook warroom does.", no_args_is_help=True)
app.add_typer(journal_app, name="journal")
app.add_typer(runbook_app, name="runbook")
app.add_typer(evidence_app, name="evidence")

File = Annotated[Path, typer.Option("--file", "-f", help="The runbook.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]
StateOption = Annotated[
    Path | None, typer.Option("--state", help="The state folder.", envvar="WARROOM_STATE", show_default=False)
]

SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", help="The settings file.", envvar="WARROOM_SETTINGS", show_default=False),
]


class Covering(StrEnum):
    IMPLEMENTED = "implemented"
    MANUAL = "manual"
    NOT_YET = "not-yet"


def _version(wanted: bool) -> None:
    if wanted:
        print(f"warroom {warroom.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def console(
    context: typer.Context,
    file: File = RUNBOOK,
    state: StateOption = None,
    settings: SettingsOption = None,
    theme: ThemeOption = "",
    slow_line: SlowLine = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Open the console on ./warroom.yaml (or -f FILE)."""
    if context.invoked_subcommand is not None:
        _none_before(context, context.invoked_subcommand)
        return
    from warroom.cli.settings import load_settings

    chosen = load_settings(settings)
    if not file.exists():
        missing = f"There is no {file} here" if file == RUNBOOK else f"There is no {file}"
        raise WarroomError(
            missing,
            "warroom needs a runbook that says what to watch and how to roll back",
            "`warroom init` writes a starter; `warroom drill` shows everything on a lab of its own",
        )
    from warroom.runbook import load

    runbook = load(file).runbook
    _needs_a_terminal("add nothing, and run it in a terminal; `warroom check` looks at the runbook")
    look = looks(chosen, theme, slow_line)
    _exit(run(_open_console, runbook, state_folder(state), chosen, look))


def _none_before(context: typer.Context, command: str) -> None:
    """An option before a command would go unheard: another file, or state folder, would be read than the one named."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')}"
            raise BadInput(
                f"{option} stands before {command}",
                f"there it is the console's own, and {command} would not hear it",
                f"write it behind: warroom {command} {option} …, where `warroom {command} --help` lists it",
            )


def _needs_a_terminal(otherwise: str) -> None:
    """The console reads its keys from standard input and draws on standard error."""
    for stream, name in ((sys.stdin, "standard input"), (sys.stderr, "standard error")):
        if not stream.isatty():
            raise WarroomError("The console needs a terminal", f"{name} is none", otherwise)


async def _open_console(runbook: Runbook, folder: StateFolder, settings: Settings, look: Appearance) -> int:
    """The engine and a console on it, in this process, until the person leaves."""
    from warroom.engine.engine import Engine

    async with Engine(runbook, folder) as engine:
        return await _sit(settings, look, engine)


async def _sit(settings: Settings, look: Appearance, engine: Engine) -> int:
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


def _exit(code: int) -> None:
    raise typer.Exit(code)


@app.command()
def drill(
    scenario: Annotated[str, typer.Option(help="What goes wrong.")] = "bad-release",
    headless: Annotated[bool, typer.Option("--headless", help="Without a screen.")] = False,
    autopilot: Annotated[bool, typer.Option("--autopilot", help="The next right action is always taken.")] = False,
    as_json: Json = False,
    fault_in_target: Annotated[
        bool, typer.Option("--fault-in-target", help="The release to go back to is broken too.")
    ] = False,
    state: StateOption = None,
    settings: SettingsOption = None,
    theme: ThemeOption = "",
    slow_line: SlowLine = False,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="With --on: the runbook that marks it.", show_default=False)
    ] = None,
    on: Annotated[str, typer.Option("--on", help="kubernetes: a cluster that a runbook marks for drills.")] = "",
    image: Annotated[str, typer.Option("--image", help="With --on: a release that is well there.")] = "",
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", help="With --on: in place of the runbook's.", show_default=False)
    ] = None,
) -> None:
    """Practise on a lab of its own, or on a cluster: real processes, a real fault, the same console."""
    from functools import partial

    from warroom.cli.drilling import choose

    play, watch = choose(scenario, file, on, image, kubeconfig, fault_in_target)
    if headless and not autopilot:
        raise WarroomError("A headless drill needs --autopilot", "there is nobody to press a key", "add --autopilot")
    if as_json and not headless:
        raise WarroomError("--json is for a headless drill", "a console prints nothing", "add --headless --autopilot")
    folder = state_folder(state).drills.path
    if headless:
        _headless(play, folder, as_json)
    from warroom.cli.settings import load_settings

    chosen = load_settings(settings)
    _needs_a_terminal("for a drill without one add --headless --autopilot")
    sit = partial(_sit, chosen, looks(chosen, theme, slow_line))
    _exit(run(watch, folder, sit, _aside, autopilot=autopilot))


def _aside(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _aloud(line: str) -> None:
    print(line, flush=True)


def _headless(play: Callable[..., Any], folder: Path, as_json: bool) -> NoReturn:
    """With --json the story goes to standard error, and standard output has the one object alone."""
    import json

    say = _aside if as_json else _aloud
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


@app.command()
def check(file: File = RUNBOOK) -> None:
    """Read the runbook and say what is wrong with it, as file:line:column."""
    from warroom.runbook.render import print_check

    lines, code = print_check(file)
    print("\n".join(lines))
    _exit(code)


@app.command()
def schema() -> None:
    """Print the JSON Schema of runbook files, for editors."""
    from warroom.runbook.render import print_schema

    print(print_schema(), end="")


@app.command()
def init(file: File = RUNBOOK) -> None:
    """Write a commented starter runbook. Never overwrites."""
    from warroom.runbook.starter import init as write

    print("\n".join(write(file)))


@app.command()
def incidents(as_json: Json = False, state: StateOption = None) -> None:
    """List the incidents in the state folder, then the drills."""
    import json

    folder = state_folder(state)
    found = [*folder.incidents(), *folder.drills.incidents()]
    if as_json:
        print(json.dumps([summary.model_dump(mode="json") for summary in found], ensure_ascii=False))
        return
    from warroom.redact import visible

    if not found:
        print("No incidents yet.")
    for one in found:
        opened = f"{one.opened_at:%Y-%m-%d %H:%M} UTC" if one.opened_at else "unknown time"
        standing = f"DAMAGED: {one.damaged}" if one.damaged else one.closed or "open"
        words = f"{one.environment:<10}  {one.severity or '-':<8}  {standing:<11}  {one.title}"
        print(f"{one.id:<10}  {opened}  {visible(words, keep='')}")


@app.command()
def status(
    incident: Annotated[str | None, typer.Argument(help="Else the newest that is open.", show_default=False)] = None,
    as_json: Json = False,
    state: StateOption = None,
) -> None:
    """Say in plain sentences how the incident stands, from its journal; also while a console is at work on it.

    Exit status: 0 no incident is open (or the one named is closed), 1 an error or a damaged journal, 2 one is open,
    3 one is open and a step, a run or the verification waits for a person.
    """
    from warroom.cli.status import report_status

    sentences, document, code = report_status(state_folder(state), incident)
    print(document if as_json else "\n".join(sentences))
    _exit(code)


@journal_app.command("show")
def journal_show(incident: str, state: StateOption = None) -> None:
    """The timeline, one line for each entry."""
    from warroom.journal.export import read_events, show_lines

    _print_all(show_lines(read_events(_folder(incident, state))[0]))


@journal_app.command("export")
def journal_export(incident: str, state: StateOption = None) -> None:
    """Every entry as a line of JSON, also of a damaged journal as far as it can be read."""
    from warroom.journal.export import export_lines

    _print_all(export_lines(_folder(incident, state)))


@journal_app.command("verify")
def journal_verify(
    incident: str,
    as_json: Json = False,
    published: Annotated[
        Path | None, typer.Option("--published", help="A file with heads that were published.", show_default=False)
    ] = None,
    state: StateOption = None,
) -> None:
    """Hold the chain, the bytes and the head against each other. Exit 1 names the first bad entry."""
    from warroom.journal.verify import verify

    found = verify(_folder(incident, state), published)
    if as_json:
        print(found.model_dump_json())
    elif found.ok:
        print(f"{incident}: {many(found.entries, 'entry', 'entries')}, chain and head agree")
    else:
        where = f"entry {found.first_bad}" if found.first_bad is not None else "the journal"
        print(f"{incident}: damaged: {where}: {found.reason}")
    _exit(0 if found.ok else 1)


def _folder(incident: str, state: Path | None) -> Path:
    return state_folder(state).holding(incident).existing(incident)


def _print_all(lines: Any) -> None:
    for line in lines:
        print(line)


@runbook_app.command("coverage")
def runbook_coverage(
    file: Annotated[Path | None, typer.Option("--file", "-f", help="A runbook instead of the default one.")] = None,
    status: Annotated[Covering | None, typer.Option(help="Only the lines that have it.")] = None,
    as_json: Json = False,
) -> None:
    """Every line of the runbook that warroom was made for, and whether it is implemented, manual or not yet."""
    import json

    from warroom.runbook.render import coverage_json, print_coverage

    if as_json:
        print(json.dumps(coverage_json(file, commands=commands()), ensure_ascii=False))
        return
    print("\n".join(print_coverage(file, status.value if status else None, commands=commands())))


def commands() -> tuple[str, ...]:
    """Every command there is, as it is typed: ``drill``, ``journal show``."""
    own = [one.name or (one.callback.__name__ if one.callback else "") for one in app.registered_commands]
    grouped = [
        f"{group.name} {one.name}"
        for group in app.registered_groups
        if group.typer_instance is not None
        for one in group.typer_instance.registered_commands
    ]
    return (*own, *grouped)


@app.command()
def report(incident: str, state: StateOption = None) -> None:
    """The post-mortem as Markdown, from the journal."""
    from datetime import UTC, datetime

    from warroom.journal.export import read_events
    from warroom.report import post_mortem

    print(post_mortem(read_events(_folder(incident, state))[0], now=datetime.now(UTC)))
