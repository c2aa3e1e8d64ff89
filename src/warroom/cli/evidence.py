"""``warroom evidence``: what was captured, whether it is still as it was sealed, and a pack of it to hand on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from warroom.cli.journal import folder_of
from warroom.cli.options import Json, StateOption
from warroom.model.units import many

if TYPE_CHECKING:
    from warroom.actions.sealed import Standing

app = typer.Typer(help="Look at an incident's evidence.", no_args_is_help=True)


@app.command("list")
def evidence_list(incident: str, as_json: Json = False, state: StateOption = None) -> None:
    """Every bundle: what is in it, and which sources gave nothing."""
    from warroom.actions.sealed import standings
    from warroom.journal.export import read_events

    folder = folder_of(incident, state)
    _show(incident, standings(folder, read_events(folder)[0]), as_json)


@app.command("verify")
def evidence_verify(incident: str, as_json: Json = False, state: StateOption = None) -> None:
    """Hold every file against the journal. Exit 1 names each changed, missing and added one."""
    _, found, damaged = _verified(incident, state)
    if damaged and not as_json:
        print(f"the journal itself is damaged: {damaged}")
    _show(incident, found, as_json, damaged)
    raise typer.Exit(1 if damaged or any(standing.problems for standing in found) else 0)


@app.command("pack")
def evidence_pack(
    incident: str,
    to: Annotated[Path | None, typer.Option("--to", help="The file to write.", show_default=False)] = None,
    with_dumps: Annotated[
        bool, typer.Option("--with-dumps", help="Dumps of data too: nothing in them is redacted.")
    ] = False,
    as_json: Json = False,
    state: StateOption = None,
) -> None:
    """The sealed bundles as one .tar.gz, if they are as they were sealed. Dumps of data are left out."""
    import json

    from warroom.actions.sealed import DUMP_WARNING, pack
    from warroom.errors import WarroomError

    _, found, damaged = _verified(incident, state)
    if damaged:
        raise WarroomError("The journal is damaged", damaged, "nothing was packed: `warroom journal verify` tells more")
    target = to or Path(f"{incident}-evidence{'-with-dumps' if with_dumps else ''}.tar.gz")
    left = pack(incident, found, target, with_dumps=with_dumps)
    if as_json:
        print(json.dumps({"path": str(target), "with_dumps": with_dumps, "left_out": left}))
        return
    print(f"{target} ({target.stat().st_size:,} bytes)")
    if left:
        print(f"left out, as nothing in them is redacted: {', '.join(left)}")
    if with_dumps:
        print(DUMP_WARNING)


def _verified(incident: str, state: Path | None) -> tuple[Path, list[Standing], str]:
    """The incident's folder, its bundles with their problems, and what is wrong with the journal they are held to."""
    from warroom.actions.sealed import verify
    from warroom.journal.export import read_events

    folder = folder_of(incident, state)
    events, reading = read_events(folder)
    return folder, verify(folder, events), reading.verified.reason


def _show(incident: str, found: list[Standing], as_json: bool, damaged: str = "") -> None:
    import json

    from warroom.redact import visible

    if as_json:
        bundles = [standing.model_dump(mode="json") for standing in found]
        print(json.dumps({"incident": incident, "journal": damaged, "bundles": bundles}, ensure_ascii=False))
        return
    if not found:
        print(f"{incident} has no evidence.")
    for standing in found:
        said = f"{standing.bundle}  {standing.status}"
        if standing.sealed_at:
            said += f"  {standing.sealed_at:%Y-%m-%d %H:%M} UTC"
            said += f"  {many(standing.files, 'file')}  {many(standing.size, 'byte')}"
        if standing.kinds:
            said += f"  {', '.join(standing.kinds)}"
        lines = [said + (f"  ({standing.reason})" if standing.reason else "")]
        lines += [f"  gave nothing: {name}: {why}" for name, why in standing.missing.items()]
        lines += [f"  {words}" for words in standing.tried.values()]
        lines += [f"  WRONG: {problem}" for problem in standing.problems]
        print("\n".join(visible(line, keep="") for line in lines))
