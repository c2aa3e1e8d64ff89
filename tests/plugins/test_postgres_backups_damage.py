"""What becomes of a dump on its way: cut short, flipped bits, another file in its place. None is ever good again."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from tests.plugins.postgres_dumps import FORMATS, ROWS, Dumps, Name, fill
from tests.servers import PostgresServer
from warroom_postgres.backups.archive import read_contents, read_header
from warroom_postgres.backups.config import Backups
from warroom_postgres.backups.contents import Contents
from warroom_postgres.backups.finding import Found, checksum, find
from warroom_postgres.backups.judging import Expected, Judged, Vouching, judged
from warroom_postgres.backups.listing import vouched
from warroom_postgres.backups.reading import Damaged, Source, open_plain
from warroom_postgres.backups.through import read_through

CUT = 65_536
FLIPPED: tuple[Name, ...] = ("custom", "unpacked", "plain", "gzipped", "directory")


@pytest.fixture(scope="session")
def made_dumps() -> dict[str, Dumps]:
    return {}


@pytest.fixture
def dumps(postgres: PostgresServer, made_dumps: dict[str, Dumps], tmp_path_factory: pytest.TempPathFactory) -> Dumps:
    key = str(postgres.programs)
    if key not in made_dumps:
        with postgres.database() as url:
            system, version = fill(url)
            made = Dumps(postgres, url, tmp_path_factory.mktemp("dumps"), system, version)
            for name in FORMATS:
                made.path(name)
        made_dumps[key] = made
    return made_dumps[key]


def expected(dumps: Dumps) -> Expected:
    return Expected(dumps.system, (dumps.database,), frozenset(ROWS), int(dumps.version.split(".")[0]))


def seen(path: Path) -> Contents | Damaged:
    try:
        return read_through(path)
    except Damaged as damaged:
        return damaged


def found(path: Path) -> Found:
    return find(path, Backups(folders=(str(path.parent),)))


def verdict(dumps: Dumps, path: Path, vouching: Vouching | None = None) -> Judged:
    told = vouched(found(path)) if vouching is None else vouching
    return judged(path.name, seen(path), told, expected(dumps))


def each_way(dumps: Dumps, path: Path, vouching: Vouching) -> tuple[Judged, Judged, Judged]:
    """With its manifest, with nothing but what sha256sum wrote, and with neither; of one reading."""
    contents, of = seen(path), expected(dumps)
    assert vouching.manifest is not None
    summed = Vouching(checksum=vouching.manifest.sha256)
    hashed, alone = judged(path.name, contents, vouching, of), judged(path.name, contents, Vouching(), of)
    return hashed, judged(path.name, contents, summed, of), alone


def test_every_format_is_read_right_through_and_good_with_its_manifest(dumps: Dumps, tmp_path: Path) -> None:
    for name in FORMATS:
        path = dumps.copy(name, tmp_path)
        contents = seen(path)
        assert isinstance(contents, Contents), (name, contents)
        assert (contents.found.harm, contents.found.strange) == ([], []), name
        rows = {("public", "part_1"): None} if name == "inserts" else ROWS
        assert contents.rows == rows, name
        assert contents.large_objects == (0 if contents.format == "plain" else 2)
        assert contents.dump_version is not None
        assert contents.dump_version.startswith(dumps.version.split()[0])
        assert contents.database in (None, dumps.database)
        assert verdict(dumps, path) == Judged(verdict="good", notes=verdict(dumps, path).notes), name
        without = verdict(dumps, path, Vouching())
        assert without.verdict == "scratch-only", name
        assert "has no manifest" in without.reasons[0]


def between_blocks(path: Path) -> list[int]:
    """Where the data of one table of a custom archive ends and that of the next begins: nothing there looks cut."""
    if path.suffix != ".dump":
        return []
    with open_plain(path) as file:
        header, fields = read_header(Source(file))
        entries = read_contents(fields, header, lambda _, __: None)
    return [entry.offset for entry in entries.values() if entry.held == "here"]


def test_a_dump_cut_short_anywhere_is_refused(dumps: Dumps, tmp_path: Path) -> None:
    """Each 64 kB, between two tables, and the last bytes one by one; with a manifest and without."""
    tried = 0
    files: tuple[Name, ...] = ("custom", "unpacked", "piped", "plain", "gzipped", "inserts")
    for name in files:
        path = dumps.copy(name, tmp_path)
        vouching, whole = vouched(found(path)), path.read_bytes()
        cuts = {*range(0, len(whole), CUT), *range(len(whole) - 12, len(whole)), *between_blocks(path)}
        for cut in sorted(cuts):
            if name in ("plain", "inserts") and not whole[cut:].strip():
                continue  # an empty line at the end is no loss
            path.write_bytes(whole[:cut])
            tried += 1
            for one in each_way(dumps, path, vouching):
                assert one.verdict == "refused", (name, cut)
                assert one.reasons[0].startswith(("is cut", "is empty", "is damaged")), (name, cut, one.reasons)
    assert tried > 100


def test_a_folder_that_lost_or_shortened_a_file_is_refused(dumps: Dumps, tmp_path: Path) -> None:
    folders: tuple[Name, ...] = ("directory", "unpacked-directory")
    for name in folders:
        path = dumps.copy(name, tmp_path)
        vouching = vouched(found(path))
        for file in sorted(path.iterdir()):
            whole = file.read_bytes()
            for cut in [*range(0, len(whole), CUT), len(whole) - 1]:
                if 0 <= cut < len(whole):
                    file.write_bytes(whole[:cut])
                    hashed, summed, alone = each_way(dumps, path, vouching)
                    assert {hashed.verdict, summed.verdict} == {"refused"}, (file.name, cut)
                    # A large object that is not packed has no end of its own.
                    loose = name == "unpacked-directory" and file.name.startswith("blob")
                    assert loose or alone.verdict == "refused", (file.name, cut)
            file.unlink()
            assert verdict(dumps, path, Vouching()).verdict == "refused", file.name
            file.write_bytes(whole)
        assert verdict(dumps, path, vouching).verdict == "good"
        (listed,) = path.glob("blobs*.toc")
        listed.write_bytes(listed.read_bytes().splitlines(keepends=True)[0])  # one of two large objects
        assert "does not name" in verdict(dumps, path, Vouching()).reasons[0]


@pytest.mark.parametrize("name", FLIPPED)
def test_a_flipped_bit_is_never_good(dumps: Dumps, tmp_path: Path, full: bool, name: Name) -> None:
    """With a hash every one is refused; without, what is packed is told by reading, and none is more than scratch-only.

    In rows that are not packed a bit is a bit: what nothing vouches for is never called good.
    """
    path = dumps.copy(name, tmp_path)
    vouching = vouched(found(path))
    chance = random.Random(f"{name} {dumps.version}")
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    sizes = [file.stat().st_size for file in files]
    flips, by_reading = 200 if full or name == "gzipped" else 20, 0
    for _ in range(flips):
        file = chance.choices(files, sizes)[0]
        whole = file.read_bytes()
        at = chance.randrange(len(whole) * 8)
        file.write_bytes(whole[: at // 8] + bytes([whole[at // 8] ^ (1 << at % 8)]) + whole[at // 8 + 1 :])
        hashed, summed, alone = each_way(dumps, path, vouching)
        assert {hashed.verdict, summed.verdict} == {"refused"}, (file.name, at)
        assert alone.verdict in ("refused", "scratch-only"), (file.name, at)
        by_reading += alone.verdict == "refused"
        file.write_bytes(whole)
    assert verdict(dumps, path, vouching).verdict == "good"
    print(f"{name}: {by_reading} of {flips} refused by reading alone")
    if name in ("custom", "directory"):
        assert by_reading >= flips * 0.7  # what is packed has checksums, and the table of contents has none
    if name == "gzipped":
        assert by_reading >= flips - 2, "all is under one checksum, but for a few bytes that say when it was packed"


def test_another_file_in_its_place_is_refused(dumps: Dumps, tmp_path: Path) -> None:
    """Also where it is a good dump itself: its manifest is of another."""
    swaps: tuple[tuple[Name, Name], ...] = (("custom", "piped"), ("plain", "inserts"), ("gzipped", "custom"))
    for name, other in swaps:
        path = dumps.copy(name, tmp_path)
        path.write_bytes(dumps.path(other).read_bytes())
        assert "was changed or swapped" in verdict(dumps, path).reasons[0]
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    first = dumps.copy("custom", one)
    second = dumps.copy("custom", two, called="other.dump")
    vouching = vouched(found(second))
    assert verdict(dumps, first, vouching).reasons == (
        "was renamed or swapped: the manifest beside it is of other.dump",
    )
    folder = dumps.copy("directory", tmp_path)
    vouching = vouched(found(folder))
    (folder / "extra").write_bytes(b"x")
    assert verdict(dumps, folder, vouching).verdict == "refused"


def test_a_manifest_that_fits_the_bytes_must_fit_what_is_in_them(dumps: Dumps, tmp_path: Path) -> None:
    path = dumps.copy("custom", tmp_path)
    good = dumps.manifest("custom", path)
    assert good.rows is not None
    fewer = tuple(r.model_copy(update={"rows": 2999}) if r.name == "User" and r.rows == 3000 else r for r in good.rows)
    changes: tuple[tuple[dict[str, object], str], ...] = (
        ({"rows": fewer}, "3,000 rows of User, its manifest counted 2,999"),
        ({"rows": (*good.rows, {"schema": "public", "name": "Gone", "rows": 4})}, "lacks what its manifest counted"),
        ({"large_objects": 3}, "2 large objects, its manifest counted 3"),
        ({"database": "other"}, "is of another database"),
        ({"compression": "none"}, "another format, packing"),
    )
    for change, words in changes:
        told = dumps.manifest("custom", path, **change)
        reasons = verdict(dumps, path, Vouching(told)).reasons
        assert any(words in reason for reason in reasons), reasons


def test_blocks_that_changed_places_and_a_file_that_still_grows_are_seen(dumps: Dumps, tmp_path: Path) -> None:
    path = dumps.copy("custom", tmp_path, manifest=False)
    whole, offsets = path.read_bytes(), sorted(between_blocks(path))
    first, second, third = offsets[:3]
    path.write_bytes(whole[:first] + whole[second:third] + whole[first:second] + whole[third:])
    with pytest.raises(Damaged, match="not where its table of contents says"):
        read_through(path)
    path.write_bytes(whole)

    def grow(_: int) -> None:
        with path.open("ab") as file:
            file.write(b"\0")

    with pytest.raises(Damaged, match="was changed while it was read"):
        read_through(path, going=grow)


def test_what_sha256sum_wrote_vouches_for_the_bytes_alone(dumps: Dumps, tmp_path: Path) -> None:
    path = dumps.copy("gzipped", tmp_path, manifest=False)
    said = subprocess.run(["sha256sum", path.name], cwd=tmp_path, check=True, capture_output=True, timeout=20).stdout
    beside = path.with_name(path.name + ".sha256")
    beside.write_bytes(said)
    assert checksum(found(path)) is not None
    assert verdict(dumps, path).verdict == "scratch-only"
    assert "has the bytes that its .sha256 file names" in verdict(dumps, path).reasons[0]
    beside.write_bytes(said.replace(said[:4], b"0000"))
    assert verdict(dumps, path).reasons == ("was changed or swapped: its hash is not the one in its .sha256 file",)
    beside.write_bytes(said.replace(path.name.encode(), b"another.sql.gz"))
    assert checksum(found(path)) is None


def test_an_archive_that_would_run_a_program_is_refused_whatever_vouches_for_it(dumps: Dumps, tmp_path: Path) -> None:
    """Its statements are in its table of contents; each of these takes the place of one as long."""
    path = dumps.copy("unpacked", tmp_path)
    whole = path.read_bytes()
    canary = tmp_path / "canary"
    changes = (
        (b'COPY public."User" (id, email, made) FROM stdin;', b"COPY x FROM PROGRAM 'touch %s';"),
        (b"CREATE TABLE public.nothing_in_it (\n    a integer\n);", b"DO $$x$$ /*%s*/;"),
        (b"COMMENT ON TABLE public.\"User\" IS 'it''s; a \\! thing';", b"\\! touch %s"),
    )
    for was, put in changes:
        assert whole.count(was) == 1, was
        evil = (put % str(canary).encode()[: len(was) - len(put) + 2]).ljust(len(was))
        assert len(evil) == len(was)
        path.write_bytes(whole.replace(was, evil))
        told = verdict(dumps, path, Vouching(dumps.manifest("unpacked", path)))
        assert told.verdict == "refused", put
        assert any(word in told.reasons[0] for word in ("outside of the database", "DO", "psql")), told.reasons
    assert not canary.exists()
    path.write_bytes(whole.replace(b"SELECT pg_catalog.setval(", b"SELECT evil_thing.setval(", 1))
    told = verdict(dumps, path, Vouching(dumps.manifest("unpacked", path)))
    assert told.verdict == "scratch-only"
    assert "what pg_dump does not write" in told.reasons[0]


def test_where_the_real_tool_says_nothing_of_a_cut(dumps: Dumps, tmp_path: Path) -> None:
    """Why its word is not taken: its list of a cut archive ends well."""
    path = dumps.copy("custom", tmp_path, manifest=False)
    path.write_bytes(path.read_bytes()[: -2 * CUT])
    argv = [str(dumps.server.programs / "pg_restore"), "--list", str(path)]
    assert subprocess.run(argv, check=False, capture_output=True, timeout=20).returncode == 0
    assert verdict(dumps, path).verdict == "refused"
