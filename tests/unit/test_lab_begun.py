"""What is kept for the next lab: as it was, or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO

import pytest

from warroom.drills.lab.begun import Begun, key
from warroom.errors import BadInput

RECORD = {"version": "v1.0.0-beta.1", "number": 1}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    (folder / "base" / "1").mkdir(parents=True)
    (folder / "pg_twophase").mkdir()
    (folder / "PG_VERSION").write_text("18\n")
    (folder / "base" / "1" / "1259").write_bytes(bytes(range(256)) * 100)
    (folder / "empty").touch()
    return folder


@pytest.fixture
def kept(tmp_path: Path, data: Path) -> Begun:
    begun = Begun(tmp_path / "cache" / "lab", "one")
    begun.put(data, RECORD)
    return begun


def contents(folder: Path) -> dict[str, bytes | None]:
    every = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {name: path.read_bytes() if path.is_file() else None for name, path in every.items()}


def refused(begun: Begun, copy: Path) -> str:
    record, why = begun.take(copy)
    assert record is None
    assert not copy.exists()
    return why


def test_a_copy_is_as_it_was_and_for_its_owner_alone(kept: Begun, data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "half made").touch()
    assert kept.take(copy) == (RECORD, "")
    assert contents(copy) == contents(data)
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (copy, *copy.rglob("*"))} == {0}
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700


def test_nothing_is_kept_yet(tmp_path: Path) -> None:
    assert refused(Begun(tmp_path / "cache", "one"), tmp_path / "copy") == "nothing is kept yet"


def flipped(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def no_archive(path: Path) -> None:
    path.write_bytes(hashlib.sha256(b"x").hexdigest().encode() + b"x")


def holding(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Callable[[Path], None]:
    """Its sum is right, and what it holds is not what the lab has written."""

    def replace(path: Path) -> None:
        packed = BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for each, of_kind in (("data", tarfile.DIRTYPE), (name, kind)):
                member = tarfile.TarInfo(each)
                member.type, member.linkname = of_kind, target
                archive.addfile(member)
        path.write_bytes(hashlib.sha256(packed.getvalue()).hexdigest().encode() + packed.getvalue())

    return replace


HARM = {
    "a bit": flipped,
    "its end": truncated,
    "all": emptied,
    "no archive": no_archive,
    "no record": holding("data/file"),
    "above": holding("data/../../outside"),
    "absolute": holding("/data/outside"),
    "beside": holding("outside"),
    "link": holding("data/link", tarfile.SYMTYPE, "/etc"),
    "device": holding("data/null", tarfile.CHRTYPE),
    "twice": holding("data", tarfile.DIRTYPE),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_was_harmed_is_not_used_and_goes(kept: Begun, tmp_path: Path, harm: str) -> None:
    HARM[harm](kept.path)
    before = set(tmp_path.iterdir())
    assert refused(kept, tmp_path / "copy").startswith("what was kept can't be used: ")
    assert not kept.path.exists()
    assert set(tmp_path.iterdir()) == before


def test_what_others_can_change_is_not_used(kept: Begun, data: Path, tmp_path: Path) -> None:
    kept.path.chmod(0o620)
    assert "not ours alone" in refused(kept, tmp_path / "copy")
    kept.put(data, RECORD)
    kept.folder.chmod(0o770)
    assert "not ours alone" in refused(kept, tmp_path / "copy")
    with pytest.raises(BadInput, match="not ours alone"):
        kept.put(data, RECORD)


def test_a_link_is_not_followed(kept: Begun, data: Path, tmp_path: Path) -> None:
    elsewhere = kept.path.rename(tmp_path / "elsewhere")
    kept.path.symlink_to(elsewhere)
    refused(kept, tmp_path / "copy")
    assert elsewhere.exists()
    kept.put(data, RECORD)
    assert not kept.path.is_symlink()
    linked = Begun(tmp_path / "linked", "one")
    linked.folder.symlink_to(kept.folder)
    assert "not ours alone" in refused(linked, tmp_path / "copy")
    with pytest.raises(BadInput, match="not ours alone"):
        linked.put(data, RECORD)


def test_what_cannot_be_kept_leaves_what_was(kept: Begun, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no such folder"):
        kept.put(tmp_path / "no such folder", RECORD)
    assert list(kept.folder.iterdir()) == [kept.path]
    assert kept.take(tmp_path / "copy") == (RECORD, "")


def test_what_goes_away_while_it_is_read_is_not_kept(
    kept: Begun, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that somebody removes meanwhile ends early, and no error says so."""
    shown = tarfile.TarFile.addfile

    def addfile(archive: tarfile.TarFile, member: tarfile.TarInfo, content: IO[bytes] | None = None) -> None:
        shown(archive, member, content)
        if member.name == "data":
            (data / "base" / "1" / "1259").unlink()

    monkeypatch.setattr(tarfile.TarFile, "addfile", addfile)
    with pytest.raises(OSError, match="5 of 6 files and folders"):
        kept.put(data, RECORD)
    assert list(kept.folder.iterdir()) == [kept.path]


def test_other_versions_and_what_kills_left_make_room(kept: Begun, data: Path) -> None:
    ages = {"new.lab": 60, "old.lab": 600, "older.lab": 6000, "now.part": 60, "left.part": 6000}
    now = kept.path.stat().st_mtime
    for name, age in ages.items():
        (kept.folder / name).touch()
        os.utime(kept.folder / name, (now - age, now - age))
    kept.put(data, RECORD)
    assert {path.name for path in kept.folder.iterdir()} == {"one.lab", "new.lab", "now.part"}


def test_another_server_is_another_kind(tmp_path: Path) -> None:
    server = tmp_path / "postgres"
    server.write_bytes(b"18")
    first = key(server)
    assert key(server) == first
    server.write_bytes(b"18.1")
    assert key(server) != first
