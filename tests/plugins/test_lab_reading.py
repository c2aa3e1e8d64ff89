"""What the lab's plugin reads out of what it is given: rates, percentiles, log lines, arguments, configuration."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from warroom_lab import plugin
from warroom_lab.config import Config
from warroom_lab.logs import read_line
from warroom_lab.signals import Counted, called, error_ratio, p95


def counted(at: float, answers: dict[tuple[str, int], int], latency: tuple[int, ...] = (0, 0, 0)) -> Counted:
    return Counted(at, answers, latency, (10.0, 20.0))


def test_rates_are_of_what_was_counted_in_between() -> None:
    before = counted(10, {("A", 200): 5, ("A", 500): 1}, (5, 0, 1))
    spent = counted(12, {("A", 200): 8, ("A", 500): 2, ("A", 0): 1}, (8, 0, 3)).since(before)
    assert spent is not None
    assert spent.at == 2
    assert error_ratio(spent) == (0.4, 5, "2 of 5")
    assert error_ratio(spent, "B") == (None, 0, "0 of 0")
    assert p95(spent)[:2] == (20.0, 5)
    assert counted(12, {("A", 200): 4, ("A", 500): 1}, (4, 0, 1)).since(before) is None
    assert p95(counted(1, {}, (100, 0, 0)))[0] == pytest.approx(9.5)
    assert p95(counted(1, {})) == (None, 0, "no requests")


def test_a_service_works_while_most_calls_of_it_do() -> None:
    before = {"ai": {"ok": 10, "failed": 1}, "mail": {"ok": 4, "failed": 0}}
    after = {"ai": {"ok": 11, "failed": 2}, "mail": {"ok": 6, "failed": 1}}
    assert called(before, after) == {
        "ai-provider": (0.0, 2, "1 of 2 calls failed"),
        "email-service": (1.0, 3, "1 of 3 calls failed"),
    }
    assert called(after, after)["ai-provider"] == (None, 0, "0 of 0 calls failed")
    assert called({}, before)["email-service"] == (1.0, 4, "0 of 4 calls failed")
    # another process counts from nothing: what came in between is not known
    assert set(called(after, {"ai": {"ok": 12, "failed": 2}, "mail": {"ok": 0, "failed": 5}})) == {"ai-provider"}


@pytest.mark.parametrize(
    ("source", "text", "level", "shown"),
    [
        (
            "app",
            '{"time": "2026-11-22T23:26:56.060Z", "level": "info", "message": "request", "route": "GET /x", "ms": 0.7}',
            "info",
            'request route="GET /x" ms=0.7',
        ),
        ("app", '{"time": 1}', "unknown", '{"time": 1}'),
        ("app", "Traceback (most recent call last):", "unknown", "Traceback (most recent call last):"),
        ("app", "[1]", "unknown", "[1]"),
        (
            "postgres",
            "2026-11-22 22:54:10.376 UTC [30] ERROR:  x",
            "error",
            "2026-11-22 22:54:10.376 UTC [30] ERROR:  x",
        ),
        ("postgres", "\tcontinued", "unknown", "\tcontinued"),
        (
            "redis",
            "30:M 22 Nov 2026 22:54:10.376 # WARNING x",
            "warning",
            "30:M 22 Nov 2026 22:54:10.376 # WARNING x",
        ),
    ],
)
def test_a_line_is_read_for_what_it_says(source: str, text: str, level: str, shown: str) -> None:
    line = read_line(source, text)
    assert (line.source, line.level, line.text) == (source, level, shown)


@pytest.mark.parametrize("ref", ["", "-x", "--force", "a b", "v1;id", "x" * 200, "../x"])
def test_a_ref_is_checked_before_anything_is_asked(ref: str) -> None:
    operation = plugin.operation("deploy")
    assert operation is not None
    with pytest.raises(ValidationError):
        operation.args.model_validate({"ref": ref})


@pytest.mark.parametrize("config", [{}, {"lab_file": "lab.json"}, {"lab_file": "/x"}, {"lab_file": "/l.json", "x": 1}])
def test_a_wrong_configuration_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate(config)
