"""Containers that ended although nobody wanted them to: what restarts and out-of-memory kills are counted by."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from warroom_kubernetes.watch.collection import Change
from warroom_kubernetes.watch.live import ContainerSeen, PodSeen, ended
from warroom_kubernetes.watch.measures import Value

WINDOW = timedelta(minutes=10)


@dataclass(frozen=True)
class End:
    at: datetime
    times: int
    oom: bool
    words: str


@dataclass
class Ends:
    """Of one workload. What ended before the first look is known by its last end alone: at least one."""

    found: deque[End] = field(default_factory=lambda: deque(maxlen=10_000))

    def take(self, change: Change[PodSeen], now: datetime) -> tuple[End, ...]:
        """What is new. A pod that is going is ended by whoever deletes it."""
        if change.new is None or change.new.deleting:
            return ()
        before = {(one.role, one.name): one for one in change.old.containers} if change.old is not None else {}
        new = tuple(
            end
            for one in change.new.containers
            if (end := _end(change.new, one, before.get((one.role, one.name)), now)) is not None
        )
        self.found.extend(end for end in new if now - end.at < WINDOW)
        return new

    def values(self, now: datetime) -> dict[str, Value]:
        lately = [one for one in self.found if now - one.at < WINDOW]
        return {"restarts": _counted(lately), "oom-kills": _counted([one for one in lately if one.oom])}


def _end(pod: PodSeen, one: ContainerSeen, before: ContainerSeen | None, now: datetime) -> End | None:
    times = _times(one) - (_times(before) if before is not None else 0)
    if times <= 0 or one.exit_code is None:
        return None
    if one.exit_code == 0 and (one.role != "main" or pod.owner.startswith("Job/")):
        return None  # what is meant to end, and does so well, is nothing to count
    words = f"{pod.name}/{one.name} ended with {ended(one)}"
    return End(one.ended or now, times if before is not None else 1, one.end_reason == "OOMKilled", words)


def _times(one: ContainerSeen) -> int:
    """How often it has ended. The kubelet counts an end as a restart only once it has started it again."""
    return one.restarts + (1 if one.ended is not None and one.state != "running" else 0)


def _counted(found: list[End]) -> Value:
    if not found:
        return 0.0, 1, "none"
    return float(sum(one.times for one in found)), 1, f"the last: {max(found, key=lambda one: one.at).words}"
