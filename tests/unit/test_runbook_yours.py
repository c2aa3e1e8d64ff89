"""Lines to paste name what the file names, or say what to fill in: never another team's host, service or database."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from warroom.model.runbook import Runbook
from warroom.runbook import load
from warroom.runbook.loader import default_runbook
from warroom.runbook.yours import MEANS, to_fill_in

HEAD = "extends: default\nformat: 1\nservice: shop\nenvironment: {kind: production}\nplatforms:\n"
DATABASE = "  db: {plugin: postgres, config: {url: 'env:URL', backups: {folders: [/srv/dumps]}}}\n"
THEIRS = re.compile(
    r"your-|ai[-_]saas|production-server|/backups|docker compose[^|]*? (web|db|redis)(?![-\w])|^  web:", re.MULTILINE
)
"""What names something of one team's."""


def pasted(runbook: Runbook) -> dict[str, tuple[str, str]]:
    """What is said and what is pasted, by procedure and step."""
    return {
        f"{name}.{step_id}": (step.manual.do, "\n".join(step.manual.commands))
        for name, procedure in runbook.procedures.items()
        for step_id, step in procedure.steps.items()
        if step.manual is not None
    }


def book(folder: Path, platforms: str) -> Runbook:
    path = folder / "warroom.yaml"
    path.write_text(HEAD + platforms, encoding="utf-8")
    return load(path).runbook


def test_what_nobody_named_is_a_word_to_fill_in_and_the_step_says_what_it_means(tmp_path: Path) -> None:
    assert len([line for _, line in pasted(default_runbook()).values() if THEIRS.search(line)]) > 20
    found = pasted(book(tmp_path, DATABASE))
    assert [where for where, (_, line) in found.items() if THEIRS.search(line)] == []
    said, line = found["stop-writes.stop"]
    assert line == "docker compose stop YOUR_WEB"
    assert f"Fill in YOUR_WEB: {MEANS['YOUR_WEB']}." in said
    for where, (said, line) in found.items():
        words = to_fill_in(line)
        assert [word for word in words if f"{word}: {MEANS[word]}" not in said] == [], where
        assert ("Fill in " in said) == bool(words), where


def test_what_a_platform_names_stands_in_the_lines(tmp_path: Path) -> None:
    platforms = (
        DATABASE
        + "  web: {plugin: http, config: {base_url: 'https://shop.example:8443/x'}}\n"
        + "  compose: {plugin: compose, config: {project: shop, services: {redis: {}, front: {}}, release: front}}\n"
    )
    found = pasted(book(tmp_path, platforms))
    assert found["database-app-broken.application"][1].endswith(" https://shop.example:8443/api/version")
    assert found["option-a-git.look"][1].endswith("docker compose logs front --timestamps --tail=50")
    assert "exec -T redis redis-cli" in found["option-b.caches"][1]
    assert "exec -T YOUR_DB " in found["database-partial-migration.counts"][1]


@pytest.mark.parametrize(
    "url", ["https://u:p@shop.example", "https://shop.example;id", "http://shop.example", "[", "7"]
)
def test_what_does_not_fit_into_a_line_is_asked_for(tmp_path: Path, url: str) -> None:
    """A login is no part of a host, a shell would read on, and https is not what answers there."""
    from warroom.runbook.nodes import Map, compose
    from warroom.runbook.yours import yours

    own = compose(f"platforms: {{web: {{plugin: http, config: {{base_url: '{url}'}}}}}}", "f").root
    default = compose(
        "procedures: {p: {steps: {s: {manual: {do: it, commands: ['curl https://your-app.com/']}}}}}", "f"
    ).root
    assert isinstance(own, Map)
    assert isinstance(default, Map)
    (procedure,) = (node for _, node in yours(own, default).entries.values())
    assert "https://YOUR_HOST/" in repr(procedure)
