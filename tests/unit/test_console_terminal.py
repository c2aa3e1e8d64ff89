"""What the terminal's driver does with signals; the rest of it is tried on real terminals."""

from __future__ import annotations

from typing import Any

import pytest
from textual.content import Content
from textual.drivers.linux_driver import LinuxDriver

from warroom.console.narrow import allow
from warroom.console.terminal import outliving


@pytest.mark.parametrize("suspended", [True, False])
def test_only_what_was_suspended_is_taken_up_again(suspended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that hangs up sends SIGCONT too; threads that it started would outlive everything."""
    taken_up: list[bool] = []
    monkeypatch.setattr(LinuxDriver, "_sigcont_application", lambda self, *_: taken_up.append(True))
    made = outliving(LinuxDriver)
    driver: Any = made.__new__(made)
    driver.fileno, driver._modes, driver._app = -1, None, None
    vars(driver)["_must_signal_resume"] = suspended
    vars(made)["_sigcont_application"](driver)
    assert taken_up == [True] * suspended


@pytest.mark.parametrize("width", [-1, 0, 1, 2, 3])
def test_a_box_without_room_is_no_end_of_the_console(width: int) -> None:
    """A window dragged small has such boxes for a moment; padded ones have no room in two cells."""
    allow()
    words = Content("some words")
    assert words.wrap(width)
    assert words._wrap_and_format(width, line_pad=1)
