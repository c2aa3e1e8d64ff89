"""Samples of a scripted story: a quarter of an hour, a gap in it, and a rise after the deployment."""

from __future__ import annotations

from datetime import datetime, timedelta

from warroom.model.live import SamplesPage, SamplesQuery
from warroom.model.signal import Sample

DEPLOYED_AGO_S = 240.0
GAP = (400.0, 520.0)
"""Seconds before now in which nothing was measured."""


def samples_page(query: SamplesQuery, now: datetime) -> SamplesPage:
    """One sample every five seconds: 0.4 %, then 12 % from the deployment on."""
    ages = [age for age in range(int(min(query.seconds, 900)), 0, -5) if not GAP[0] < age < GAP[1]]
    samples = tuple(
        Sample(signal=query.signal, value=0.12 if age < DEPLOYED_AGO_S else 0.004, at=now - timedelta(seconds=age))
        for age in ages
    )
    return SamplesPage(samples=samples, marks=((now - timedelta(seconds=DEPLOYED_AGO_S), "v1.0.0-beta.3"),))
