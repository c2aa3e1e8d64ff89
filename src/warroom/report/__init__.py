"""The post-mortem and the drill's timings: views of the journal, every number with the entry it comes from."""

from __future__ import annotations

from warroom.report.post_mortem import post_mortem
from warroom.report.timings import timings

__all__ = ["post_mortem", "timings"]
