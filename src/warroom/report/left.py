"""What plans left behind that somebody may want back, or out of the way: by what their steps said of it."""

from __future__ import annotations

from warroom.model.event import Event, StepEnded, StepResolved
from warroom.model.plan import Step
from warroom.report.markdown import escaped
from warroom.report.story import Story


def left_behind(story: Story) -> list[str]:
    """A line for each; none of what was taken back, put to use or dropped since, or of a step that ran again and left
    something else."""
    left: dict[tuple[str, ...], tuple[Event, Step]] = {}
    for event in story.events:
        step = _done(story, event)
        if step is None:
            continue
        preview, what = step.preview, (step.platform, step.operation)
        for key in [key for key in left if set(key[2:]) & set(preview.ends)]:
            del left[key]
        if step.undoes and not preview.ends:
            left.pop(what, None)
        if preview.leaves or preview.keeps:
            left[(*what, *preview.keeps)] = event, step
    return [f"- Left behind: {escaped(_words(step), 1000)} {story.cite(event)}" for event, step in left.values()]


def _words(step: Step) -> str:
    return "; ".join(step.preview.leaves) or f"{', '.join(step.preview.keeps)}, by “{step.title}”"


def _done(story: Story, event: Event) -> Step | None:
    """The step that was seen to be done, or that a person says is."""
    body = event.body
    seen = isinstance(body, StepEnded) and body.status == "done"
    if not seen and not (isinstance(body, StepResolved) and body.choice == "done"):
        return None
    assert isinstance(body, StepEnded | StepResolved)
    plan = story.plans.get(body.plan)
    return next((step for step in plan.steps if step.id == body.step), None) if plan is not None else None
