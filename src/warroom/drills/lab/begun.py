"""What every lab begins with, made once and kept: the database that the app's first release left, with its first rows.

It lies in the user's cache folder, one file for each kind: its SHA-256, and a tar archive of the server's data folder
with the record of that first deployment. The next lab copies it and goes on from there, which spares it the slowest
part of its start. It is a cache and nothing more: what is missing, broken, of another version or in reach of other
users is made anew. A file has its name only once it is whole, so neither a kill nor two labs at once leave half of one.

Copies have one system identifier, as replicas of a server have.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import stat
import tarfile
import time
from contextlib import suppress
from io import BufferedReader, BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any

import platformdirs

from warroom.drills.lab.layout import remove_tree
from warroom.errors import BadInput
from warroom.files import ensure_folder

FORMAT = "warroom lab 1"
RECORD = "record.json"
DATA = "data"
_MOST = 2
"""How many are kept: of this version, and of another one that is used in turn."""
_LEFT_AFTER = 3600.0
"""Seconds after which an unfinished file can only be what a kill left."""
_DIGEST = 64


def store(server: Path) -> Begun:
    """The kept one for this version of the lab and this server program."""
    return Begun(platformdirs.user_cache_path("warroom", appauthor=False) / "lab", key(server))


def key(server: Path) -> str:
    """Whatever decides what is made: the lab's own files, and the server's."""
    found = server.stat()
    words = [FORMAT, platform.machine(), platform.system(), str(server), str(found.st_size), str(found.st_mtime_ns)]
    digest = hashlib.sha256("\0".join(words).encode())
    here = Path(__file__).parent
    for path in sorted(path for path in here.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(f"\0{path.relative_to(here).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


class Begun:
    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.path = folder / f"{name}.lab"

    def take(self, data: Path) -> tuple[dict[str, Any] | None, str]:
        """Make ``data`` from what is kept; the record kept with it. None where that can't be, and why."""
        remove_tree(data)
        try:
            self._ours(os.lstat(self.folder), stat.S_ISDIR)
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None, "nothing is kept yet"
        except (OSError, BadInput) as error:
            return None, str(error)
        with open(descriptor, "rb") as file:
            try:
                self._ours(os.fstat(descriptor), stat.S_ISREG)
                return _unpacked(file, data), ""
            except (OSError, ValueError, KeyError, tarfile.TarError, BadInput) as error:
                remove_tree(data)
                with suppress(OSError):
                    self.path.unlink()
                return None, f"what was kept can't be used: {error}"

    def put(self, data: Path, record: dict[str, Any]) -> None:
        """Keep it, in place of what was kept. Nothing may write in ``data`` meanwhile. Raises OSError, BadInput."""
        ensure_folder(self.folder)
        self._ours(os.lstat(self.folder), stat.S_ISDIR)
        self._clear()
        part = self.folder / f"{secrets.token_hex(8)}.part"
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                _pack(file, data, record)
            part.replace(self.path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def _clear(self) -> None:
        """Make room: what a kill left unfinished, and all but the newest of other versions."""
        entries = [(path.lstat().st_mtime, path) for path in self.folder.iterdir() if path != self.path]
        unfinished = [path for at, path in entries if path.suffix == ".part" and at < time.time() - _LEFT_AFTER]
        kept = [path for at, path in sorted(entries, reverse=True) if path.suffix == ".lab"]
        for path in (*unfinished, *kept[_MOST - 1 :]):
            path.unlink(missing_ok=True)

    def _ours(self, found: os.stat_result, kind: Any) -> None:
        """Nobody else can have made or changed it. Raises BadInput."""
        if not kind(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise BadInput("What is kept for the next lab is not ours alone", str(self.path))


class _Hashed:
    """A file that is written, and the sum of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)


def _pack(file: IO[bytes], data: Path, record: dict[str, Any]) -> None:
    file.write(b" " * _DIGEST)
    out = _Hashed(file)
    words = json.dumps(record).encode()
    there = sum(1 for _ in data.rglob("*"))
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as archive:  # type: ignore[call-overload]  # a file to write needs no more
        about = tarfile.TarInfo(RECORD)
        about.size = len(words)
        archive.addfile(about, BytesIO(words))
        archive.add(data, DATA)
        packed = len(archive.getmembers()) - 2
    if packed != there:  # somebody removes it meanwhile
        raise OSError(f"{packed} of {there} files and folders of {data} were there to be kept")
    file.seek(0)
    file.write(out.digest.hexdigest().encode())


def _unpacked(file: BufferedReader, data: Path) -> dict[str, Any]:
    """Raises ValueError, KeyError or TarError for what is not as it was written."""
    said = file.read(_DIGEST)
    if hashlib.file_digest(file, "sha256").hexdigest().encode() != said:
        raise ValueError("its sum is another")
    file.seek(_DIGEST)
    record: dict[str, Any] | None = None
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for member in archive:
            name = PurePosixPath(member.name)
            content = archive.extractfile(member) if member.isreg() else None
            if name == PurePosixPath(RECORD) and content is not None:
                record = json.loads(content.read())
            elif name.parts[:1] != (DATA,) or ".." in name.parts:
                raise ValueError(f"it has {member.name!r}")
            elif member.isdir():
                data.joinpath(*name.parts[1:]).mkdir(mode=0o700)
            elif content is not None:
                target = data.joinpath(*name.parts[1:])
                with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
                    copy.write(content.read())
            else:
                raise ValueError(f"{member.name!r} is neither a file nor a folder")
    if record is None:
        raise KeyError(RECORD)
    return record
