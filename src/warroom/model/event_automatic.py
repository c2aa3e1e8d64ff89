"""Events of the automatic rollback: announced, vetoed, stopped. Its beginning is a ``RunStarted`` of the policy's."""

from __future__ import annotations

from typing import Literal

from warroom.model.base import Fact, Instant


class AutomaticAnnounced(Fact):
    """A plan is prepared, and begins at ``until`` unless anyone vetoes it. ``evidence`` is what the trigger said."""

    type: Literal["automatic-announced"] = "automatic-announced"
    trigger: str
    evidence: str
    procedure: str
    target: str
    hash: str
    countdown_s: float
    until: Instant


class AutomaticVetoed(Fact):
    """A person's word against it, for this whole incident."""

    type: Literal["automatic-vetoed"] = "automatic-vetoed"
    reason: str = ""


class AutomaticStopped(Fact):
    """Warroom does not do it, and does not try again in this incident."""

    type: Literal["automatic-stopped"] = "automatic-stopped"
    trigger: str
    reason: str
