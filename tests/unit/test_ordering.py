"""The order in which several workers get the tests: nothing is lost, the long are early, the short end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import cast

import pytest

from tests.ordering import ONE_BY_ONE, TOGETHER, dealt

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Named:
    nodeid: str


FILES = {
    "tests/bench/test_model_bench.py": 6,
    "tests/console/test_help.py": 14,
    "tests/console/test_log.py": 16,
    "tests/drills/test_headless.py": 9,
    "tests/drills/test_tmux.py": 2,
    "tests/install/test_installed_copy.py": 11,
    "tests/unit/test_words.py": 200,
}
LONG, REST = ("drills", "install"), ("bench", "console")
ITEMS = cast("list[pytest.Item]", [Named(f"{name}::test_{n}") for name, many in FILES.items() for n in range(many)])


def shares(order: list[pytest.Item], workers: int) -> Iterator[list[str]]:
    """As xdist's worksteal divides a list."""
    while workers:
        number = len(order) // workers
        yield [item.nodeid for item in order[:number]]
        order, workers = order[number:], workers - 1


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7])
def test_each_share_has_its_long_tests_before_the_short_ones_and_every_other_one_begins_with_them(
    workers: int,
) -> None:
    order = dealt(ITEMS, workers)
    assert sorted(item.nodeid for item in order) == sorted(item.nodeid for item in ITEMS)
    for number, share in enumerate(shares(order, workers)):
        kinds = [kind for kind, _ in groupby(share, lambda name: name.split("/")[1])]
        long, rest = ([kinds.index(kind) for kind in those if kind in kinds] for those in (LONG, REST))
        first, second = (rest, long) if number % 2 else (long, rest)
        assert long
        assert max(first, default=-1) < min(second, default=len(kinds))
        assert kinds.index("unit") == len(kinds) - 1
    assert len({number for number, share in enumerate(shares(order, workers)) if "install" in " ".join(share)}) == 1


def test_any_number_of_tests_is_dealt_whole() -> None:
    for many in range(0, len(ITEMS), 17):
        for workers in (1, 3, 4):
            assert set(dealt(ITEMS[-many:], workers)) == set(ITEMS[-many:])
            assert set(dealt(ITEMS[:many], workers)) == set(ITEMS[:many])


def test_the_long_files_are_there() -> None:
    assert [name for name in ONE_BY_ONE if not (ROOT / name).is_file()] == []
    assert [name for name in TOGETHER if not list(ROOT.glob(f"{name}*"))] == []
