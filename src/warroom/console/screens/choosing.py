"""What only a person can choose before a plan is made: the list of what there is, the best under the cursor."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.content import Content
from textual.events import Resize
from textual.widgets import OptionList, Static

from warroom.console.client import Client
from warroom.console.screens.base import Choice, Dialog, button
from warroom.console.text import fit, line, right, spread, wrapped
from warroom.console.theme import mark
from warroom.console.words import size_text
from warroom.errors import WarroomError
from warroom.model.base import passed_text, span_text
from warroom.model.choice import LOOKS_S, ChoiceList, ChoicesPage, ChoicesQuery, Option
from warroom.model.intent import Intent, ProposePlan
from warroom.model.runbook import Procedure

_AS = {"good": "pass", "doubtful": "inconclusive", "refused": "fail"}
_MARKS = {verdict: mark(status)[0] for verdict, status in _AS.items()}
_STYLES = {"good": "$success", "doubtful": "$warning", "refused": "$text-muted"}
_NARROW = 90
"""Cells below which the age stands in the details alone."""
_MOST_ROWS = (10, 4)
"""Of an option's words: on a high terminal, and on a short one."""
_BEFORE = ("proposed", "approved", "voided", "cancelled")
"""How a plan stands after which the same choice is meant again: nothing has shown it to be wrong."""


def propose(dialog: Dialog, *intents: Intent) -> None:
    """Sends them, the plan last; where its procedure needs choices, they are made first, and the dialog waits below."""
    last = intents[-1]
    runbook = dialog.store.runbook
    procedure = runbook.procedures.get(last.procedure) if runbook and isinstance(last, ProposePlan) else None
    if procedure is None or not procedure.choices:
        dialog.send(*intents)
        return
    assert isinstance(last, ProposePlan)
    dialog.app.push_screen(ChooseScreen(dialog.client, intents[:-1], last, procedure, dialog.leave))


