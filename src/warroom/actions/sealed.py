"""Sealed evidence, long after: held against the journal, and packed to be handed on."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import tarfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Literal

from pydantic import Field

from warroom.actions import evidence
from warroom.actions.evidence import MANIFEST
from warroom.errors import WarroomError
from warroom.files import finish, open_private, sync
from warroom.model import event as ev
from warroom.model.base import Fact, Instant, stored
from warroom.model.event import Event
from warroom.model.verification import Artifact
from warroom.model.words import words

FOLDER = "evidence"
PACKED = "PACKED.json"
_BUNDLE = re.compile(r"evidence-\d{1,6}")
DUMP_WARNING = "Dumps of data are in here, as they were: nothing in them is redacted. Keep them as you keep the data."


class Standing(Fact):
    """One bundle: what the journal says of it. ``problems`` is what is wrong with its files; empty: nothing is."""

    bundle: str
    status: Literal["sealed", "unsealed", "not finished", "not in the journal"]
    path: str
    sealed_at: Instant | None = None
    seal: str = ""
    files: int = 0
    size: int = 0
    kinds: tuple[str, ...] = ()
    missing: dict[str, str] = Field(default_factory=dict)
    tried: dict[str, str] = Field(default_factory=dict)
    """What came of trying whether it is of use, in words."""
    reason: str = ""
    problems: tuple[str, ...] = ()


def standings(incident: Path, events: Iterable[Event]) -> list[Standing]:
    """Every bundle that the journal or the incident's folder has, the oldest first. No file is read."""
    found: dict[str, Standing] = {}
    for event in events:
        body = event.body
        if isinstance(body, ev.EvidenceStarted):
            place = str(incident / FOLDER / body.bundle)
            found[body.bundle] = Standing(bundle=body.bundle, status="not finished", path=place)
        elif isinstance(body, ev.EvidenceMissing) and body.bundle in found:
            standing = found[body.bundle]
            missing = {**standing.missing, body.collector: body.reason}
            found[body.bundle] = standing.model_copy(update={"missing": missing})
        elif isinstance(body, ev.EvidenceUnsealed) and body.bundle in found:
            found[body.bundle] = found[body.bundle].model_copy(update={"status": "unsealed", "reason": body.reason})
        elif isinstance(body, ev.EvidenceSealed) and body.bundle in found:
            sealed = {"seal": body.seal, "files": body.files, "size": body.size, "kinds": body.kinds}
            changes = {"status": "sealed", "sealed_at": event.at, **sealed}
            found[body.bundle] = found[body.bundle].model_copy(update=changes)
        elif isinstance(body, ev.ProofEnded) and body.bundle in found:
            tried = {**found[body.bundle].tried, body.collector: words(event)}
            found[body.bundle] = found[body.bundle].model_copy(update={"tried": tried})
    folder = incident / FOLDER
    there = sorted(each.name for each in folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
    for name in there:
        found.setdefault(name, Standing(bundle=name, status="not in the journal", path=str(folder / name)))
    return list(found.values())


def verify(incident: Path, events: Sequence[Event]) -> list[Standing]:
    """Each bundle with its problems: the files against what the journal took down, and the manifest against its seal.

    What the journal has of each file counts, not what the manifest says now: who changed a file may have changed that.
    """
    artifacts: dict[str, dict[str, Artifact]] = {}
    for event in events:
        if isinstance(event.body, ev.EvidenceCollected):
            artifacts.setdefault(event.body.bundle, {}).update({a.name: a for a in event.body.artifacts})
    return [
        standing.model_copy(update={"problems": tuple(_problems(standing, artifacts.get(standing.bundle, {})))})
        for standing in standings(incident, events)
    ]


def _problems(standing: Standing, files: dict[str, Artifact]) -> list[str]:
    if standing.status == "not in the journal":
        return [f"{standing.bundle}: no entry of the journal knows it"]
    if standing.status != "sealed":
        return []
    path = Path(standing.path)
    if not _BUNDLE.fullmatch(standing.bundle) or path.is_symlink() or not path.is_dir():
        return [f"{standing.bundle}: missing"]
    problems = evidence.differences(path, files)
    try:
        seal = evidence.seal_of(path)
    except OSError as error:
        return [f"{MANIFEST}: {error.strerror or error}", *problems]
    if seal != standing.seal:
        problems.insert(
            0, f"{MANIFEST}: changed: its hash is {seal[:12]}…, the journal's seal is {standing.seal[:12]}…"
        )
    return problems


def pack(incident: str, found: Sequence[Standing], target: Path, *, with_dumps: bool) -> list[str]:
    """Writes the sealed bundles as a tar.gz, 0600, the same bytes each time; returns the names of what was left out.

    Only what verifies is packed. Dumps can't be redacted: they are left out unless asked for, and then marked.
    """
    sealed = [standing for standing in found if standing.status == "sealed"]
    problems = [f"{standing.bundle}/{problem}" for standing in found for problem in standing.problems]
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise WarroomError(
            "This evidence is not as it was sealed", "; ".join(problems[:3]) + more, "nothing was packed"
        )
    if not sealed:
        raise WarroomError("No evidence is sealed", f"{incident} has none", "capture it in the console")
    if os.path.lexists(target):
        raise WarroomError(f"{target} is there already", "nothing is written over", "give another name with --to")
    part = target.with_name(target.name + ".part")
    try:
        part.unlink(missing_ok=True)
        with open(open_private(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as out:
            left = _write(incident, sealed, out, with_dumps)
            out.flush()
            sync(out.fileno())
        finish(part, target)
    except OSError as error:
        raise WarroomError(f"{target.name} could not be written", error.strerror or str(error), "") from error
    finally:
        part.unlink(missing_ok=True)
    return left


def _write(incident: str, sealed: Sequence[Standing], out: IO[bytes], with_dumps: bool) -> list[str]:
    left: list[Artifact] = []
    listed = []
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0, compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for standing in sealed:
            path = Path(standing.path)
            files = sorted(evidence.manifest_files(path).values(), key=lambda artifact: artifact.name)
            out_of_it = [each for each in files if each.kind == "dump" and not with_dumps]
            at = int(standing.sealed_at.timestamp()) if standing.sealed_at else 0
            prefix = f"{incident}/{standing.bundle}"
            _add(tar, path / MANIFEST, f"{prefix}/{MANIFEST}", at, standing.seal)
            for artifact in files:
                if artifact not in out_of_it:
                    _add(tar, path / artifact.name, f"{prefix}/{artifact.name}", at, artifact.sha256)
            left += out_of_it
            dumps = with_dumps and any(each.kind == "dump" for each in files)
            listed.append(
                {
                    "bundle": standing.bundle,
                    "seal": standing.seal,
                    "left_out": [each.model_dump(mode="json") for each in out_of_it],
                    "warning": DUMP_WARNING if dumps else "",
                }
            )
        document = stored({"incident": incident, "bundles": listed})
        newest = max(standing.sealed_at for standing in sealed if standing.sealed_at)
        tar.addfile(_entry(f"{incident}/{PACKED}", len(document), newest), BytesIO(document))
    return [artifact.name for artifact in left]


def _entry(name: str, size: int, at: datetime | int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(at.timestamp()) if isinstance(at, datetime) else at
    return entry


class _Hashing:
    """What is read of a file as it is packed, so that a change meanwhile is not packed unseen."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _add(tar: tarfile.TarFile, path: Path, name: str, at: int, sha256: str) -> None:
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        hashing = _Hashing(file)
        tar.addfile(_entry(name, os.fstat(file.fileno()).st_size, at), hashing)
    if hashing.digest.hexdigest() != sha256.removeprefix("sha256:"):
        raise WarroomError(f"{name} changed while it was packed", "", "nothing was packed: verify the evidence")
