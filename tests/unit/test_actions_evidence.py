"""Evidence bundles: private, whole or absent, and every later change to one is named."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from warroom.actions import evidence
from warroom.actions.evidence import MANIFEST, Bundle, CollectorFolder
from warroom.errors import BadInput, TimedOut, WarroomError
from warroom.model.verification import Artifact
from warroom.plugins import isolated
from warroom.redact import Redactor
from warroom.testing.clock import VirtualClock

SECRET = "hunter2-canary-9f3a"


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def a_bundle(tmp_path: Path, redactor: Redactor | None = None) -> Bundle:
    return Bundle(tmp_path / "evidence", "evidence-1", "INC-0001", VirtualClock(), redactor or Redactor())


def a_folder(bundle: Bundle, name: str = "one") -> CollectorFolder:
    return bundle.for_collector(name)


async def sealed(tmp_path: Path) -> Path:
    """A small bundle with a file in a sub-folder."""
    bundle = a_bundle(tmp_path)
    folder = a_folder(bundle)
    await folder.write("a.log", b"line 1\nline 2\n", kind="logs")
    await folder.write("deep/er/b.dump", bytes(range(256)), kind="dump")
    await a_folder(bundle, "two").write("a.log", b"", kind="logs")
    folder.counts({"User": 3})
    bundle.seal({"three": "it is away"}, {"warroom": "0"})
    return bundle.path


def modes(folder: Path) -> set[str]:
    return {f"{'d' if path.is_dir() else 'f'} {path.stat().st_mode & 0o777:o}" for path in [folder, *folder.rglob("*")]}


async def test_files_are_private_under_any_umask(umask: int, tmp_path: Path) -> None:
    path = await sealed(tmp_path)
    assert modes(path) == {"d 700", "f 600"}
    assert (path.parent.stat().st_mode & 0o777) == 0o700
    assert evidence.verify(path) == []


async def test_the_manifest_says_what_there_is_what_is_missing_and_what_was_counted(tmp_path: Path) -> None:
    path = await sealed(tmp_path)
    manifest = json.loads((path / MANIFEST).read_bytes())
    files = [Artifact.model_validate(entry) for entry in manifest["files"]]
    assert [(f.name, f.collector, f.size, f.kind) for f in files] == [
        ("one/a.log", "one", 14, "logs"),
        ("one/deep/er/b.dump", "one", 256, "dump"),
        ("two/a.log", "two", 0, "logs"),
    ]
    assert manifest["missing"] == {"three": "it is away"}
    assert manifest["counts"] == {"User": 3}
    assert manifest["incident"] == "INC-0001"
    assert all(evidence.hash_file(path / f.name) == (f.sha256, f.size) for f in files)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/../../x",
        "/etc/x",
        "a/..",
        "-x",
        "a/-rf",
        "a\0b",
        "a\nb",
        "a\x1b[2J",
        "\udcff",
        "x.part",
    ],
    ids=repr,
)
async def test_a_name_that_leads_elsewhere_or_cannot_be_shown_is_refused(name: str, tmp_path: Path) -> None:
    bundle = a_bundle(tmp_path)
    with pytest.raises(BadInput, match="no name for an evidence file"):
        await a_folder(bundle).write(name, b"x")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_name_too_long_for_the_disk_is_an_error_of_that_file_alone(tmp_path: Path) -> None:
    bundle = a_bundle(tmp_path)
    with pytest.raises((OSError, WarroomError)):
        await a_folder(bundle).write("x" * 300, b"x")
    await a_folder(bundle).write("y", b"y")
    assert [f.name for f in bundle.of("one")] == ["one/y"]


async def test_a_file_is_written_once(tmp_path: Path) -> None:
    folder = a_folder(a_bundle(tmp_path))
    await folder.write("a", b"1")
    with pytest.raises(BadInput, match="there already"):
        await folder.write("a", b"2")


def plant(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)


@pytest.mark.parametrize("where", ["evidence", "evidence/evidence-1"])
def test_a_link_in_place_of_a_folder_is_refused(where: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    plant(tmp_path / where, outside)
    with pytest.raises((WarroomError, FileExistsError)):
        a_bundle(tmp_path)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("where", ["one", "one/deep", "one/deep/a.log.part", "one/deep/a.log", "one/deep/dangling"])
async def test_a_planted_link_is_not_followed(where: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim").write_text("untouched")
    bundle = a_bundle(tmp_path)
    plant(bundle.path / where, outside / "victim" if "a.log" in where else outside)
    name = "deep/dangling" if where.endswith("dangling") else "deep/a.log"
    with pytest.raises((WarroomError, OSError)):
        await a_folder(bundle).write(name, b"written through a link")
    assert (outside / "victim").read_text() == "untouched"
    assert [path.name for path in outside.iterdir()] == ["victim"]
    assert bundle.of("one") == ()


async def test_the_manifest_is_not_written_through_a_link(tmp_path: Path) -> None:
    bundle = a_bundle(tmp_path)
    (tmp_path / "victim").write_text("untouched")
    plant(bundle.path / MANIFEST, tmp_path / "victim")
    plant(bundle.path / f"{MANIFEST}.part", tmp_path / "victim")
    bundle.seal({}, {})
    assert (tmp_path / "victim").read_text() == "untouched"
    assert not (bundle.path / MANIFEST).is_symlink()


async def test_a_file_that_fails_midway_is_not_there(tmp_path: Path) -> None:
    bundle = a_bundle(tmp_path)

    async def fails() -> None:
        async with a_folder(bundle).file("a.dump", kind="dump") as part:
            part.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert bundle.of("one") == ()
    assert [path for path in bundle.path.rglob("*") if path.is_file()] == []


async def test_what_comes_after_a_collectors_time_is_not_taken(tmp_path: Path) -> None:
    bundle = a_bundle(tmp_path)
    folder = a_folder(bundle)

    async def late() -> None:
        async with folder.file("slow.dump", kind="dump") as part:
            part.write_bytes(b"slow")
            folder.close()

    for work in (late(), folder.write("later.txt", b"later")):
        with pytest.raises(WarroomError, match="came too late"):
            await work
    assert bundle.of("one") == ()
    assert [path for path in bundle.path.rglob("*") if path.is_file()] == []


async def test_a_collector_that_does_not_answer_is_over_in_its_time(tmp_path: Path) -> None:
    bundle = a_bundle(tmp_path)

    async def hangs() -> None:
        async with a_folder(bundle).file("slow.dump") as part:
            part.write_bytes(b"slow")
            await asyncio.Event().wait()

    with pytest.raises(TimedOut):
        await isolated("one", hangs(), timeout=0.05)
    assert [path for path in bundle.path.rglob("*") if path.is_file()] == []


def test_what_a_thread_left_behind_is_not_sealed(tmp_path: Path) -> None:
    bundle = a_bundle(tmp_path)
    (bundle.path / "one").mkdir()
    (bundle.path / "one" / "x.csv.part").write_text("half")
    bundle.seal({}, {})
    assert evidence.verify(bundle.path) == []
    assert not list(bundle.path.rglob("*.part"))


async def test_text_is_redacted_and_a_dump_is_left_as_it_is(tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.register(SECRET, "env:CANARY")
    bundle = a_bundle(tmp_path, redactor)
    await a_folder(bundle).write("a.log", f"token {SECRET} \x1b]0;x\x07".encode(), kind="logs")
    await a_folder(bundle).write("a.dump", SECRET.encode(), kind="dump")
    text = (bundle.path / "one/a.log").read_text()
    assert SECRET not in text
    assert "\x1b" not in text
    assert (bundle.path / "one/a.dump").read_text() == SECRET
    assert evidence.verify(_ended(bundle)) == []


def _ended(bundle: Bundle) -> Path:
    return bundle.seal({}, {}).path


async def test_too_little_room_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=evidence.LEAST_FREE - 1))
    bundle = a_bundle(tmp_path)
    with pytest.raises(WarroomError, match="63 MB are free"):
        await a_folder(bundle).write("a", b"x")
    assert [path for path in bundle.path.rglob("*") if path.is_file()] == []


def change_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swapped_for_a_link(path: Path) -> None:
    path.rename(path.with_name("kept"))
    shutil.move(path.with_name("kept"), path.parents[3] / "outside")
    path.symlink_to(path.parents[3] / "outside")


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (lambda p: change_a_byte(p / "one/a.log"), "one/a.log: changed"),
        (lambda p: (p / "one/a.log").write_bytes(b"line 1\nline 2\nx"), "one/a.log: changed: 15 bytes"),
        (lambda p: (p / "one/deep/er/b.dump").write_bytes(b""), "one/deep/er/b.dump: changed: 0 bytes"),
        (lambda p: (p / "two/a.log").unlink(), "two/a.log: missing"),
        (lambda p: (p / "two/more.log").write_bytes(b""), "two/more.log: not in the manifest"),
        (lambda p: (p / "link").symlink_to("/etc/passwd"), "link: not in the manifest"),
        (lambda p: swapped_for_a_link(p / "one/a.log"), "one/a.log: missing"),
        (lambda p: (p / "one/a.log").rename(p / "one/b.log"), "one/a.log: missing"),
        (lambda p: (p / MANIFEST).unlink(), f"{MANIFEST}: can't be read"),
        (lambda p: (p / MANIFEST).write_bytes(b"[" * 100_000), f"{MANIFEST}: can't be read"),
        (lambda p: (p / MANIFEST).write_bytes(b'{"files": [{"name": "x"}]}'), f"{MANIFEST}: can't be read"),
        (lambda p: (p / MANIFEST).write_bytes(b'{"files": 3}'), f"{MANIFEST}: can't be read"),
    ],
    ids=[
        "a byte",
        "longer",
        "emptied",
        "missing",
        "added",
        "added link",
        "swapped",
        "renamed",
        "no manifest",
        "deep",
        "half",
        "no list",
    ],
)
async def test_every_change_is_named(harm: Any, named: str, tmp_path: Path) -> None:
    path = await sealed(tmp_path)
    assert evidence.verify(path) == []
    harm(path)
    problems = evidence.verify(path)
    assert any(problem.startswith(named) for problem in problems), problems


async def test_a_manifest_that_names_files_elsewhere_finds_none(tmp_path: Path) -> None:
    path = await sealed(tmp_path)
    (tmp_path / "evidence" / "other").write_text("x")
    for name in ("../other", "/etc/passwd", "one/../../other", ""):
        manifest = json.loads((path / MANIFEST).read_bytes())
        manifest["files"][0]["name"] = name
        (path / MANIFEST).write_text(json.dumps(manifest))
        assert f"{name}: missing" in evidence.verify(path)


async def test_a_linked_folder_within_a_bundle_is_not_gone_through(tmp_path: Path) -> None:
    path = await sealed(tmp_path)
    (path / "one").rename(tmp_path / "moved")
    (path / "one").symlink_to(tmp_path / "moved")
    problems = evidence.verify(path)
    assert "one/a.log: missing" in problems
    assert "one: not in the manifest" in problems


async def test_any_flipped_byte_anywhere_is_found(tmp_path: Path) -> None:
    """Of a file: by verifying. Of the manifest: at the latest by the seal that the journal holds."""
    path = await sealed(tmp_path)
    seal = evidence.seal_of(path)
    chance = random.Random(1)
    files = [file for file in sorted(path.rglob("*")) if file.is_file() and file.stat().st_size]
    for number in range(300):
        file = files[number % len(files)]
        whole = file.read_bytes()
        place = chance.randrange(len(whole))
        file.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << chance.randrange(8))]) + whole[place + 1 :])
        found = evidence.verify(path)
        assert found or evidence.seal_of(path) != seal, f"{file.name} at {place}"
        if file.name != MANIFEST:
            assert [problem.partition(":")[0] for problem in found] == [file.relative_to(path).as_posix()]
        file.write_bytes(whole)
    assert evidence.verify(path) == []
    assert evidence.seal_of(path) == seal
