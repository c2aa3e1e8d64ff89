"""What is read off a plan's steps: whether one changes anything, and what is known of one beside what was seen."""

from __future__ import annotations

from collections.abc import Sequence

from warroom.model.call import ApiCall, HttpCall
from warroom.model.plan import Step
from warroom.model.state import StepState

_LOOKS = ("GET", "HEAD")
CAN, CANNOT, NOTHING = "can be taken back", "can't be taken back", "nothing to take back"


def changes_nothing(step: Step) -> bool:
    """A step that is safe, and one whose every Call only asks."""
    calls = step.preview.calls
    asks = bool(calls) and all(isinstance(call, ApiCall | HttpCall) and call.method in _LOOKS for call in calls)
    return step.risk == "safe" or asks


def taking_back(step: Step, resumes: str = "") -> tuple[str, str]:
    """Whether it can be, in words, and their style. ``resumes``: the procedure that lets writes go on, where stopping
    them is all that is done: by hand too it takes that back."""
    if changes_nothing(step):
        return "changes nothing", "$text-muted"
    if step.preview.inverse:
        return CAN, "$text-muted"
    if step.preview.idle:
        return NOTHING, "$text-muted"
    return (f"taken back by “{resumes}”", "$text-muted") if resumes else (CANNOT, "$warning")


def taking_all_back(steps: Sequence[Step], resumes: str = "") -> str:
    """The same of a plan's steps together, in words."""
    changing = [step for step in steps if not changes_nothing(step)]
    told = {taking_back(step, resumes)[0] for step in changing} - {NOTHING}
    if len(told) > 1:
        return "can be taken back in part" if CANNOT in told else CAN
    return told.pop() if told else NOTHING if changing else "changes nothing"


def beside_the_look(state: StepState) -> str:
    """What is known of how a step went, without what its check saw: that is said by itself, and not twice."""
    seen = state.look.seen if state.look is not None else ""
    if not seen or not state.detail.endswith(seen):
        return state.detail
    return state.detail.removesuffix(seen).rstrip(" ;:").removesuffix("; now")
