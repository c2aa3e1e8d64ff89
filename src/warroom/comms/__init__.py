"""Messages: filled in from the journal, sent with receipts, and never waited for."""

from __future__ import annotations

from warroom.comms.messages import render, variables
from warroom.comms.outbox import (
    Again,
    GivenUp,
    Sent,
    carry,
    channels,
    deliver,
    outstanding,
    queue,
)
from warroom.model.escalation import due, due_after, who_decides
from warroom.model.state import BY_HAND
from warroom.runbook.template import check_template

__all__ = [
    "BY_HAND",
    "Again",
    "GivenUp",
    "Sent",
    "carry",
    "channels",
    "check_template",
    "deliver",
    "due",
    "due_after",
    "outstanding",
    "queue",
    "render",
    "variables",
    "who_decides",
]
