"""Files that are ours alone: 0600 and 0700 under any umask, symbolic links not followed, on disk when they say so."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warroom.errors import WarroomError


def sync(descriptor: int) -> None:
    """Returns once the file's bytes are on the disk itself. On macOS fsync alone stops at the drive's cache."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        fcntl.fcntl(descriptor, full)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """A new folder, 0700. Raises FileExistsError."""
    os.mkdir(folder, 0o700)
    os.chmod(folder, 0o700)


def ensure_folder(folder: Path) -> None:
    """The folder, and those above it that are missing, each 0700. One that is already there keeps its mode."""
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        try:
            make_folder(each)
        except FileExistsError:
            continue
        sync_folder(each.parent)


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a plain file, made 0600 where ``flags`` has O_CREAT; a link in its place is refused."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise WarroomError(f"{path.name} is not a plain file", f"{path} is of another kind")
        if flags & os.O_CREAT:
            os.fchmod(descriptor, 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = open_private(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def kind(path: Path) -> str:
    """``missing``, ``folder``, ``file``, ``link`` or ``other``; a link is never followed."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"


def private_folder(path: Path, *, must_be_new: bool = False) -> None:
    """A folder only its owner can read, 0700 from now on. A link in its place is refused."""
    if path.is_symlink():
        raise WarroomError(f"{path} is a link", "nothing private is written through links", "remove it")
    if must_be_new:
        make_folder(path)
    else:
        ensure_folder(path)
        os.chmod(path, 0o700)


def write_private(path: Path, data: bytes) -> None:
    """Whole or not at all: ``.part``, flushed, renamed, the name durable; 0600. Raises WarroomError."""
    part = path.with_name(path.name + ".part")
    try:
        part.unlink(missing_ok=True)
        with open(open_private(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            file.write(data)
            file.flush()
            sync(file.fileno())
        finish(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        cause = error.strerror or str(error)
        raise WarroomError(f"{path.name} could not be written", cause, "free some disk") from error


def finish(part: Path, path: Path) -> None:
    """What was written and flushed as ``part`` gets its name, durably."""
    os.rename(part, path)
    sync_folder(path.parent)


def need_room(path: Path, least: int) -> None:
    """Raises WarroomError when fewer than ``least`` bytes are free where ``path`` is."""
    free = shutil.disk_usage(path).free
    if free < least:
        raise WarroomError(
            f"only {free // 1024 // 1024} MB are free in {path}",
            f"at least {least // 1024 // 1024} MB are wanted",
            "free some disk, or point WARROOM_STATE elsewhere",
        )
