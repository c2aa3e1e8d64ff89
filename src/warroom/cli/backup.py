"""``warroom backup``: one backup of a platform, now, for a crontab. It needs no state folder and opens no incident."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from warroom.cli.loop import run
from warroom.errors import BadInput, WarroomError
from warroom.model.units import many, value_text

if TYPE_CHECKING:
    from warroom.api import BackedUp
    from warroom.model.runbook import Runbook
    from warroom.plugins import LoadedPlatform

WIDTH = 78


def backup(
    platform: Annotated[
        str | None, typer.Argument(help="Which, where the runbook has several.", show_default=False)
    ] = None,
    file: Annotated[Path, typer.Option("--file", "-f", help="The runbook.")] = Path("warroom.yaml"),
    to: Annotated[
        Path | None, typer.Option("--to", help="The folder, in place of the runbook's first.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")] = False,
) -> None:
    """Take a backup of the runbook's database, with the manifest that vouches for it. Made for a crontab.

    Exit status: 0 it lies there whole, 1 there is none, and standard error says why.
    """
    import json

    from warroom.redact import visible
    from warroom.runbook import load

    name, made = run(back_up, load(file).runbook, platform, to.absolute() if to is not None else None)
    for note in made.notes:
        print(f"warroom: {visible(note)}", file=sys.stderr)
    if as_json:
        told = {"platform": name, "path": str(made.path), "bytes": made.bytes, "rows": made.rows}
        told |= {"at": made.at.isoformat(), "seconds": round(made.seconds, 3), "notes": list(made.notes)}
        print(json.dumps(told, ensure_ascii=False))
        return
    size, rows = value_text(made.bytes, "bytes"), many(made.rows, "row")
    print(visible(f"{made.path}: {size}, {rows}, {made.seconds:.1f} s"))


async def back_up(runbook: Runbook, name: str | None, to: Path | None) -> tuple[str, BackedUp]:
    """The platform that was backed up, and what was made. Raises WarroomError."""
    from warroom.actions.commands import CommandLog
    from warroom.actions.doors import HttpClient, Reading
    from warroom.actions.stores import Stores
    from warroom.api import Context
    from warroom.engine import own_log
    from warroom.engine.core import SystemClock
    from warroom.engine.secrets import Secrets, hide_configuration, hide_environment
    from warroom.plugins import isolated, load_platforms
    from warroom.redact import Redactor

    name, platform = _chosen(load_platforms(runbook), name)
    if platform.problem is not None:
        raise platform.problem
    assert platform.plugin is not None
    assert platform.plugin.backer is not None
    redactor, clock, http, stores = Redactor(), SystemClock(), HttpClient(), Stores()
    own_log.hide_with(redactor)
    hide_environment(redactor)
    hide_configuration(redactor, name, platform.config)
    secret = Secrets(redactor)
    read = Reading(http, CommandLog(), clock, redactor, stores=stores, secret=secret)
    kind = runbook.environment.kind
    ctx = Context(platform=name, config=platform.config, read=read, clock=clock, secret=secret, environment=kind)
    try:
        return name, await isolated(f"The backup of {name}", platform.plugin.backer.back_up(ctx, to, _say))
    finally:
        _say("")
        await stores.close()
        await http.close()


def _chosen(platforms: dict[str, LoadedPlatform], name: str | None) -> tuple[str, LoadedPlatform]:
    """The one that was named, else the only one of which backups can be taken. Raises WarroomError."""
    able = [each for each, one in platforms.items() if one.plugin is not None and one.plugin.backer is not None]
    if name is None and len(able) == 1:
        return able[0], platforms[able[0]]
    if name is not None and name in able:
        return name, platforms[name]
    if name is not None and name in platforms:
        problem = platforms[name].problem if platforms[name].plugin is None else None
        raise problem or BadInput(f"Of {name} no backup can be taken", "its plugin takes none", _those(able))
    if name is not None:
        raise BadInput(f"The runbook has no platform {name}", f"it has {', '.join(platforms) or 'none'}", _those(able))
    broken = [one.problem for one in platforms.values() if one.plugin is None and one.problem is not None]
    if broken:
        raise broken[0]
    if not able:
        raise WarroomError(
            "There is nothing to back up",
            "no platform of the runbook is one that backups are taken of",
            "name the database: platforms: {database: {plugin: postgres, config: {…}}}",
        )
    raise BadInput("Which one is to be backed up is not told", f"there are {len(able)}", _those(able))


def _those(able: list[str]) -> str:
    return f"name one: {', '.join(able)}" if able else ""


def _say(words: str) -> None:
    """How far it is, on a terminal. A crontab mails what is written, so it hears of failures alone."""
    if sys.stderr.isatty():
        from warroom.redact import visible

        print(f"\r{visible(words, keep='')[:WIDTH]:<{WIDTH}}\r", end="", file=sys.stderr, flush=True)
