"""The last look before a run: what would be lost and what stands against it, then the steps; below, what is asked."""

from __future__ import annotations

from typing import get_args

from textual.app import ComposeResult
from textual.content import Content
from textual.events import Resize
from textual.widgets import Button, Input, Static, TextArea

from warroom.console.client import Client
from warroom.console.screens.base import Dialog, Reason, button
from warroom.console.screens.fields import TypedName
from warroom.console.screens.plan import what_is_lost, what_was_chosen
from warroom.console.showing import show
from warroom.console.text import line, wrapped
from warroom.console.theme import RISK
from warroom.model.base import span_text
from warroom.model.intent import RunPlan
from warroom.model.live import Guard, GuardsPage, GuardsQuery
from warroom.model.plan import Risk
from warroom.model.state import PlanState
from warroom.model.units import many
from warroom.model.well import well_since


class RunScreen(Dialog):
    """The last look. Guards say why not; soft ones are waived with a reason; production asks for the service's name."""

    heading = "RUN"
    hint = "tab moves · enter presses · esc goes back"
    below_rows = 5

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        plan = client.store.plan
        if plan is None:
            raise ValueError("RunScreen is opened for a plan")
        self.plan: PlanState = plan
        self.guards: tuple[Guard, ...] | None = None
        runbook = client.store.runbook
        asks = runbook is not None and runbook.environment.kind == "production"
        self.name_wanted = plan.plan.confirm or (runbook.service if runbook else "") if asks else ""
        self._seen = -1
        self._missing = ""
        """The complaint about what is not written yet: it goes as soon as that is."""
        self._told = False
        """What must be read before anything is typed has been in sight, to its last line."""

    def inside(self) -> ComposeResult:
        yield Static("", id="lost", markup=False)
        yield Static(line(("looking whether anything stands against it …", "$text-muted")), id="guards", markup=False)
        yield Static("", id="what", markup=False)

    def below(self) -> ComposeResult:
        yield Static("", id="more", markup=False)
        yield Reason("why you waive these (needed)", draft="waive guards", goes_on=True)
        yield Static(line(self._asks(), (self.name_wanted, "bold")), id="ask-name", markup=False)
        yield TypedName(self.name_wanted)

    def buttons(self) -> ComposeResult:
        yield button("Run it", "run", "danger")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Reason).display = False
        self._ask_name()
        self.query_one("#more", Static).display = False
        self._say()
        self.query_one("#cancel" if self.name_wanted else "#run", Button).focus()
        if self.name_wanted:
            self.query_one(TypedName).focus()
        self.watch(self.query_one("#inside"), "scroll_y", self._look, init=False)
        self.frame()

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self._say()
        self._say_guards()

    @property
    def _cells(self) -> int:
        """What the box, its blanks and a scroll bar leave of a line."""
        return max(40, min(90, self.size.width - 9))

    def _say(self) -> None:
        cells, begun = self._cells, self.plan.began_at is not None
        steps = self.plan.ahead() if begun else self.plan.plan.steps  # what is done is not done, and not lost, again
        risk, style = RISK[max((s.risk for s in steps), key=get_args(Risk).index, default=self.plan.plan.risk)]
        target = self.plan.plan.target
        goal = f" → {target.name}" if target and not self.plan.plan.choices else ""
        expected = sum(step.preview.expected_s for step in steps) if begun else self.plan.plan.expected_s
        about = f", about {span_text(expected)}" if expected else ""
        goes_on = "Go on with: " if begun else ""
        first = [
            line((goes_on + self.plan.plan.title + goal, "bold"), "  ", (risk, style)),
            *what_is_lost(steps, cells),
        ]
        lines = [
            *(row for each in self.plan.plan.choices for row in what_was_chosen(each, cells)),
            line(
                (f"{many(len(steps), 'step')}{' left' if begun else ''}{about} · {self.plan.hash[:19]}…", "$text-muted")
            ),
            *(
                line(("  " + str(n), "$text-muted"), f" {s.title}", (" by hand" if s.manual else "", "$warning"))
                for n, s in enumerate(self.plan.plan.steps, 1)
                if s in steps
            ),
        ]
        show(self.query_one("#lost", Static), Content("\n").join(first))
        show(self.query_one("#what", Static), Content("\n").join(lines))
        self.call_after_refresh(self._look)

    # What must be read comes before what is asked

    def _look(self) -> None:
        """All of it is in sight, or it is said how much is not, and no field is reached before it was."""
        if not self.there:
            return
        inside, more = self.query_one("#inside"), self.query_one("#more", Static)
        if not inside.size.height:
            return
        end = self.query_one("#guards").virtual_region.bottom
        left = max(0, end - round(inside.scroll_offset.y) - inside.size.height)
        words = f"▼ more: {many(left, 'line')}"
        show(more, line((words, "$warning bold"), (" that you must read · down or page down", "$text-muted")))
        more.display = bool(left)
        was, self._told = self._told, self._told or not left
        fields = (self.query_one(Reason), self.query_one(TypedName))
        if not self._told:
            inside.can_focus = True
            if self.focused is None or self.focused in fields:
                self.set_focus(inside)
        for field in fields:
            field.disabled = not self._told
        if self._told and not was and inside.has_focus:
            self.set_focus(self._first())
        if self._told:
            inside.can_focus = False

    def _first(self) -> Reason | TypedName | Button:
        """What is asked first."""
        reason = self.query_one(Reason)
        if reason.display and not reason.said:
            return reason
        return self.query_one(TypedName) if self.name_wanted else self.query_one("#run", Button)

    def _asks(self) -> str:
        return "To run it, type: " if self.plan.plan.confirm else "To run it, type the service's name: "

    def _ask_name(self) -> None:
        for name in ("#ask-name", "#typed"):
            self.query_one(name).display = bool(self.name_wanted)

    def frame(self) -> None:
        """The guards are read again whenever the state moved."""
        if self.store.state.seq != self._seen:
            self._seen = self.store.state.seq
            self.read(self._read_guards(), "guards")

    async def _read_guards(self) -> None:
        page = await self.client.ask(GuardsQuery(), GuardsPage)
        if self.guards is None or {g.words for g in page.guards} - {g.words for g in self.guards}:
            self._told = False  # there is something to read that was not there
        self.guards = page.guards
        if page.name_to_type and page.name_to_type != self.name_wanted:
            self.name_wanted = page.name_to_type
            self.query_one(TypedName).ask(page.name_to_type)
            self.query_one("#ask-name", Static).update(line(self._asks(), (page.name_to_type, "bold")))
            self._ask_name()
            self.query_one(TypedName).focus()
        soft, hard = self._soft(), [g for g in page.guards if g.hard]
        reason = self.query_one(Reason)
        was, reason.display = reason.display, bool(soft) and not hard
        name_begun = bool(self.name_wanted and self.query_one(TypedName).value)
        if reason.display and not was and not name_begun and not reason.said:
            reason.focus()
        self.query_one("#run", Button).disabled = bool(hard)
        self._say_guards()

    def _say_guards(self) -> None:
        if self.guards is None:
            return
        lines: list[Content] = []
        for guard in sorted(self.guards, key=lambda g: not g.hard):
            sign, style = ("✖ held: ", "$error bold") if guard.hard else ("! ", "$warning")
            lines += (rows := wrapped(guard.words, self._cells, "" if guard.hard else "$warning", sign))
            lines[-len(rows)] = rows[0].stylize(style, 0, len(sign))
        if not self.guards:
            lines = self._unopposed()
        elif any(g.hard for g in self.guards):
            lines.append(line(("It can't run until these are gone.", "$error")))
        elif not self.has_class("-short"):
            lines.append(line(("These can be waived with a reason; they stay on the checklist.", "$text-muted")))
        show(self.query_one("#guards", Static), Content("\n").join(lines))
        self.call_after_refresh(self._look)

    def _unopposed(self) -> list[Content]:
        """That nothing holds up an undo is no advice to run it."""
        if self.plan.plan.purpose != "undo":
            return [line(("✔ ", "$success"), "nothing stands against it")]
        runbook, touched = self.store.runbook, any(step.role == "application" for step in self.plan.plan.steps)
        if touched and runbook is not None and (well := well_since(runbook, self.store.state)):
            return wrapped(f"Nothing is wrong with what runs: {well}. This takes it back all the same.", self._cells)
        return wrapped("Nothing holds this undo up; whether it is needed is yours to say.", self._cells)

    def _soft(self) -> tuple[Guard, ...]:
        return tuple(g for g in self.guards or () if not g.hard)

    def on_typed_name_pasted(self, event: TypedName.Pasted) -> None:
        self.complain("Paste is refused here: type the name.")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.pressed("run")

    def entered(self) -> None:
        """On to the name where that is still to be typed; else nothing is left to ask."""
        name = self.query_one(TypedName)
        if self._is_no_reason():
            return
        if self.query_one(Reason).said and self.name_wanted and not name.value:
            name.focus()
        else:
            self.pressed("run")

    def _is_no_reason(self) -> bool:
        """The name, typed where the eyes were not: it is none, and the field is empty again for one."""
        reason = self.query_one(Reason)
        if not self.name_wanted or reason.said.casefold() != self.name_wanted.casefold():
            return False
        with self.prevent(TextArea.Changed):  # what is complained about is no answer to it
            reason.text = ""
        self._ask_for("That is the name, and no reason: say why first, the name is next.", reason)
        return True

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        self._written()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._written()

    def _written(self) -> None:
        if self._missing:
            self._missing = ""
            self.complain("")

    def complain(self, words: str) -> None:
        self._missing = ""
        super().complain(words)

    def _ask_for(self, words: str, where: Reason | TypedName) -> None:
        self.complain(words)
        self._missing = words
        where.focus()

    def pressed(self, name: str) -> None:
        now = self.store.plan
        if now is None or now.hash != self.plan.hash:
            self.complain("Another plan has taken this one's place: go back and read it first.")
        elif self.guards is None:
            self.complain("The guards have not been read yet.")
        elif any(g.hard for g in self.guards):
            self.complain("It is held: " + next(g.words for g in self.guards if g.hard))
        elif not self._told:
            self.complain("Read on first: what you are asked about goes on below.")
        elif self._soft() and self._is_no_reason():
            pass  # it says so itself
        elif self._soft() and not (reason := self.query_one(Reason)).said:
            self._ask_for("Say why you waive what stands against it.", reason)
        elif self.name_wanted and not (typed := self.query_one(TypedName)).right:
            self._ask_for(f"That is not {self.name_wanted}.", typed)
        else:
            confirm = self.query_one(TypedName).value if self.name_wanted else ""
            waive = tuple(g.id for g in self._soft())
            self.send(
                RunPlan(
                    hash=self.plan.hash,
                    confirm=confirm,
                    waive=waive,
                    reason=self.query_one(Reason).said if waive else "",
                )
            )
