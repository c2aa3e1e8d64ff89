"""When a sample is old follows from its source's own pace, unless the runbook says it; and what it says is possible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import runbooks
from tests.runbooks import PLATFORM, SHOP, loaded, mistakes
from warroom.api import Plugin, SignalOffer

WIRED = (
    PLATFORM
    + """\
signals:
  auth-signin: {title: sign-in, unit: state, source: {platform: shop, signal: look}}
  migrations-failed: {title: migrations, unit: count, source: {platform: shop, signal: rows}}
  beside: {title: beside, unit: count, source: {platform: shop, signal: rows}}
"""
)


@pytest.fixture
def offering(monkeypatch: pytest.MonkeyPatch) -> Any:
    def offer(every: float | None, fresh_for: float | None = None) -> None:
        class Offers:
            def offers(self, config: Any) -> dict[str, SignalOffer]:
                units: Any = {"look": "state", "rows": "count"}
                return {n: SignalOffer(n, unit, every=every, fresh_for=fresh_for) for n, unit in units.items()}

        monkeypatch.setattr(runbooks, "SHOP", Plugin(**{**SHOP.__dict__, "signals": Offers()}))

    return offer


@pytest.mark.parametrize(
    ("every", "fresh_for", "limit"),
    [(None, None, 30), (5, None, 30), (10, None, 30), (11, None, 33), (60, None, 180), (10, 90, 90), (60, 90, 180)],
)
def test_it_is_three_times_the_pace_and_no_less_than_half_a_minute(
    tmp_path: Path, offering: Any, every: float | None, fresh_for: float | None, limit: float
) -> None:
    offering(every, fresh_for)
    book = loaded(tmp_path, WIRED).runbook
    assert book.triggers["auth-down"].conditions["sign-in"].stale_after == limit
    assert (book.signals["beside"].stale_after or 30) == limit, "also where no condition asks"
    assert book.triggers["database-corruption"].conditions["migration-failed"].stale_after == 300, "what is said stands"


def test_the_signal_s_own_stands_for_its_conditions(tmp_path: Path, offering: Any) -> None:
    offering(5)
    book = loaded(tmp_path, WIRED.replace("signal: look}", "signal: look}, stale_after: 12s")).runbook
    assert book.triggers["auth-down"].conditions["sign-in"].stale_after == 12


def test_what_its_source_can_t_keep_is_refused_at_its_place(tmp_path: Path, offering: Any) -> None:
    offering(60)
    told = mistakes(tmp_path, WIRED.replace("signal: look}", "signal: look}, stale_after: 1m"))
    assert told[0].startswith(
        '7:99: found stale_after 1 m for "auth-signin", which is measured every 1 m, expected 3 m, or none: then it is'
    )
    own = "triggers:\n  mine:\n    title: m\n    severity: warning\n    conditions:\n"
    own += "      m: {sentence: s, signal: beside, above: 1, stale_after: 45s}\n"
    told = mistakes(tmp_path, WIRED + own)
    assert told[0].startswith('15:63: found stale_after 45 s for "beside", which is measured every 1 m, expected 3 m')


def test_where_the_default_runbook_says_it_the_source_is_what_is_mended(tmp_path: Path, offering: Any) -> None:
    offering(600)
    told = mistakes(tmp_path, WIRED)
    assert told[0].startswith('8:63: found stale_after 5 m for "migrations-failed", which is measured every 10 m')
    assert told[0].endswith("expected every: 1 m 40 s or less, as the default's migration-failed says")


def test_a_window_that_never_holds_enough_looks_is_warned_of(tmp_path: Path, offering: Any) -> None:
    offering(20)
    assert not [w for w in loaded(tmp_path, WIRED).warnings if "looks" in w.found]
    offering(21)
    (warned,) = [w for w in loaded(tmp_path, WIRED).warnings if "looks" in w.found]
    assert (warned.pos.line, warned.found) == (7, 'at most 2 looks at "auth-signin" in 1 m, one every 21 s')
    assert warned.expected == "3 or more, as sign-in needs them: every: 20 s, or a longer over"
