"""The automatic rollback on the real lab: a bad release is taken back with nobody there."""

from __future__ import annotations

from pathlib import Path

from tests.labs import until
from warroom.drills.drill import drill_runbook
from warroom.drills.lab import running_lab
from warroom.drills.scenarios import scenario
from warroom.engine.core import Options
from warroom.engine.engine import Engine
from warroom.engine.policy import POLICY
from warroom.journal.folder import StateFolder
from warroom.model.automation import AutomaticRollback
from warroom.model.event import RunStarted

BETA_2, BETA_3 = "v1.0.0-beta.2", "v1.0.0-beta.3"


async def test_a_bad_release_goes_back_by_itself(tmp_path: Path) -> None:
    async with running_lab(tmp_path / "lab") as lab:
        policy = AutomaticRollback(trigger="high-error-rate", procedure="lab-rollback", countdown=5, rest=0)
        book = drill_runbook(scenario("bad-release"), lab, tmp_path)
        runbook = book.model_copy(update={"automatic_rollback": policy})
        async with Engine(runbook, StateFolder(tmp_path / "state"), options=Options()) as engine:
            core = engine.core
            await until(lambda: core.running is not None, "the release is known", 60)
            await lab.deploy(BETA_3)
            await until(lambda: core.state.automatic is not None, "the policy has said something", 120)
            automatic = core.state.automatic
            assert automatic is not None
            assert (automatic.status, automatic.target) == ("announced", BETA_2), automatic.reason
            await until(lambda: core.state.automatic is not automatic, "the countdown is over", 90)
            assert core.state.automatic is not None
            assert core.state.automatic.status == "started", core.state.automatic.reason
            await until(lambda: "procedure-executed" in core.state.proofs, "the rollback is done", 120)
            assert (await lab.state())["release"]["version"] == BETA_2
            assert core.state.sealed, "never without evidence"
            assert core.journal is not None
            (began,) = [event for event in core.journal.events() if isinstance(event.body, RunStarted)]
            assert began.actor == POLICY
            fired = core.state.triggers["high-error-rate"]
            assert fired.since_release.endswith(f" s after {BETA_3}")
