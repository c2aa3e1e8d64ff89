"""``warroom journal``: the timeline, every entry as it lies on disk, and whether it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from warroom.cli.options import Json, StateOption, state_folder
from warroom.model.units import many

app = typer.Typer(help="Look at an incident's journal.", no_args_is_help=True)


@app.command("show")
def journal_show(incident: str, state: StateOption = None) -> None:
    """The timeline, one line for each entry."""
    from warroom.journal.export import read_events, show_lines

    _print_all(show_lines(read_events(folder_of(incident, state))[0]))


@app.command("export")
def journal_export(incident: str, state: StateOption = None) -> None:
    """Every entry as a line of JSON, also of a damaged journal as far as it can be read."""
    from warroom.journal.export import export_lines

    _print_all(export_lines(folder_of(incident, state)))


@app.command("verify")
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

    found = verify(folder_of(incident, state), published)
    if as_json:
        print(found.model_dump_json())
    elif found.ok:
        print(f"{incident}: {many(found.entries, 'entry', 'entries')}, chain and head agree")
    else:
        where = f"entry {found.first_bad}" if found.first_bad is not None else "the journal"
        print(f"{incident}: damaged: {where}: {found.reason}")
    raise typer.Exit(0 if found.ok else 1)


def folder_of(incident: str, state: Path | None) -> Path:
    """Where an incident, or a drill, lies. Raises WarroomError."""
    return state_folder(state).holding(incident).existing(incident)


def _print_all(lines: Any) -> None:
    for line in lines:
        print(line)
