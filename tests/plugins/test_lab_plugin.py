"""The lab's plugin on a real lab, through the doors that the product itself uses."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from tests.labs import until
from warroom import process
from warroom.actions.changing import Changing, expected
from warroom.actions.commands import CommandLog
from warroom.actions.doors import HttpClient, Reading
from warroom.actions.evidence import Bundle, verify
from warroom.api import Context, Facts
from warroom.drills.lab import LabHandle, running_lab
from warroom.engine.core import SystemClock
from warroom.engine.secrets import Secrets
from warroom.errors import BadInput, Unreachable
from warroom.model.call import CallResult
from warroom.model.plan import Look, Preview
from warroom.model.signal import LogLine, Sample
from warroom.redact import Redactor
from warroom_lab import plugin
from warroom_lab.config import Config
from warroom_lab.control import ask
from warroom_lab.signals import OFFERS

BETA_1, BETA_2, BETA_3 = "v1.0.0-beta.1", "v1.0.0-beta.2", "v1.0.0-beta.3"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Room:
    """A lab, and what the engine would give the plugin for it."""

    lab: LabHandle
    context: Context
    http: HttpClient
    log: CommandLog
    redactor: Redactor

    async def planned(self, name: str, **args: object) -> tuple[Facts, Preview]:
        operation = plugin.operation(name)
        assert operation is not None
        checked = operation.args.model_validate(args)
        facts = await operation.facts(self.context, checked)
        preview = operation.preview(self.context.config, checked, facts)
        assert preview == operation.preview(self.context.config, checked, json.loads(json.dumps(facts)))
        return facts, preview

    async def executed(self, preview: Preview, *, undo: bool = False) -> list[CallResult]:
        calls = (preview.inverse or ()) if undo else preview.calls
        door = Changing(
            calls,
            http=self.http,
            log=self.log,
            clock=self.context.clock,
            cleaner=self.redactor,
            secret=self.context.secret,
        )
        results = []
        for call in calls:
            results.append(await door.execute(call))
            assert expected(call, results[-1]), results[-1].text
        return results

    async def look(self, name: str, facts: Facts, **args: object) -> Look:
        operation = plugin.operation(name)
        assert operation is not None
        return await operation.check(self.context, operation.args.model_validate(args), facts)

    async def running(self) -> str | None:
        assert plugin.releases is not None
        release = await plugin.releases.running(self.context)
        return release.version if release else None


def a_room(lab: LabHandle) -> Room:
    http, log, clock, redactor = HttpClient(), CommandLog(), SystemClock(), Redactor()
    reading = Reading(http, log, clock, redactor)
    config = Config(lab_file=str(lab.state_dir / "lab.json"))
    context = Context(platform="lab", config=config, read=reading, clock=clock, secret=Secrets(redactor))
    return Room(lab, context, http, log, redactor)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def room(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Room]:
    async with running_lab(tmp_path_factory.mktemp("lab") / "lab") as lab:
        room = a_room(lab)
        yield room
        await room.http.close()


async def on(room: Room, ref: str) -> None:
    if await room.running() != ref:
        await room.lab.deploy(ref)


# ---- operations ------------------------------------------------------------------------------------------------


async def test_deploy_is_previewed_applied_seen_and_taken_back(room: Room) -> None:
    await on(room, BETA_3)
    facts, preview = await room.planned("deploy", ref=BETA_2)
    assert (await room.look("deploy", facts, ref=BETA_2)).verdict == "not-begun"
    assert any("20251007143000_user_locale" in note for note in preview.notes)
    said = await room.executed(preview)
    operation = plugin.operation("deploy")
    assert operation is not None
    outputs = operation.outputs(said)
    assert outputs["version"] == BETA_2
    assert outputs["digest"] == preview.pinned["target-release"]
    assert (await room.look("deploy", facts, ref=BETA_2)).verdict == "done"
    # sent again, as after a crash, it is not done twice
    before = len((await room.lab.ask("GET", "/deployments"))["deployments"])
    await room.executed(preview)
    assert len((await room.lab.ask("GET", "/deployments"))["deployments"]) == before
    await room.executed(preview, undo=True)
    assert await room.running() == BETA_3
    assert (await room.look("deploy", facts, ref=BETA_2)).verdict == "not-begun"


async def test_what_a_plan_rests_on_changes_when_the_release_does(room: Room) -> None:
    await on(room, BETA_2)
    _, before = await room.planned("deploy", ref=BETA_1)
    _, same = await room.planned("deploy", ref=BETA_1)
    assert before.pinned == same.pinned
    await room.lab.deploy(BETA_3)
    _, after = await room.planned("deploy", ref=BETA_1)
    assert after.pinned["running-release"] != before.pinned["running-release"]
    assert after.pinned["target-release"] == before.pinned["target-release"]


async def test_a_plan_holds_no_secret(room: Room) -> None:
    _, preview = await room.planned("deploy", ref=BETA_1)
    text = preview.model_dump_json() + "".join(call.paste() for call in (*preview.calls, *(preview.inverse or ())))
    assert room.lab.token not in text
    assert "‹secret: file:" in preview.calls[0].paste()
    assert not any(room.lab.token in line.text for line in room.log.newest(2000))


async def test_writes_are_stopped_and_resumed(room: Room) -> None:
    facts, preview = await room.planned("stop_writes")
    assert (await room.look("stop_writes", facts)).verdict == "not-begun"
    await room.executed(preview)
    assert (await room.look("stop_writes", facts)).verdict == "done"
    _, again = await room.planned("stop_writes")
    assert (again.inverse, again.no_inverse, again.idle) == (None, "writes were stopped already", True)
    resumed, resume = await room.planned("resume_writes")
    assert resume.inverse is not None
    await room.executed(preview, undo=True)
    assert (await room.look("stop_writes", facts)).verdict == "not-begun"
    assert (await room.look("resume_writes", resumed)).verdict == "done"


async def test_the_app_is_stopped_brought_back_by_its_undo_and_by_a_deployment(room: Room) -> None:
    await on(room, BETA_3)
    facts, preview = await room.planned("stop")
    assert (await room.look("stop", facts)).verdict == "not-begun"
    await room.executed(preview)
    assert (await room.look("stop", facts)).verdict == "done"
    assert await room.running() is None
    _, again = await room.planned("stop")
    assert (again.inverse, again.no_inverse, again.stops) == (None, "the app stood still already", ())
    assert again.idle
    started, start = await room.planned("start")
    await room.executed(preview, undo=True)
    assert await room.running() == BETA_3
    assert (await room.look("start", started)).verdict == "done"
    await room.executed(start, undo=True)
    assert await room.running() is None
    assert (await room.lab.state())["app_stopped"]
    _, deploy = await room.planned("deploy", ref=BETA_2, after_restore=True)
    assert "migrations" not in deploy.pinned
    await room.executed(deploy)
    assert await room.running() == BETA_2
    assert not (await room.lab.state())["app_stopped"]


@pytest.mark.parametrize(("name", "args"), [("restart", {"component": "app"}), ("clear_cache", {}), ("restart", {})])
async def test_a_change_that_leaves_only_a_record_is_seen_by_it(room: Room, name: str, args: dict[str, str]) -> None:
    facts, preview = await room.planned(name, **args)
    assert (await room.look(name, facts, **args)).verdict == "not-begun"
    assert preview.inverse is None
    assert preview.no_inverse
    await room.executed(preview)
    assert (await room.look(name, facts, **args)).verdict == "done"


async def test_waiting_until_it_is_well(room: Room) -> None:
    facts, preview = await room.planned("wait_ready", at_most="5s")
    await room.executed(preview)
    assert (await room.look("wait_ready", facts)).verdict == "done"


async def test_a_release_that_is_not_there_is_an_error_in_words(room: Room) -> None:
    with pytest.raises(BadInput, match="no release v9"):
        await room.planned("deploy", ref="v9")


# ---- releases, identity, readiness -----------------------------------------------------------------------------


async def test_releases_are_told_by_identity(room: Room) -> None:
    releases = plugin.releases
    assert releases is not None
    await on(room, BETA_3)
    running = await releases.running(room.context)
    history = await releases.history(room.context)
    assert running is not None
    assert running.same_as(history[0])
    assert [each.version for each in history][-2:] == [BETA_2, BETA_1]
    assert None not in [each.created_at for each in (running, *history)]
    target = await releases.resolve(room.context, BETA_2)
    assert target.digest is not None
    assert await releases.resolve(room.context, target.digest) == target
    assert (await releases.resolve(room.context, str(target.commit)[:10])).same_as(target)
    changed = await releases.diff(room.context, target, running)
    assert changed.migrations == ("20251007143000_user_locale",)
    assert len(changed.commits) == 4
    back = await releases.diff(room.context, running, target)
    assert (back.commits, back.migrations) == ((), ())
    assert len(back.notes) == 5


async def test_the_fingerprint_is_the_labs_own(room: Room) -> None:
    assert plugin.identity is not None
    assert await plugin.identity.fingerprint(room.context) == room.lab.fingerprint


async def test_readiness_is_green_on_a_lab_that_is_well(room: Room) -> None:
    assert plugin.readiness is not None
    rows = await plugin.readiness.ready(room.context)
    assert {row.status for row in rows} == {"ready"}, rows
    assert len({row.id for row in rows}) == len(rows) == 7


# ---- signals and logs ------------------------------------------------------------------------------------------


async def gathered(room: Room, enough: int) -> dict[str, list[Sample]]:
    """Samples of every signal, until the error ratio has been given so often."""
    assert plugin.signals is not None
    found: dict[str, list[Sample]] = {name: [] for name in OFFERS}
    async with asyncio.timeout(60):
        async for sample in plugin.signals.samples(room.context, frozenset(OFFERS)):
            found[sample.signal].append(sample)
            if len(found["http-error-ratio"]) >= enough:
                return found
    raise AssertionError("the samples ended")


async def test_every_signal_is_measured(room: Room) -> None:
    await on(room, BETA_2)
    good = await gathered(room, 4)
    assert all(good.values())
    assert sum(sample.value or 0 for sample in good["http-error-ratio"]) == 0
    assert sum(sample.count or 0 for sample in good["http-error-ratio"]) > 50
    for state in ("health-web", "health-db", "health-redis"):
        assert {sample.value for sample in good[state]} == {1.0}
    for service in ("ai-provider", "email-service"):
        assert {sample.value for sample in good[service] if sample.count} == {1.0}
    assert all(0 < (sample.value or 0) < 0.9 for sample in good["memory-used"])
    assert all(0 <= (sample.value or 0) <= 1 for sample in good["db-pool-used"])
    for count in ("migrations-failed", "integrity-errors", "foreign-key-violations", "payments-duplicate"):
        assert {sample.value for sample in good[count]} == {0.0}
    await on(room, BETA_3)
    bad = await gathered(room, 4)
    assert sum(sample.value or 0 for sample in bad["http-error-ratio"][1:]) / 3 > 0.05
    assert sum(sample.value or 0 for sample in bad["signin-error-ratio"][1:]) / 3 > 0.1, "a share of a few requests"


async def test_what_the_app_does_not_say_is_unknown_and_not_well(room: Room) -> None:
    await on(room, BETA_2)
    os.kill((await room.lab.state())["processes"]["app"]["pid"], signal.SIGKILL)
    found = await gathered(room, 2)
    assert found["health-web"][-1].value == 0
    assert found["health-db"][-1].value is None
    assert found["memory-used"][-1].value is None
    for service in ("ai-provider", "email-service"):
        assert (found[service][-1].value, found[service][-1].count) == (None, None)
    assert found["http-error-ratio"][-1].value == 1
    assert await room.running() is None
    _, preview = await room.planned("restart")
    await room.executed(preview)
    assert await room.running() == BETA_2


def stopped(pid: int) -> bool:
    states = [
        task.joinpath("stat").read_bytes().rpartition(b")")[2].split()[0]
        for task in Path(f"/proc/{pid}/task").iterdir()
    ]
    return set(states) == {b"T"}


async def test_memory_is_seen_from_outside_even_while_the_app_hangs(room: Room) -> None:
    await on(room, BETA_2)
    pid = (await room.lab.state())["processes"]["app"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        await until(lambda: stopped(pid), "all of the app's threads stand still")
        held = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        assert plugin.signals is not None
        async with asyncio.timeout(60):
            async for sample in plugin.signals.samples(room.context, frozenset({"memory-used", "db-pool-used"})):
                if sample.signal == "db-pool-used":
                    assert sample.value is None
                    continue
                assert (sample.value, sample.words) == (held / 2**28, f"{held / 2**20:.0f} of 256 MB")
                assert sample.count is None
                break
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_logs_are_followed_with_their_times(room: Room) -> None:
    assert plugin.logs is not None
    await on(room, BETA_3)
    seen: list[LogLine] = []
    async with asyncio.timeout(60):
        async for line in plugin.logs.follow(room.context):
            seen.append(line)
            if {each.source for each in seen} == {"app", "postgres", "redis", "lab"} and any(
                each.level == "error" and "unhandled error" in each.text for each in seen
            ):
                break
    assert all(line.at is not None for line in seen if line.source in ("app", "lab"))
    assert all(abs((datetime.now(UTC) - line.at).total_seconds()) < 3600 for line in seen if line.at)
    assert not any("\n" in line.text for line in seen)


# ---- evidence --------------------------------------------------------------------------------------------------


async def test_evidence_is_a_dump_with_the_counts_of_its_own_snapshot(room: Room, tmp_path: Path) -> None:
    bundle = Bundle(tmp_path / "evidence", "b1", "inc-1", room.context.clock, room.redactor)
    for collector in plugin.collectors:
        await collector.collect(room.context, bundle.for_collector(collector.name))
    sealed = bundle.seal({}, {})
    assert verify(bundle.path) == []
    assert {"dump", "logs", "versions", "metrics", "counts"} <= set(sealed.kinds)
    assert {path.stat().st_mode & 0o777 for path in bundle.path.rglob("*") if path.is_file()} == {0o600}
    programs = Path((await room.lab.state())["postgres"]["binaries"])
    dump = bundle.path / "database" / "database.dump"
    # The traffic went on meanwhile; the counts are those of the dump all the same.
    for table, rows in sealed.counts.items():
        argv = [str(programs / "pg_restore"), "--data-only", f"--table={table}", "--file=-", str(dump)]
        shown = (await process.run(argv, timeout=30)).stdout.decode()
        copied = shown.partition(" FROM stdin;\n")[2].partition("\\.\n")[0]
        assert len(copied.splitlines()) == rows
    assert sealed.counts["User"] == 3001
    assert sealed.counts["Message"] >= 12000  # the seed data, and what traffic has added
    text = (bundle.path / "logs" / "app.log").read_text()
    assert '"message": "starting"' in text.splitlines()[0]
    assert room.lab.token not in "".join(path.read_text(errors="replace") for path in bundle.path.rglob("*.*"))


# ---- a lab that is away ----------------------------------------------------------------------------------------


async def test_no_lab_at_all_is_said_in_a_sentence(tmp_path: Path) -> None:
    http, log, clock, redactor = HttpClient(), CommandLog(), SystemClock(), Redactor()
    config = Config(lab_file=str(tmp_path / "lab.json"))
    context = Context("lab", config, Reading(http, log, clock, redactor), clock, Secrets(redactor))
    with pytest.raises(Unreachable, match="not running"):
        await ask(context, "/state")
    (tmp_path / "lab.json").write_text("[]")
    with pytest.raises(Unreachable, match="can't be read"):
        await ask(context, "/state")
