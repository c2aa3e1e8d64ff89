"""Events of the namespace, in words. They come in two forms: counted ones with lastTimestamp, and newer ones with
eventTime and a series, whose lastTimestamp is null."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from warroom.model.signal import Level
from warroom_kubernetes.objects.fields import Json
from warroom_kubernetes.objects.moments import happened_at
from warroom_kubernetes.watch.live import keep

_BAD = frozenset(
    (
        *("BackOff", "CrashLoopBackOff", "Failed", "FailedCreate", "FailedMount", "FailedScheduling", "OOMKilling"),
        *("ErrImagePull", "ImagePullBackOff", "InspectFailed", "Evicted", "ProgressDeadlineExceeded", "NodeNotReady"),
        *("FailedCreatePodSandBox", "FailedAttachVolume", "FailedKillPod", "SystemOOM", "BackoffLimitExceeded"),
    )
)


@dataclass(frozen=True, slots=True)
class EventSeen:
    """``count``: how often it has happened, up to ``at``."""

    about: str
    name: str
    reason: str
    message: str
    warning: bool
    count: int
    at: datetime | None

    @property
    def level(self) -> Level:
        if not self.warning:
            return "info"
        return "error" if self.reason in _BAD else "warning"

    @property
    def words(self) -> str:
        times = f" (×{self.count})" if self.count > 1 else ""
        return f"{self.about}: {self.reason}{times}: {self.message}" if self.message else f"{self.about}: {self.reason}"


def event(told: Json) -> EventSeen:
    about, series = told.get("involvedObject") or told.get("regarding") or {}, told.get("series") or {}
    counts = (told.get("count"), series.get("count"), told.get("deprecatedCount"))
    return EventSeen(
        about=f"{keep(about.get('kind'), 60)} {keep(about.get('name'), 253)}",
        name=keep(about.get("name"), 253),
        reason=keep(told.get("reason"), 128),
        message=keep(told.get("message") or told.get("note"), 1024),
        warning=told.get("type") == "Warning",
        count=max((one for one in counts if isinstance(one, int)), default=1) or 1,
        at=happened_at(told),
    )


def concerns(one: EventSeen, names: frozenset[str]) -> bool:
    """Whether it is about one of these workloads, or about what such a one has made, whose name begins with its."""
    return one.name in names or any(one.name.startswith(f"{name}-") for name in names)
