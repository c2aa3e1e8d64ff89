"""How the console looks here: what was asked for on the command line, else in the settings, else what suits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from warroom.console.appearance import Appearance
    from warroom.console.settings import Settings

ThemeOption = Annotated[
    str,
    typer.Option("--theme", help="Colours, such as warroom-light or warroom-high-contrast.", envvar="WARROOM_THEME"),
]
SlowLine = Annotated[bool, typer.Option("--slow-line", help="Few frames and few bytes, for a slow or expensive line.")]


def looks(settings: Settings, theme: str, slow_line: bool) -> Appearance:
    """Raises ``WarroomError`` for a theme there is none of, and for a terminal on which nothing can be placed."""
    from warroom.console.appearance import appearance, environment, needs_a_screen

    env = environment()
    needs_a_screen(env)
    return appearance(
        env,
        theme=theme or settings.theme,
        slow_line=slow_line or settings.slow_line,
        bell=settings.bell,
        title=settings.title,
    )
