"""Pane 3: the parts of the service, what runs, and the platforms warroom reaches them through."""

from __future__ import annotations

from textual.content import Content

from warroom.console.panes.base import Drawn, Pane
from warroom.console.text import cut, fit, line, spread, wide, wrapped
from warroom.console.theme import mark
from warroom.console.words import age_text, utc
from warroom.model.signal import ComponentReading

_ORDER = {"failing": 0, "unknown": 1, "ok": 2}
_OLD = 5.0
"""Seconds after which a number's age is said aloud."""
_WHY = 2
"""Rows for what is the matter with one that fails."""


class HealthPane(Pane):
    number, label = 3, "Health"
    topics = frozenset({"state", "component", "platform", "running"})

    def draw(self, cells: int, rows: int) -> Drawn:
        components = sorted((_known(c) for c in self.store.components()), key=lambda c: (self._rank(c), c.id))
        names = min(max([wide(c.title) for c in components], default=0), max(8, cells // 3))
        drawn = [row for c in components for row in self._component(c, names, cells)]
        if not drawn:
            drawn = [line(("No component has been read yet.", "$text-muted"))]
        drawn += self._runs(cells)
        for platform in self.store.platforms():
            if platform.status != "ok":
                sign, style = mark(platform.status)
                words = f"{platform.id} ({platform.plugin}): {platform.status} {platform.words}"
                drawn.append(line((f"{sign} ", style), (words, style)).truncate(cells, ellipsis=True))
            elif rows > 8:
                seen = f" {platform.fingerprint}" if platform.fingerprint else ""
                text = cut(f"{platform.id}{seen}", cells - 2)
                drawn.append(line(("● ", "$success"), (text, "$text-muted")))
        return Drawn(drawn, 0, self._note(components))

    def _rank(self, component: ComponentReading) -> int:
        """What nobody measures never has anything to say: it stands below what is measured."""
        runbook = self.store.runbook
        declared = runbook.components.get(component.id) if runbook is not None else None
        signal = runbook.signals.get(declared.signal) if runbook is not None and declared is not None else None
        return 3 if signal is not None and signal.source is None else _ORDER[component.status]

    def _component(self, component: ComponentReading, names: int, cells: int) -> list[Content]:
        """What is failing says why on rows of its own where one is too short."""
        sign, style = mark(component.status)
        word = "" if component.status == "ok" else f"{_word(component)} "
        old = component.age_s is not None and component.age_s > _OLD
        age = "no age" if component.age_s is None else age_text(component.age_s)
        left = line((f"{sign} ", style), (fit(component.title, names), "bold"), " ", (word, style), component.words)
        end = line((age, "$warning" if old or component.age_s is None else "$text-disabled"))
        if component.status != "failing" or left.cell_length + end.cell_length < cells:
            return [spread(left, end, cells)]
        head = line((f"{sign} ", style), (fit(component.title, names), "bold"), " ", (word, style))
        return [spread(head, end, cells), *wrapped(component.words, cells, "", "  ", most=_WHY)]

    def _runs(self, cells: int) -> list[Content]:
        running, changes = self.store.running(), self.store.state.changes
        if running is None:
            last = self.store.state.running
            ran = (f"; {last.name} ran last", "$text-muted") if last is not None else ""
            return [line(("? ", "$warning"), ("what runs is unknown", "$warning"), ran).truncate(cells, ellipsis=True)]
        identity = (running.digest or running.commit or "")[:19]
        beside = wrapped(running.beside, cells, "$warning", "  ", most=_WHY) if running.beside else []
        left = line(("▪ ", "$accent"), "runs ", (running.name, "bold"), " ", (identity, "$text-muted"))
        since = f"since {utc(changes[-1].at)}" if changes else ""
        return [spread(left, line((since, "$text-muted")), cells), *beside]

    def _note(self, components: list[ComponentReading]) -> Content:
        bad = sum(c.status == "failing" for c in components)
        lost = sum(c.status == "unknown" for c in components)
        if bad:
            return line((f"✖ {bad} failing", "$error bold"))
        if lost:
            return line((f"? {lost} unknown", "$warning"))
        return line((f"● {len(components)} well", "$success")) if components else Content("")


def _known(component: ComponentReading) -> ComponentReading:
    """What nobody can say the age of is not known to be well."""
    if component.status == "ok" and component.age_s is None:
        return component.model_copy(update={"status": "unknown"})
    return component


def _word(component: ComponentReading) -> str:
    """*Stale* is what was known and has grown old; *unknown* is what never was, or what its source can't tell."""
    old = component.age_s is not None and component.age_s > _OLD
    return "stale" if component.status == "unknown" and old else component.status
