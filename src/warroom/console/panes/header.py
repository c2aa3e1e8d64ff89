"""The lines that are always there: where am I, what is wrong, how long have I got, and what is next."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from warroom.console.keymap import ACTIONS, BY_ID, Action
from warroom.console.store import Store
from warroom.console.text import Part, cut, line, spread, wide
from warroom.console.theme import LOOKS
from warroom.console.words import limit_text, value_text
from warroom.model.base import clock_text, span_text
from warroom.model.escalation import who_decides
from warroom.model.next import Action as Advised
from warroom.model.next import NextAction, next_action
from warroom.model.signal import TriggerReading


class _Bar(Static):
    """A Static that is updated only when its words changed. Its height is the style sheet's: nothing else moves."""

    def __init__(self, store: Store, name: str) -> None:
        super().__init__("", id=name, markup=False)
        self.store = store
        self._shown = Content("")

    def show(self, content: Content) -> None:
        if not content.is_same(self._shown):
            self._shown = content
            self.update(content, layout=False)


def badge(store: Store) -> tuple[Part, ...]:
    """The environment's word between its shapes. The name too, where it has one."""
    if store.runbook is None:
        return (("▒ CONNECTING ▒", "reverse"),)
    environment = store.runbook.environment
    look = LOOKS[environment.kind]
    name = cut(environment.name, 30).upper()
    word = name if look.word in name else f"{look.word} {name}".strip()
    return ((f"{look.open}{word}{look.shut}", look.style),)


def _silence(store: Store, *, short: bool = False) -> tuple[Part, ...]:
    """What is drawn may long have changed: nobody has said anything about it."""
    silent = store.silent_s()
    if silent is None:
        return ()
    return ((f" NO NEWS for {clock_text(silent)}{'' if short else ': all stale'} ", "bold reverse $warning"), " ")


def by_itself(store: Store, *, short: bool = False, typing: bool = False) -> tuple[Part, ...]:
    """What warroom is about to do with nobody's leave stands before all else, with its clock and the key against it.

    ``typing``: the key would be a letter of what is written now.
    """
    now = store.state.automatic
    if now is None or now.status != "announced" or now.until is None:
        return ()
    seconds = (now.until - store.now()).total_seconds()
    when = f"in {clock_text(seconds)}" if seconds > 0 else "NOW"
    key = f"esc, {store.key('veto')} vetoes" if typing else f"{store.key('veto')} vetoes"
    return ((f" ROLLS BACK{'' if short else ' BY ITSELF'} {when}: {key} ", "bold reverse $error"), " ")


def stopped(store: Store, *, short: bool = False, timed: bool = True) -> tuple[Part, ...]:
    """Who is not served, or not quite, sees no trigger fire: that writes stand stopped is never out of sight."""
    halt = store.halt()
    if halt is None:
        return ()
    key = store.key("ways")
    since = f"{'' if short else ' since'} {halt.since:%H:%M}" if halt.since and timed else ""
    goes_on = "resumes" if short else "lets them go on"
    return ((f" WRITES STOPPED{halt.how}{since}: {key} {goes_on} ", "bold reverse $warning"), " ")


def _worst(store: Store, *, named: bool = False) -> tuple[Part, ...]:
    """``named``: no more of what fires than its name."""
    firing = store.firing()
    incident = store.incident
    if incident is not None and incident.closed:
        return ((f"CLOSED {incident.closed}", "bold $success" if incident.closed == "recovered" else "bold $warning"),)
    if not firing:
        unknown = sum(t.status == "unknown" for t in store.triggers())
        words = "nothing fires" + (f", {unknown} unknown" if unknown else "")
        return ((words, "$success" if not unknown else "$warning"),)
    first = firing[0]
    style = "bold $error" if first.severity == "critical" else "bold $warning"
    if named:
        return ((f"{first.severity.upper()} {first.title}", style),)
    more = f" +{len(firing) - 1}" if len(firing) > 1 else ""
    return ((f"{first.severity.upper()} {_headline(store, first)}{more}", style),)


def _headline(store: Store, trigger: TriggerReading) -> str:
    unit = next((s.unit for s in store.signals() if s.id == trigger.signal), "")
    if trigger.value is None or unit == "state" or not unit:
        return trigger.title
    limit = f" > {limit_text(trigger.limit, unit)}" if trigger.limit is not None else ""
    return f"{trigger.title} {value_text(trigger.value, unit)}{limit}"


