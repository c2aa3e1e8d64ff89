"""What several commands take, and the folder that --state names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from warroom.journal.folder import StateFolder

RUNBOOK = Path("warroom.yaml")

File = Annotated[Path, typer.Option("--file", "-f", help="The runbook.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]
StateOption = Annotated[
    Path | None, typer.Option("--state", help="The state folder.", envvar="WARROOM_STATE", show_default=False)
]

SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", help="The settings file.", envvar="WARROOM_SETTINGS", show_default=False),
]


def state_folder(path: Path | None) -> StateFolder:
    """The state folder of a command; warroom's own log goes there too."""
    from warroom.engine import own_log
    from warroom.journal.folder import StateFolder

    folder = StateFolder(path)
    own_log.begin(lambda: folder.path)
    return folder
