"""How far a cluster's clock is from this machine's, by the Date of its answers: its objects carry its own times."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

NEAR = timedelta(seconds=5)
"""A Date has whole seconds, and the way takes its time: less is no difference."""


class Ahead:
    """``by``: what has to be added to a time of this machine for one of the cluster's; none before it has answered."""

    def __init__(self) -> None:
        self.by = timedelta()

    def take(self, date: str, now: datetime) -> None:
        try:
            difference = parsedate_to_datetime(date) - now
        except (ValueError, TypeError, OverflowError):
            return
        self.by = difference if abs(difference) > NEAR else timedelta()