def undriven(store: Store) -> bool:
    """Production, and nobody has taken the wheel: nothing that changes it is taken. The engine holds this."""
    production = store.runbook is not None and store.runbook.environment.kind == "production"
    opened = store.incident is not None and store.incident.closed is None
    return production and opened and store.state.driver is None


def who(store: Store) -> str:
    names = [name for name in store.presence() if name != store.state.driver]
    driver = store.state.driver
    words = f"{driver} drives" if driver else "nobody drives"
    if undriven(store):
        words += f" ({store.key('wheel')} takes the wheel)"
    return words + (f", with {', '.join(names)}" if names and driver else "")


def _cut(parts: tuple[Part, ...], cells: int) -> list[Part]:
    """Together at most ``cells`` wide."""
    kept: list[Part] = []
    for part in parts:
        words, style = (part, "") if isinstance(part, str) else part
        words = cut(words, cells)
        cells -= wide(words)
        kept.append((words, style))
    return kept


class Header(_Bar):
    """One line on a wide screen, two on a narrow one."""

    def redraw(self) -> None:
        cells = self.size.width
        if cells < 10:
            return
        store = self.store
        incident, dot = store.incident, (" · ", "$text-muted")
        where: list[Part] = list(badge(store))
        if store.snapshot is not None and (not store.writable or undriven(store)):
            where += [" ", (" READ-ONLY ", "reverse bold")]
        coming = by_itself(store, short=cells < 120)
        halt = stopped(store, short=cells < 120)
        urgent: list[Part] = [*_silence(store, short=bool(coming or halt) and cells < 120), *coming, *halt]
        worst = _worst(store)
        clock: list[Part] = []
        elapsed = store.elapsed()
        if elapsed is not None and incident is not None:
            clock = [("T+" + clock_text(elapsed), "bold")]
            if store.runbook and not incident.closed and (decides := who_decides(store.runbook, elapsed, store.state)):
                clock += [dot, decides]
        if incident is not None:
            clock += [dot, who(store)] if clock else [who(store)]
        if windows := self._windows():
            clock += [dot, (windows, "$text-muted")] if clock else [(windows, "$text-muted")]
        first = [*where, *self._what(cells - line(*where, *urgent, *worst).cell_length - 4)]
        one = line(" ", *first, dot, *urgent, *worst, *([dot, *clock] if clock else []))
        if not self.screen.has_class("-two"):
            self.show(one.truncate(cells, ellipsis=True))
            return
        if line(*first, *urgent).cell_length >= cells:
            first = [*where, *self._what(cells - line(*where, *urgent).cell_length - 2)]
        named = _worst(store, named=True)
        fires = line(*named).cell_length
        if halt and line(*first, *urgent).cell_length + 1 + fires > cells:
            # What fires is told by its name, whatever else is: since when writes stand stopped is said below.
            urgent = [*urgent[: -len(halt)], *stopped(store, short=True, timed=False)]
            first = [*where, *self._what(cells - line(*where, *urgent).cell_length - 2 - fires, alone=True)]
            clock = self._since(clock)
        room = cells - line(*first, *urgent).cell_length - 1
        end = line(*urgent, *_cut(worst if line(*worst).cell_length <= room else named, room))
        self.show(Content("\n").join([spread(line(*first), end, cells), line(*clock).truncate(cells, ellipsis=True)]))

    def _since(self, clock: list[Part]) -> list[Part]:
        """The same, with since when writes stand stopped behind the time that has passed."""
        halt = self.store.halt()
        if halt is None or halt.since is None:
            return clock
        return [*clock[:1], *([" · "] if clock else []), f"stopped {halt.since:%H:%M}", *clock[1:]]

    def _what(self, room: int, *, alone: bool = False) -> list[Part]:
        """The service and the incident, in at most ``room`` cells where there is anything more important to say.

        ``alone``: without the incident.
        """
        store = self.store
        name = cut(store.incident.id, 24) if store.incident is not None and not alone else ""
        called = store.runbook.service if store.runbook else store.problem
        left = room - (wide(name) + 3 if name else 0)
        parts: list[Part] = [" ", (cut(called, max(8, min(40, left))), "bold")]
        return [*parts, (" · ", "$text-muted"), name] if name else parts

    def _windows(self) -> str:
        """A drill says that its windows are shorter, and what production's are."""
        runbook = self.store.runbook
        if runbook is None or not runbook.drill_windows:
            return ""
        watch = runbook.window("watch", runbook.watch)
        return f"drill windows: watch {span_text(watch)}, production {span_text(runbook.watch)}"


