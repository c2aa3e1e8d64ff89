"""An evidence bundle: a folder of files, each hashed, sealed by the hash of its manifest.

Files are written to ``.part``, flushed and renamed; 0600 in folders 0700 under any umask; links are not followed. A
file that did not end well is not offered as evidence.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from warroom.actions.clock import clock_standing
from warroom.api import Clock
from warroom.errors import BadInput, WarroomError
from warroom.files import finish, need_room, open_private, private_folder, sync, write_private
from warroom.model.base import sha256, stored
from warroom.model.verification import Artifact
from warroom.redact import ChunkCleaner, Redactor

MANIFEST = "manifest.json"
FORMAT = 1
LEAST_FREE = 64 * 1024 * 1024
CHUNK = 1024 * 1024
TEXT_CHUNK = 65_536
Say = Callable[[str], None]


@dataclass(frozen=True)
class Sealed:
    path: Path
    seal: str
    artifacts: tuple[Artifact, ...]
    kinds: tuple[str, ...]
    counts: dict[str, int]

    @property
    def size(self) -> int:
        return sum(artifact.size for artifact in self.artifacts)


class Bundle:
    """One capture. ``for_collector`` gives each collector its own folder in it; ``seal`` ends it."""

    def __init__(self, root: Path, bundle_id: str, incident: str, clock: Clock, cleaner: Redactor) -> None:
        self.id = bundle_id
        self.path = root / bundle_id
        self.incident = incident
        self._clock = clock
        self._cleaner = cleaner
        self._artifacts: list[Artifact] = []
        self._counts: dict[str, int] = {}
        private_folder(root)
        private_folder(self.path, must_be_new=True)

    def for_collector(self, name: str, *, cleaned: bool = False, say: Say | None = None) -> CollectorFolder:
        """``cleaned``: what it gives has passed the ingress already, as the spool's lines have."""
        return CollectorFolder(self, name, self._clock, self._cleaner, cleaned=cleaned, say=say)

    def keep(self, artifact: Artifact) -> None:
        self._artifacts.append(artifact)

    def count(self, rows: Mapping[str, int]) -> None:
        self._counts.update({self._cleaner.clean(table): int(count) for table, count in rows.items()})

    def of(self, collector: str) -> tuple[Artifact, ...]:
        return tuple(artifact for artifact in self._artifacts if artifact.collector == collector)

    def seal(self, missing: Mapping[str, str], versions: Mapping[str, str]) -> Sealed:
        """Writes the manifest and returns its hash. Raises WarroomError when the disk will not take it."""
        _without_strays(self.path, {self.path / artifact.name for artifact in self._artifacts})
        artifacts = tuple(sorted(self._artifacts, key=lambda artifact: artifact.name))
        manifest = {
            "format": FORMAT,
            "incident": self.incident,
            "bundle": self.id,
            "sealed_at": self._clock.now().isoformat(),
            "files": [artifact.model_dump(mode="json") for artifact in artifacts],
            "missing": dict(missing),
            "versions": dict(versions),
            "clock": clock_standing(),
            "counts": self._counts,
        }
        data = stored(manifest)
        write_private(self.path / MANIFEST, data)
        kinds = tuple(sorted({artifact.kind for artifact in artifacts}))
        return Sealed(self.path, sha256(data), artifacts, kinds, dict(self._counts))


