"""The mouse on and off while the console runs, so that a terminal's own selection works when it is off."""

from __future__ import annotations

import sys

from textual.driver import Driver


def switch(driver: Driver | None, on: bool) -> bool:
    """Whether the terminal was told. Textual turns the mouse on at its start only; its drivers can do more."""
    if sys.platform == "win32":
        return False
    from textual.drivers.linux_driver import LinuxDriver

    if not isinstance(driver, LinuxDriver):
        return False
    if on:
        driver._mouse = True  # else turning it on does nothing
        driver._enable_mouse_support()
    else:
        driver._disable_mouse_support()
        driver._mouse = False
    driver.flush()
    return True
