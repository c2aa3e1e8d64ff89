"""Durations, moments, ids, and how lengths are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from warroom.model.base import (
    Duration,
    Id,
    Instant,
    canonical,
    clock_text,
    parse_duration,
    passed_text,
    sha256,
    span_text,
    stored,
)
from warroom.model.release import Release
from warroom.testing.builders import a_release, a_runbook

DURATION: TypeAdapter[float] = TypeAdapter(Duration)
MOMENT: TypeAdapter[datetime] = TypeAdapter(Instant)
IDS: TypeAdapter[str] = TypeAdapter(Id)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("20s", 20), ("5m", 300), ("1h30m", 5400), ("1h", 3600), ("1h1m1s", 3661), ("0.3s", 0.3), (" 5m ", 300),
        ("0s", 0), ("2m0.5s", 120.5), (30, 30), (0.25, 0.25), ("366h", 366 * 3600),
    ],
)  # fmt: skip
def test_durations_as_people_write_them(written: Any, seconds: float) -> None:
    assert DURATION.validate_python(written) == seconds


@pytest.mark.parametrize(
    "written",
    ["", " ", "s", "5", "5 m", "m5", "-5m", "5M", "1d", "1m1h", "5m5m", "5m ago", "٥m",
     "1e3s", ".5s", "1.5m", "nan", "inf"],
)  # fmt: skip
def test_what_is_no_duration_is_refused_in_a_sentence(written: str) -> None:
    with pytest.raises(ValidationError, match="a duration such as 20s, 5m or 1h30m was expected"):
        DURATION.validate_python(written)


@pytest.mark.parametrize("written", [-1, 1e12, float("nan"), float("inf"), None, [], {}, "999999h"])
def test_lengths_outside_reason_are_refused(written: Any) -> None:
    with pytest.raises(ValidationError):
        DURATION.validate_python(written)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_is_told_as_it_was_written(hours: int, minutes: int, seconds: int) -> None:
    written = "".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if n) or "0s"
    length = DURATION.validate_python(written)
    assert length == hours * 3600 + minutes * 60 + seconds
    told = span_text(length)
    assert parse_duration(told.replace(" ", "")) == length


@pytest.mark.parametrize(
    ("seconds", "clock", "span"),
    [
        (0, "0:00", "0 s"), (9.9, "0:09", "9.9 s"), (60, "1:00", "1 m"), (192, "3:12", "3 m 12 s"),
        (3600, "1:00:00", "1 h"), (3792, "1:03:12", "1 h 3 m 12 s"), (5400, "1:30:00", "1 h 30 m"),
        (-5, "0:00", "-5 s"),
    ],
)  # fmt: skip
def test_lengths_as_people_read_them(seconds: float, clock: str, span: str) -> None:
    assert (clock_text(seconds), span_text(seconds)) == (clock, span)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-3, "0 s"), (41.6, "42 s"), (59.7, "1 m"), (5400, "1 h 30 m"), (86400, "24 h"), (86_430, "1 d"),
        (142_036, "1 d 15 h 27 m"), (10 * 86400 + 300, "10 d 5 m"),
    ],
)  # fmt: skip
def test_what_has_passed_is_told_in_days_once_it_is_more_than_one(seconds: float, told: str) -> None:
    assert passed_text(seconds) == told


@given(st.datetimes(timezones=st.sampled_from([UTC])), st.integers(-14 * 60, 14 * 60))
def test_moments_are_kept_in_utc(moment: datetime, minutes: int) -> None:
    hours, rest = divmod(abs(minutes), 60)
    written = f"{moment.replace(tzinfo=None).isoformat()}{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
    try:
        expected = moment - timedelta(minutes=minutes)
    except OverflowError:
        with pytest.raises(ValidationError, match="years 1 to 9999"):
            MOMENT.validate_python(written)
        return
    kept = MOMENT.validate_python(written)
    assert kept == expected
    assert kept.tzinfo is UTC


@pytest.mark.parametrize("written", ["2026-03-02T03:00:00", "2026-03-02", "now", "", None])
def test_a_moment_without_a_zone_is_refused(written: Any) -> None:
    with pytest.raises(ValidationError):
        MOMENT.validate_python(written)


@pytest.mark.parametrize("written", ["a", "error-rate", "a1", "a.b", "a_b-c", "x" * 80])
def test_ids(written: str) -> None:
    assert IDS.validate_python(written) == written


@pytest.mark.parametrize("written", ["", "A", "1a", "-a", "a-", "a--b", "a b", "a/b", "x" * 81, "a\n", "é"])
def test_what_is_no_id(written: str) -> None:
    with pytest.raises(ValidationError):
        IDS.validate_python(written)


def test_a_runbooks_hash_holds_the_order_of_its_lines() -> None:
    runbook = a_runbook()
    turned = dict(reversed(runbook.verification.items()))
    assert runbook.model_copy(update={"verification": turned}).hash != runbook.hash
    assert a_runbook().hash == runbook.hash
    assert stored({"b": 1, "a": "é"}) == '{"b":1,"a":"é"}'.encode()
    assert canonical({"b": 1, "a": 2}) == b'{"a":2,"b":1}'
    assert sha256(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("mine", "theirs", "same"),
    [
        ({}, {}, True),
        ({"digest": "sha256:1"}, {}, False),
        ({"digest": None}, {}, True),
        ({"digest": None, "commit": "1"}, {}, False),
        ({"digest": None, "commit": None}, {}, None),
        ({"digest": None}, {"commit": None}, None),
        ({"version": "v1"}, {"version": "v2"}, True),
    ],
)
def test_releases_are_the_same_by_identity_and_never_by_name(
    mine: dict[str, Any], theirs: dict[str, Any], same: bool | None
) -> None:
    assert a_release().model_copy(update=mine).same_as(a_release().model_copy(update=theirs)) is same


@pytest.mark.parametrize(
    ("one", "other", "match"),
    [
        (Release(version="beta.2"), Release(version="beta.2"), True),
        (Release(version="beta.2"), Release(version="beta.3"), False),
        (Release(version="beta.2", commit="a1"), Release(version="beta.2", commit="b2"), False),
        (Release(version="beta.2", commit="a1"), Release(version="beta.3", commit="a1"), True),
        (Release(version="", commit="a1"), Release(version="", digest="sha256:b2"), False),
    ],
)
def test_a_name_decides_only_without_an_identity_to_compare(one: Release, other: Release, match: bool) -> None:
    assert one.matches(other) is other.matches(one) is match
