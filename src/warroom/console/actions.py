"""What each key does once it may: send an intent, or open the dialog that asks for what is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from warroom.console.looking import Looking
from warroom.console.panes.checklist import ChecklistPane
from warroom.console.screens import deciding, ending, planning, preparing, run, running
from warroom.console.screens.checks import ChecksScreen
from warroom.console.screens.emergency import EmergencyScreen
from warroom.console.screens.plan import PlanScreen
from warroom.console.screens.target import TargetScreen
from warroom.console.screens.ways import WaysScreen
from warroom.console.screens.writing import MessageScreen, NoteScreen
from warroom.model.cutover import as_it_stands
from warroom.model.escalation import call_id, open_calls
from warroom.model.intent import Acknowledge, CaptureEvidence, MarkItem, Undo, Verify, Veto, WriteReport

if TYPE_CHECKING:
    from warroom.console.app import WarroomConsole


class Actions:
    """One method for each action of the keymap; a test holds the two together."""

    def __init__(self, app: WarroomConsole) -> None:
        self.app = app
        self.client = app.client
        self.looking = Looking(app)

    def do(self, name: str) -> None:
        if name.startswith("pane-"):
            self.app.main.go(int(name.removeprefix("pane-")))
            return
        work: Callable[[], None] = self.method(name)
        work()

    def method(self, name: str) -> Callable[[], None]:
        attribute = name.replace("-", "_")
        found: Callable[[], None] = getattr(self, attribute, None) or getattr(self.looking, attribute)
        return found

    # Decide

    def open(self) -> None:
        self.app.push_screen(deciding.OpenScreen(self.client))

    def wheel(self) -> None:
        self.app.push_screen(deciding.WheelScreen(self.client))

    def acknowledge(self) -> None:
        """What fires, and the calls that are due: whoever presses it says that their people know."""
        store = self.client.store
        calls = [call_id(step) for step, _ in open_calls(store.runbook, store.state)] if store.runbook else []
        firing = [t.id for t in store.firing() if t.id not in store.state.acknowledged]
        self.app.send(*(Acknowledge(what=what) for what in (*firing, *calls)))

    def answer(self) -> None:
        self.app.push_screen(deciding.AnswerScreen(self.client))

    def decide(self) -> None:
        self.app.push_screen(deciding.DecideScreen(self.client))

    def escalate(self) -> None:
        self.app.push_screen(deciding.EscalateScreen(self.client))

    # Prepare

    def message(self) -> None:
        self.app.push_screen(MessageScreen(self.client))

    def capture(self) -> None:
        self.app.send(CaptureEvidence())

    def note(self) -> None:
        self.app.push_screen(NoteScreen(self.client))

    def target(self) -> None:
        self.app.push_screen(TargetScreen(self.client))

    def _checklist(self) -> ChecklistPane | None:
        """The checklist, in sight. The first press only shows which line is meant: nothing is ticked unread."""
        pane = self.app.main.query_one(ChecklistPane)
        if pane.has_focus:
            return pane
        self.app.main.go(pane.number) if not pane.display else pane.focus()
        line = pane.chosen()
        if line is not None:
            self.app.tell(f"This key is about: {line.number} {line.sentence}. Press it again, or move with the arrows.")
        return None

    def tick(self) -> None:
        pane = self._checklist()
        line = pane.chosen() if pane else None
        if line is None:
            return
        if line.status == "done" and line.id not in self.client.store.state.marks:
            self.app.tell(f"{line.number} ticked itself: {line.how}")
            return
        if pane is not None:
            pane.cursor = line.id  # it stays: a second press takes the tick back, and never ticks the next line
        self.app.send(MarkItem(item=line.id, mark="ticked" if line.status == "open" else "open"))

    def waive(self) -> None:
        pane = self._checklist()
        line = pane.chosen() if pane else None
        if line is not None:
            self.app.push_screen(preparing.WaiveScreen(self.client, line))

    # Act

    def emergency(self) -> None:
        self.app.push_screen(EmergencyScreen(self.client))

    def plan(self) -> None:
        """Reading the plan; preparing one where there is none, where it goes to what is the target no more, or where
        what was stopped or taken back is done."""
        store = self.client.store
        plan, chosen = store.plan, store.state.target
        done = plan is not None and plan.status == "done" and plan.plan.purpose != "rollback"
        aside = done or as_it_stands(store.state) is not store.state
        goal = plan.plan.target if plan is not None else None
        past = goal is not None and chosen is not None and not goal.matches(chosen.release) and not store.run_going()
        if plan is None or plan.status == "voided" or aside or past:
            self.procedure()
        else:
            self.read_plan()

    def procedure(self) -> None:
        store = self.client.store
        if store.run_going():
            self.app.tell("A plan is running: it must end first.", bad=True)
            return
        self.app.push_screen(planning.ProcedureScreen(self.client))

    def read_plan(self) -> None:
        self.app.push_screen(PlanScreen(self.client, lambda: self.app.act("run"), self.procedure))

    def run(self) -> None:
        self.app.push_screen(run.RunScreen(self.client))

    def abort(self) -> None:
        self.app.push_screen(running.AbortScreen(self.client))

    def veto(self) -> None:
        """At once: a countdown is no time for a dialog. Why it was is noted afterwards."""
        self.app.send(Veto())

    def stop_writes(self) -> None:
        self.app.push_screen(EmergencyScreen(self.client, "stop-writes"))

    def claim(self) -> None:
        self.app.push_screen(running.ClaimScreen(self.client))

    def resolve(self) -> None:
        self.app.push_screen(running.ResolveScreen(self.client))

    def undo(self) -> None:
        self.app.send(Undo())

    # Afterwards

    def verify(self) -> None:
        self.app.send(Verify())

    def checks(self) -> None:
        self.app.push_screen(ChecksScreen(self.client))

    def ways(self) -> None:
        self.app.push_screen(WaysScreen(self.client, self.escalate))

    def report(self) -> None:
        self.app.send(WriteReport())

    def close(self) -> None:
        self.app.push_screen(ending.CloseScreen(self.client))
