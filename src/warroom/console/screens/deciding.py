"""Opening, answering, deciding, escalating, and the wheel."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Button, Input, OptionList, Static

from warroom.console.client import Client
from warroom.console.screens.base import Choice, Dialog, Reason, button, rows
from warroom.console.screens.fields import TypedName
from warroom.console.text import clean, line, wrapped
from warroom.model.base import clock_text, span_text
from warroom.model.decision import ADVICE, Advice, TreeAnswer
from warroom.model.intent import (
    AnswerQuestion,
    Decide,
    Escalate,
    OpenIncident,
    ReleaseWheel,
    TakeWheel,
)

_CHOICES: tuple[Advice, ...] = ("rollback-now", "rollback", "hotfix", "monitor")


class OpenScreen(Dialog):
    heading = "open an incident"
    hint = "enter opens it · esc goes back"

    def inside(self) -> ComposeResult:
        firing = self.store.firing()
        yield (
            rows(*(line(("✖ ", "$error"), t.title, ("  " + t.words, "$text-muted")) for t in firing[:5]))
            if firing
            else rows(line(("Nothing fires. An incident can be opened all the same.", "$text-muted")))
        )
        yield Input(
            value=clean(firing[0].title) if firing else "", placeholder="what is wrong, in a few words", id="title"
        )

    def buttons(self) -> ComposeResult:
        yield button("Open the incident", "open", "main")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#title", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.pressed("open")

    def pressed(self, name: str) -> None:
        title = self.query_one("#title", Input).value.strip()
        if not title:
            self.complain("Say in a few words what is wrong.")
            return
        self.send(OpenIncident(title=title))


class AnswerScreen(Dialog):
    """One question of the path, its one-word answers as buttons. ``y`` never means yes."""

    heading = "answer"
    hint = "arrows and tab choose a word · enter says it · esc goes back"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        tree = client.store.tree()
        self.path: tuple[TreeAnswer, ...] = tree.path if tree else ()
        opened = [i for i, a in enumerate(self.path) if a.answer is None]
        self.at = opened[0] if opened else max(0, len(self.path) - 1)

    @property
    def question(self) -> TreeAnswer:
        return self.path[self.at]

    def inside(self) -> ComposeResult:
        if len(self.path) > 1:
            prompts = [line(a.ask, "  ", ((a.answer or "?").upper(), "bold")) for a in self.path]
            yield Choice(*prompts)
        yield Static("", id="question", markup=False)
        yield Reason("why (needed when you say other than what was measured)", draft="answer", goes_on=True)

    def buttons(self) -> ComposeResult:
        yield from self._words()

    def _words(self) -> list[Button]:
        made = [button(choice.upper(), f"say-{index}") for index, choice in enumerate(self.question.choices)]
        if self.question.by == "person":
            made.append(button("Take back", "take-back"))
        return [*made, button("Cancel", "cancel")]

    def on_mount(self) -> None:
        super().on_mount()
        if len(self.path) > 1:
            self.query_one(Choice).highlighted = self.at
        self._show()
        self.query_one("#say-0", Button).focus()

    def _show(self) -> None:
        asked, cells = self.question, 68
        lines = wrapped(asked.ask, cells, "bold")
        if asked.answer is not None:
            lines.append(
                line(("now: ", "$text-muted"), (asked.answer.upper(), "bold"), (f" ({asked.by})", "$text-muted"))
            )
        if asked.evidence:
            lines += wrapped(asked.evidence, cells, "$text-muted")
        self.query_one("#question", Static).update(rows(*lines).content)

    async def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        now = event.option_list.highlighted
        if now is None or now == self.at:
            return
        self.at = now
        self._show()
        bar = self.query_one("#buttons")
        await bar.remove_children()
        await bar.mount_all(self._words())

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.query_one("#say-0", Button).focus()

    def pressed(self, name: str) -> None:
        asked, reason = self.question, self.query_one(Reason).said
        if name == "take-back":
            self.send(AnswerQuestion(node=asked.node, answer=None, reason=reason))
            return
        answer = asked.choices[int(name.removeprefix("say-"))]
        if asked.by in ("signals", "timer") and answer != asked.answer and not reason:
            self.complain(
                f"What was measured says {(asked.answer or '?').upper()}: say why you answer {answer.upper()}."
            )
            self.query_one(Reason).focus()
            return
        self.send(AnswerQuestion(node=asked.node, answer=answer, reason=reason))


class DecideScreen(Dialog):
    heading = "decide"
    hint = "tab and arrows choose · enter records it · esc goes back"

    def inside(self) -> ComposeResult:
        tree = self.store.tree()
        lines = []
        if tree is not None and tree.advice is not None:
            lines.append(line(("The tree advises: ", "$text-muted"), (tree.title or ADVICE[tree.advice], "bold")))
            cells = max(40, min(94, int(self.app.size.width * 0.96) - 6))
            lines += wrapped(tree.reason, cells, "")
            lines += wrapped(tree.would_change, cells, "$text-muted italic")
        else:
            lines.append(
                line(
                    (
                        f"The tree advises nothing yet: a question is open ({self.store.key('answer')} answers it).",
                        "$warning",
                    )
                )
            )
        yield rows(*lines)
        yield Reason("why (needed when you go against the advice)", draft="decide", goes_on=True)

    def buttons(self) -> ComposeResult:
        for choice in _CHOICES:
            yield button(ADVICE[choice], f"choose-{choice}")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        tree = self.store.tree()
        advised = tree.advice if tree else None
        self.query_one(f"#choose-{advised}" if advised else "#cancel", Button).focus()

    def pressed(self, name: str) -> None:
        tree, reason = self.store.tree(), self.query_one(Reason).said
        choice = next(c for c in _CHOICES if name == f"choose-{c}")
        if (tree is None or tree.advice != choice) and not reason:
            self.complain("That is not what the tree advises: say why.")
            self.query_one(Reason).focus()
            return
        self.send(Decide(choice=choice, reason=reason))


class WheelScreen(Dialog):
    """Taking the wheel asks for the service's name, typed; giving it back does not."""

    heading = "the wheel"

    def inside(self) -> ComposeResult:
        driver, service = self.store.state.driver, self.store.runbook.service if self.store.runbook else ""
        yield rows(
            line(f"{driver} drives." if driver else "Nobody drives."),
            line(("Who drives decides and runs plans; everybody else can look, note and acknowledge.", "$text-muted")),
        )
        if driver != self.store.me or not driver:
            yield rows(line("To take the wheel, type the service's name: ", (service, "bold")))
            yield TypedName(service)

    def buttons(self) -> ComposeResult:
        if self.store.state.driver == self.store.me:
            yield button("Give it back", "release")
        else:
            yield button("Take the wheel", "take", "main")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        first = self.query(TypedName)
        if first:
            first.first().focus()
        else:
            self.query_one("#cancel", Button).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.pressed("take")

    def on_typed_name_pasted(self, event: TypedName.Pasted) -> None:
        self.complain("Paste is refused here: type the name.")

    def pressed(self, name: str) -> None:
        if name == "release":
            self.send(ReleaseWheel())
            return
        typed = self.query_one(TypedName)
        if not typed.right:
            self.complain(f"That is not {typed.wanted}.")
            typed.focus()
            return
        self.send(TakeWheel(service=typed.value))


class EscalateScreen(Dialog):
    heading = "escalate"
    hint = "tab to the button · enter escalates · esc goes back"

    def inside(self) -> ComposeResult:
        runbook, elapsed = self.store.runbook, self.store.elapsed() or 0
        if runbook is None:
            return
        lines = [line(("T+" + clock_text(elapsed), "bold"), (" since detection", "$text-muted"))]
        called = {e.step for e in self.store.state.escalations}
        for index, step in enumerate(runbook.escalation):
            sign = ("✔ ", "$success") if index in called else ("○ ", "$text-muted")
            names = ", ".join(
                f"{runbook.contacts[c].title} {runbook.contacts[c].reach}".strip() if c in runbook.contacts else c
                for c in step.contacts
            )
            lines.append(line(sign, (f"{span_text(step.after) or 'at once'}".ljust(8), "$text-muted"), step.sentence))
            if names:
                lines.append(line(("            " + names, "$text-muted")))
        yield rows(*lines)
        yield Reason("what they should know", draft="escalate")

    def buttons(self) -> ComposeResult:
        yield button("Call the next people now", "escalate", "main")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#cancel", Button).focus()

    def pressed(self, name: str) -> None:
        self.send(Escalate(reason=self.query_one(Reason).said))
