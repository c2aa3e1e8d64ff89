"""The list of what there is to choose from, as a picture, on a small terminal and on a usual one."""

from __future__ import annotations

import pytest

from tests.console.choices import GOOD, LATE, TORN, a_choosing_story
from tests.console.test_snapshots import Compare, compared


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
def test_the_list_of_choices(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert compared(snap_compare, a_choosing_story(GOOD, LATE, TORN), size, "p", "enter")
