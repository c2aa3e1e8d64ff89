"""How much of what stands in an object is told: the API takes names of images, commands and messages of any length."""

from __future__ import annotations

NAME = 160
"""Characters of one name or value."""
SENTENCE = 600
"""Characters of what is said of one thing."""


def cut(text: object, most: int = NAME) -> str:
    """Its beginning and its end: two long names often differ only there."""
    words = str(text)
    if len(words) <= most:
        return words
    end = most // 3
    return f"{words[: most - end - 1]}…{words[-end:]}"
