"""Drill scenarios: what goes wrong, when, and the runbook it is drilled with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from warroom.drills.lab import LabHandle
from warroom.errors import BadInput

FOLDER = Path(__file__).parent / "runbooks"
BEGIN_AFTER = 6.0
"""Seconds of ordinary traffic before a fault begins, so that there is a healthy baseline to see."""


@dataclass(frozen=True)
class Scenario:
    """``begin`` brings the fault about in a running lab and returns when it began (UTC)."""

    id: str
    title: str
    teaches: str
    runbook: Path
    begin: Callable[[LabHandle], Awaitable[datetime]]


async def _bad_release(lab: LabHandle) -> datetime:
    """The newest tag is deployed, like any other release; what is wrong with it is in its own commits."""
    await asyncio.sleep(BEGIN_AFTER)
    began = datetime.now(UTC)
    await lab.deploy("v1.0.0-beta.3", by="the release train")
    return began


SCENARIOS = {
    scenario.id: scenario
    for scenario in (
        Scenario(
            id="bad-release",
            title="A bad release",
            teaches="beta.3 goes out, sign-in fails for some users, 5xx climbs past its limit: go back to beta.2",
            runbook=FOLDER / "bad-release.yaml",
            begin=_bad_release,
        ),
    )
}


def scenario(name: str) -> Scenario:
    """Raises BadInput, naming those there are."""
    found = SCENARIOS.get(name)
    if found is None:
        raise BadInput(f"there is no scenario {name}", f"known: {', '.join(SCENARIOS)}", "choose one of them")
    return found
