"""A restore or an exchange that somebody stops, or that meets somebody in its way: the live name serves meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

import psycopg
import pytest

from tests.faults.postgres_site import LIVE, Site
from tests.plugins.postgres_swaps import NAME, execute
from tests.plugins.test_postgres_dump import captured
from tests.stores import a_door
from warroom.api import ProgramFailed
from warroom.model import intent as it
from warroom.session import Accepted, Refused
from warroom_postgres.config import Config

pytestmark = pytest.mark.needs("userns")


async def test_a_restore_that_is_stopped_is_dropped_with_the_role_that_was_made_for_it(
    postgres_site: Site, tmp_path: Path
) -> None:
    site = postgres_site
    async with site.walking(tmp_path) as walk:
        with site.holding("restoring") as met:
            await walk.ready("restore")
            assert isinstance(await walk.begin(), Accepted)
            await asyncio.to_thread(site.wait, met, "pg_restore")
            await walk.ok(it.AbortRun(hash=walk.plan.hash))
            assert await walk.ended() == "cancelled"
            state = walk.plan.steps["restore"]
            assert (state.status, state.look.verdict) == ("cancelled", "partly"), state
            assert state.detail.endswith("not restored to its end: take it back, which drops it, and restore again")
            (name,) = site.truth().beside
            await walk.through("discard", name)
        assert (site.truth().beside, site.truth().roles, site.serves()) == ({}, (), "now")


async def test_an_exchange_that_is_stopped_or_meets_a_lock_has_changed_nothing(
    postgres_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is done: at once where nobody is in the way, and taken back, and discarded."""
    monkeypatch.setattr("warroom.engine.relooking.FIRST_S", 0.1)
    site = postgres_site
    async with site.walking(tmp_path) as walk:
        await walk.through("restore")
        before = site.truth()
        with site.holding("pg_shdescription") as met:
            await walk.ready("swap", before.restored)
            assert isinstance(await walk.begin(), Accepted)
            await asyncio.to_thread(site.wait, met, "the exchange")
            await walk.ok(it.AbortRun(hash=walk.plan.hash))
            assert await walk.ended() in ("cancelled", "unknown")
        await walk.told("swap", "not-begun")
        assert (site.truth(), site.serves()) == (before, "now")

        with site.server_connection() as elsewhere:
            elsewhere.execute("BEGIN")
            elsewhere.execute(f"COMMENT ON DATABASE {LIVE} IS 'somebody else is at it'".encode())
            refused = await walk.prepared("swap", before.restored)
            assert isinstance(refused, Refused)
            assert f"{LIVE} is being changed or copied by session {elsewhere.info.backend_pid}" in refused.reason
            elsewhere.execute("ROLLBACK; BEGIN")
            await walk.ready("swap", before.restored)
            elsewhere.execute(f"COMMENT ON DATABASE {LIVE} IS 'somebody else is at it'".encode())
            (call,) = walk.plan.plan.steps[0].preview.calls
            async with a_door(**{call.secret: site.server.url(LIVE)}) as door:
                (met_it,) = await execute(door, call)  # where that came only after the last look
            assert (met_it.status, "lock timeout" in met_it.text, "nothing of it was done" in met_it.text) == (
                1,
                True,
                True,
            )
            assert (site.truth(), site.serves()) == (before, "now")
            elsewhere.execute("ROLLBACK")
        with psycopg.connect(site.server.url(LIVE)) as backup:
            backup.execute("BEGIN; LOCK TABLE a IN ACCESS SHARE MODE")  # as pg_dump does
            await walk.through("swap", before.restored)
            assert site.serves() == "then"
            with pytest.raises(psycopg.OperationalError):
                backup.execute("SELECT 1")
        await walk.through("undo")
        await walk.through("discard", before.restored)
    assert (site.truth().beside, site.serves()) == ({}, "now")


async def test_a_server_that_restarts_while_it_is_dumped_leaves_no_dump(postgres_site: Site, tmp_path: Path) -> None:
    """And the next one is whole."""
    site = postgres_site
    async with a_door(**{NAME: site.server.url(LIVE)}) as door:
        ctx = door.context("database", Config, tools=str(site.server.programs))
        with psycopg.connect(site.server.url(LIVE), application_name="test") as locking:
            locking.execute("LOCK TABLE b IN ACCESS EXCLUSIVE MODE")
            taking = asyncio.create_task(captured(ctx, door, tmp_path / "first"))
            waits = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'warroom' AND wait_event_type = 'Lock'"
            await asyncio.to_thread(site.wait, lambda: bool(site.sql(waits)), "pg_dump")
            await asyncio.to_thread(site.killed, signal.SIGQUIT)
            with contextlib.suppress(psycopg.OperationalError):
                locking.rollback()
        with pytest.raises(ProgramFailed, match="pg_dump failed") as failed:
            await taking
        assert "terminating connection" in str(failed.value) or "server closed" in str(failed.value)
        left = [path.name for path in (tmp_path / "first").rglob("*") if path.is_file()]
        assert left == ["manifest.json"]
        assert site.serves() == "now"
        path, _ = await captured(ctx, door, tmp_path / "second")
        assert (path / "database.dump" / "database.dump").stat().st_size > 1000
