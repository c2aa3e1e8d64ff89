"""Releases: what ran, what runs, and what lies between two of them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from warroom.model.base import Fact, Instant


class Release(Fact):
    """One deployable version. ``digest`` is its identity; ``version`` is only its name.

    ``verdict`` is what is known of how it ran: ``good`` (served without a trigger firing), ``bad``
    (rolled away from, or a trigger fired on it), ``unknown`` otherwise.

    ``beside``: while others run as well, how much of it is ready and what is of them, in a few words.
    """

    version: str
    commit: str | None = None
    digest: str | None = None
    created_at: Instant | None = None
    deployed_at: Instant | None = None
    deployed_by: str = ""
    verdict: Literal["good", "bad", "unknown"] = "unknown"
    note: str = ""
    beside: str = ""

    @property
    def name(self) -> str:
        return self.version or (self.commit or self.digest or "unknown")[:12]

    def same_as(self, other: Release) -> bool | None:
        """True or False by identity (digest, else commit); None when the two share no identity to compare."""
        for mine, theirs in ((self.digest, other.digest), (self.commit, other.commit)):
            if mine and theirs:
                return mine == theirs
        return None

    def matches(self, other: Release) -> bool:
        """By identity; by the version's name where they share no identity to compare."""
        by_identity = self.same_as(other)
        return by_identity if by_identity is not None else bool(self.version) and self.version == other.version


class ReleaseDiff(Fact):
    """What changed from ``older`` to ``newer``: commits (newest first), files and migrations by name.

    ``config_keys`` are the names of settings, each after ``added``, ``removed`` or ``changed``; never their values.
    None where nobody looked: that is not the same as none.
    """

    older: str
    newer: str
    commits: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    migrations: tuple[str, ...] = ()
    config_keys: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def ran_then(seen: Release | None, known: Release | None, at: datetime) -> bool:
    """Whether ``seen``, noticed only now, ran at that time already in place of what was known: by when it came."""
    if seen is None or seen.deployed_at is None or seen.deployed_at > at:
        return False
    return known is None or known.deployed_at is None or known.deployed_at < seen.deployed_at
