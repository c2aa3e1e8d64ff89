"""What is seen: samples into signals, signals into triggers, log lines into the spool.

Everything here works on a ``Clock`` that is given to it: windows and ages count monotonic seconds, so a wall clock that
jumps changes nothing but the times that are shown.
"""

from warroom.signals.book import SignalBook
from warroom.signals.correlation import since_release
from warroom.signals.spool import LogSpool, pump
from warroom.signals.store import SampleStore
from warroom.signals.triggers import TriggerBook

__all__ = ["LogSpool", "SampleStore", "SignalBook", "TriggerBook", "pump", "since_release"]
