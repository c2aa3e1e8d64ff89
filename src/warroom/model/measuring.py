"""Which triggers nobody measures, and where it is said what feeds one. Pure."""

from __future__ import annotations

from warroom.model.runbook import Runbook

HOW = "README, “Feeding triggers”"
"""The part of the README with the lines to write."""


def unmeasured(runbook: Runbook) -> frozenset[str]:
    """The triggers none of whose conditions has a signal with a source: they read UNKNOWN for ever."""
    sourced = {name for name, signal in runbook.signals.items() if signal.source is not None}
    return frozenset(
        name
        for name, trigger in runbook.triggers.items()
        if not any(condition.signal in sourced for condition in trigger.conditions.values())
    )