NEXT_KEYS: dict[Advised, str] = {
    "open-incident": "open",
    "take-wheel": "wheel",
    "veto": "veto",
    "answer": "answer",
    "decide": "decide",
    "notify-started": "message",
    "capture": "capture",
    "choose-target": "target",
    "propose-plan": "plan",
    "run": "run",
    "resolve-step": "resolve",
    "claim-step": "claim",
    "stop-writes": "stop-writes",
    "verify": "verify",
    "answer-check": "checks",
    "choose-way": "ways",
    "notify-completed": "message",
    "schedule-post-mortem": "note",
    "report": "report",
    "close": "close",
}
"""The key of each next action; those without one are waited for."""


class NextLine(_Bar):
    """The next right action, in a sentence, with its key first."""

    action: str = ""

    def redraw(self) -> None:
        cells, store = self.size.width, self.store
        if cells < 10:
            return
        if store.runbook is None:
            self.action = ""
            self.show(line((" ▶ ", "$accent bold"), store.problem).truncate(cells, ellipsis=True))
            return
        readings = {t.id: t for t in store.triggers()}
        advice = next_action(store.runbook, store.state, readings, me=store.me, writable=store.writable)
        found = BY_ID.get(NEXT_KEYS.get(advice.action, ""))
        self.action = found.id if found else ""
        key: list[Part] = [(f" {store.key(found.id)} ", "reverse bold $accent"), " "] if found else []
        words = line((" ▶ ", "$accent bold"), *key, *_left(store, advice), (advice.sentence, "bold"))
        busy = "; ".join(store.busy())
        if busy:
            words = Content.assemble(words, line(("   ⧗ ", "$accent"), busy))
        if advice.why:
            words = Content.assemble(words, line(("   " + advice.why, "$text-muted")))
        self.show(words.truncate(cells, ellipsis=True))


def _left(store: Store, advice: NextAction) -> tuple[Part, ...]:
    """The clock of what begins by itself: it runs down in sight."""
    now = store.state.automatic
    if advice.action != "veto" or now is None or now.until is None:
        return ()
    return ((f"{clock_text(max(0.0, (now.until - store.now()).total_seconds()))} ", "bold $warning"),)


_FOOTER = (
    "emergency",
    "veto",
    "target",
    "plan",
    "run",
    "verify",
    "ways",
    "stop-writes",
    "open",
    "acknowledge",
    "answer",
    "decide",
    "message",
    "capture",
    "note",
    "abort",
    "resolve",
    "claim",
    "undo",
    "close",
    "report",
    "escalate",
    "tick",
    "waive",
    "wheel",
    "zoom",
    "filter",
    "pause",
)
"""After the next right action: what leads to the rollback comes first, so that it stays in sight on a small screen."""


class Footer(_Bar):
    """Keys that work now, the next one first, help last. What can't be used now is not shown; pressing it says why."""

    def redraw(self, first: str = "") -> None:
        cells = self.size.width
        if cells < 10:
            return
        last: list[Part] = [(self.store.key("help"), "bold $accent"), " help "]
        if unread := self.store.told.unread:
            last = [
                (f"✖ {unread} refused ", "$warning bold"),
                (self.store.key("told"), "bold $accent"),
                " why  ",
                *last,
            ]
        room = cells - 3 - line(*last).cell_length
        parts: list[Part] = [" "]
        for action in self._ordered(first):
            key = self.store.key(action.id)
            width = wide(key) + wide(action.label) + 3
            if room < width:
                break
            room -= width
            loud = len(key) == 1 and key.isupper()
            parts += [(key, "bold $warning" if loud else "bold $accent"), f" {action.label}  "]
        self.show(spread(line(*parts), line(*last), cells))

    def _ordered(self, first: str) -> list[Action]:
        urgent = [first, "abort"] if self.store.run_going() else [first]
        wanted = [*urgent, *(name for name in _FOOTER if name not in urgent)]
        known = {action.id for action in ACTIONS}
        return [BY_ID[name] for name in wanted if name in known and not BY_ID[name].why_not(self.store)]
