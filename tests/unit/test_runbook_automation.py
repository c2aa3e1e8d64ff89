"""What warroom may do by itself is refused at load unless it is safe as it is written, with its place in the file."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import runbooks
from tests.runbooks import HEAD, SHOP, loaded, mistakes
from warroom.api import Plugin, SignalOffer
from warroom.model.automation import Between
from warroom.testing.clock import START

PRODUCTION = """\
extends: default
format: 1
service: shop
environment: {kind: production, fingerprints: {shop: a1}}
platforms: {shop: {plugin: shop, config: {address: here}}}
"""
STEP = "{title: s, op: shop.restart, with: {version: v1}, role: application}"
BY_HAND = "{title: h, manual: {do: x}}"
WIRED = "signals:\n  csrf-protection:\n    title: CSRF\n    unit: state\n    source: {platform: shop, signal: csrf}\n"
POLICY = "automatic_rollback: {trigger: high-error-rate, procedure: back, countdown: 60s}\n"


def offering(monkeypatch: pytest.MonkeyPatch, active: bool | None, every: float | None) -> None:
    class Offers:
        def offers(self, config: Any) -> dict[str, SignalOffer]:
            return {"csrf": SignalOffer("CSRF", "state", active=active, every=every)}

    fields = {**SHOP.__dict__, "signals": Offers()}
    monkeypatch.setattr(runbooks, "SHOP", Plugin(**fields))


def back(*steps: str, kind: str = "rollback") -> str:
    named = "".join(f"      s{i}: {step}\n" for i, step in enumerate(steps))
    return f"procedures:\n  back:\n    title: Back\n    use_when: bad\n    kind: {kind}\n    steps:\n{named}"


@pytest.mark.parametrize(
    ("active", "every", "leave", "said"),
    [
        (
            True,
            600,
            "",
            '10:13: found an active probe for "csrf-protection" in production, without leave, expected '
            "active_probes: {csrf-protection: {every: 10m}}",
        ),
        (None, 600, "", "10:13: found an active probe"),
        (True, 600, "{every: 10m}", ""),
        (None, 600, "{every: 5m, account: probe@example.com}", ""),
        (True, 30, "{every: 10m}", "10:13: found a probe every 30 s, expected at most one every 10 m"),
        (True, None, "{every: 10m}", '10:13: found a source of "csrf-protection" that does not say how often it tries'),
        (False, None, "", ""),
        (True, 600, "{every: 1s}", '11:42: found the text "1s", expected a number of at least 10'),
    ],
)
def test_an_active_probe_in_production_needs_leave_and_a_pace(
    active: bool | None, every: float | None, leave: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offering(monkeypatch, active, every)
    text = PRODUCTION + WIRED + (f"active_probes: {{csrf-protection: {leave}}}\n" if leave else "")
    found = mistakes(tmp_path, text)
    assert (not found and not said) or any(each.startswith(said) for each in found), found


def test_a_drill_may_try_what_it_likes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offering(monkeypatch, active=True, every=1)
    assert mistakes(tmp_path, PRODUCTION.replace("production", "staging") + WIRED) == []


def test_leave_for_nothing_is_told(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, HEAD + "active_probes: {crsf-protection: {every: 10m}}\n")
    assert found.startswith('5:17: found the unknown signal "crsf-protection"')
    assert 'did you mean "csrf-protection"?' in found


def test_the_three_security_conditions_of_the_default_need_leave() -> None:
    from warroom.runbook import default_runbook

    book = default_runbook()
    assert [c for _, _, c, condition in book.conditions() if condition.active_probe] == [
        "csrf",
        "rate-limit",
        "auth-bypass",
    ]
    assert book.automatic_rollback is None


@pytest.mark.parametrize(
    ("procedure", "policy", "said"),
    [
        (back(STEP), POLICY, ""),
        (back(STEP, "{title: c, manual: {do: x}, if_needed: true}"), POLICY, ""),
        (back(STEP), POLICY.replace("high-error-rate", "redis-failing"), 'found the warning "redis-failing"'),
        (back(STEP), POLICY.replace("high-error-rate", "security"), 'found "security", at which writes are stopped'),
        (back(STEP), POLICY.replace("high-error-rate", "high-error"), 'found the unknown trigger "high-error"'),
        (back(STEP), POLICY.replace(": back", ": forth"), 'found the unknown procedure "forth"'),
        (back(STEP), POLICY.replace("60s", "10s"), "found 10 s to veto in production, expected 30s or more"),
        (back(STEP, kind="database"), POLICY, 'found "back", a database procedure'),
        (back(STEP, BY_HAND), POLICY, 'found "back", whose step s1 is done by hand'),
        (back(STEP, STEP.replace("application", "database")), POLICY, 'found "back", whose step s1 is destructive'),
        (
            back(STEP.replace("v1}", "'${choice.it}'}"))
            + "    choices: {it: {title: The version, use: shop.versions}}\n",
            POLICY,
            'found "back", which needs a person to choose',
        ),
        (back(STEP.replace("application", "other")), POLICY, 'found "back", which rolls no application back'),
    ],
)
def test_an_automatic_rollback_is_safe_as_it_is_written(procedure: str, policy: str, said: str, tmp_path: Path) -> None:
    found = mistakes(tmp_path, PRODUCTION + procedure + policy)
    assert (found == []) if not said else any(said in each and each[0].isdigit() for each in found), found


def test_an_operation_that_destroys_is_none_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runbooks.Restart, "risk", "destructive")
    (found,) = mistakes(tmp_path, PRODUCTION + back(STEP) + POLICY)
    assert 'found "back", whose step s0 is destructive, expected one that rolls back the app alone' in found


def test_production_needs_the_platform_s_fingerprint_for_it(tmp_path: Path) -> None:
    text = PRODUCTION.replace(", fingerprints: {shop: a1}", "") + back(STEP) + POLICY
    (found,) = mistakes(tmp_path, text)
    assert 'found "back" on shop, whose fingerprint is not written down' in found


@pytest.mark.parametrize("value", ["{after: 22, before: 06:00}", "{after: '25:00', before: 06:00}", "{after: 22:00}"])
def test_quiet_hours_are_times_of_day(value: str, tmp_path: Path) -> None:
    policy = POLICY.replace("60s", f"60s, quiet_hours: [{value}]")
    assert len(mistakes(tmp_path, PRODUCTION + back(STEP) + policy)) >= 1


def test_quiet_hours_reach_over_midnight() -> None:
    night, noon = Between(after="22:00", before="06:00"), Between(after="11:30", before="13:00")
    held = {hour for hour in range(24) if night.holds(START.replace(hour=hour, minute=0))}
    assert held == {22, 23, 0, 1, 2, 3, 4, 5}
    assert noon.holds(START.replace(hour=11, minute=30))
    assert not noon.holds(START.replace(hour=13, minute=0))


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("above_baseline: 3", ""),
        ("above_baseline: 1", "found the number 1"),
        ("above_baseline: 3, above: 3000", "found both above and above_baseline"),
        ("above_baseline: 3, clear_below: 900", ""),
    ],
)
def test_a_baseline_is_a_limit_of_its_own(rest: str, said: str, tmp_path: Path) -> None:
    text = (
        HEAD + "triggers: {t: {title: x, severity: warning, conditions: {c: "
        f"{{sentence: y, signal: http-p95, {rest}}}}}}}}}"
    )
    found = mistakes(tmp_path, text)
    assert any(said in each for each in found) if said else found == [], found


def test_a_state_has_no_baseline(tmp_path: Path) -> None:
    text = (
        HEAD + "triggers: {t: {title: x, severity: warning, conditions: {c: "
        "{sentence: y, signal: health-web, above_baseline: 2}}}}"
    )
    assert "found above_baseline for a state" in mistakes(tmp_path, text)[0]


def test_what_is_turned_on_is_in_the_runbook(tmp_path: Path) -> None:
    policy = loaded(tmp_path, PRODUCTION + back(STEP) + POLICY).runbook.automatic_rollback
    assert policy is not None
    assert SimpleNamespace(**policy.model_dump()) == SimpleNamespace(
        trigger="high-error-rate", procedure="back", countdown=60.0, rest=3600.0, quiet_hours=()
    )
