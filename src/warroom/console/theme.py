"""Colours and shapes. Colour is never the only sign: every state has a mark and a word too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from warroom.console.palettes import THEMES as THEMES

Kind = Literal["production", "staging", "drill"]


@dataclass(frozen=True)
class Look:
    """How an environment is told apart: a word between shapes, a colour, and the border of every dialog and pane."""

    word: str
    open: str
    shut: str
    colour: str

    @property
    def style(self) -> str:
        """Of the word itself."""
        return f"bold $badge on {self.colour}"


LOOKS: dict[Kind, Look] = {
    "production": Look("PRODUCTION", "▌", "▐", "$production"),
    "staging": Look("STAGING", "◇ ", " ◇", "$staging"),
    "drill": Look("DRILL", "○ ", " ○", "$drill"),
}

MARKS: dict[str, tuple[str, str]] = {
    # trigger, component and platform states
    "ok": ("●", "$success"),
    "failing": ("✖", "$error bold"),
    "broken": ("✖", "$error bold"),
    "firing": ("✖", "$error bold"),
    "pending": ("◔", "$warning"),
    "clearing": ("◕", "$warning"),
    "unknown": ("?", "$warning"),
    # checklist lines
    "open": ("○", "$text-muted"),
    "done": ("✔", "$success"),
    "waived": ("~", "$warning"),
    "not-needed": ("–", "$text-muted"),
    # steps
    "planned": ("○", "$text-muted"),
    "intended": ("▶", "$accent bold"),
    "failed": ("✖", "$error bold"),
    "cancelled": ("■", "$warning"),
    "skipped": ("–", "$text-muted"),
    "claimed": ("✎", "$warning"),
    # verdicts
    "pass": ("✔", "$success bold"),
    "fail": ("✖", "$error bold"),
    "inconclusive": ("?", "$warning bold"),
}


def mark(status: str) -> tuple[str, str]:
    """The mark and its colour for a state; an unheard-of one is drawn as unknown, never as well."""
    return MARKS.get(status, MARKS["unknown"])


RISK: dict[str, tuple[str, str]] = {
    "safe": ("safe", "$success"),
    "disruptive": ("disruptive", "$warning"),
    "destructive": ("DESTRUCTIVE", "$error bold"),
}
