"""Keys are the console's, and people choose them: below it no sentence may name one. A refusal names the intent."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

from warroom.model import intent as it

ROOT = Path(__file__).resolve().parents[2]
BELOW = [
    *(ROOT / "src" / "warroom" / part for part in ("engine", "model", "decision", "actions", "comms", "report")),
    *(ROOT / "src" / "warroom" / part for part in ("signals", "journal", "runbook", "session", "drills")),
    ROOT / "plugins",
]
KEY = re.compile(r"(^| )\([a-zA-Z@?!]\)($|[ ,.;])")
"""``choose one first (g)``."""

INTENTS = {kind.model_fields["type"].default for kind in get_args(get_args(it.Intent)[0])}


def keys_named(code: str) -> list[str]:
    """Every text in the code, docstrings aside, that names a key in brackets."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and KEY.search(node.value):
            found.append(f"{node.lineno}: {node.value[-60:]}")
    return found


def helps(code: str) -> list[str]:
    return [
        str(word.value.value)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Refusal"
        for word in node.keywords
        if word.arg == "helps" and isinstance(word.value, ast.Constant)
    ]


def test_no_sentence_below_the_console_names_a_key() -> None:
    files = [path for folder in BELOW for path in folder.rglob("*.py")]
    assert len(files) > 80
    bad = {path.name: named for path in files if (named := keys_named(path.read_text(encoding="utf-8")))}
    assert bad == {}


@pytest.mark.parametrize("text", ["choose one first (g)", "run the plan to go on (R)", "verify (v), or close it"])
def test_a_key_in_a_sentence_is_seen(text: str) -> None:
    assert keys_named(f"x = {text!r}")
    assert keys_named(f"x = f'{{y}} {text}'")


def test_what_helps_is_an_intent_that_there_is() -> None:
    named = [
        one for path in (ROOT / "src" / "warroom").rglob("*.py") for one in helps(path.read_text(encoding="utf-8"))
    ]
    assert len(named) > 10
    assert set(named) <= INTENTS
