"""One signal over time, drawn: what was measured, its limit, and where releases changed. A gap stays a gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any, Literal

from textual.content import Content

from warroom.console.text import Part, cut, line, spread
from warroom.console.words import age_text, limit_text, utc, value_text
from warroom.model.base import span_text
from warroom.model.signal import Sample
from warroom.model.state import PlanState, State

Point = tuple[float, float]
"""Seconds before now (negative), and the value."""

SPANS = (60.0, 300.0, 900.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
"""Seconds that a plot may show."""

LEAST_ROWS = 6
_GAP = 3.0
"""So many times the usual time between two samples without one is a gap."""

_STYLES = {1: "$error", 2: "$success", 3: "$warning", 4: "$accent"}
"""The drawing library's colours, by number, as the theme's own."""


@dataclass(frozen=True)
class Mark:
    """A moment on the time axis."""

    at: datetime
    words: str
    kind: Literal["deploy", "rollback"]


@dataclass(frozen=True)
class Plotted:
    """What is drawn. ``now`` is the right edge, ``seconds`` how far it reaches back."""

    samples: Sequence[Sample]
    unit: str
    limit: float | None
    marks: Sequence[Mark]
    now: datetime
    seconds: float


def marks_of(changes: Sequence[tuple[datetime, str]], state: State) -> list[Mark]:
    """Release changes, each as a deployment or as what a rollback of this incident did, and when its run began."""
    runs = [*state.ended_runs, *([state.plan] if state.plan is not None else [])]
    rollbacks = [run for run in runs if run.plan.purpose == "rollback" and run.began_at is not None]
    found = [Mark(at, words, "rollback" if _within(at, rollbacks) else "deploy") for at, words in changes]
    for run in rollbacks:
        if run.began_at is not None:
            goal = f" to {run.plan.target.name}" if run.plan.target else ""
            found.append(Mark(run.began_at, f"rollback{goal} began", "rollback"))
    return sorted(found, key=lambda mark: mark.at)


def _within(at: datetime, runs: Sequence[PlanState]) -> bool:
    """A platform may see the change a little after the run has ended."""
    late = timedelta(seconds=60)
    return any(run.began_at and run.began_at <= at <= (run.ended_at or at) + late for run in runs)


def fitting(samples: Sequence[Sample], now: datetime, most: float) -> float:
    """The shortest span, of at most ``most`` seconds, that holds everything that was measured."""
    ages = [(now - sample.at).total_seconds() for sample in samples if sample.value is not None]
    oldest = max((age for age in ages if age <= most), default=most)
    return next((span for span in SPANS if oldest <= span <= most), most)


def plot(what: Plotted, cells: int, rows: int) -> list[Content]:
    """``rows`` lines (or fewer) of at most ``cells``."""
    points = _points(what)
    runs = segments(points)
    if not any(runs):
        asked = f", {len(what.samples)} asked" if what.samples else ""
        return [line((f"Nothing was measured in the last {span_text(what.seconds)}{asked}: unknown.", "$warning"))]
    below = [mark for mark in what.marks if 0 <= (what.now - mark.at).total_seconds() <= what.seconds][-3:]
    tall = rows - len(below) if rows - len(below) >= LEAST_ROWS else rows
    drawn = _drawn(what, runs, below, cells, tall)
    if tall < rows:
        drawn += [_legend(mark, cells) for mark in below]
    return drawn


def _points(what: Plotted) -> list[tuple[float, float | None]]:
    """In the span, by time; "asked, and could not know" is kept as None."""
    found = [((sample.at - what.now).total_seconds(), sample.value) for sample in what.samples]
    return sorted((p for p in found if -what.seconds <= p[0] <= 0), key=lambda p: p[0])


def segments(points: Sequence[tuple[float, float | None]]) -> list[list[Point]]:
    """Runs of samples without a gap between them: nothing is drawn where nothing was measured."""
    steps = [b[0] - a[0] for a, b in pairwise(points) if b[0] > a[0]]
    longest = _GAP * median(steps) if steps else 0.0
    runs: list[list[Point]] = [[]]
    last: float | None = None
    for at, value in points:
        if value is None or (last is not None and at - last > longest):
            runs.append([])
        if value is not None:
            runs[-1].append((at, value))
        last = at
    return [run for run in runs if run]


def thinned(run: Sequence[Point], most: int) -> list[Point]:
    """Of too many points the lowest and the highest of each bucket: a peak is never lost."""
    if len(run) <= most:
        return list(run)
    size = -(-len(run) * 2 // most)
    kept: list[Point] = []
    for start in range(0, len(run), size):
        bucket = run[start : start + size]
        kept += sorted({min(bucket, key=lambda p: p[1]), max(bucket, key=lambda p: p[1])})
    return kept


def _drawn(what: Plotted, runs: list[list[Point]], marks: Sequence[Mark], cells: int, rows: int) -> list[Content]:
    from rich.text import Text
    from textual_plotext import Plot  # a third of a second that only a plot needs

    values = [value for run in runs for _, value in run]
    low, high = _range(values, what)
    figure: Any = Plot()  # its own types know half of it
    figure.theme("clear")
    figure._limit_size(False, False)  # else no larger than the terminal that it takes standard output for
    figure.plotsize(cells, rows)
    figure.xlim(-what.seconds, 0)
    figure.ylim(low, high)
    if what.limit is not None:
        figure.hline(what.limit, color="red")
    for mark in marks:
        at = (mark.at - what.now).total_seconds()
        figure.vline(at, color="orange" if mark.kind == "deploy" else "green")
    for run in runs:
        kept = thinned(run, max(8, 4 * cells * len(run) // max(1, len(values))))
        draw = figure.plot if len(kept) > 1 else figure.scatter
        draw([at for at, _ in kept], [value for _, value in kept], marker="braille", color="blue")
    figure.xticks(*_times(what, cells))
    figure.yticks(*_values(low, high, what, rows))
    drawn = Content.from_rich_text(Text.from_ansi(figure.build()))
    return [_themed(row).truncate(cells) for row in drawn.split("\n")][:rows]


def _themed(row: Content) -> Content:
    """The library's colours as the theme's."""
    themed = line((row.plain, "$text-muted"))
    for span in row.spans:
        colour = getattr(getattr(span.style, "foreground", None), "ansi", None)
        if colour in _STYLES:
            themed = themed.stylize(_STYLES[colour], span.start, span.end)
    return themed


def _range(values: Sequence[float], what: Plotted) -> tuple[float, float]:
    """From 0 (or what is below it) to a little above the highest value and the limit."""
    high = max([*values, what.limit or 0.0, 1.1 if what.unit == "state" else 0.0])
    low = min([*values, 0.0])
    room = (high - low) * 0.08
    return low - (room if low < 0 else 0.0), high + (room or 1.0)


def _times(what: Plotted, cells: int) -> tuple[list[float], list[str]]:
    """Moments along the axis, a dozen cells apart or more."""
    many = max(2, min(7, cells // 14))
    places = [-what.seconds * (1 - part / (many - 1)) for part in range(many)]
    shape = "%H:%M:%S" if what.seconds <= 900 else "%H:%M"
    return places, [f"{what.now + timedelta(seconds=place):{shape}}" for place in places]


def _values(low: float, high: float, what: Plotted, rows: int) -> tuple[list[float], list[str]]:
    if what.unit == "state":
        return [0.0, 1.0], ["not well", "well"]
    places = [low, high] if rows < 9 else [low, low + (high - low) / 2, high]
    if what.limit is not None and rows >= 7:
        apart = (high - low) / rows * 1.5
        places = [place for place in places if abs(place - what.limit) > apart] + [what.limit]
    places.sort()
    return places, [value_text(place, what.unit) for place in places]


def _legend(mark: Mark, cells: int) -> Content:
    style = "$warning" if mark.kind == "deploy" else "$success"
    word = "deployed " if mark.kind == "deploy" else ""
    words = mark.words.removeprefix("deployed ") if word else mark.words
    return line(("│ ", style), (f"{utc(mark.at)} ", "$text-muted"), (cut(f"{word}{words}", cells - 12), style))


def heading(title: str, what: Plotted, value: float | None, old: bool, cells: int) -> Content:
    """The signal, its value and limit, and how old the newest sample is."""
    known = [sample.at for sample in what.samples if sample.value is not None]
    age = (what.now - max(known)).total_seconds() if known else None
    said = f"newest sample {age_text(max(0.0, age))} ago" if age is not None else "no sample"
    parts: list[Part] = [(title, "bold"), "  ", (value_text(value, what.unit), "$warning" if old else "bold")]
    if what.limit is not None and what.unit != "state":
        parts.append((f"  limit {limit_text(what.limit, what.unit)}", "$error"))
    end = line((f"{said}, last {span_text(what.seconds)}", "$warning" if old or age is None else "$text-muted"))
    return spread(line(*parts), end, cells)
