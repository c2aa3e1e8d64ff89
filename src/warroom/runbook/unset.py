"""What a runbook without mistakes still lacks on this machine: secrets that are not set, names that nobody replaced."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import JsonValue

from warroom.errors import WarroomError
from warroom.model.runbook import Platform, Runbook
from warroom.model.units import listed
from warroom.runbook.cross_plugins import PluginSource
from warroom.runbook.yours import MEANS, to_fill_in

_SECRET = re.compile(r"(?:env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\x00-\x1f]+)")


def unset(runbook: Runbook, source: PluginSource, environ: Mapping[str, str] = os.environ) -> list[str]:
    """A line for each kind of thing that is missing; none of them makes a runbook wrong. Nothing is connected to."""
    return [*_secrets(runbook, source, environ), *_names(runbook)]


def _secrets(runbook: Runbook, source: PluginSource, environ: Mapping[str, str]) -> Iterator[str]:
    named = {text for text in _texts(runbook.model_dump(mode="json")) if _SECRET.fullmatch(text)}
    for platform in runbook.platforms.values():
        named |= {text for text in _texts(_with_defaults(source, platform)) if _SECRET.fullmatch(text)}
    missing = sorted(name for name in named if not _is_set(name, environ))
    if missing:
        yield (
            f"warning: not set here: {listed(missing, 8)}. What needs them stays UNKNOWN; "
            "set them where warroom is to run"
        )


def _with_defaults(source: PluginSource, platform: Platform) -> JsonValue:
    """The configuration as the plugin reads it, so with the secrets that it names by itself."""
    from warroom.plugins import called

    def read() -> JsonValue:
        model = source.load(platform.plugin).config
        found: JsonValue = model.model_validate_json(json.dumps(platform.config), strict=True).model_dump(mode="json")
        return found

    try:
        return called("The plugin", read)
    except WarroomError:
        return None  # the check itself has said that it can't be read


def _is_set(name: str, environ: Mapping[str, str]) -> bool:
    kind, _, where = name.partition(":")
    return bool(environ.get(where)) if kind == "env" else Path(where).is_file()


def _names(runbook: Runbook) -> Iterator[str]:
    """A drill's lines are pasted nowhere."""
    if runbook.environment.kind == "drill":
        return
    found: dict[str, dict[str, list[str]]] = {}
    for name, procedure in runbook.procedures.items():
        for step_id, step in procedure.steps.items():
            for word in to_fill_in("\n".join(step.manual.commands)) if step.manual is not None else ():
                found.setdefault(word, {}).setdefault(name, []).append(step_id)
    if not found:
        return
    yield "Lines to paste have words to fill in, or to replace by steps of your own:"
    for word, places in found.items():
        where = "; ".join(f"{name} ({', '.join(steps)})" for name, steps in places.items())
        yield f"  {word}, {MEANS.get(word, 'nobody has said what it stands for')}: {where}"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
