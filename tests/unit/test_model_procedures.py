"""Which procedures can be prepared as things stand, what the others wait for, and in which order they are offered."""

from __future__ import annotations

from typing import Any

from warroom.model.event import TargetChosen
from warroom.model.procedures import offered
from warroom.testing.builders import a_release, a_runbook, a_state


def made(*, op: str = "", kind: str = "rollback", needs: tuple[str, ...] = (), to: str = "") -> dict[str, Any]:
    step: dict[str, Any] = {"op": op, "with": {"version": to}} if op else {"manual": {"do": f"it {to}"}}
    return {"title": "t", "use_when": "u", "kind": kind, "needs": needs, "steps": {"s": {"title": "t", **step}}}


PROCEDURES = {
    "elsewhere": made(op="cloud.undo", needs=("lab", "cloud")),
    "stop": made(op="lab.stop", kind="stop-writes"),
    "by-hand": made(),
    "ours": made(op="lab.deploy", needs=("lab",)),
    "names-it": made(kind="database", to="${target.version}"),
    "beside": made(kind="other"),
}


def test_what_can_be_done_comes_first_and_the_rest_says_what_it_waits_for() -> None:
    book = a_runbook(procedures=PROCEDURES)
    without = {offer.name: offer.why_not for offer in offered(book, a_state())}
    assert list(without) == ["ours", "stop", "beside", "by-hand", "names-it", "elsewhere"]
    assert list(without.values()) == ["no target", "", "", "no target", "no target", "needs cloud"]
    chosen = a_state(TargetChosen(release=a_release(), reason="typed"))
    there = {offer.name: offer.why_not for offer in offered(book, chosen)}
    assert list(there) == ["ours", "by-hand", "stop", "names-it", "beside", "elsewhere"]
    assert [name for name, why in there.items() if why] == ["elsewhere"]


def test_a_step_that_is_only_taken_along_needs_no_target_before_it_is() -> None:
    beside = made(kind="other", to="${target.version}")
    beside["steps"] = {"s": {**beside["steps"]["s"], "if_needed": True}, "t": {"title": "t", "manual": {"do": "it"}}}
    (offer,) = offered(a_runbook(procedures={"beside": beside}), a_state())
    assert offer.why_not == ""
