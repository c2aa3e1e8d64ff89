"""What a sample of warroom's own requests counts: its one new observation, never the whole window again."""

from __future__ import annotations

import pytest

from warroom.errors import TimedOut, Unreachable, WarroomError
from warroom.model.call import CallResult
from warroom_http.config import Config
from warroom_http.declared import Measured
from warroom_http.measures import Window
from warroom_http.pages import measured
from warroom_http.signals import HttpSignals

REPLY = CallResult(status=200, seconds=0.1)


def a_signal(kind: str) -> Measured:
    return Measured.model_validate({"kind": kind, "path": "/", "window": "60s"})


@pytest.mark.parametrize(
    ("kind", "reply", "count"),
    [
        ("p95", REPLY, 1),
        ("error-ratio", REPLY, 1),
        ("p95", TimedOut("too long"), 1),
        ("p95", Unreachable("refused"), 0),
        ("error-ratio", Unreachable("refused"), 1),
    ],
)
def test_each_look_counts_itself(kind: str, reply: CallResult | WarroomError, count: int) -> None:
    signal, window = a_signal(kind), Window(60)
    for second in range(10):
        assert measured(signal, window, REPLY, second, 0.1).count == 1
    assert measured(signal, window, reply, 10, 5.0).count == count


def test_a_page_is_only_looked_at_and_a_flow_depends_on_what_it_is_for() -> None:
    flow = {"title": "sign in", "every": "5s", "steps": {"a": {"path": "/", "status": 200}}}
    config = Config.model_validate(
        {
            "base_url": "http://127.0.0.1:1",
            "flows": {"f": flow},
            "signals": {"page": {"kind": "health", "path": "/"}, "flow": {"kind": "flow", "flow": "f"}},
        }
    )
    offers = HttpSignals().offers(config)
    assert (offers["page"].active, offers["page"].every) == (False, config.every)
    assert (offers["flow"].active, offers["flow"].every) == (None, 5.0)
