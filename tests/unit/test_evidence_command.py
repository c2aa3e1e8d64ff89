"""``warroom evidence``: every later change is named and held against the journal; a pack is the same each time."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import stat
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.engines import a_running
from tests.world import until
from warroom.cli.commands import app
from warroom.errors import WarroomError
from warroom.model import intent as it

INCIDENT = "INC-0001"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with one incident and one sealed bundle, made by the engine."""
    place = tmp_path_factory.mktemp("made")

    async def make() -> None:
        async with a_running(place, kind="production") as world:
            await world.ok(it.OpenIncident(title="it burns"))
            await world.ok(it.CaptureEvidence())
            await until(lambda: world.state.evidence.status == "sealed")

    asyncio.run(make())
    return place / "state"


@pytest.fixture
def state(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "state", symlinks=True))


def asked(state: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["evidence", *words, "--state", str(state)])
    if isinstance(done.exception, WarroomError):
        raise done.exception
    return done.exit_code, done.stdout


def bundle(state: Path) -> Path:
    return state / "incidents" / INCIDENT / "evidence" / "evidence-1"


def problems(state: Path) -> list[str]:
    code, out = asked(state, "verify", INCIDENT, "--json")
    found = [problem for one in json.loads(out)["bundles"] for problem in one["problems"]]
    assert code == (1 if found else 0)
    return found


def files(state: Path) -> list[Path]:
    return sorted(path for path in bundle(state).rglob("*") if path.is_file())


def test_what_was_captured_and_what_gave_nothing_is_listed(state: Path) -> None:
    code, out = asked(state, "list", INCIDENT)
    assert code == 0
    assert "evidence-1  sealed" in out
    assert "gave nothing: world.broken: the dashboard is away" in out
    assert problems(state) == []
    manifest = json.loads((bundle(state) / "manifest.json").read_bytes())
    assert set(manifest["clock"]) == {"synchronised", "offset_s", "largest_error_s"}


def test_every_flipped_byte_names_its_file(state: Path, full: bool) -> None:
    draw = random.Random(5)
    for path in files(state):
        data = path.read_bytes()
        for at in {draw.randrange(len(data)) for _ in range(len(data) if full else 3)} if data else set():
            path.write_bytes(data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :])
            name = path.relative_to(bundle(state)).as_posix()
            assert [problem.partition(":")[0] for problem in problems(state)] == [name]
        path.write_bytes(data)
    assert problems(state) == []


def test_missing_added_and_linked_files_are_named(state: Path) -> None:
    path = bundle(state)
    (path / "versions" / "versions.json").unlink()
    (path / "world.dump" / "added.txt").write_text("x")
    (path / "link").symlink_to("/etc/hostname")
    found = problems(state)
    assert [problem.partition(":")[0] for problem in found] == [
        *("versions/versions.json", "link", "world.dump/added.txt")
    ]
    shutil.rmtree(path)
    assert problems(state) == ["evidence-1: missing"]


def test_a_manifest_made_to_fit_a_changed_file_is_held_against_the_journal(state: Path) -> None:
    import hashlib

    dump = bundle(state) / "world.dump" / "world.dump"
    dump.write_bytes(b"v9")
    manifest = bundle(state) / "manifest.json"
    data = json.loads(manifest.read_bytes())
    for entry in data["files"]:
        if entry["name"] == "world.dump/world.dump":
            entry.update(size=2, sha256=hashlib.sha256(b"v9").hexdigest())
    manifest.write_text(json.dumps(data))
    assert [problem.partition(":")[0] for problem in problems(state)] == ["manifest.json", "world.dump/world.dump"]


def test_a_folder_that_the_journal_does_not_know_is_named(state: Path) -> None:
    shutil.copytree(bundle(state), bundle(state).with_name("evidence-2"))
    assert problems(state) == ["evidence-2: no entry of the journal knows it"]


def test_a_pack_is_private_the_same_each_time_and_has_no_dumps(state: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.tar.gz", tmp_path / "two.tar.gz"
    _, out = asked(state, "pack", INCIDENT, "--to", str(one))
    assert "left out, as nothing in them is redacted: world.dump/world.dump" in out
    asked(state, "pack", INCIDENT, "--to", str(two))
    assert one.read_bytes() == two.read_bytes()
    assert stat.S_IMODE(one.stat().st_mode) == 0o600
    with tarfile.open(one) as tar:
        names = tar.getnames()
        assert {member.mode for member in tar} == {0o600}
        told = json.load(tar.extractfile(f"{INCIDENT}/PACKED.json"))  # type: ignore[arg-type] # it is a file
    assert f"{INCIDENT}/evidence-1/manifest.json" in names
    assert not [name for name in names if name.endswith(".dump")]
    assert [left["name"] for left in told["bundles"][0]["left_out"]] == ["world.dump/world.dump"]
    assert told["bundles"][0]["warning"] == ""
    with pytest.raises(WarroomError, match="there already"):
        asked(state, "pack", INCIDENT, "--to", str(one))


def test_a_pack_with_dumps_is_marked(state: Path, tmp_path: Path) -> None:
    target = tmp_path / "all.tar.gz"
    _, out = asked(state, "pack", INCIDENT, "--to", str(target), "--with-dumps")
    assert "nothing in them is redacted" in out or "nothing in them" in out
    with tarfile.open(target) as tar:
        assert f"{INCIDENT}/evidence-1/world.dump/world.dump" in tar.getnames()
        told = json.load(tar.extractfile(f"{INCIDENT}/PACKED.json"))  # type: ignore[arg-type] # it is a file
    assert "Dumps of data are in here" in told["bundles"][0]["warning"]


def test_changed_evidence_is_not_packed(state: Path, tmp_path: Path) -> None:
    (bundle(state) / "world.dump" / "world.dump").write_bytes(b"v9")
    with pytest.raises(WarroomError, match="not as it was sealed"):
        asked(state, "pack", INCIDENT, "--to", str(tmp_path / "x.tar.gz"))
    assert not list(tmp_path.glob("x.tar.gz*"))


def test_a_pack_is_written_whole_or_not_at_all(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("warroom.actions.sealed.sync", full)
    with pytest.raises(WarroomError, match="could not be written"):
        asked(state, "pack", INCIDENT, "--to", str(tmp_path / "x.tar.gz"))
    assert not list(tmp_path.glob("x.tar.gz*"))


def test_without_evidence_there_is_nothing_to_pack(state: Path, tmp_path: Path) -> None:
    shutil.rmtree(bundle(state).parent)
    with pytest.raises(WarroomError, match="not as it was sealed"):
        asked(state, "pack", INCIDENT, "--to", str(tmp_path / "x.tar.gz"))
