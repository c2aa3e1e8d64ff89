"""Drill scenarios: what goes wrong, when, and the runbook it is drilled with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from warroom.drills.lab import LabHandle
from warroom.errors import BadInput

FOLDER = Path(__file__).parent / "runbooks"


@dataclass(frozen=True)
class Scenario:
    """``begin`` brings the fault about in a running lab and returns when it began (UTC).

    It began when users could first meet it, by the lab's own record: not when its cause was asked for.
    """

    id: str
    title: str
    runbook: Path
    begin: Callable[[LabHandle], Awaitable[datetime]]


async def _bad_release(lab: LabHandle) -> datetime:
    """The newest tag is deployed, like any other release; what is wrong with it is in its own commits.

    While it is checked out, migrated and started, the release before it still serves everybody.
    """
    deployed = await lab.deploy("v1.0.0-beta.3", by="the release train")
    return datetime.fromisoformat(deployed["at"])


SCENARIOS = {
    scenario.id: scenario
    for scenario in (
        Scenario(
            id="bad-release",
            title="A bad release",
            runbook=FOLDER / "bad-release.yaml",
            begin=_bad_release,
        ),
    )
}


def scenario(name: str) -> Scenario:
    """Raises BadInput, naming those there are."""
    found = SCENARIOS.get(name)
    if found is None:
        raise BadInput(f"There is no scenario {name!r}", f"known: {', '.join(SCENARIOS)}", "choose one of them")
    return found
