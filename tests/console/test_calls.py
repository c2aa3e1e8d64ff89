"""A Call whose line is a screenful is drawn in its words; the whole of it stays within reach."""

from __future__ import annotations

from warroom.console.calls import call_rows, in_full
from warroom.model.call import ApiCall

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


def test_without_words_nothing_is_left_out() -> None:
    call = patch(LONG)
    assert len(drawn(call)) > 5
    assert in_full((call,), 76) == []
