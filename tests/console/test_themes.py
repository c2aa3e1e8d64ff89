"""Every theme can be read: contrast by WCAG's formula, and states that stay apart without red or green receptors."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from textual.color import Color
from textual.theme import Theme

from tests.console.conftest import Start
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.appearance import Appearance
from warroom.console.palettes import ANSI, COLOUR_BLIND, DARK, HIGH_CONTRAST, THEMES, contrast
from warroom.console.theme import LOOKS, MARKS
from warroom.model.event import WheelTaken

HEX = [theme for theme in THEMES if not theme.ansi]
INKS = ("primary", "secondary", "accent", "warning", "error", "success", "foreground", "text-muted", "text-disabled")
GROUNDS = ("background", "surface", "panel")
KINDS = ("production", "staging", "drill")


def colour(theme: Theme, name: str) -> Color:
    found = theme.variables.get(name) or getattr(theme, name)
    assert isinstance(found, str), name
    return Color.parse(found)


@pytest.mark.parametrize("theme", HEX, ids=lambda theme: theme.name)
def test_all_text_stands_out_from_every_ground(theme: Theme) -> None:
    """4.5 : 1 is what WCAG asks for text, 7 : 1 for text that must be read in poor light."""
    least = 7.0 if theme is HIGH_CONTRAST else 4.5
    for ground in GROUNDS:
        for ink in INKS:
            seen = contrast(colour(theme, ink), colour(theme, ground))
            assert seen >= least, f"{ink} on {ground}: {seen:.2f}"


@pytest.mark.parametrize("theme", HEX, ids=lambda theme: theme.name)
def test_what_is_drawn_on_a_colour_can_be_read(theme: Theme) -> None:
    """The environment's badge, the button with the focus, the dangerous one, and the line that is chosen."""
    least = 7.0 if theme is HIGH_CONTRAST else 4.5
    pairs = [(colour(theme, "badge"), colour(theme, kind)) for kind in KINDS]
    pairs += [(colour(theme, "background"), colour(theme, ground)) for ground in ("foreground", "error", "accent")]
    chosen = colour(theme, "surface").blend(colour(theme, "primary"), 0.35)
    pairs.append((colour(theme, "foreground"), chosen))
    for ink, ground in pairs:
        assert contrast(ink, ground) >= (4.5 if ground is chosen else least), (ink.hex, ground.hex)


# Linear RGB as someone sees it who lacks red receptors, or green ones (Viénot, Brettel and Mollon, 1999)
PROTANOPE = ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0))
DEUTERANOPE = ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0))


def lab(color: Color, seen_by: tuple[tuple[float, ...], ...]) -> tuple[float, float, float]:
    """CIE L*a*b* of what is seen."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color.normalized]
    r, g, b = (sum(k * part for k, part in zip(row, linear, strict=True)) for row in seen_by)
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def apart(theme: Theme, names: tuple[str, ...]) -> float:
    """The smallest difference (CIE 1976) between any two, for the eye that sees it least."""
    return min(
        math.dist(lab(colour(theme, a), eye), lab(colour(theme, b), eye))
        for a, b in combinations(names, 2)
        for eye in (PROTANOPE, DEUTERANOPE)
    )


def test_states_and_environments_stay_apart_for_the_colour_blind() -> None:
    assert apart(COLOUR_BLIND, ("error", "warning", "success")) > 30
    assert apart(COLOUR_BLIND, KINDS) > 30
    assert apart(DARK, ("error", "warning", "success")) < 30  # the check can tell


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_environments_differ_in_colour_in_word_and_in_shape(theme: Theme) -> None:
    looks = [LOOKS[kind] for kind in ("production", "staging", "drill")]
    assert len({theme.variables[look.colour.removeprefix("$")] for look in looks}) == 3
    assert len({look.word for look in looks}) == len({look.open for look in looks}) == 3


def test_no_two_states_that_differ_in_meaning_share_colour_and_mark() -> None:
    well = {MARKS[name] for name in ("ok", "done", "pass")}
    bad = {MARKS[name] for name in ("failing", "firing", "failed", "fail", "unknown", "pending", "inconclusive")}
    assert {sign for sign, _ in well}.isdisjoint(sign for sign, _ in bad)


def test_the_terminals_own_colours_are_nothing_else() -> None:
    names = [getattr(ANSI, name) for name in ("primary", "accent", "error", "foreground", "background", "panel")]
    words = [*names, *ANSI.variables.values()]
    assert all(str(word).startswith("ansi_") or word == "reverse" for word in words), words


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("kind", ["production", "staging", "drill"])
async def test_each_theme_draws_every_dialog(begin: Start, theme: Theme, kind: str) -> None:
    """The kind is on every dialog's border and badge alike: all of them are drawn for one of the kinds."""
    story = Story(a_runbook(kind))
    story.fires()
    story.opened("High error rate")
    story.push(WheelTaken(), who="op1")
    async with begin(story, (100, 30), look=Appearance(theme=theme.name)) as console:
        assert console.app.theme == theme.name
        for key in ("d", "m", "l", "question_mark", "colon") if kind == "production" else ("d",):
            await console.press(key)
            assert console.on_top != "MainScreen"
            await console.press("escape")
        assert console.text().count(LOOKS[a_runbook(kind).environment.kind].word) >= 1
