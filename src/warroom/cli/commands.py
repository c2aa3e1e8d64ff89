"""The commands: parse, call, print. Heavy things are imported by the command that needs them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import warroom
from warroom.cli.backup import backup
from warroom.cli.evidence import app as evidence
from warroom.cli.journal import app as journal
from warroom.cli.journal import folder_of
from warroom.cli.looks import SlowLine, ThemeOption, looks
from warroom.cli.loop import run
from warroom.cli.options import RUNBOOK, File, Json, SettingsOption, StateOption, state_folder
from warroom.cli.sitting import aside, needs_a_terminal, open_console, sit, unattended
from warroom.errors import BadInput, WarroomError

app = typer.Typer(
    name="warroom",
    help="From the alert to a verified rollback and its report, in one terminal.",
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
)
runbook_app = typer.Typer(help="What of the runbook warroom does.", no_args_is_help=True)
app.add_typer(journal, name="journal")
app.add_typer(runbook_app, name="runbook")
app.add_typer(evidence, name="evidence")
app.command()(backup)


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
    needs_a_terminal("add nothing, and run it in a terminal; `warroom check` looks at the runbook")
    look = looks(chosen, theme, slow_line)
    _exit(run(open_console, runbook, state_folder(state), chosen, look))


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
        unattended(play, folder, as_json)
    from warroom.cli.settings import load_settings

    chosen = load_settings(settings)
    needs_a_terminal("for a drill without one add --headless --autopilot")
    seat = partial(sit, chosen, looks(chosen, theme, slow_line))
    _exit(run(watch, folder, seat, aside, autopilot=autopilot))


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

    print(post_mortem(read_events(folder_of(incident, state))[0], now=datetime.now(UTC)))
