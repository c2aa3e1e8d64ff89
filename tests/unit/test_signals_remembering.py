"""What warroom saw of a release itself stands in the history, where the platform can't tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.unit.test_signals_past import BAD, GOOD, Runs, Start
from warroom.model.release import Release
from warroom.signals.remembering import remembered
from warroom.testing.builders import a_release

OLD = a_release("beta.1")


async def known(run: Start, history: Sequence[Release] = (BAD, GOOD, OLD)) -> dict[str, Release]:
    found = await remembered(run.store, history, run.clock.now().timestamp())
    return {release.version: release for release in found}


async def test_what_ran_well_and_when_it_came_is_known_after_a_restart(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "samples.db")
    run = await runs.again(OLD)
    run.give(800, 5)
    run.deploy(GOOD)
    came = run.clock.now()
    run.give(800, 30)
    run = await runs.again(GOOD)
    run.deploy(BAD)
    found = await known(run)
    assert (found["beta.2"].verdict, found["beta.2"].deployed_at) == ("good", came)
    assert "nothing fired" in found["beta.2"].note
    assert found["beta.1"] == OLD, "too short to be known, and nobody saw it come"
    assert list(found) == ["beta.3", "beta.2", "beta.1"]
    await runs.end()


async def test_what_was_rolled_back_from_ran_badly(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "samples.db")
    run = await runs.again(GOOD)
    run.give(800, 15)
    run.deploy(BAD)
    run.give(800, 15)
    run.past.changed(GOOD, run.clock.now(), kind="rollback")
    found = await known(run)
    assert found["beta.3"].verdict == "bad"
    assert "rolled back from" in found["beta.3"].note
    assert found["beta.2"].verdict == "good"
    await runs.end()


async def test_what_was_seen_stands_before_what_the_platform_notes(tmp_path: Path) -> None:
    """A platform that always has something to note must not hide how a release ran."""
    runs = Runs(tmp_path / "samples.db")
    run = await runs.again(OLD)
    run.give(800, 5)
    run.deploy(GOOD)
    run.give(800, 30)
    found = await known(run, [GOOD.model_copy(update={"note": "revision 2"})])
    assert found["beta.2"].note.startswith("watched for ")
    assert found["beta.2"].note.endswith(", and nothing fired; revision 2")
    await runs.end()


async def test_one_under_which_something_fired_is_not_called_good(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "samples.db")
    run = await runs.again(OLD)
    run.give(800, 30)
    run.deploy(GOOD)
    run.give(9000, 15)
    found = await known(run)
    assert (found["beta.1"].verdict, found["beta.2"].verdict) == ("good", "unknown")
    await runs.end()


async def test_what_the_platform_says_itself_stands(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "samples.db")
    run = await runs.again(OLD)
    run.give(800, 30)
    said = OLD.model_copy(update={"verdict": "bad", "note": "by its own word", "deployed_at": run.clock.now()})
    assert (await known(run, [said]))["beta.1"] == said
    await runs.end()
