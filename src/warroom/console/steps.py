"""What is read off a plan's steps: whether one changes anything, and what is known of one beside what was seen."""

from __future__ import annotations

from warroom.model.call import ApiCall, HttpCall
from warroom.model.plan import Step
from warroom.model.state import StepState

_LOOKS = ("GET", "HEAD")


def changes_nothing(step: Step) -> bool:
    """A step that is safe, and one whose every Call only asks."""
    calls = step.preview.calls
    asks = bool(calls) and all(isinstance(call, ApiCall | HttpCall) and call.method in _LOOKS for call in calls)
    return step.risk == "safe" or asks


def beside_the_look(state: StepState) -> str:
    """What is known of how a step went, without what its check saw: that is said by itself, and not twice."""
    seen = state.look.seen if state.look is not None else ""
    if not seen or not state.detail.endswith(seen):
        return state.detail
    return state.detail.removesuffix(seen).rstrip(" ;:").removesuffix("; now")
