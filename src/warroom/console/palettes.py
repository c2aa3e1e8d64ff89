"""The themes. Each names the same colours; what text may be read on what is measured by a test.

A theme of the terminal's own sixteen colours (``warroom-ansi``) is taken by itself where a terminal has no more.
"""

from __future__ import annotations

from textual.color import Color
from textual.theme import Theme


def _theme(name: str, *, dark: bool, ground: tuple[str, str, str], ink: tuple[str, str, str], **colours: str) -> Theme:
    """``ground``: background, surface, panel. ``ink``: foreground, muted, disabled. ``line``: borders, scrollbars."""
    background, surface, panel = ground
    foreground, muted, disabled = ink
    line, thumb = colours["line"], colours["thumb"]
    return Theme(
        name=name,
        dark=dark,
        primary=colours["primary"],
        secondary=colours["secondary"],
        accent=colours["accent"],
        warning=colours["warning"],
        error=colours["error"],
        success=colours["success"],
        foreground=foreground,
        background=background,
        surface=surface,
        panel=panel,
        variables={
            "border": line,
            "border-blurred": line,
            "text-muted": muted,
            "text-disabled": disabled,
            "scrollbar": thumb,
            "scrollbar-hover": muted,
            "scrollbar-active": muted,
            "scrollbar-background": background,
            "scrollbar-background-hover": background,
            "scrollbar-background-active": background,
            "scrollbar-corner-color": background,
            "input-selection-background": f"{colours['primary']} 40%",
            "production": colours["production"],
            "staging": colours["staging"],
            "drill": colours["drill"],
            "badge": background,
            "spark": colours["spark"],
        },
    )


DARK = _theme(
    "warroom-dark",
    dark=True,
    ground=("#12151b", "#181c24", "#20252f"),
    ink=("#d5dae3", "#9aa3b3", "#8790a0"),
    line="#39414f",
    thumb="#4a5464",
    primary="#7aa2c8",
    secondary="#98a1b3",
    accent="#8fc7d9",
    warning="#e0b060",
    error="#f0827e",
    success="#8cc28f",
    production="#ee6b6b",
    staging="#d79a3c",
    drill="#46a89b",
    spark="#4f6a86",
)

LIGHT = _theme(
    "warroom-light",
    dark=False,
    ground=("#fbfbf9", "#f3f3ef", "#e8e8e2"),
    ink=("#1d2330", "#4d5765", "#5a6371"),
    line="#b9bec8",
    thumb="#9aa2b0",
    primary="#2b5c8a",
    secondary="#4d5765",
    accent="#17607a",
    warning="#7a4f00",
    error="#a8201a",
    success="#26632f",
    production="#a8201a",
    staging="#7a4f00",
    drill="#15635a",
    spark="#6f86a0",
)

HIGH_CONTRAST = _theme(
    "warroom-high-contrast",
    dark=True,
    ground=("#000000", "#000000", "#1a1a1a"),
    ink=("#ffffff", "#dcdcdc", "#c4c4c4"),
    line="#b8b8b8",
    thumb="#ffffff",
    primary="#9fd0ff",
    secondary="#dcdcdc",
    accent="#6fe7ff",
    warning="#ffd75f",
    error="#ff9e9a",
    success="#86f08f",
    production="#ff9e9a",
    staging="#ffd75f",
    drill="#5fe8d4",
    spark="#9fb6cc",
)

COLOUR_BLIND = _theme(
    "warroom-colour-blind",
    dark=True,
    ground=("#12151b", "#181c24", "#20252f"),
    ink=("#e2e6ee", "#a3acbb", "#8b94a4"),
    line="#39414f",
    thumb="#4a5464",
    primary="#8fb4dc",
    secondary="#a3acbb",
    accent="#d9c2e4",
    warning="#fff2a0",
    error="#ff7a1a",
    success="#4fa3ea",
    production="#ff7a1a",
    staging="#fff2a0",
    drill="#4fa3ea",
    spark="#54708c",
)
"""Orange, yellow and blue: these stay apart without red or without green receptors. Never red against green."""

ANSI = Theme(
    name="warroom-ansi",
    ansi=True,
    dark=True,
    primary="ansi_blue",
    secondary="ansi_cyan",
    accent="ansi_cyan",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
        "border": "ansi_bright_black",
        "border-blurred": "ansi_bright_black",
        "text-muted": "ansi_default",
        "text-disabled": "ansi_default",
        "block-cursor-foreground": "ansi_default",
        "block-cursor-background": "ansi_default",
        "block-cursor-text-style": "reverse",
        "input-cursor-background": "ansi_default",
        "input-cursor-foreground": "ansi_default",
        "input-cursor-text-style": "reverse",
        "input-selection-background": "ansi_cyan",
        "input-selection-foreground": "ansi_black",
        "screen-selection-background": "ansi_cyan",
        "screen-selection-foreground": "ansi_black",
        "scrollbar": "ansi_cyan",
        "scrollbar-hover": "ansi_cyan",
        "scrollbar-active": "ansi_cyan",
        "scrollbar-background": "ansi_default",
        "scrollbar-background-hover": "ansi_default",
        "scrollbar-background-active": "ansi_default",
        "scrollbar-corner-color": "ansi_default",
        "production": "ansi_red",
        "staging": "ansi_yellow",
        "drill": "ansi_cyan",
        "badge": "ansi_black",
        "spark": "ansi_blue",
    },
)
"""Nothing but the terminal's own colours, on its own background; nothing is told by a faint shade."""

THEMES = (DARK, LIGHT, HIGH_CONTRAST, COLOUR_BLIND, ANSI)
NAMES = tuple(theme.name for theme in THEMES)


def contrast(one: Color, other: Color) -> float:
    """WCAG's contrast ratio, from 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in color.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