class CollectorFolder:
    """``warroom.api.Folder``: one collector's corner of a bundle."""

    def __init__(
        self,
        bundle: Bundle,
        collector: str,
        clock: Clock,
        cleaner: Redactor,
        *,
        cleaned: bool = False,
        say: Say | None = None,
    ) -> None:
        self._cleaned = cleaned
        self._say = say
        self._bundle = bundle
        self.incident = bundle.incident
        self._collector = collector
        self._clock = clock
        self._cleaner = cleaner
        self._open = True

    def close(self) -> None:
        """After this (its time is over) nothing that the collector still writes is taken."""
        self._open = False

    @asynccontextmanager
    async def file(self, name: str, kind: str = "other") -> AsyncIterator[Path]:
        final = self._place(name)
        part = final.with_name(final.name + ".part")
        need_room(self._bundle.path, LEAST_FREE)
        os.close(open_private(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        try:
            yield part
            if part.lstat().st_size > shutil.disk_usage(self._bundle.path).total:
                raise WarroomError(f"{final.name} is no evidence", "it says it is larger than the disk it is on", "")
            if kind != "dump" and not self._cleaned and not await asyncio.to_thread(redacted, part, self._cleaner):
                kind = kind if kind == "picture" else "dump"
            await self._finish(part, final, kind)
        finally:
            part.unlink(missing_ok=True)

    async def write(self, name: str, data: bytes, kind: str = "other") -> None:
        async with self.file(name, kind) as part:
            with _open(part) as out:
                out.write(data)

    def counts(self, rows: Mapping[str, int]) -> None:
        self._bundle.count(rows)

    def say(self, words: str) -> None:
        if self._say is not None and self._open:
            self._say(self._cleaner.clean(words)[:200])

    def _place(self, name: str) -> Path:
        path = PurePosixPath(name)
        plain = all(part not in ("", ".", "..") and not part.startswith("-") for part in path.parts)
        if path.is_absolute() or not path.parts or not plain or not name.isprintable() or name.endswith(".part"):
            raise BadInput(f"{name!r} is no name for an evidence file", "a relative path without .. was expected", "")
        final = self._bundle.path / self._collector / self._cleaner.clean(name)
        if os.path.lexists(final):
            raise BadInput(f"{name!r} is there already", "each file of a bundle is written once", "")
        private_folder(self._bundle.path / self._collector)
        for parent in reversed(final.parents):
            if self._bundle.path in parent.parents:
                private_folder(parent)
        return final

    async def _finish(self, part: Path, final: Path, kind: str) -> None:
        digest, size = await asyncio.to_thread(_flushed, part)
        if not self._open:
            raise WarroomError(f"{final.name} came too late", "its collector's time was over", "")
        await asyncio.to_thread(finish, part, final)
        name = final.relative_to(self._bundle.path).as_posix()
        self._bundle.keep(
            Artifact(name=name, collector=self._collector, size=size, sha256=digest, at=self._clock.now(), kind=kind)
        )


def redacted(part: Path, cleaner: Redactor) -> bool:
    """A text file redacted in its place. False, and untouched, when it is none: that can't be redacted. Blocks."""
    clean = part.with_name(f"{part.name.removesuffix('.part')}.clean.part")
    chunks = ChunkCleaner(cleaner)
    with _open(part, read=True) as file:
        if b"\0" in file.read(CHUNK):
            return False
        file.seek(0)
        try:
            with open(open_private(clean, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as out:
                while chunk := file.read(TEXT_CHUNK):
                    out.write(chunks.feed(chunk).encode())
                out.write(chunks.close().encode())
            os.rename(clean, part)
        finally:
            clean.unlink(missing_ok=True)
    return True


def _without_strays(folder: Path, kept: set[Path]) -> None:
    """Takes away what never became an artifact, left by a collector that failed, went around its folder, or writes on.

    Links are taken away, not followed. What resists is found by ``verify``, as added. Blocks.
    """
    on_the_way = {parent for path in kept for parent in path.parents}
    for each in folder.iterdir():
        if each in on_the_way and not each.is_symlink():
            _without_strays(each, kept)
        elif each.is_dir() and not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)
        elif each not in kept:
            with contextlib.suppress(OSError):
                each.unlink()


def _flushed(part: Path) -> tuple[str, int]:
    """The file on the disk and private; its hash and size. Blocks."""
    with _open(part, append=True) as file:
        os.fchmod(file.fileno(), 0o600)
        file.flush()
        sync(file.fileno())
    return hash_file(part)


def verify(path: Path) -> list[str]:
    """What is wrong with a bundle by its own manifest: every changed, missing and added file. Empty: nothing is."""
    try:
        files = manifest_files(path)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return [f"{MANIFEST}: can't be read: {error}"]
    return differences(path, files)


def manifest_files(path: Path) -> dict[str, Artifact]:
    data = json.loads(read_plain(path / MANIFEST))
    return {artifact.name: artifact for artifact in map(Artifact.model_validate, data["files"])}


def differences(path: Path, files: Mapping[str, Artifact]) -> list[str]:
    """How the files in a bundle's folder differ from those that were sealed: changed, missing, added."""
    problems = []
    for name, sealed in sorted(files.items()):
        try:
            if not is_plain(path, name):
                problems.append(f"{name}: missing")
                continue
            digest, size = hash_file(path / name)
        except (OSError, ValueError) as error:
            problems.append(f"{name}: can't be read: {error}")
            continue
        if size != sealed.size or digest != sealed.sha256:
            problems.append(f"{name}: changed: {size:,} bytes, sha256 {digest[:12]}…, sealed as {sealed.sha256[:12]}…")
    found = {each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_symlink() or not each.is_dir()}
    problems += [f"{name}: not in the manifest" for name in sorted(found - set(files) - {MANIFEST})]
    return problems


def is_plain(bundle: Path, name: str) -> bool:
    """A file within the bundle, reached without a link."""
    parts = PurePosixPath(name).parts
    if ".." in parts or not parts or PurePosixPath(name).is_absolute():
        return False
    on_the_way = [bundle.joinpath(*parts[: count + 1]) for count in range(len(parts))]
    return on_the_way[-1].is_file() and not any(each.is_symlink() for each in on_the_way)


def seal_of(path: Path) -> str:
    """The hash of the manifest as it lies there, to hold against the journal's."""
    return sha256(read_plain(path / MANIFEST))


def hash_file(path: Path) -> tuple[str, int]:
    """(SHA-256 in hex, bytes)."""
    digest = hashlib.sha256()
    size = 0
    with _open(path, read=True) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def _open(path: Path, *, append: bool = False, read: bool = False) -> IO[bytes]:
    flags = os.O_RDONLY if read else os.O_WRONLY | (os.O_APPEND if append else 0)
    return open(os.open(path, flags | os.O_NOFOLLOW), "rb" if read else "ab" if append else "wb")


def read_plain(path: Path) -> bytes:
    with _open(path, read=True) as file:
        return file.read(64 * 1024 * 1024)
