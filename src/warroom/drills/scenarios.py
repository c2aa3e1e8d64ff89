"""Drill scenarios: what goes wrong, when, and the runbook it is drilled with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from warroom.drills.lab import LabHandle
from warroom.errors import BadInput

FOLDER = Path(__file__).parent / "runbooks"
DAMAGED_WITHIN = 120.0
"""Seconds that a release has to do what is wrong with it."""
LAB = FOLDER / "lab.yaml"
"""What comes before the scenario's own file."""


@dataclass(frozen=True)
class Scenario:
    """``begin`` brings the fault about in a running lab and returns when it began (UTC).

    It began when users could first meet it, by the lab's own record: not when its cause was asked for.
    ``later`` is what goes on after that. ``fault`` is what is wrong with the lab's beta.3. ``backups``: data is at
    stake, so the database's own plugin knows the host's backups and takes the evidence; else the lab itself dumps.
    """

    id: str
    title: str
    runbook: Path
    begin: Callable[[LabHandle], Awaitable[datetime]]
    later: Callable[[LabHandle], Awaitable[None]] | None = None
    fault: str = "locale"
    backups: bool = False


async def _newest(lab: LabHandle) -> datetime:
    """The newest tag is deployed, like any other release; what is wrong with it is in its own commits.

    While it is checked out, migrated and started, the release before it still serves everybody.
    """
    deployed = await lab.deploy("v1.0.0-beta.3", by="the release train")
    return datetime.fromisoformat(deployed["at"])


async def _damaged_backup(lab: LabHandle) -> None:
    """The host backs the database up, as it does each night: the newest backup has the damage in it."""
    async with asyncio.timeout(DAMAGED_WITHIN):
        while not (await lab.ask("GET", "/integrity"))["integrity_errors"]:  # noqa: ASYNC110 - nothing tells of this but looking
            await asyncio.sleep(0.1)
    await lab.ask("POST", "/back-up")


SCENARIOS = {
    scenario.id: scenario
    for scenario in (
        Scenario(
            id="bad-release",
            title="A bad release",
            runbook=FOLDER / "bad-release.yaml",
            begin=_newest,
        ),
        Scenario(
            id="data-corruption",
            title="Data that is damaged in silence",
            runbook=FOLDER / "data-corruption.yaml",
            begin=_newest,
            later=_damaged_backup,
            fault="retention",
            backups=True,
        ),
    )
}


def scenario(name: str) -> Scenario:
    """Raises BadInput, naming those there are."""
    found = SCENARIOS.get(name)
    if found is None:
        raise BadInput(f"There is no scenario {name!r}", f"known: {', '.join(SCENARIOS)}", "choose one of them")
    return found
