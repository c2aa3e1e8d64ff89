"""Verification, check by check: its verdict, its words, its numbers; and the answers that only a person can give."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Button, OptionList, Static

from warroom.console.client import Client
from warroom.console.screens.base import Choice, Dialog, Reason, button
from warroom.console.text import fit, line, spread, wrapped
from warroom.console.theme import mark
from warroom.console.words import utc
from warroom.model.finishing import ASKED
from warroom.model.intent import AnswerCheck, Verify
from warroom.model.runbook import CheckDecl
from warroom.model.state import Answered, Verification
from warroom.model.verification import CheckResult
from warroom.model.verifying import progress, waits


class ChecksScreen(Dialog):
    """Every check of the runbook, also before anything was verified: what will be looked at is no secret."""

    heading = "verification"
    hint = "arrows choose · tab answers what only a person sees · esc goes back"
    fills = True

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        runbook = client.store.runbook
        self.checks: tuple[tuple[str, CheckDecl], ...] = tuple(runbook.verification.items()) if runbook else ()
        self.at = self._first()
        self._seen: object = None

    def _first(self) -> int:
        """What a person has to answer comes first, then what did not pass."""
        results = self._results()
        asked = [i for i, (name, decl) in enumerate(self.checks) if decl.use == ASKED and not self._answer(name)]
        bad = [i for i, (name, _) in enumerate(self.checks) if name in results and results[name].verdict != "pass"]
        waiting = [i for i in asked if self.checks[i][1].required and i in bad]
        return next(iter([*waiting, *bad, *asked, 0]))

    def _results(self) -> dict[str, CheckResult]:
        checked = self.store.state.verification
        return checked.results if checked is not None else {}

    def _answer(self, name: str) -> Answered | None:
        return self.store.state.answered.get(name)

    def inside(self) -> ComposeResult:
        yield Static("", id="verdict", markup=False)
        yield Choice(name="checks")

    def below(self) -> ComposeResult:
        yield Static("", id="about-check", markup=False)
        yield Reason("what you saw, or who told you", name="said", draft="check")

    def buttons(self) -> ComposeResult:
        yield button("It works", "pass", "main")
        yield button("It does not", "fail", "danger")
        yield button("Verify now", "verify")
        yield button("Close", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#checks", Choice).focus()
        self.call_after_refresh(self.frame)

    def frame(self) -> None:
        state = self.store.state
        seen = (state.verification, state.answered)
        if seen == self._seen or self.query_one("#inside").size.width < 10:
            return
        self._seen = seen
        self._verdict()
        choice = self.query_one("#checks", Choice)
        choice.clear_options()
        choice.add_options([self._row(name, decl) for name, decl in self.checks])
        if self.checks:
            choice.highlighted = min(self.at, len(self.checks) - 1)
        self._about()

    def _verdict(self) -> None:
        checked = self.store.state.verification
        if checked is None:
            shown = line(("Nothing has been verified yet. This is what will be looked at.", "$text-muted"))
        elif checked.verdict is None:
            shown = line(("⧗ ", "$accent bold"), f"verifying: {self._progress(checked)}")
        else:
            sign, style = mark(checked.verdict)
            shown = line((f"{sign} {checked.verdict.upper()}  ", style), (checked.words, "bold"))
        self.query_one("#verdict", Static).update(shown)

    def _progress(self, checked: Verification) -> str:
        runbook = self.store.runbook
        if runbook is None:
            return ""
        wait = waits(runbook, self.store.state, self.store.now())
        until = f"; waits for {wait.words}, until {utc(wait.until)} UTC at most" if wait is not None else ""
        return progress(runbook, checked) + until

    def _row(self, name: str, decl: CheckDecl) -> Content:
        result = self._results().get(name)
        sign, style = mark(result.verdict) if result is not None else mark("open")
        said = "" if decl.required else "optional"
        if decl.use == ASKED:
            asks = "you answer" if self._answer(name) is None else "answered"
            said = f"{asks}, {said}" if said else asks
        word = result.verdict if result is not None else "not yet"
        cells = max(40, self.query_one("#inside").size.width - 2)
        return spread(line((f"{sign} ", style), (fit(word, 13), style), decl.sentence), line((said, "$accent")), cells)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self.at = event.option_index
        self._about()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        if self._asked():
            self.query_one("#said", Reason).focus()

    def _asked(self) -> bool:
        return bool(self.checks) and self.checks[self.at][1].use == ASKED

    def _about(self) -> None:
        if not self.checks:
            return
        name, decl = self.checks[self.at]
        result, answered = self._results().get(name), self._answer(name)
        cells = max(40, self.query_one("#inside").size.width - 2)
        lines: list[Content] = []
        if result is not None:
            lines += wrapped(result.words, cells)
            numbers = ", ".join(f"{key} {value}" for key, value in result.numbers.items())
            lines += wrapped(numbers, cells, "$text-muted") if numbers else []
        else:
            lines += wrapped(f"looks by {decl.use}", cells, "$text-muted")
        if answered is not None:
            lines += wrapped(
                f"{answered.by} said {answered.verdict.upper()} at {utc(answered.at)}: {answered.words}",
                cells,
                "$accent",
            )
        self.query_one("#about-check", Static).update(Content("\n").join(lines))
        for part in ("#said", "#pass", "#fail"):
            self.query_one(part).display = self._asked()
        checked = self.store.state.verification
        self.query_one("#verify", Button).display = checked is None or checked.verdict not in (None, "pass")

    def pressed(self, name: str) -> None:
        if name == "verify":
            self.send(Verify())
            return
        said = self.query_one("#said", Reason)
        if not said.said:
            self.complain("Say what you saw, or who told you.")
            said.focus()
            return
        check = self.checks[self.at][0]
        self.send(AnswerCheck(check=check, verdict="pass" if name == "pass" else "fail", words=said.said))
