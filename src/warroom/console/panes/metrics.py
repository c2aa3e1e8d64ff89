"""Pane 4: signals with their limits, and triggers counting towards firing. Old is *stale*, missing is *unknown*."""

from __future__ import annotations

from textual.content import Content

from warroom.console.panes.base import Drawn, Pane
from warroom.console.text import cut, fit, line, right, spread, wide
from warroom.console.theme import mark
from warroom.console.words import age_text, bar, held_text, limit_text, sparkline, value_text
from warroom.model.signal import SignalReading, TriggerReading

_LOUD = {"firing": 0, "pending": 1, "clearing": 2}


class MetricsPane(Pane):
    number, label = 4, "Metrics"
    topics = frozenset({"state", "signal", "trigger"})

    def draw(self, cells: int, rows: int) -> Drawn:
        triggers, signals = self.store.triggers(), self.store.signals()
        by_signal: dict[str, TriggerReading] = {}
        for trigger in triggers:
            if trigger.status in _LOUD:
                by_signal.setdefault(trigger.signal, trigger)
        counted = [s for s in signals if s.unit != "state" or s.id in by_signal]
        shown = sorted(counted, key=lambda s: self._rank(s, by_signal.get(s.id)))
        drawn: list[Content] = []
        for signal in shown:
            drawn.append(self._signal(signal, by_signal.get(signal.id), shown, cells))
            counting = by_signal.get(signal.id)
            if counting is not None and counting.need_s > 0:
                drawn.append(self._held(counting, cells))
        seen = {signal.id for signal in counted}
        for trigger in triggers:
            if trigger.status in _LOUD and (trigger.signal not in seen or by_signal[trigger.signal] is not trigger):
                drawn.append(self._trigger(trigger, cells))
        drawn += self._quiet(triggers, cells)
        if not drawn:
            drawn = [line(("No signal has been read yet.", "$text-muted"))]
        return Drawn(drawn, 0, self._note(triggers))

    def _rank(self, signal: SignalReading, trigger: TriggerReading | None) -> tuple[int, int]:
        """What is loud first, then what can't be trusted, then in the runbook's order."""
        runbook = self.store.runbook
        order = list(runbook.signals) if runbook else []
        place = order.index(signal.id) if signal.id in order else len(order)
        if trigger is not None:
            return _LOUD[trigger.status], place
        return {"stale": 3, "unknown": 4}.get(signal.freshness, 5), place

    def _signal(
        self, signal: SignalReading, trigger: TriggerReading | None, every: list[SignalReading], cells: int
    ) -> Content:
        status = trigger.status if trigger else {"fresh": "ok"}.get(signal.freshness, "unknown")
        sign, style = mark(status)
        names = min(max(wide(s.title) for s in every), max(9, cells // (3 if cells > 48 else 4)))
        values = min(max(wide(_value(s)) for s in every), 18)
        limits = max(wide(_limit(s)) for s in every)
        sparks = max(0, min(48, cells - names - values - limits - 10))
        value_style = "bold" if trigger is None else f"{style} bold".replace("bold bold", "bold")
        if signal.value is None or signal.freshness != "fresh":
            value_style = "$warning"
        left = line(
            (f"{sign} ", style),
            fit(signal.title, names),
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
                fit(signal.title, names),
                " ",
                ("unknown ", "$warning"),
                (signal.words, "$text-muted"),
            )
        return spread(left, age, cells)

    def _held(self, trigger: TriggerReading, cells: int) -> Content:
        _, style = mark(trigger.status)
        words = held_text(trigger)
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


def _value(signal: SignalReading) -> str:
    """Old is said to be: a number never stands there as if it were fresh."""
    words = value_text(signal.value, signal.unit)
    return f"stale {words}" if signal.freshness == "stale" and signal.value is not None else words


def _limit(signal: SignalReading) -> str:
    return f"> {limit_text(signal.limit, signal.unit).removesuffix(' ms')}" if signal.limit is not None else ""
