"""Where dumps are looked for, what a file is taken for, and from when its data is."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from warroom.api import BadInput, WarroomError
from warroom_postgres.backups import finding
from warroom_postgres.backups import manifest as manifests
from warroom_postgres.backups.config import Backups
from warroom_postgres.backups.finding import find, search
from warroom_postgres.backups.manifest import Manifest
from warroom_postgres.backups.plain import BEGINS, CLUSTER
from warroom_postgres.backups.reading import Damaged
from warroom_postgres.backups.recognising import recognised
from warroom_postgres.backups.through import read_through
from warroom_postgres.backups.times import Made, made_when, named_time
from warroom_postgres.config import Config

PLAIN = BEGINS + b"\nSET row_security = off;\n"
NOON = datetime(2025, 10, 9, 12, tzinfo=UTC)


def names(config: Backups) -> list[str]:
    return sorted(found.name for found in search(config).found)


def test_dumps_are_found_by_what_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "ai_saas_20251009.sql.gz").write_bytes(gzip.compress(PLAIN))
    (tmp_path / "no-ending").write_bytes(PLAIN)
    (tmp_path / "README").write_text("about the backups")
    (tmp_path / "broken.dump").write_bytes(b"nothing of the kind")
    (tmp_path / "empty.sql").write_bytes(b"")
    (tmp_path / "a.dump.part").write_bytes(b"PGDMP")
    (tmp_path / "ai_saas_20251009.sql.gz.sha256").write_text("0" * 64)
    (tmp_path / "ai_saas_20251009.sql.gz.manifest.json").write_text("{}")
    below = tmp_path / "daily" / "old"
    below.mkdir(parents=True)
    (tmp_path / "daily" / "d.sql").write_bytes(PLAIN)
    (below / "o.sql").write_bytes(PLAIN)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "toc.dat").write_bytes(b"PGDMP")
    os.mkfifo(tmp_path / "pipe.sql")
    some = ["ai_saas_20251009.sql.gz", "broken.dump", "d.sql", "empty.sql", "folder", "no-ending"]
    assert names(Backups(folders=(str(tmp_path),))) == some
    assert names(Backups(folders=(str(tmp_path),), depth=0)) == [name for name in some if name != "d.sql"]
    assert names(Backups(folders=(str(tmp_path),), depth=2)) == sorted([*some, "o.sql"])
    assert names(Backups(folders=(str(tmp_path),), names=("ai_saas_*", "fold*"))) == [some[0], "folder"]


def test_no_link_leads_out_of_the_folders(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "secret.sql").write_bytes(PLAIN)
    (inside / "link.sql").symlink_to(outside / "secret.sql")
    (inside / "folder").symlink_to(outside)
    (inside / "good.sql").write_bytes(PLAIN)
    config = Backups(folders=(str(inside),), depth=3)
    assert names(config) == ["good.sql"]
    for path in (inside / "link.sql", inside / "folder" / "secret.sql", outside / "secret.sql", inside / "none.sql"):
        with pytest.raises(WarroomError):
            find(path, config)
    found = find(inside / "good.sql", config)
    (inside / "good.sql").unlink()
    (inside / "good.sql").symlink_to(outside / "secret.sql")
    with pytest.raises(BadInput, match="is a link"):
        read_through(found.path, found.identity)
    (inside / "good.sql").unlink()
    (outside / "secret.sql").rename(inside / "good.sql")
    with pytest.raises(Damaged, match="something else is in its place"):
        read_through(found.path, found.identity)
    # The folder that a person named may itself be reached over a link.
    (tmp_path / "named").symlink_to(inside)
    assert names(Backups(folders=(str(tmp_path / "named"),))) == ["good.sql"]


def test_a_search_ends_and_says_what_it_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "MOST_LOOKED_AT", 5)
    monkeypatch.setattr(finding, "MOST_FOUND", 2)
    for number in range(9):
        (tmp_path / f"{number}.sql").write_bytes(PLAIN)
    result = search(Backups(folders=(str(tmp_path), str(tmp_path / "none"))))
    assert len(result.found) == 2
    assert [words.split(" ")[0] for words in result.problems] == ["more", f"{tmp_path / 'none'}", "of"]


@pytest.mark.parametrize("folder", ["backups", "/", "/backups/../etc", "~/backups", "/a\nb", ""])
def test_a_folder_must_be_a_whole_path(folder: str) -> None:
    with pytest.raises(ValidationError, match="whole path"):
        Backups(folders=(folder,))


def test_a_runbook_names_them() -> None:
    config = Config.model_validate({"backups": {"folders": ["/backups/"], "zone": "Europe/Berlin", "max_age": "26h"}})
    assert config.backups is not None
    assert (config.backups.folders, config.backups.max_age) == (("/backups",), 93_600)
    mistakes: tuple[dict[str, object], ...] = (
        {"folders": []},
        {"folders": ["/b"], "zone": "Mars/Base"},
        {"folders": ["/b"], "names": ["../x"]},
    )
    for wrong in mistakes:
        with pytest.raises(ValidationError):
            Config.model_validate({"backups": wrong})


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"", "is empty"),
        (b"\0" * 600, "nothing but zeros"),
        (b"\x28\xb5\x2f\xfd12", "zstd"),
        (b"Salted__abc", "encrypted"),
        (b"x" * 257 + b"ustar\0", "tar archive"),
        (CLUSTER, "whole server"),
        (b"hello", "does not begin"),
        (gzip.compress(b"hello", mtime=0), "does not begin"),
        (gzip.compress(gzip.compress(b"", mtime=0), mtime=0), "is packed twice"),
    ],
)
def test_what_is_no_dump_is_told_by_its_content(head: bytes, words: str, tmp_path: Path) -> None:
    assert recognised(head)[0] == "other"
    file = tmp_path / "ai_saas.dump"
    file.write_bytes(head)
    with pytest.raises(Damaged, match=words):
        read_through(file)


@pytest.mark.parametrize("name", ["it's $(x) \"a.dump.gz", "-a.dump"])
def test_an_archive_in_gzip_is_refused_with_the_line_that_unpacks_it(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(gzip.compress(b"PGDMP\x01\x0e", mtime=0))
    with pytest.raises(Damaged) as refused:
        read_through(file)
    said, _, line = str(refused.value).partition(", by ")
    assert said == "is an archive packed once more with gzip, and pg_restore reads files: unpack it first"
    subprocess.run([shutil.which("sh") or "", "-c", line], check=True, capture_output=True, timeout=30)
    (unpacked,) = set(tmp_path.iterdir()) - {file}
    assert unpacked.read_bytes() == b"PGDMP\x01\x0e"
    with pytest.raises(Damaged, match="is cut short"):
        read_through(unpacked)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("ai_saas_20251009.sql.gz", "2025-10-08T10:00", "2025-10-10T12:00"),
        ("ai-saas-2025-10-09_0230.dump", "2025-10-08T12:30", "2025-10-09T14:31"),
        ("db_20251009T023015Z", "2025-10-09T02:30:15", "2025-10-09T02:30:16"),
        ("dump-1760000000.sql", "2025-10-09T08:53:20", "2025-10-09T08:53:20"),
        ("x_20251399.sql", None, None),
        ("v1.2.3.sql", None, None),
        ("120251009.sql", None, None),
    ],
)
def test_a_name_tells_a_time(name: str, first: str | None, last: str | None) -> None:
    found = named_time(name, None)
    if first is None or last is None:
        assert found is None
        return
    assert found == tuple(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (first, last))


def made(name: str = "x.sql", **more: object) -> Made:
    given: dict[str, object] = {"snapshot": None, "header": None, "in_utc": False, "written": NOON, "zone": None}
    return made_when(name=name, **{**given, **more})  # type: ignore[arg-type]  # a table of few words


def test_when_it_was_made_is_by_the_best_that_says_so() -> None:
    snapshot, header = NOON - timedelta(hours=3), datetime(2025, 10, 9, 9)  # noqa: DTZ001 – as headers have it
    assert made(snapshot=snapshot, header=header, name="20200101").by == "manifest"
    told = made(header=header, in_utc=True)
    assert (told.by, told.words) == ("header", "about 2025-10-09 09:00 UTC by its own header")
    assert made(header=header, zone="Europe/Berlin").earliest == datetime(2025, 10, 9, 7, tzinfo=UTC)
    anywhere = made(header=header)
    assert anywhere.latest == NOON  # its file was whole by then
    assert anywhere.words == "between 2025-10-08 19:00 and 2025-10-09 12:00 UTC by its own header"
    assert made(name="ai_saas_20251008.sql.gz").by == "name"
    assert made().words == "2025-10-09 12:00 UTC or before, by the time of its file"


def test_times_that_disagree_are_told_and_reckoned_with_from_the_earliest_to_the_latest() -> None:
    header = datetime(2025, 11, 23, 17, 28, 5)  # noqa: DTZ001 – as headers have it
    file = datetime(2025, 11, 23, 2, 0, 10, tzinfo=UTC)
    told = made("shop_20251123_0200.dump", header=header, written=file, zone="Europe/Berlin")
    assert told.doubt == "its name says 02:00, its header 17:28, the file 02:00 UTC"
    assert (told.since, told.latest) == (
        datetime(2025, 11, 23, 1, tzinfo=UTC),
        datetime(2025, 11, 23, 17, 38, 5, tzinfo=UTC),
    ), "pg_dump may have run by a clock in UTC: what the name says, and what the header says in either zone"
    assert told.against(datetime(2025, 11, 23, 17, tzinfo=UTC)) == "unclear"
    assert told.doubt in told.words


def test_a_header_by_a_clock_in_utc_is_not_taken_for_the_zone_of_the_names() -> None:
    header = datetime(2025, 11, 23, 1, 0, 3)  # noqa: DTZ001 – as headers have it
    copied = datetime(2025, 11, 24, 8, 0, tzinfo=UTC)
    told = made("shop_20251123_0200.dump", header=header, written=copied, zone="Europe/Berlin")
    assert told.latest >= datetime(2025, 11, 23, 1, 0, 3, tzinfo=UTC), "not midnight"
    assert told.doubt == "its name says 2025-11-23 02:00, its header 2025-11-23 01:00, the file 2025-11-24 08:00 UTC"
    same = made("shop_20251123_0100.dump", header=header, written=copied, zone="Europe/Berlin")
    assert same.words == "about 2025-11-23 00:00 UTC by its own header", "not the ten minutes more that it may be"
    assert same.since == datetime(2025, 11, 23, 0, 0, 3, tzinfo=UTC)


def test_a_file_written_as_its_header_says_in_utc_may_be_of_a_container() -> None:
    header, zone = datetime(2025, 11, 23, 2, 30), "Europe/Berlin"  # noqa: DTZ001 – as headers have it
    just_then = datetime(2025, 11, 23, 2, 31, tzinfo=UTC)
    for name in ("shop.dump", "shop_20251123.dump"):
        told = made(name, header=header, written=just_then, zone=zone)
        assert told.words == "between 2025-11-23 01:30 and 2025-11-23 02:31 UTC by its own header"
        assert told.against(datetime(2025, 11, 23, 2, tzinfo=UTC)) == "unclear", "it may hold the damage of then"
    for name, written in (
        ("shop_20251123_0230.dump", just_then),
        ("shop.dump", just_then - timedelta(minutes=59)),
        ("shop.dump", just_then + timedelta(hours=9)),
    ):
        assert made(name, header=header, written=written, zone=zone).latest < datetime(2025, 11, 23, 1, 41, tzinfo=UTC)


def test_before_or_after_a_moment_only_where_that_is_certain() -> None:
    told = made(name="ai_saas_20251008.sql.gz")
    assert told.against(NOON + timedelta(hours=1)) == "before"
    assert told.against(datetime(2025, 10, 7, tzinfo=UTC)) == "after"
    assert told.against(datetime(2025, 10, 8, 12, tzinfo=UTC)) == "unclear"
    assert made().against(NOON - timedelta(days=9)) == "unclear"
    odd = made(name="ai_saas_20251101.sql.gz")
    assert "its file is from 2025-10-09 12:00 UTC, which is before that" in odd.words
    assert odd.against(NOON + timedelta(days=99)) == "unclear"


def a_manifest(**other: object) -> dict[str, object]:
    told: dict[str, object] = {"file": "a.dump", "format": "custom", "compression": "gzip", "bytes": 5}
    told |= {"sha256": "sha256:" + "0" * 64, "pg_dump_version": "18", "server_version": "18", "database": "d"}
    told |= {"system_identifier": "7", "snapshot_at": NOON.isoformat(), "finished_at": NOON.isoformat()}
    return {**told, "rows": [{"schema": "public", "name": "User", "rows": 1}], **other}


def test_a_manifest_is_read_as_it_was_written_and_kept_to_its_owner(tmp_path: Path) -> None:
    manifest = Manifest.model_validate(a_manifest())
    old = os.umask(0)
    try:
        path = manifests.write(manifest, tmp_path / "a.dump")
    finally:
        os.umask(old)
    assert path.name == "a.dump.manifest.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == [path.name]
    assert manifests.read(tmp_path / "a.dump") == manifest
    assert manifest.fingerprint == "postgresql-7/d"
    assert manifests.read(tmp_path / "other.dump") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"extra": 1},
        {"version": 2},
        {"sha256": "00"},
        {"file": "../a.dump"},
        {"snapshot_at": "2025-10-09T12:00:00"},
        {"files": [{"name": "toc.dat", "sha256": "sha256:" + "0" * 64, "bytes": 5}]},
        {"rows": [{"schema": "s", "name": "t", "rows": 1}, {"schema": "s", "name": "t", "rows": 2}]},
    ],
)
def test_a_manifest_that_is_none_says_where(wrong: dict[str, object], tmp_path: Path) -> None:
    manifests.beside(tmp_path / "a.dump").write_text(json.dumps(a_manifest(**wrong)))
    with pytest.raises(BadInput, match="is no manifest of a dump"):
        manifests.read(tmp_path / "a.dump")
    manifests.beside(tmp_path / "a.dump").unlink()
    manifests.beside(tmp_path / "a.dump").symlink_to(tmp_path / "x")
    with pytest.raises(BadInput, match="is a link"):
        manifests.read(tmp_path / "a.dump")
