"""Names of keys: what a settings file may say, what is drawn, and which action stands on which key now."""

from __future__ import annotations

from collections.abc import Mapping

from textual.binding import Binding
from textual.keys import key_to_character

_FUNCTION = {f"f{number}" for number in range(1, 13)}
_CONTROL = {f"ctrl+{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"}
_ARROWS = ("up", "down", "left", "right")
_ELSEWHERE = {
    "home",
    "end",
    "pageup",
    "pagedown",
    "insert",
    "tab",
    "shift+tab",
    "enter",
    "escape",
    "delete",
    "backspace",
}

FORBIDDEN: dict[str, str] = {
    **dict.fromkeys(("delete", "backspace", "ctrl+d", "ctrl+k", "ctrl+h"), "fingers delete with it"),
    **dict.fromkeys(("enter", "ctrl+m", "ctrl+j"), "it presses the button that has the focus"),
    **dict.fromkeys(("tab", "shift+tab", "ctrl+i", *_ARROWS), "it moves the focus"),
    **dict.fromkeys(("home", "end", "pageup", "pagedown", "insert"), "it moves in what is shown"),
    "escape": "it goes back",
    "ctrl+z": "it sends programs to the background",
    "ctrl+c": "it says how to leave",
    "ctrl+q": "it leaves",
    "ctrl+p": "it opens the palette, whatever else does",
    "ctrl+s": "it sends what a dialog holds",
    "Y": "it stops a running plan, once that is asked",
}
"""Keys that no action may stand on, each with what it is for."""


def named(text: str) -> str | None:
    """Textual's name for a key as people write it (``/``, ``slash``, ``F5``, ``ctrl+t``); None where there is none."""
    if len(text) == 1:
        return normal(text) if text.isprintable() and not text.isspace() else "space" if text == " " else None
    name = text.lower()
    if name in _FUNCTION | _CONTROL | _ELSEWHERE or name in _ARROWS or name == "space":
        return name
    return name if name in _SIGNS else None


def normal(character: str) -> str:
    """Textual's name for the key of one character."""
    if character == ",":  # it stands between keys in a binding
        return "comma"
    (binding,) = Binding.make_bindings([Binding(character, "none")])
    return binding.key


_SIGNS = {normal(chr(code)): chr(code) for code in range(0x21, 0x7F)}
"""Textual's names of the keys of ASCII: ``slash`` is ``/``."""


def drawn(key: str) -> str:
    """A key as it stands on the keyboard: ``/``, ``F5``, ``space``, ``R``."""
    if key in _FUNCTION:
        return key.upper()
    if key in _SIGNS or key == "space" or "+" in key:
        return _SIGNS.get(key, key)
    character = key_to_character(key)
    return character if character is not None and len(character) == 1 and character.isprintable() else key


class Keys:
    """Which key each action stands on now. Everything that shows a key asks here."""

    def __init__(self, by_action: Mapping[str, str]) -> None:
        self.by_action = dict(by_action)

    def shown(self, action: str) -> str:
        """The action's key as it is drawn."""
        return drawn(self.by_action[action])

    def changed(self, own: Mapping[str, str]) -> Keys:
        """With a person's own keys in their actions' places. Names as ``named`` gives them."""
        return Keys({**self.by_action, **own})
