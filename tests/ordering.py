"""In which order several workers get the tests: what takes long early, so that no worker sits alone with it at the end.

xdist gives each worker an equal share of the list, in order; who has finished takes over the tail of another's share.
So each share has its long tests, dealt one by one, and ends with short ones that stand on nothing. What takes long
mostly waits: for a lab, an engine, a window of time. The rest wants a core. So every other share begins with the rest,
and the cores have work while the others wait. The order depends on the names and the number of workers alone: each
worker collects for itself and must find the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import pytest

ONE_BY_ONE = (
    "tests/drills/test_data_corruption.py",
    "tests/drills/test_tmux.py",
    "tests/drills/test_headless.py",
    "tests/faults/test_policy_on_lab.py",
    "tests/faults/test_lab.py",
    "tests/bench/test_line_bench.py",
    "tests/bench/test_flood_bench.py",
    "tests/console/test_sizes.py",
    "tests/console/test_hostile.py",
    "tests/console/test_steady.py",
    "tests/console/test_terminals.py",
    "tests/console/test_walk.py",
)
"""Files of long tests that share nothing costly, the longest first."""
TOGETHER = (
    "tests/install/",
    "tests/faults/test_compose",
    "tests/faults/test_lab_users.py",
    "tests/faults/test_triggers_on_faults.py",
    "tests/plugins/test_compose",
    "tests/plugins/test_docker",
)
"""Files whose tests share something that takes long to make; each stays with one worker while it can."""
SHORT = "tests/unit/"


def dealt(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """The items in the order in which ``workers`` shares of them have the long ones early and end with the short."""
    files = [(name, list(those)) for name, those in groupby(items, lambda item: item.nodeid.partition("::")[0])]
    together = [those for name, those in files if name.startswith(TOGETHER)]
    alone = [[item] for wanted in ONE_BY_ONE for name, those in files if name == wanted for item in those]
    long: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for number, unit in enumerate([*alone[:workers], *together, *alone[workers:]]):
        long[number % workers] += unit
    taken = {item.nodeid for share in long for item in share}
    rest = [(name, those) for name, those in files if those[0].nodeid not in taken]
    middle = _parts([those for name, those in rest if not name.startswith(SHORT)], workers)
    short = iter([item for name, those in rest if name.startswith(SHORT) for item in those])
    order: list[pytest.Item] = []
    for number in range(workers):
        room = (len(items) - len(order)) // (workers - number)  # as xdist divides
        share = [*middle[number], *long[number]] if number % 2 else [*long[number], *middle[number]]
        order += share
        order += [item for _, item in zip(range(room - len(share)), short, strict=False)]
    return order + list(short)


def _parts(files: Sequence[Sequence[pytest.Item]], number: int) -> list[list[pytest.Item]]:
    """Whole files, about as many tests in each part, and each part has some of each kind, in the order they came in."""
    parts: list[list[int]] = [[] for _ in range(number)]
    for file in sorted(range(len(files)), key=lambda file: -len(files[file])):
        min(parts, key=lambda part: sum(len(files[one]) for one in part)).append(file)
    return [[item for file in sorted(part) for item in files[file]] for part in parts]
