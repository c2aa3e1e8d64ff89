"""A disk that runs full in the middle: the server's while a backup is restored, warroom's while evidence is dumped."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.faults.postgres_site import LIVE, Site, a_site
from tests.servers import SmallPostgres
from warroom import process
from warroom.session import Accepted

ROOT = Path(__file__).parents[2]
BULK = """
CREATE TABLE bulk AS SELECT n, (SELECT string_agg(md5(m::text), '') FROM generate_series(n, n + 30) m) AS words
  FROM generate_series(1, 6000) n
"""
FREE = 10 * 1024**2
"""Bytes: enough for a database in which nothing is, and not for the bulk as well."""


@pytest.mark.needs("tmpfs", "userns")
async def test_a_restore_that_fills_the_servers_disk_is_taken_back_and_the_live_name_serves(tmp_path: Path) -> None:
    with a_site(SmallPostgres, BULK) as site:
        server = site.server
        assert isinstance(server, SmallPostgres)
        async with site.walking(tmp_path) as walk:
            with server.nearly_full(FREE):
                await walk.ready("restore")
                assert isinstance(await walk.begin(), Accepted)
                assert await walk.ended() == "failed"
                state = walk.plan.steps["restore"]
                assert state.detail.startswith('call 2 answered 1: pg_restore: error: COPY failed for table "bulk"'), (
                    state
                )
                assert "No space left on device" in state.detail
                assert (state.look.verdict, state.detail.endswith("restore again")) == ("partly", True), state
                assert site.serves() == "now"
                await walk.follow("restore")
                assert (site.truth().beside, site.truth().roles) == ({}, ())
            await walk.through("restore")
        assert site.reader.wrong == []


@pytest.mark.needs("tmpfs", "userns")
async def test_a_dump_that_fills_its_disk_leaves_nothing_behind(postgres_site: Site, tmp_path: Path) -> None:
    server = postgres_site.server
    argv = ["unshare", "-rm", sys.executable, "-m", "tests.faults.postgres_disk_child"]
    argv += [str(tmp_path), server.url(LIVE), str(server.programs)]
    done = await process.run(argv, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert "the disk is full: 0 B are free" in told["said"], told
    assert "pg_" in told["said"], "which program said what"
    assert told["left"] == []
    assert "There is no room for a dump" in told["no room"] or "MB are free" in told["no room"], told
    assert told["then"] == "taken"
    whole = [path.rpartition("/")[2] for path in told["whole"]]
    assert whole == ["database.dump", "database.dump.manifest.json", "manifest.json"]
    assert postgres_site.serves() == "now"
