"""What became of the rows where a database was swapped for a restored one, as the two were compared before that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from warroom.model.event import Event, StepEnded
from warroom.model.plan import Step
from warroom.report.markdown import escaped, table
from warroom.report.story import Story, body_of

MOST = 500
"""Tables that are listed."""
_COUNTS = ("rows_here", "here", "there", "changed")


def rows(story: Story) -> list[str]:
    """Empty where no database was swapped, or each was taken back. The figures are the comparison's own, by its outputs
    ``words`` and ``tables``: for each table its ``schema`` and ``name``, how many rows the one of before had
    (``rows_here``), how many of these the restored one has not (``here``), has otherwise (``changed``), and has besides
    (``there``). A swap that gives them itself, as they were accepted with its plan, is believed before a step that
    compared earlier; its ``since_compared`` says what came after that."""
    swaps = _swaps(story)
    if all(back is not None for _, back in swaps):
        return []
    lines: list[str] = []
    for swapped, back in swaps:
        lines += ["", *_told(story, swapped)] if back is None else ["", _taken_back(story, swapped, back)]
    return lines[1:]


def _taken_back(story: Story, swapped: Event, back: Event) -> str:
    return (
        f"The swap {story.cite(swapped)} was taken back {story.cite(back)}: what was written in between stayed behind"
    )


def _told(story: Story, swapped: Event) -> list[str]:
    compared = _compared(story, swapped)
    if compared is None:
        return [
            f"The database was swapped for a restored one, and nobody compared the two before {story.cite(swapped)}"
        ]
    outputs = body_of(compared, StepEnded).outputs
    cited = story.cite(swapped) if compared is swapped else story.cite(compared, swapped)
    lines = [f"Compared before the swap {cited}: {escaped(outputs['words'], 2000)}"]
    if since := _outputs(swapped).get("since_compared"):
        lines += ["", f"Seen after the swap {story.cite(swapped)}: {escaped(since, 2000)}"]
    told = list(_tables(outputs.get("tables", "")))
    found = [
        [escaped(name), *(f"{number:,}" for number in (total - here - changed, here, there + changed))]
        for name, total, here, there, changed in told[:MOST]
    ]
    if not found:
        return lines
    lines += ["", *table(("Table", "Kept", "Lost", "Brought back"), found)]
    if len(told) > MOST:
        lines += ["", f"… {len(told) - MOST:,} more tables."]
    return lines


def _outputs(event: Event) -> dict[str, str]:
    return event.body.outputs if isinstance(event.body, StepEnded) else {}


def _swaps(story: Story) -> list[tuple[Event, Event | None]]:
    """The steps that put a restored database in the live one's place, and what took each back since."""
    found: list[tuple[Event, Event | None]] = []
    for event in story.all(StepEnded, lambda body: body.status == "done"):
        step = _step(story, event)
        if step is None or step.role != "database" or step.operation != "swap":
            continue
        if not step.undoes:
            found.append((event, None))
            continue
        last = next((n for n in reversed(range(len(found))) if found[n][1] is None), None)
        if last is not None:
            found[last] = found[last][0], event
    return found


def _step(story: Story, event: Event) -> Step | None:
    body = body_of(event, StepEnded)
    plan = story.plans.get(body.plan)
    return next((each for each in plan.steps if each.id == body.step), None) if plan is not None else None


def _compared(story: Story, swapped: Event) -> Event | None:
    """The last comparison before it, of the very database that was swapped in: its own plan's, if there was time."""
    if {"words", "tables"} <= _outputs(swapped).keys():
        return swapped
    step = _step(story, swapped)
    wanted = step.args.get("database") if step is not None else None
    found = [
        event
        for event in story.all(
            StepEnded, lambda b: b.status == "done" and "words" in b.outputs and "tables" in b.outputs
        )
        if event.seq < swapped.seq and wanted in (None, body_of(event, StepEnded).outputs.get("database"))
    ]
    return found[-1] if found else None


def _tables(text: str) -> Iterator[tuple[str, int, int, int, int]]:
    """Nothing of what is not as it should be: it came out of a plugin."""
    try:
        listed: Any = json.loads(text)
    except ValueError:
        return
    for each in listed if isinstance(listed, list) else ():
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            continue
        counts = [each.get(name) for name in _COUNTS]
        if all(type(count) is int for count in counts):
            schema = str(each.get("schema", ""))
            name = each["name"] if schema in ("", "public") else f"{schema}.{each['name']}"
            yield (name, *counts)  # type: ignore[misc]  # four whole numbers, as was just seen
