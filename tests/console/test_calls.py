"""A Call whose line is a screenful is drawn in its words; the whole of it stays within reach."""

from __future__ import annotations

from warroom.console.calls import call_rows, in_full
from warroom.console.screens.plan import about_plan, about_step
from warroom.console.steps import changes_nothing, taking_all_back
from warroom.model.call import ApiCall
from warroom.model.event import PlanProposed
from warroom.testing.builders import a_plan, a_preview, a_state, a_step

PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
LONG = "kubectl -n shop patch deployment/web --type=json -p '" + '[{"op": "test"}, ' * 40 + "]'"
BRIEF = "the template of now (shop:crash3), by one guarded patch"


def patch(line: str, brief: str = "") -> ApiCall:
    return ApiCall(method="PATCH", path=PATH, body=[], line=line, brief=brief)


def drawn(call: ApiCall, *, whole: bool = False) -> list[str]:
    return [row.plain for row in call_rows(call, 76, "", "  back: ", whole=whole)]


def test_a_screenful_is_said_in_words_and_can_be_read_in_full() -> None:
    call = patch(LONG, BRIEF)
    assert drawn(call) == [f"  back: {BRIEF}"]
    assert len(drawn(call, whole=True)) > 5
    assert in_full((call,), 76) == [call]


def test_a_short_line_stands_as_it_is() -> None:
    call = patch("kubectl -n shop scale deployment/web --replicas=3", BRIEF)
    assert drawn(call) == ["  back: kubectl -n shop scale deployment/web --replicas=3"]
    assert in_full((call,), 76) == []


def test_a_step_that_only_asks_changes_nothing_whatever_its_operation_could() -> None:
    look = ApiCall(method="GET", path=PATH, line="kubectl -n shop get deployment/web")
    for calls, nothing in (((look,), True), ((look, patch("kubectl scale")), False)):
        step = a_step(risk="disruptive", preview=a_preview(calls=calls, inverse=None, no_inverse="it is so already"))
        assert changes_nothing(step) is nothing
        words = " ".join(row.plain for row in about_step(step, 76))
        assert ("changes nothing: it is so already" in words) is nothing
        assert ("can't be taken back: it is so already" in words) is not nothing


def test_a_step_s_calls_and_its_way_back_are_read_before_what_is_noted_of_it() -> None:
    back = patch("kubectl scale --replicas=3")
    preview = a_preview(calls=(patch("kubectl scale --replicas=0"),), inverse=(back,), notes=("an outage",))
    rows = [row.plain.strip() for row in about_step(a_step(preview=preview), 76)]
    order = ["$ kubectl scale --replicas=0", "$ kubectl scale --replicas=3", "! an outage"]
    assert sorted(order, key=rows.index) == order


def test_a_hash_is_whole_on_one_line_of_eighty_cells() -> None:
    """Torn in two it is neither read aloud nor compared."""
    plan = a_plan(a_step())
    state = a_state(PlanProposed(plan=plan, hash=plan.hash)).plan
    assert state is not None
    assert about_plan(state, None, 72)[-1].plain == f"hash {plan.hash.removeprefix('sha256:')}"


def test_without_words_nothing_is_left_out() -> None:
    call = patch(LONG)
    assert len(drawn(call)) > 5
    assert in_full((call,), 76) == []


def test_what_is_so_already_has_nothing_to_take_back_and_is_not_called_final() -> None:
    """Stopping what stands still: what stopped it has its own way back."""
    stop = {"calls": (patch("kubectl scale"),), "inverse": None}
    idle = a_step("stop", preview=a_preview(**stop, no_inverse="it stood still already", idle=True))
    final = a_step("drop", preview=a_preview(**stop, no_inverse="it is gone"))
    back = a_step("scale", preview=a_preview(calls=(patch("kubectl scale"),), inverse=(patch("kubectl scale"),)))
    safe = a_step("look", risk="safe", preview=a_preview(**stop, no_inverse="it only looks"))
    words = " ".join(row.plain for row in about_step(idle, 76))
    assert "nothing to take back: it stood still already" in words
    assert "can't be taken back" not in words
    assert taking_all_back([idle]) == "nothing to take back"
    assert taking_all_back([idle, back]) == "can be taken back"
    assert taking_all_back([idle, final]) == "can't be taken back"
    assert taking_all_back([back, final]) == "can be taken back in part"
    assert taking_all_back([safe]) == taking_all_back([]) == "changes nothing"
    assert taking_all_back([final], "Let writes go on") == "taken back by “Let writes go on”"
