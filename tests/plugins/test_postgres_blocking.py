"""Who holds up whom, in words."""

from __future__ import annotations

from typing import Any

import pytest

from warroom_postgres.blocking import blocking


def a_session(pid: int, *blocked_by: int, waits: float = 3) -> dict[str, Any]:
    """One that waits for others, or an idle one."""
    more = {"waits": waits, "state": "active"} if blocked_by else {"age": 75, "state": "idle in transaction"}
    return {"pid": pid, "who": "api", "blocked_by": list(blocked_by) or None, "relation": None, **more}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        pytest.param([], "", id="nobody"),
        pytest.param(
            [a_session(1), a_session(2, 1), a_session(3, 2), a_session(4, 2, 1)],
            "pid 1 (api, idle in transaction 1 m 15 s) blocks pid 2 (api, waiting 3 s), pid 4 (api, waiting 3 s)"
            " and 1 other behind",
            id="a-chain",
        ),
        pytest.param([a_session(7, 0)], "a prepared transaction blocks pid 7 (api, waiting 3 s)", id="prepared"),
        pytest.param(
            [a_session(1, 2), a_session(2, 1)], "pid 1 (api, waiting 3 s) blocks pid 2 (api, waiting 3 s)", id="a-ring"
        ),
        pytest.param(
            [a_session(n) for n in range(1, 6)] + [a_session(10 + n, n) for n in range(1, 6)],
            "; ".join(
                f"pid {n} (api, idle in transaction 1 m 15 s) blocks pid {10 + n} (api, waiting 3 s)" for n in (1, 2, 3)
            )
            + "; and 2 more hold others up",
            id="many",
        ),
        pytest.param([{"pid": 9, "blocked_by": [8]}], "pid 8 blocks pid 9 (waiting)", id="nothing-known"),
    ],
)
def test_who_holds_up_whom_is_named(rows: list[dict[str, Any]], words: str) -> None:
    assert blocking(rows) == words
