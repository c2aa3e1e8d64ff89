"""What the choice of a target says of when a release ran: nothing that counts what ran in between."""

from __future__ import annotations

from datetime import timedelta

from warroom.console.screens.target import about
from warroom.model.live import ReleasesPage
from warroom.testing.builders import a_release, at

FIRST = a_release("v1", digest="sha256:1", deployed_at=at())
THIRD = a_release("v3", digest="sha256:3", deployed_at=at(1800))
NO_TIME = a_release("v2", digest="sha256:2")
"""It ran between the two, as a revision that was gone back to: when it came is not known any more."""
NOW = at() + timedelta(hours=2)


def said(index: int, running: int | None = 0) -> str:
    releases = (THIRD, FIRST, NO_TIME)
    page = ReleasesPage(releases=releases, running=releases[running] if running is not None else None)
    return " ".join(row.plain for row in about(page, index, NOW, 200))


def test_what_runs_has_run_since_it_came() -> None:
    assert "has run for 1 h 30 m" in said(0)
    assert "has run" not in said(0, running=1), "it came last, and another one runs"
    assert "has run" not in said(0, running=None)


def test_of_the_others_it_is_said_when_the_next_one_came_and_not_that_they_ran_until_then() -> None:
    for running in (0, 1, None):
        assert "the next in this list came 30 m later" in said(1, running)
        assert "ran for" not in said(1, running)
    assert "when it was deployed is not known" in said(2)
