"""What is known of a dump beyond its bytes, written beside it by whoever made it: ``NAME.manifest.json``.

It vouches for the bytes (truncated, flipped and swapped dumps no longer fit their hash) and says where they are from.
It lies beside what it vouches for, so it holds against damage and mix-ups, not against somebody who may write there.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from warroom.api import BadInput, WarroomError
from warroom.model.base import Fact, Instant
from warroom_postgres.backups.reading import CHUNK, Going, entries, nothing, open_plain

SUFFIX = ".manifest.json"
LARGEST = 32 * 1024 * 1024
"""Bytes of a manifest. Ten thousand tables and partitions take about two."""
Hash = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1, max_length=63)]
"""As it is written in the catalogue: unquoted, capitals and dots as they are."""
Format = Literal["custom", "directory", "plain"]
Compression = Literal["none", "gzip", "lz4", "zstd"]


class TableRows(Fact):
    """Rows of one table or partition whose data the dump holds; a partitioned table has none of its own.

    Counted in the snapshot that the dump was made from.
    """

    schema_name: Name = Field(alias="schema")
    name: Name
    rows: int = Field(ge=0)


class DumpFile(Fact):
    """One file of a dump in the directory format."""

    name: Annotated[str, Field(pattern=r"^[^/\x00-\x1f]{1,255}$")]
    sha256: Hash
    bytes: int = Field(ge=0)


class Manifest(Fact):
    """A dump and where it is from.

    ``sha256`` is of the file's bytes as they lie on disk (compressed, where it is); of a directory ``of_files``, and
    ``bytes`` is then the sum. ``snapshot_at`` is when the data was as it is in the dump, by the server's clock.
    ``rows`` None: they were not counted. ``migration`` is the newest one that had finished in that snapshot.
    A ``forensic`` dump was made of damaged data to be looked at, and is no candidate for a restore.
    """

    version: Literal[1] = 1
    file: Annotated[str, Field(pattern=r"^[^/\x00-\x1f]{1,255}$")]
    format: Format
    compression: Compression
    sha256: Hash
    bytes: int = Field(ge=1)
    files: tuple[DumpFile, ...] = Field(default=(), max_length=200_000)
    pg_dump_version: str = Field(min_length=1, max_length=100)
    server_version: str = Field(min_length=1, max_length=100)
    system_identifier: Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]
    database: Name
    snapshot_at: Instant
    finished_at: Instant
    rows: tuple[TableRows, ...] | None = Field(default=None, max_length=200_000)
    large_objects: int | None = Field(default=None, ge=0)
    migration: str | None = Field(default=None, max_length=200)
    label: Literal["backup", "forensic"] = "backup"
    incident: str | None = Field(default=None, max_length=100)

    @model_validator(mode="after")
    def _holds_together(self) -> Manifest:
        if (self.format == "directory") != bool(self.files):
            raise ValueError("files are those of a dump in the directory format, and of no other")
        if self.files and (self.sha256 != of_files(self.files) or self.bytes != sum(one.bytes for one in self.files)):
            raise ValueError("sha256 and bytes are not those of its files")
        if len({(one.schema_name, one.name) for one in self.rows or ()}) < len(self.rows or ()):
            raise ValueError("rows names a table twice")
        return self

    @property
    def counts(self) -> dict[tuple[str, str], int] | None:
        """Rows by schema and name."""
        return None if self.rows is None else {(one.schema_name, one.name): one.rows for one in self.rows}

    @property
    def fingerprint(self) -> str:
        """As ``PostgresIdentity`` gives it of a live database."""
        return f"postgresql-{self.system_identifier}/{self.database}"


def of_files(files: tuple[DumpFile, ...]) -> str:
    """One hash of a directory's files: of the lines that sha256sum would print for them, in the order of names."""
    lines = "".join(
        f"{one.sha256.removeprefix('sha256:')}  {one.name}\n" for one in sorted(files, key=lambda f: f.name)
    )
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


def beside(dump: Path) -> Path:
    """Where the manifest of a dump lies: next to the file, or to the directory."""
    return dump.with_name(dump.name + SUFFIX)


def encoded(manifest: Manifest) -> bytes:
    """The JSON of a manifest's file, for people too."""
    return manifest.model_dump_json(by_alias=True, indent=1).encode() + b"\n"


def decoded(data: bytes, name: str) -> Manifest:
    """Raises BadInput, saying what is wrong in it. ``name`` is what it is called in that."""
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise BadInput(
            f"{name} is no manifest of a dump", f"{where}: {first['msg']}", "make the dump again, or take another"
        ) from None


def read(dump: Path) -> Manifest | None:
    """The manifest beside a dump, None where there is none. Raises WarroomError for one that can't be used."""
    path = beside(dump)
    try:
        with open_plain(path) as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WarroomError(f"{path.name} can't be read", error.strerror or str(error), f"see {path}") from error
    if len(data) > LARGEST:
        raise BadInput(f"{path.name} is no manifest of a dump", f"it is longer than {LARGEST} bytes", f"see {path}")
    return decoded(data, path.name)


def write(manifest: Manifest, dump: Path) -> Path:
    """Beside the dump: whole or not at all, 0600, on the disk when it returns. Raises WarroomError.

    Call it once the dump itself has its name and is on the disk.
    """
    path = beside(dump)
    part = path.with_name(path.name + ".part")
    try:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(encoded(manifest))
            file.flush()
            os.fsync(descriptor)
        os.rename(part, path)
        _sync_names(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        cause = error.strerror or str(error)
        raise WarroomError(f"{path.name} could not be written", cause, "free some disk, or see who owns it") from error
    return path


def _sync_names(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hash_file(path: Path, going: Going = nothing) -> tuple[str, int]:
    """The hash and the length of a plain file. It blocks. Raises OSError, and whatever ``going`` raises."""
    hashing, length = hashlib.sha256(), 0
    with open_plain(path) as file:
        while block := file.read(CHUNK):
            hashing.update(block)
            length += len(block)
            going(len(block))
    return "sha256:" + hashing.hexdigest(), length


def hash_folder(folder: Path, going: Going = nothing) -> tuple[DumpFile, ...]:
    """Every file of a dump in the directory format, by name. As ``hash_file``; BadInput for what is no plain file."""
    found = []
    for entry in entries(folder):
        sha256, length = hash_file(folder / entry, going)
        found.append(DumpFile(name=entry, sha256=sha256, bytes=length))
    return tuple(found)
