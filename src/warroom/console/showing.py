"""Words in their place on the screen."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


def show(where: Static, words: Content) -> None:
    """All around it is laid out again, but only where these are other words than those that stand there."""
    if not isinstance(where.content, Content) or not where.content.is_same(words):
        where.update(words)
