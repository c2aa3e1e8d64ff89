"""What the report tells of rows: the comparison of the database that was swapped in, and nothing that is not there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from warroom.model import event as ev
from warroom.model.event import Body
from warroom.report import post_mortem
from warroom.report.status import sentences, status
from warroom.testing.builders import a_plan, a_preview, a_step, an_incident, at, events

TABLES = [
    {"schema": "public", "name": "User", "rows_here": 3001, "here": 0, "there": 0, "changed": 103},
    {"schema": "app", "name": "Me|ssage", "rows_here": 12_268, "here": 68, "there": 2, "changed": 0},
]
COMPARED = a_plan(
    a_step("compare", operation="compare", role="other"), purpose="other", procedure="restore", target=None
)


def swap(**more: Any) -> Any:
    step = a_step("swap", operation="swap", role="database", args={"database": "beside"}, **more)
    return a_plan(step, id="plan-2", procedure="swap")


def ended(plan: Any, step: str, status: Any = "done", **outputs: str) -> tuple[Body, ...]:
    return (
        ev.PlanProposed(plan=plan, hash=plan.hash),
        ev.StepEnded(plan=plan.hash, step=step, attempt=1, status=status, detail="", outputs=outputs),
    )


def compared(tables: Any = TABLES, database: str = "beside") -> tuple[Body, ...]:
    text = tables if isinstance(tables, str) else json.dumps(tables)
    return ended(COMPARED, "compare", words="you lose 68 rows", tables=text, database=database)


def told(*bodies: Body) -> str:
    """The section's text; empty where there is none."""
    report = post_mortem(events(an_incident(), *bodies), now=at(60))
    return report.partition("## Rows\n\n")[2].partition("\n## ")[0]


def test_a_swap_is_told_by_table() -> None:
    text = told(*compared(), *ended(swap(), "swap"))
    assert text.startswith("Compared before the swap [#3] [#5]: you lose 68 rows")
    assert "| User | 2,898 | 0 | 103 |" in text
    assert r"| app.Me\|ssage | 12,200 | 68 | 2 |" in text


@pytest.mark.parametrize("status", ["failed", "unknown"])
def test_what_was_not_swapped_has_lost_nothing(status: str) -> None:
    assert told(*compared()) == ""
    assert told(*compared(), *ended(swap(), "swap", status)) == ""


def test_what_was_taken_back_has_lost_nothing() -> None:
    undo = a_plan(a_step("undo-swap", operation="swap", role="database", undoes=True), id="plan-3", purpose="undo")
    assert told(*compared(), *ended(swap(), "swap"), *ended(undo, "undo-swap")) == ""


def test_what_was_accepted_with_the_swap_itself_is_told_and_nothing_older() -> None:
    """More was written between the step that compared and the plan, and again until the swap."""
    now = json.dumps([{**TABLES[0], "rows_here": 3010, "here": 9}])
    own = {"words": "you lose 9 rows", "tables": now, "since_compared": "BEYOND that: 2 rows more of User"}
    text = told(*compared(), *ended(swap(), "swap", **own))
    assert text.startswith("Compared before the swap [#5]: you lose 9 rows\n\nSeen after the swap [#5]: BEYOND that")
    assert "| User | 2,898 | 9 | 103 |" in text
    assert "68" not in text


def test_a_second_swap_is_told_beside_the_first() -> None:
    undo = a_plan(a_step("undo-swap", operation="swap", role="database", undoes=True), id="plan-3", purpose="undo")
    again = a_plan(
        a_step("swap", operation="swap", role="database", args={"database": "beside"}), id="plan-4", procedure="swap"
    )
    second = ended(again, "swap", words="you lose 9 rows", tables="[]")
    text = told(*compared(), *ended(swap(), "swap"), *ended(undo, "undo-swap"), *second)
    assert text.splitlines()[0] == "The swap [#5] was taken back [#7]: what was written in between stayed behind"
    assert "Compared before the swap [#9]: you lose 9 rows" in text
    assert "68" not in text, "what was taken back has lost nothing"
    both = told(*compared(), *ended(swap(), "swap"), *second)
    assert both.index("Compared before the swap [#3] [#5]: you lose 68 rows") < both.index("[#7]: you lose 9 rows")


def test_a_swap_that_nobody_compared_says_so() -> None:
    words = "The database was swapped for a restored one, and nobody compared the two before"
    assert told(*ended(swap(), "swap")).startswith(words)
    assert told(*compared(database="another"), *ended(swap(), "swap")).startswith(words)


@pytest.mark.parametrize(
    "tables",
    ["{", "7", '[7, {"name": 7}]', '[{"name": "User", "rows_here": "3", "here": 1, "there": 1, "changed": 1}]'],
)
def test_what_is_no_comparison_is_left_out(tables: str) -> None:
    text = told(*compared(tables), *ended(swap(), "swap"))
    assert "you lose 68 rows" in text
    assert "|" not in text


def test_what_a_swap_left_behind_is_told_until_it_was_taken_back() -> None:
    left = swap(preview=a_preview(leaves=("kept as shop~before", "undo the swap to go back")))
    back = a_plan(a_step("undo-swap", operation="swap", role="database", undoes=True), id="plan-3", purpose="undo")
    text = post_mortem(events(an_incident(), *ended(left, "swap")), now=at(60))
    assert "- Left behind: kept as shop" in text
    assert "before; undo the swap to go back [#3]" in text, "a tilde is escaped"
    found = status(events(an_incident(), *ended(left, "swap")), at(60))
    assert found is not None
    assert "kept as shop~before." in sentences(found)
    text = post_mortem(events(an_incident(), *ended(left, "swap"), *ended(back, "undo-swap")), now=at(60))
    assert "Left behind" not in text


def test_what_was_swapped_in_is_not_called_a_release() -> None:
    swapped = a_plan(a_step("swap", operation="swap", role="database"), id="plan-4", title="Swap it in", target=None)
    over = ev.RunEnded(hash=swapped.hash, outcome="done", detail="", seconds=1)
    begun = ev.RunStarted(hash=swapped.hash)
    text = post_mortem(events(an_incident(), *ended(swapped, "swap"), begun, over), now=at(60))
    assert "- Done, with the release as it was: Swap it in [#" in text
