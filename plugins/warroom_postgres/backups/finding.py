"""Where dumps lie: the runbook's folders, looked through for so many files and so deep, without following a link."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from warroom.api import WarroomError
from warroom_postgres.backups.config import Backups
from warroom_postgres.backups.directory import CONTENTS
from warroom_postgres.backups.manifest import SUFFIX, beside
from warroom_postgres.backups.reading import open_plain
from warroom_postgres.backups.recognising import HEAD, recognised

MOST_LOOKED_AT = 20_000
MOST_FOUND = 1000
_LIKE_A_DUMP = re.compile(
    r"\.(?:sql|dump|dmp|backup|bak|pgdump|pg_dump|pgc|tar|custom|gz|zst|lz4|xz|bz2|zip|gpg|age|enc)\Z"
)
_BESIDE = (SUFFIX, ".sha256", ".sha256sum")
_UNFINISHED = (".part", ".tmp", ".partial", ".crdownload", ".filepart")
_SUM = re.compile(r"\A([0-9a-f]{64})(?: [ *]([^\n]+))?\n?\Z")


@dataclass(frozen=True)
class Found:
    """A dump as it lies there. ``written`` is when it last changed; of a directory when any file in it did.

    ``stamp`` changes when it does: what was learnt by reading it holds for as long as that is the same.
    """

    path: Path
    identity: tuple[int, int]
    bytes: int
    written: datetime
    stamp: tuple[int, ...]
    folder: bool = False

    @property
    def name(self) -> str:
        return self.path.name


@dataclass
class Search:
    """``problems``: what could not be looked at, in words."""

    found: list[Found] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    looked_at: int = 0


def search(config: Backups) -> Search:
    """Blocks while it looks. Newest first, by the time of their files. A folder that can't be read is a problem."""
    result = Search()
    for folder in config.folders:
        try:
            _look(Path(os.path.realpath(folder, strict=True)), config, config.depth, result)
        except OSError as error:
            result.problems.append(f"{folder} can't be read: {(error.strerror or str(error)).lower()}")
    result.found.sort(key=lambda one: (one.written, one.name), reverse=True)
    if len(result.found) > MOST_FOUND:
        result.problems.append(f"of {len(result.found):,} dumps only the newest {MOST_FOUND:,} are told of")
        del result.found[MOST_FOUND:]
    return result


def find(path: Path, config: Backups) -> Found:
    """One that a person named: it must lie in one of the folders, and be no link. Raises WarroomError."""
    roots = [os.path.realpath(folder) for folder in config.folders]
    real = os.path.realpath(path)
    hint = f"take one of those in {', '.join(config.folders)}"
    if path.is_symlink() or not any(os.path.commonpath([root, real]) == root and root != real for root in roots):
        raise WarroomError(f"{path.name} is not in a folder of backups", f"{path} leads elsewhere", hint)
    found = _one(Path(real))
    if found is None:
        raise WarroomError(f"{path.name} is no dump", f"{path} is neither a file nor a dump in a folder", hint)
    return found


def checksum(found: Found) -> str | None:
    """The hash that a file of sha256sum's beside a dump names; None where there is none, or it is of another file."""
    for ending in (".sha256", ".sha256sum"):
        try:
            with open_plain(found.path.with_name(found.name + ending)) as file:
                text = file.read(4096).decode("utf-8", "replace")
        except (OSError, WarroomError):
            continue
        match = _SUM.match(text)
        if match and (match[2] is None or os.path.basename(match[2].strip()) == found.name):
            return "sha256:" + match[1]
    return None


def _look(folder: Path, config: Backups, depth: int, result: Search) -> None:
    for entry in _entries(folder, result):
        path = folder / entry.name
        named = any(fnmatch.fnmatchcase(entry.name, pattern) for pattern in config.names)
        try:
            if entry.is_dir(follow_symlinks=False):
                if _plain_file(path / CONTENTS):
                    if named and (one := _one(path)) is not None:
                        result.found.append(one)
                elif depth:
                    _look(path, config, depth - 1, result)
            elif named and _candidate(entry, path) and (one := _one(path)) is not None:
                result.found.append(one)
        except OSError as error:
            result.problems.append(f"{path} can't be read: {(error.strerror or str(error)).lower()}")


def _entries(folder: Path, result: Search) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            result.looked_at += 1
            if result.looked_at > MOST_LOOKED_AT:
                result.problems.append(
                    f"more than {MOST_LOOKED_AT:,} files: what lies deeper in {folder} was not looked at"
                )
                return
            yield entry


def _candidate(entry: os.DirEntry[str], path: Path) -> bool:
    """A plain file that is a dump by its content, or is called like one and so has to be told of."""
    name = entry.name
    if not entry.is_file(follow_symlinks=False) or name.endswith((*_BESIDE, *_UNFINISHED)):
        return False
    if _LIKE_A_DUMP.search(name.lower()) or _plain_file(beside(path)):
        return True
    with open_plain(path) as file:
        return recognised(file.read(HEAD))[0] != "other"


def _plain_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _one(path: Path) -> Found | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    identity = (status.st_dev, status.st_ino)
    if stat.S_ISREG(status.st_mode):
        own = (*identity, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return Found(path, identity, status.st_size, _moment(status.st_mtime_ns), own)
    if not stat.S_ISDIR(status.st_mode) or not _plain_file(path / CONTENTS):
        return None
    files = [os.lstat(path / name) for name in sorted(os.listdir(path))[:MOST_LOOKED_AT]]
    newest = max(file.st_mtime_ns for file in files)
    stamp = (
        *identity,
        len(files),
        sum(file.st_size for file in files),
        newest,
        max(file.st_ctime_ns for file in files),
    )
    return Found(path, identity, sum(file.st_size for file in files), _moment(newest), stamp, folder=True)


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
