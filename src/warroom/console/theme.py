"""Colours and shapes. Colour is never the only sign: every state has a mark and a word too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.theme import Theme

Kind = Literal["production", "staging", "drill"]

DARK = Theme(
    name="warroom-dark",
    primary="#7aa2c8",
    secondary="#8a93a6",
    accent="#8fc7d9",
    warning="#e0b060",
    error="#ec7a76",
    success="#8cc28f",
    foreground="#d5dae3",
    background="#12151b",
    surface="#181c24",
    panel="#20252f",
    dark=True,
    variables={
        "border": "#39414f",
        "border-blurred": "#39414f",
        "text-muted": "#8a93a3",
        "text-disabled": "#5d6675",
        "scrollbar": "#39414f",
        "scrollbar-hover": "#566174",
        "scrollbar-active": "#8a93a3",
        "scrollbar-background": "#12151b",
        "scrollbar-background-hover": "#12151b",
        "scrollbar-background-active": "#12151b",
        "scrollbar-corner-color": "#12151b",
        "input-selection-background": "#7aa2c8 40%",
        "production": "#d8474b",
        "staging": "#d79a3c",
        "drill": "#46a89b",
        "spark": "#4f6a86",
    },
)

LIGHT = Theme(
    name="warroom-light",
    primary="#2b5c8a",
    secondary="#5a6472",
    accent="#1f6f86",
    warning="#8a5a00",
    error="#b3261e",
    success="#2c6e35",
    foreground="#1d2330",
    background="#fbfbf9",
    surface="#f3f3ef",
    panel="#e8e8e2",
    dark=False,
    variables={
        "border": "#b9bec8",
        "border-blurred": "#b9bec8",
        "text-muted": "#5a6472",
        "text-disabled": "#8a93a3",
        "production": "#b3261e",
        "staging": "#8a5a00",
        "drill": "#1a6f64",
        "spark": "#7d93ab",
    },
)

THEMES = (DARK, LIGHT)


@dataclass(frozen=True)
class Look:
    """How an environment is told apart: a word between shapes, a colour, and the border of every dialog and pane."""

    word: str
    open: str
    shut: str
    colour: str


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
