"""A backup for a crontab: taken as the evidence dump is, while all is well, and vouched for by its manifest."""

from __future__ import annotations

import asyncio
import fnmatch
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from warroom.api import BackedUp, BadInput, Context, WarroomError
from warroom_postgres.backups import manifest
from warroom_postgres.config import Config
from warroom_postgres.dumping.collector import Dumping, dumping
from warroom_postgres.dumping.running import Say

_ODD = re.compile(r"[^\w.-]|^[.-]")
ELSEWHERE = "name another folder with --to"


class DatabaseBacker:
    """One file, whatever the size: it is copied and taken away as one."""

    async def back_up(self, ctx: Context, to: Path | None, say: Say) -> BackedUp:
        config: Config = ctx.config
        began, folder = ctx.clock.monotonic(), _folder(config, to)
        async with dumping(ctx, {"label": "backup"}, say=say, elsewhere=ELSEWHERE) as dump:
            database = str(dump.server["database"])
            path = folder / named(database, dump.snapshot.at)
            if to is None:
                _would_be_found(config, path.name, database)
            told = await _kept(dump, path)
        notes = [f"pg_dump {dump.tools.outdated}: warroom restores nothing with it"] if dump.tools.outdated else []
        seconds = ctx.clock.monotonic() - began
        return BackedUp(path, told.bytes, _rows(told), told.snapshot_at, seconds, tuple(notes))


def named(database: str, at: datetime) -> str:
    """``ai_saas_20261123T031000Z.dump``. What would be awkward in the name of a file is an underscore there."""
    return f"{_ODD.sub('_', database)}_{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.dump"


async def _kept(dump: Dumping, path: Path) -> manifest.Manifest:
    """The dump and then its manifest under their names, both whole and on the disk; or neither. Raises WarroomError."""
    with _part(path) as part:
        told = await dump.one_file(await dump.inside(), part, path.name)
        if not _rows(told):
            cause = f"every table of {told.database} is empty, or it has none"
            raise WarroomError(
                "There is nothing to back up", cause, "see that it is the right database; nothing is kept"
            )
        await asyncio.to_thread(_settle, part)
        _name(part, path, told)  # not in a thread: nobody ends it between the dump and its manifest
    return told


@contextmanager
def _part(path: Path) -> Iterator[Path]:
    """A new file beside, 0600, that is gone afterwards unless it was renamed. Raises WarroomError."""
    part = path.with_name(path.name + ".part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise WarroomError(f"{part.name} is there already", f"another one writes it in {path.parent}", "") from None
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        if os.path.lexists(path):
            raise WarroomError(f"{path.name} is there already", f"see {path.parent}", "")
        yield part
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> WarroomError:
    cause = f"{path.parent}: {(error.strerror or str(error)).lower()}"
    return WarroomError(f"{path.name} can't be written", cause, f"let this user write there, or {ELSEWHERE}")


def _settle(part: Path) -> None:
    """On the disk, and for its owner alone. Blocks."""
    descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name(part: Path, path: Path, told: manifest.Manifest) -> None:
    os.rename(part, path)
    try:
        manifest.write(told, path)
    except WarroomError:
        path.unlink(missing_ok=True)
        raise


def _folder(config: Config, to: Path | None) -> Path:
    """Where it goes. Raises WarroomError where none is named, or there is none."""
    if to is None and config.backups is None:
        hint = f"backups: {{folders: [/backups]}} in the platform's config, or {ELSEWHERE}"
        raise BadInput("The runbook names no folder for backups", "the platform has no backups", hint)
    folder = to if to is not None or config.backups is None else Path(config.backups.folders[0])
    assert folder is not None
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder", "backups go into one that is there", f"make it, or {ELSEWHERE}")
    return folder


def _would_be_found(config: Config, name: str, database: str) -> None:
    """Raises BadInput where the runbook itself would not take it for a backup of this database."""
    backups = config.backups
    if backups is None:
        return
    if not any(fnmatch.fnmatchcase(name, pattern) for pattern in backups.names):
        patterns = ", ".join(backups.names)
        raise BadInput("This backup would not be found again", f"{name} is not called like {patterns}", "see names")
    if backups.database not in (None, database):
        cause = f"the runbook says that backups are of {backups.database}, and this is {database}"
        raise BadInput("This backup would be refused", cause, f"see database in backups, or {ELSEWHERE}")


def _rows(told: manifest.Manifest) -> int:
    return sum(one.rows for one in told.rows or ())
