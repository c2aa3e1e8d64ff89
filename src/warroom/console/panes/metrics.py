"""Pane 4: signals with their limits, and triggers counting towards firing. Old is *stale*, missing is *unknown*."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from warroom.console.panes import plots
from warroom.console.panes.base import Drawn, Pane
from warroom.console.store import Store
from warroom.console.text import apart, cut, fit, line, right, spread, wide
from warroom.console.theme import mark
from warroom.console.words import age_text, bar, held_text, limit_text, sparkline, value_text
from warroom.errors import WarroomError
from warroom.model.live import SamplesPage, SamplesQuery
from warroom.model.measuring import HOW, unmeasured
from warroom.model.signal import SignalReading, TriggerReading

_SPARKS = 8
"""Cells of the little curve that a name gives way to, and no more."""
_LOUD = {"firing": 0, "pending": 1, "clearing": 2}


Ask = Callable[[SamplesQuery], Awaitable[SamplesPage]]

_FIRST_S = 900.0
"""How far back a graph looks until somebody stretches it; where less was measured, it begins there."""

REFRESH_S = 2.0
"""A plot asks for its samples no more often than this."""


class MetricsPane(Pane):
    """An overview; zoomed, the chosen signal over time below it. ``ask`` is the session's query."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "choose(1)", "the next signal's graph"),
        Binding("up,i", "choose(-1)", "the graph of the signal before"),
        Binding("left", "span(1)", "a longer graph"),
        Binding("right", "span(-1)", "a shorter graph"),
    ]
    number, label = 4, "Metrics"
    topics = frozenset({"state", "signal", "trigger"})
    ticks = True

    def __init__(self, store: Store, ask: Ask, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(store, name)
        self._ask, self._clock = ask, clock
        self.chosen = ""
        self.seconds = _FIRST_S
        self._stretched = False
        self.problem = ""
        self._page: SamplesPage | None = None
        self._asked: tuple[str, float] = ("", 0.0)
        self._asked_at = float("-inf")

    def draw(self, cells: int, rows: int) -> Drawn:
        triggers, signals = self.store.triggers(), self.store.signals()
        by_signal = _loud(triggers)
        if self.has_class("-zoomed") and rows > plots.LEAST_ROWS + 2 and signals:
            return self._graph(signals, triggers, cells, rows)
        counted = [s for s in signals if s.unit != "state" or s.id in by_signal]
        shown = sorted(counted, key=lambda s: self._rank(s, by_signal.get(s.id)))
        drawn: list[Content] = []
        for signal in shown:
            drawn.append(self._signal(signal, by_signal.get(signal.id), shown, cells))
            counting = by_signal.get(signal.id)
            if counting is not None and counting.need_s > 0:
                drawn.append(self._held(counting, cells))
            if counting is not None:
                drawn += _why(signal, cells)
        seen = {signal.id for signal in counted}
        for trigger in triggers:
            if trigger.status in _LOUD and (trigger.signal not in seen or by_signal[trigger.signal] is not trigger):
                drawn.append(self._trigger(trigger, cells))
        quiet = self._quiet(triggers, cells)
        if len(drawn) + len(quiet) < rows:  # advice takes no row from what is measured
            quiet[1:1] = _unfed(self.store, triggers, cells)
        drawn += quiet
        if not drawn:
            drawn = [line(("No signal has been read yet.", "$text-muted"))]
        return Drawn(drawn, 0, self._note(triggers))

    # Over time

    def _listed(self) -> list[SignalReading]:
        by_signal = _loud(self.store.triggers())
        return sorted(self.store.signals(), key=lambda s: self._rank(s, by_signal.get(s.id)))

    def signal(self) -> SignalReading | None:
        """The one that is drawn: the chosen one, else the loudest, else the first number that is measured."""
        listed, loud = self._listed(), _loud(self.store.triggers())
        worth = sorted(listed, key=lambda s: (s.id not in loud, s.value is None, s.unit == "state"))
        return next((s for s in listed if s.id == self.chosen), worth[0] if worth else None)

    def action_choose(self, by: int) -> None:
        if not self.has_class("-zoomed"):
            self.scroll_relative(y=by, animate=False)
            return
        listed, now = [s.id for s in self._listed()], self.signal()
        if now is not None:
            self.chosen = listed[max(0, min(len(listed) - 1, listed.index(now.id) + by))]
            self.redraw()

    def _span(self) -> float:
        if self._stretched or self._page is None:
            return self.seconds
        return plots.fitting(self._page.samples, self.store.now(), self.seconds)

    def action_span(self, by: int) -> None:
        if self.has_class("-zoomed"):
            seconds = self._span()
            at = min(range(len(plots.SPANS)), key=lambda i: abs(plots.SPANS[i] - seconds))
            self._stretched = True
            self.seconds = plots.SPANS[max(0, min(len(plots.SPANS) - 1, at + by))]
            self.redraw()

    def redraw(self) -> None:
        if self.is_mounted and self.has_class("-zoomed") and self.display:
            self._look()
        super().redraw()

    def _look(self) -> None:
        """Asks for the samples, one question at a time; at once for another signal, else politely."""
        signal = self.signal()
        if signal is None or any(worker.group == "samples" and worker.is_running for worker in self.workers):
            return
        wanted = (signal.id, self.seconds)
        if wanted != self._asked or self._clock() - self._asked_at >= REFRESH_S:
            if wanted != self._asked:
                self._page = None
            self._asked, self._asked_at = wanted, self._clock()
            self.run_worker(self._read(*wanted), group="samples", exit_on_error=False)

    async def _read(self, signal: str, seconds: float) -> None:
        try:
            page = await self._ask(SamplesQuery(signal=signal, seconds=seconds))
        except WarroomError as error:
            self.problem = str(error)
        else:
            self.problem = ""
            if self._asked == (signal, seconds):
                self._page = page
        self.call_later(self.redraw)

    def _graph(self, signals: list[SignalReading], triggers: list[TriggerReading], cells: int, rows: int) -> Drawn:
        now = self.signal() or signals[0]
        by_signal, listed = _loud(triggers), self._listed()
        most = max(1, min(len(listed), (rows - plots.LEAST_ROWS) // 3))
        first = max(0, min(listed.index(now) - most // 2, len(listed) - most))
        lines = []
        for signal in listed[first : first + most]:
            row = self._signal(signal, by_signal.get(signal.id), listed, cells - 2)
            here = signal.id == now.id
            lines.append(Content.assemble(line(("▸ " if here else "  ", "$accent bold")), row))
        page = self._page
        marks = plots.marks_of(page.marks, self.store.state) if page else []
        what = plots.Plotted(page.samples if page else (), now.unit, now.limit, marks, self.store.now(), self._span())
        old = now.freshness != "fresh"
        lines.append(plots.heading(now.title, what, now.value, old, cells))
        loud = [trigger for trigger in triggers if trigger.signal == now.id and trigger.status in _LOUD]
        held = [self._held(trigger, cells) for trigger in loud[:2] if trigger.need_s > 0]
        lines += [*held, *(_why(now, cells) if loud else [])]
        since = next((trigger.since_release for trigger in loud if trigger.since_release), "")
        if since and not any(since in each.plain for each in held):
            lines.append(line(("  ", ""), (cut(since, cells - 2), "bold")))
        if self.problem:
            lines.append(line((cut(self.problem, cells), "$error")))
        elif page is None:
            lines.append(line(("reading what was measured …", "$text-muted")))
        else:
            lines += plots.plot(what, cells, max(plots.LEAST_ROWS, rows - len(lines)))
        return Drawn(lines, 0, line(("up and down choose, left and right stretch", "$text-muted")))

    def _rank(self, signal: SignalReading, trigger: TriggerReading | None) -> tuple[int, int]:
        """What is loud first, then what can't be trusted, then in the runbook's order; last what nobody measures."""
        runbook = self.store.runbook
        order = list(runbook.signals) if runbook else []
        place = order.index(signal.id) if signal.id in order else len(order)
        if trigger is not None:
            return _LOUD[trigger.status], place
        declared = runbook.signals.get(signal.id) if runbook else None
        if declared is not None and declared.source is None:
            return 6, place
        return {"stale": 3, "unknown": 4}.get(signal.freshness, 5), place

    def _signal(
        self, signal: SignalReading, trigger: TriggerReading | None, every: list[SignalReading], cells: int
    ) -> Content:
        status = trigger.status if trigger else {"fresh": "ok"}.get(signal.freshness, "unknown")
        sign, style = mark(status)
        values = min(max(wide(_value(s)) for s in every), 18)
        limits = max(wide(_limit(s)) for s in every)
        room = max(9, cells // (3 if cells > 48 else 4), cells - values - limits - 10 - _SPARKS)
        names = min(max(wide(s.title) for s in every), room)
        name = fit(apart(tuple(s.title for s in every), names)[signal.title], names)
        sparks = max(0, min(48, cells - names - values - limits - 10))
        value_style = "bold" if trigger is None else f"{style} bold".replace("bold bold", "bold")
        if signal.value is None or signal.freshness != "fresh":
            value_style = "$warning"
        left = line(
            (f"{sign} ", style),
            name,
            " ",
            (sparkline(signal.recent, sparks, signal.limit), style if trigger else "$spark"),
            " ",
            (right(_value(signal), values), value_style),
            " ",
            (fit(_limit(signal), limits), "$text-muted"),
        )
        old = signal.freshness != "fresh"
        age = line((age_text(signal.age_s) or "no age", "$warning" if old else "$text-disabled"))
        if signal.value is None and signal.words:
            left = line(
                (f"{sign} ", style),
                name,
                " ",
                ("unknown ", "$warning"),
                (signal.words, "$text-muted"),
            )
            if signal.age_s is None and left.cell_length + age.cell_length >= cells:
                return left.truncate(cells, ellipsis=True)
        return spread(left, age, cells)

    def _held(self, trigger: TriggerReading, cells: int) -> Content:
        _, style = mark(trigger.status)
        words = held_text(trigger)
        more = "; ".join(part for part in (trigger.since_release, _flapping(trigger)) if part)
        words += f", {more}" if more and wide(words) + wide(more) + 12 < cells else ""
        gauge = bar(trigger.held_s / trigger.need_s, max(0, min(24, cells - wide(words) - 3)))
        return line(("└ ", "$text-disabled"), (gauge, style), " ", (cut(words, cells - wide(gauge) - 3), style))

    def _trigger(self, trigger: TriggerReading, cells: int) -> Content:
        sign, style = mark(trigger.status)
        words = trigger.words or trigger.condition
        left = line((f"{sign} ", style), (f"{trigger.title} ", style), (words, "$text-muted"))
        return spread(left, line((held_text(trigger), style)), cells)

    def _quiet(self, triggers: list[TriggerReading], cells: int) -> list[Content]:
        unknown = [t for t in triggers if t.status == "unknown"]
        lines: list[Content] = []
        if unknown:
            names = ", ".join(t.title for t in unknown)
            lines.append(line(("? ", "$warning"), (cut(f"{len(unknown)} unknown: {names}", cells - 2), "$warning")))
        ok = sum(t.status == "ok" for t in triggers)
        if ok:
            words = f"{ok} trigger{'s' if ok != 1 else ''} quiet"
            lines.append(line(("● ", "$success"), (cut(words, cells - 2), "$text-muted")))
        return lines

    def _note(self, triggers: list[TriggerReading]) -> Content:
        firing = sum(t.status == "firing" for t in triggers)
        pending = sum(t.status == "pending" for t in triggers)
        if firing:
            return line((f"✖ {firing} firing", "$error bold"))
        return line((f"◔ {pending} pending", "$warning")) if pending else Content("")


def _why(signal: SignalReading, cells: int) -> list[Content]:
    """A state has no number: what its source says of it is all there is to read."""
    if signal.unit != "state" or not signal.words:
        return []
    return [line(("└ ", "$text-disabled"), (cut(signal.words, cells - 2), "bold"))]


def _unfed(store: Store, triggers: list[TriggerReading], cells: int) -> list[Content]:
    """Below those that are unknown. What nobody measures stays so for ever: where it is said how that is mended."""
    unknown = [trigger for trigger in triggers if trigger.status == "unknown"]
    never = unmeasured(store.runbook) if store.runbook is not None else frozenset()
    count = sum(trigger.id in never for trigger in unknown)
    if not count:
        return []
    whom = "it" if count == len(unknown) == 1 else "them" if count == len(unknown) else f"{count} of them"
    words = f"nobody measures {whom}: {HOW}"
    if wide(words) > cells - 2:  # where to read on is what has to be seen whole
        words = f"{count} unfed: {HOW}"
    return [line(("└ ", "$text-disabled"), (cut(words, cells - 2), "$text-muted"))]


def _loud(triggers: list[TriggerReading]) -> dict[str, TriggerReading]:
    """The worst trigger of each signal that has one counting."""
    found: dict[str, TriggerReading] = {}
    for trigger in triggers:
        if trigger.status in _LOUD:
            found.setdefault(trigger.signal, trigger)
    return found


def _value(signal: SignalReading) -> str:
    """Old is said to be: a number never stands there as if it were fresh."""
    words = value_text(signal.value, signal.unit)
    return f"stale {words}" if signal.freshness == "stale" and signal.value is not None else words


def _flapping(trigger: TriggerReading) -> str:
    return f"flapping: began {trigger.flaps} times" if trigger.flaps >= 3 else ""


def _limit(signal: SignalReading) -> str:
    if signal.limit is None or signal.unit == "state":
        return ""
    above = ">" if signal.limit else "limit"  # "0 > 0" is no limit to anybody
    return f"{above} {limit_text(signal.limit, signal.unit).removesuffix(' ms')}"