class ChooseScreen(Dialog):
    """One list after another. Refused ones are there to be read; esc goes back to the list before."""

    heading = "choose"
    hint = "arrows look · enter takes it · tab to the buttons · esc goes back"

    def __init__(
        self,
        client: Client,
        first: tuple[Intent, ...],
        plan: ProposePlan,
        procedure: Procedure,
        then: Callable[[], None],
    ) -> None:
        super().__init__(client)
        self.first, self.plan, self.procedure, self.then = first, plan, procedure, then
        self.heading = f"{procedure.title}: choose"
        self.names = tuple(procedure.choices)
        self.at = 0
        self.taken: dict[str, str] = {}
        self.page: ChoicesPage | None = None
        self.problem = ""
        self.looking = False

    def inside(self) -> ComposeResult:
        yield Static("", id="asked", markup=False)
        yield Choice(name="options")
        yield Static("", id="about-option", markup=False)

    def buttons(self) -> ComposeResult:
        yield button("Take it", "take", "main")
        yield button("Look again", "again")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#options", Choice).focus()
        self._look()

    def _look(self) -> None:
        self.page, self.problem, self.looking = None, "", True
        self._list()
        self.complain("")
        self.read(self._looked(), "choices")

    async def _looked(self) -> None:
        try:
            self.page = await self.client.ask(ChoicesQuery(procedure=self.plan.procedure), ChoicesPage)
        except WarroomError as error:
            self.problem = str(error)
        self.looking = False
        self._list()
        if self._listed is not None and self._listed.options:
            self.query_one("#options", Choice).focus()  # where it was asked to look again, or enter would ask for ever

    @property
    def _listed(self) -> ChoiceList | None:
        """What there is for the choice that is made now; None while that is not known."""
        name = self.names[self.at]
        return next((each for each in self.page.choices if each.choice == name), None) if self.page else None

    @property
    def _cells(self) -> int:
        return max(40, self.query_one("#inside").size.width - 2)

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self.call_after_refresh(self._list, keep=True)

    def _list(self, *, keep: bool = False) -> None:
        choice, found = self.query_one("#options", Choice), self._listed
        at = choice.highlighted if keep else None
        choice.clear_options()
        options = found.options if found is not None else ()
        best = _best(options)
        choice.add_options(
            [self._prompt(option, number == best and option.verdict == "good") for number, option in enumerate(options)]
        )
        choice.display = bool(options)
        if options:
            choice.highlighted = at if at is not None else self._start(options, best)
        self._say()

    def _start(self, options: tuple[Option, ...], best: int | None) -> int:
        """The best; or what the same plan was last made with, so that enter alone chooses nothing else; or what the
        part that this one follows was made with: what was compared is what is meant."""
        before = self._before()
        for number, option in enumerate(options):
            if option.value == before and option.verdict != "refused":
                return number
        return best or 0

    def _before(self) -> str | None:
        last, runbook = self.store.plan, self.store.runbook
        if last is None or runbook is None:
            return None
        part = runbook.procedures.get(last.plan.procedure)
        led = last.status == "done" and part is not None and part.then == self.plan.procedure
        again = last.plan.procedure == self.plan.procedure and last.status in _BEFORE
        values = {chosen.choice: chosen.value for chosen in last.plan.choices} if led or again else {}
        return values.get(self.names[self.at])

    def _prompt(self, option: Option, best: bool) -> Content:
        sign, style = _MARKS[option.verdict], _STYLES[option.verdict]
        loud = style if option.verdict == "refused" else "bold" if best else ""
        name = line((f"{sign} ", style), (option.title, loud))
        cells = self._cells
        ago = self._ago(option) if cells >= _NARROW else ""
        columns = (
            ("best    " if best else fit(option.called or option.verdict, 8), "bold $accent" if best else style),
            (fit(f" {option.at:%Y-%m-%d %H:%M}" if option.at else " when?", 17), "$text-muted"),
            (right(ago, 10) if cells >= _NARROW else "", "$text-muted"),
            (right(size_text(option.bytes) if option.bytes is not None else "", 9), "$text-muted"),
        )
        return spread(name, line(*columns), cells)

    def _ago(self, option: Option) -> str:
        if option.at is None:
            return ""
        seconds = (self.store.now() - option.at).total_seconds()
        for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
            if seconds >= size:
                return f"{int(seconds // size)} {unit} ago"
        return "just now" if seconds >= 0 else "later"

    def _say(self) -> None:
        """What is asked, and what is found; an empty list says why it is empty."""
        decl, found, cells = self.procedure.choices[self.names[self.at]], self._listed, self._cells
        number = f"  {self.at + 1} of {len(self.names)}" if len(self.names) > 1 else ""
        lines = wrapped(f"{decl.title}{number}", cells, "bold")
        if self.looking:
            lines.append(line((f"looking what there is, for at most {span_text(LOOKS_S)} …", "$text-muted")))
        elif found is None or found.problem:
            why = found.problem if found is not None else self.problem or "the engine did not say"
            lines += wrapped(f"UNKNOWN: what there is can't be told. {why}", cells, "$warning", "? ")
            lines += wrapped("That there is none is not said. Look again, or take another procedure.", cells)
        elif not found.options:
            lines += wrapped("There is none: it was looked for, and nothing is there.", cells, "$warning", "– ")
            lines += wrapped(decl.none or "Look again once there is one, or take another procedure.", cells)
        elif all(option.verdict == "refused" for option in found.options):
            lines += wrapped("None of these can be used: each says why.", cells, "$error", "✖ ")
        if found is not None and found.more:
            lines += wrapped(f"{found.more} more are not listed: the best come first", cells, "$text-muted")
        self.query_one("#asked", Static).update(Content("\n").join(lines))
        if found is None or not found.options:
            self.query_one("#about-option", Static).update("")

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        found = self._listed
        if found is not None and event.option_index < len(found.options):
            best = event.option_index == _best(found.options)
            lines = self._about(found.options[event.option_index], best)
            self.query_one("#about-option", Static).update(Content("\n").join(lines))
            self.complain("")

    def _about(self, option: Option, best: bool) -> list[Content]:
        """Why it is as good as it is, then what names it."""
        cells = self._cells
        said, style = {
            "good": ("best" if best else "good", "$accent" if best else ""),
            "doubtful": (option.called or "doubtful", "$warning"),
            "refused": ("can't be chosen", "$error"),
        }[option.verdict]
        lines = wrapped(f"{said}: {option.words or 'it is not said why'}", cells, style)
        most = _MOST_ROWS[self.has_class("-short")]
        if len(lines) > most:  # what names it, and the buttons, stay in sight
            lines = [*lines[: most - 1], line(("… and more than there is room for", "$text-muted"))]
        facts = ["when it was made is not known"]
        if option.at is not None:
            age = (self.store.now() - option.at).total_seconds()
            facts = [f"made {option.at:%Y-%m-%d %H:%M:%S} UTC", *([f"{passed_text(age)} ago"] if age > 0 else [])]
        facts.append(size_text(option.bytes) if option.bytes is not None else "its size is not known")
        lines += wrapped(" · ".join(facts), cells, "$text-muted")
        return lines + (wrapped(option.value, cells, "$text-muted") if option.value != option.title else [])

    # Taking

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.pressed("take")

    def pressed(self, name: str) -> None:
        if name == "again":
            self._look()
            return
        found, at = self._listed, self.query_one("#options", Choice).highlighted
        if found is None or at is None or at >= len(found.options):
            self.complain("It is still being looked for." if self.looking else "There is nothing to take.")
            return
        option = found.options[at]
        if option.verdict == "refused":
            self.complain("It can't be chosen: it says why. Take another one.")
            return
        self.complain("")
        self.taken[self.names[self.at]] = option.value
        if self.at + 1 < len(self.names):
            self._go(1)
        else:
            self.send(*self.first, self.plan.model_copy(update={"choices": dict(self.taken)}), then=self.then)

    def action_leave(self) -> None:
        """Escape: to the list before, and from the first one out."""
        if self.at:
            self._go(-1)
        else:
            self.leave()

    def _go(self, by: int) -> None:
        self.at += by
        self._list()
        self.query_one("#options", Choice).focus()


def _best(options: tuple[Option, ...]) -> int | None:
    """The first that is good, else the first that can be chosen at all; None where none can."""
    for verdict in ("good", "doubtful"):
        for number, option in enumerate(options):
            if option.verdict == verdict:
                return number
    return None
