"""The settings file: found, read with the place of every mistake, and refused as a whole where there is one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from warroom.errors import BadInput, WarroomError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from warroom.console.settings import Mistake, Settings
    from warroom.runbook.nodes import Map
    from warroom.runbook.problems import Problem


class SettingsInvalid(BadInput):
    """``problems`` are all that were found, in the order of the file."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        from warroom.runbook.problems import plain

        self.problems = tuple(problems)
        many = f"{len(problems)} mistakes" if len(problems) > 1 else "a mistake"
        super().__init__(
            f"The settings file {plain(file)} has {many}",
            "\n".join(str(problem) for problem in problems),
            "mend it, or move it away: without one everything is as it comes; KEYS.md lists actions and keys",
        )


def settings_file() -> Path:
    """Where settings are looked for unless somebody says otherwise."""
    import platformdirs

    return Path(platformdirs.user_config_dir("warroom", appauthor=False)) / "settings.yaml"


def load_settings(path: Path | None = None) -> Settings:
    """The settings in ``path``, else in the usual place, where there may be none.

    Raises ``SettingsInvalid`` with every mistake at its place.
    """
    from warroom.console.settings import Settings
    from warroom.runbook.nodes import Bad, Map, compose, described
    from warroom.runbook.problems import Problem, RunbookInvalid, RunbookMissing
    from warroom.runbook.source import read_text

    file = path or settings_file()
    try:
        text = read_text(file)
        if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
            return Settings()
        composed = compose(text, str(file))
    except RunbookMissing:
        if path is None:
            return Settings()
        raise WarroomError(f"There is no settings file {file}", "it was named", "write one, or leave it out") from None
    except RunbookInvalid as wrong:  # the reader's problems are about YAML, whatever the file is for
        raise SettingsInvalid(str(file), list(wrong.problems)) from None
    root = composed.root
    if composed.problems or not isinstance(root, Map):
        problems = list(composed.problems)
        if not isinstance(root, Map | Bad):
            problems.append(Problem(root.pos, described(root), "a group of keys: keys, theme, mouse …"))
        raise SettingsInvalid(str(file), problems)
    return _checked(root, str(file))


def _checked(root: Map, file: str) -> Settings:
    from pydantic import ValidationError

    from warroom.console.settings import Settings, mistakes
    from warroom.runbook.nodes import as_json
    from warroom.runbook.problems import in_order
    from warroom.runbook.shape import explain

    problems: list[Problem] = []
    wrong: set[tuple[str | int, ...]] = set()
    body = as_json(root)
    assert isinstance(body, dict)
    try:
        settings = Settings.model_validate_json(json.dumps(body), strict=True)
    except ValidationError as error:
        problems = explain(Settings, root, error, ())
        wrong = {tuple(each["loc"]) for each in error.errors(include_url=False, include_input=False)}
        settings = Settings.model_validate_json(json.dumps(_without(body, wrong)), strict=True)
    problems += [_placed(mistake, root) for mistake in mistakes(settings)]
    if problems:
        raise SettingsInvalid(file, in_order(problems, file))
    return settings


def _without(body: Mapping[str, JsonValue], wrong: set[tuple[str | int, ...]]) -> dict[str, JsonValue]:
    """What is left is looked at too, so that everything is told at once."""
    kept = {name: value for name, value in body.items() if (name,) not in wrong}
    if isinstance(keys := kept.get("keys"), dict):
        kept["keys"] = {name: key for name, key in keys.items() if ("keys", name) not in wrong}
    return kept


def _placed(mistake: Mistake, root: Map) -> Problem:
    from warroom.runbook.nodes import lookup
    from warroom.runbook.problems import Problem, meant, plain

    key, node = lookup(root, mistake.path)
    hint = mistake.hint or (meant(mistake.path[-1], mistake.near) if mistake.near else "")
    return Problem(key if mistake.at_key else node.pos, plain(mistake.found), mistake.expected, hint)
