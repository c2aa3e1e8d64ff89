"""Where a lab keeps its things."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warroom.errors import BadInput

# A Unix socket's path may have 107 bytes, and this path also stands in addresses and in PostgreSQL's list of folders.
PREFIX = "warroom-lab-"
"""What a lab's folders in shared places begin with."""
_PLAIN_AND_SHORT = re.compile(r"[A-Za-z0-9_./-]{1,70}")


@dataclass(frozen=True)
class Layout:
    """``state`` is the folder given; ``run`` holds the sockets, elsewhere when the state folder's path is long or has
    unusual characters.
    """

    state: Path
    run: Path

    @property
    def repository(self) -> Path:
        return self.state / "repository"

    @property
    def checkouts(self) -> Path:
        return self.state / "checkouts"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def backups(self) -> Path:
        """Where the host's own nightly backups of the database go."""
        return self.state / "backups"

    @property
    def operations(self) -> Path:
        return self.state / "operations"

    @property
    def announcement(self) -> Path:
        """``lab.json``: there once the lab is ready, gone when it has ended in good order."""
        return self.state / "lab.json"

    @property
    def token(self) -> Path:
        """The control endpoint's token alone, for who is told secrets by file."""
        return self.state / "token"

    @property
    def secrets(self) -> tuple[Path, Path, Path]:
        """Files that hold one secret each: the control endpoint's token, the addresses of the database and of Redis."""
        return self.token, self.state / "database-url", self.state / "redis-url"

    def log(self, source: str) -> Path:
        return self.logs / f"{source}.log"


def prepare(state: Path) -> Layout:
    """Make the folders, all 0700. Raises BadInput when the state folder is someone else's or no folder."""
    state = state.absolute()
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput("The lab's state folder can't be made", f"{state}: {error.strerror}") from error
    found = os.lstat(state)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise BadInput(
            "The lab's state folder is not its own",
            f"{state} is a link or belongs to another user",
            "Name a folder that is yours, or one that is not there yet.",
        )
    run = state / "run"
    if not _PLAIN_AND_SHORT.fullmatch(str(run)):
        run = Path(tempfile.mkdtemp(prefix=PREFIX, dir=shared_folder()))
    layout = Layout(state, run)
    for folder in (run, layout.checkouts, layout.logs, layout.operations, layout.backups):
        folder.mkdir(mode=0o700, exist_ok=True)
    return layout


def shared_folder() -> Path:
    """Where short-lived folders go: the usual one, unless its own name is long or unusual."""
    usual = tempfile.gettempdir()
    return Path(usual if _PLAIN_AND_SHORT.fullmatch(usual) else "/tmp")


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, sort_keys=True))


def write_text(path: Path, text: str) -> None:
    """Replace the file as a whole, 0600: a reader sees the old one or the new one."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def read_json(path: Path) -> Any:
    """The file's value; None when there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def remove_tree(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
