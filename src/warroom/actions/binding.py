"""Placeholders of a runbook's arguments, and Refs of a plan's Calls, replaced by what they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from warroom.errors import BadInput
from warroom.model.call import ApiCall, Call, ProcessCall, Ref, SqlCall

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
NAME = re.compile(r"(?!-)[A-Za-z0-9._:/@+-]{1,200}")
"""A release's name that may stand in a command line which people paste: no option, and nothing that a shell reads."""
CHOSEN = re.compile(r"(?!-)(?:[A-Za-z0-9._:/@+-]|(?<=[A-Za-z0-9])~){1,400}")
"""As ``NAME``, of what a person chose: a path, or a database whose name has a ``~`` inside, where no shell reads it."""
_CALLS: TypeAdapter[Call] = TypeAdapter(Call)


def fill(value: JsonValue, names: Mapping[str, str | None]) -> JsonValue:
    """Replaces ``${target.version}`` and the like in any string. An unknown or empty name is an error, never blank."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: _known(found.group(1), names), value)
    if isinstance(value, list):
        return [fill(each, names) for each in value]
    if isinstance(value, dict):
        return {key: fill(each, names) for key, each in value.items()}
    return value


def fill_commands(commands: Sequence[str], names: Mapping[str, str | None]) -> tuple[str, ...]:
    """As ``fill``, for lines that people paste into a shell: a release named by others must not be a command in them.

    Quoting would not do: the runbook's author may have put quotes around the placeholder, or not.
    """
    for name in {found for line in commands for found in _PLACEHOLDER.findall(line)}:
        if name.startswith("choice.") and not CHOSEN.fullmatch(value := _known(name, names)):
            raise BadInput(
                f"{name} can't stand in a command line",
                f"{value!r} has more than letters, digits and ._:/@+~-, or begins with a dash",
                "choose another one, or give this one a plainer name",
            )
        of_a_release = name.startswith(("target.", "running."))
        if of_a_release and not NAME.fullmatch(value := _known(name, names)):
            raise BadInput(
                f"{name} can't stand in a command line",
                f"{value!r} has more than letters, digits and ._:/@+-, or begins with a dash",
                "choose the release by its commit, or another one",
            )
    return tuple(_PLACEHOLDER.sub(lambda found: _known(found.group(1), names), line) for line in commands)


def _known(name: str, names: Mapping[str, str | None]) -> str:
    if name not in names:
        raise BadInput(
            f"the runbook uses ${{{name}}}", f"known names are: {', '.join(sorted(names))}", "correct the runbook"
        )
    value = names[name]
    if not value:
        raise BadInput(f"{name} is not known", "the plan needs it", "choose another target, or type it")
    return value


def bind(call: Call, outputs: Mapping[str, Mapping[str, str]]) -> Call:
    """The same Call with every Ref replaced by the output it names.

    Raises BadInput where there is no such output, or where it does not fit: no address for a request, or a word of a
    command that would be taken for an option. In an ApiCall or a SqlCall nothing stands for something else.
    """
    if isinstance(call, ApiCall | SqlCall):
        return call
    if isinstance(call, ProcessCall):
        for part in call.argv:
            if isinstance(part, Ref) and outputs.get(part.step, {}).get(part.output, "").startswith("-"):
                raise BadInput(f"{part.output} of step {part.step} begins with '-'", _line(call), "do it by hand")
    try:
        return _CALLS.validate_python(_bind(call.model_dump(mode="json"), outputs))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"what an earlier step gave does not fit: {where}: {first['msg']}", _line(call), "do it by hand"
        ) from None


def _line(call: Call) -> str:
    return call.paste().partition("\n")[0][:200]


def _bind(value: Any, outputs: Mapping[str, Mapping[str, str]]) -> Any:
    if isinstance(value, dict):
        if value.get("kind") == "ref" and value.keys() == {"kind", "step", "output"}:
            found = outputs.get(value["step"], {}).get(value["output"])
            if found is None:
                raise BadInput(
                    f"step {value['step']} gave no {value['output']}", "a later step needs it", "do it by hand"
                )
            return found
        return {key: _bind(each, outputs) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_bind(each, outputs) for each in value]
    return value
