"""Wrapping in a box that has no room for a single cell, as a terminal's window has while it is dragged small.

Textual's own wrapping raises there, which would end the console, and the engine with it in the middle of a plan.
"""

from __future__ import annotations

from typing import Any

from textual.content import Content

_wrapped = Content._wrap_and_format


def _with_room(self: Content, width: int, *args: Any, **options: Any) -> Any:
    return _wrapped(self, max(width, 1 + 2 * options.get("line_pad", 0)), *args, **options)


def allow() -> None:
    """From now on such a box is wrapped as one of a single cell; what is too wide is cut off where it is drawn."""
    setattr(Content, "_wrap_and_format", _with_room)  # noqa: B010 - mypy takes no assignment to a method
