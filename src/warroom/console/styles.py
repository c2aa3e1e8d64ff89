"""Where the style sheets are: in the installed package, else in the repository."""

from __future__ import annotations

from pathlib import Path

from warroom.errors import WarroomError

_PACKAGE = Path(__file__).resolve().parent.parent
_PLACES = (_PACKAGE / "styles", _PACKAGE.parent.parent / "styles")


def sheets() -> list[Path]:
    """Every ``*.tcss``, by name. Raises ``WarroomError`` where none can be found."""
    for place in _PLACES:
        found = sorted(place.glob("*.tcss"))
        if found:
            return found
    raise WarroomError(
        "The console's style sheets are missing",
        f"neither {_PLACES[0]} nor {_PLACES[1]} holds any",
        "Install warroom again",
    )
