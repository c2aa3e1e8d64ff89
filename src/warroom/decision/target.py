"""Which release to go back to: the newest that is older than what runs, and not known to be bad."""

from __future__ import annotations

from collections.abc import Sequence

from warroom.model.release import Release


def best_target(
    history: Sequence[Release], running: Release | None, failed: Sequence[Release]
) -> tuple[int | None, str]:
    """(index into ``history``, why), or (None, why there is none).

    ``history`` is newest deployed first. ``failed`` are releases that a rollback went to and that did not recover. Two
    entries are the same release by identity (digest, else commit); a version's name counts only where neither has one.
    What was created after the running release is newer, wherever a rollback has put it in the history.
    """
    if not history:
        return None, "no history of releases is kept or can be read: type a version, commit or digest"
    if running is not None:
        at = next((i for i, release in enumerate(history) if release.matches(running)), None)
        base, first = running, 0 if at is None else at + 1
        since = running.name if at is not None else f"{running.name} (which is not in the history)"
    else:
        base, first = history[0], 1
        since = f"{base.name} (what runs now cannot be told; it was deployed last)"
    skipped: list[str] = []
    for index in range(first, len(history)):
        release = history[index]
        why_not = _why_not(release, base, failed)
        if not why_not:
            return index, _because(release, since, skipped)
        if why_not != "same" and release.name not in [words.split(" ")[0] for words in skipped]:
            skipped.append(f"{release.name} {why_not}")
    tried = f": {'; '.join(skipped)}" if skipped else ""
    return None, f"No older release than {since} is left to go back to{tried}"


def _why_not(release: Release, base: Release, failed: Sequence[Release]) -> str:
    if release.matches(base):
        return "same"
    if any(release.matches(other) for other in failed):
        return "was gone back to and did not recover"
    if release.verdict == "bad":
        return f"ran badly{': ' + release.note if release.note else ''}"
    if release.created_at is not None and base.created_at is not None and release.created_at > base.created_at:
        return "is newer"
    return ""


def _because(release: Release, since: str, skipped: Sequence[str]) -> str:
    ran = "it ran well" if release.verdict == "good" else "how it ran is not known"
    when = f", deployed {release.deployed_at:%Y-%m-%d %H:%M} UTC" if release.deployed_at is not None else ""
    passed = f". Passed over: {'; '.join(skipped)}" if skipped else ""
    return f"the newest before {since}{when}; {ran}{passed}"
