"""What warroom itself saw of a release: when it came, how long it ran, and whether anything fired meanwhile.

A platform's history often can't tell: an engine remembers no container that is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from warroom.model.base import span_text
from warroom.model.release import Release
from warroom.signals.store import Ran, SampleStore

WELL_AFTER_S = 600.0
"""A release that was watched for less is not yet known to run well."""
_NEVER = datetime.min.replace(tzinfo=UTC)


async def remembered(store: SampleStore, history: Sequence[Release], now: float) -> list[Release]:
    """``history`` with what is known here where the platform doesn't say; newest deployed first, as it was.

    ``now`` in seconds since 1970. Raises WarroomError where what is on disk can't be read.
    """
    ran = [each for each in await store.releases() if each.at <= now]
    spans = [(one, following.watched, following) for one, following in pairwise(ran)]
    every: list[tuple[Ran, float, Ran | None]] = [*spans, *((last, now, None) for last in ran[-1:])]
    found = []
    for release in history:
        own = [span for span in every if span[0].release.matches(release)]
        found.append(await _known(store, release, own) if own else release)
    if [one.deployed_at for one in found] == [one.deployed_at for one in history]:
        return found
    return sorted(found, key=lambda one: (one.deployed_at or _NEVER, one.created_at or _NEVER), reverse=True)


async def _known(store: SampleStore, release: Release, own: Sequence[tuple[Ran, float, Ran | None]]) -> Release:
    came = [datetime.fromtimestamp(ran.at, UTC) for ran, _, _ in own if ran.came != "seen"]
    if release.deployed_at is None and came:
        release = release.model_copy(update={"deployed_at": came[-1]})
    if release.verdict != "unknown":
        return release
    left = [following.at for _, _, following in own if following is not None and following.came == "rollback"]
    if left:
        when = f"{datetime.fromtimestamp(left[-1], UTC):%Y-%m-%d %H:%M} UTC"
        return release.model_copy(update={"verdict": "bad", "note": _noted(release, f"rolled back from, {when}")})
    watched = unusual = 0.0
    for ran, until, _ in own:
        seen = await store.watched(ran.at, until)
        watched, unusual = watched + seen[0], unusual + seen[1]
    if unusual or watched < WELL_AFTER_S:
        return release
    note = _noted(release, f"watched for {span_text(watched)}, and nothing fired")
    return release.model_copy(update={"verdict": "good", "note": note})


def _noted(release: Release, seen: str) -> str:
    """How it ran comes first: what a platform says of a release may be long."""
    return f"{seen}; {release.note}" if release.note else seen
