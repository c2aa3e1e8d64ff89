"""How long nothing of a service was there, by the engine's clock: from the old one's end to the new one's health."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from warroom.model.units import many
from warroom_compose.times import NS


@dataclass(frozen=True)
class Moment:
    """What happened to a container: ``die``, ``start``, ``health_status: healthy`` … ``at`` is in ns since 1970."""

    at: int
    container: str
    service: str
    what: str
    image: str = ""


@dataclass(frozen=True)
class Gap:
    """``seconds`` None: the engine's own record does not reach back far enough, ``why`` says what is missing."""

    service: str
    seconds: float | None
    why: str = ""
    at_most: bool = False

    @property
    def words(self) -> str:
        if self.seconds is None:
            return f"{self.service}'s downtime can't be told: {self.why}"
        most = "at most " if self.at_most else ""
        return f"{self.service} was down {most}{self.seconds:.1f} s by the engine's clock"


def from_lines(text: str) -> list[Moment]:
    """Of what `docker events` wrote (``calls.MOMENT``); lines that are something else are passed over."""
    found = []
    for line in text.splitlines():
        at, _, rest = line.strip().partition(" ")
        container, _, rest = rest.partition(" ")
        service, _, rest = rest.partition(" ")
        words = rest.split(" ")
        if not at.isdecimal() or not container or not service or not words[0]:
            continue
        image = words.pop() if len(words) > 1 and words[-1].startswith("sha256:") else ""
        found.append(Moment(int(at), container, service, " ".join(words).strip(), image))
    return found


def gap(
    service: str,
    moments: Iterable[Moment],
    old: Collection[str],
    *,
    checked: bool,
    stopped_at: int | None = None,
    created_at: int | None = None,
) -> Gap:
    """``old``: the containers that were there before. ``checked``: its image or definition has a health check.

    ``stopped_at``: when the last of the old ones had ended already, if it had. ``created_at``: when the first of the
    new ones was made, which was before the old ones were stopped: where their end is not on record, it bounds it.
    """
    mine = sorted((m for m in moments if m.service == service), key=lambda m: m.at)
    ends = [m.at for m in mine if m.what == "die" and m.container in old]
    up = {m.container: m.at for m in reversed(mine) if m.container not in old and _serves(m.what, checked)}
    if not up:
        what = "its becoming healthy" if checked else "its start"
        return Gap(service, None, f"{what} is not on the engine's record")
    came = min(up.values())
    went = max([*ends, *([stopped_at] if stopped_at is not None else [])], default=None)
    if went is None and created_at is not None:
        return Gap(service, max(0, came - created_at) / NS, at_most=True)
    if went is None:
        return Gap(service, None, "the old one's end is not on the engine's record")
    return Gap(service, max(0, came - went) / NS)


def _serves(what: str, checked: bool) -> bool:
    return what == "health_status: healthy" if checked else what == "start"


def outputs_of(moments: Sequence[Moment]) -> dict[str, str]:
    """What a cut-over's own record tells, without knowing what there was before: every container that was destroyed
    after it ended is old, every other that was started is new."""
    gone = {m.container for m in moments if m.what == "destroy"}
    given: dict[str, str] = {}
    longest: float | None = None
    for service in sorted({m.service for m in moments}):
        new = [m for m in moments if m.service == service and m.container not in gone and m.what == "start"]
        checked = any(m.what.startswith("health_status") for m in moments if m.container in {n.container for n in new})
        found = gap(service, moments, gone, checked=checked)
        if new and new[-1].image:
            given[f"image.{service}"] = new[-1].image
            given[f"containers.{service}"] = " ".join(sorted({m.container[:12] for m in new}))
        if found.seconds is not None:
            given[f"downtime_s.{service}"] = f"{found.seconds:.3f}"
            longest = max(longest or 0, found.seconds)
    if longest is not None:
        given["downtime_s"] = f"{longest:.3f}"
    return given


def summed(gaps: Sequence[Gap]) -> str:
    return "; ".join(gap.words for gap in gaps) if gaps else f"{many(0, 'service')} cut over"


def measured(gaps: Sequence[Gap]) -> dict[str, str]:
    """The same for programs: ``downtime_s.SERVICE`` and the longest of them, ``downtime_s``."""
    known = {gap.service: gap.seconds for gap in gaps if gap.seconds is not None}
    given = {f"downtime_s.{service}": f"{seconds:.3f}" for service, seconds in known.items()}
    return {**given, "downtime_s": f"{max(known.values()):.3f}"} if known else {}
