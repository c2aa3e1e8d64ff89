"""What the commands say of a runbook."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.runbooks import HEAD, PLATFORM, Plugins
from warroom.errors import BadInput
from warroom.runbook.render import MOST_PROBLEMS, coverage_json, print_check, print_coverage, print_schema
from warroom.runbook.starter import STARTER_FILE, init


def test_check_says_ok(tmp_path: Path) -> None:
    path = tmp_path / "warroom.yaml"
    path.write_text(HEAD, encoding="utf-8")
    lines, status = print_check(path, Plugins())
    assert status == 0
    assert lines[0] == f"{path}: OK. shop, drill: 10 triggers, 12 procedures, 13 checks."
    assert lines[1].startswith("Every procedure is done by hand")
    assert lines[2].startswith("Measured by nobody yet, so UNKNOWN: http-error-ratio, ")
    assert lines[3] == "No way to reach them is given yet: CTO, Lead Developer, DevOps and On-Call Engineer."


def test_check_names_the_secrets_that_are_not_set_and_what_nobody_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read without a network and without the secrets, it is still a runbook without mistakes: the status stays 0."""
    path = tmp_path / "warroom.yaml"
    head = HEAD.replace("kind: drill", "kind: production")
    assert head != HEAD
    path.write_text(f"{head}platforms:\n  db: {{plugin: postgres}}\n", encoding="utf-8")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    lines, status = print_check(path)
    assert status == 0
    told = "\n".join(lines)
    assert "warning: not set here: env:DATABASE_URL." in told  # named by the plugin, not by the file
    (host,) = (line for line in lines if line.startswith("  YOUR_HOST, "))
    (web,) = (line for line in lines if line.startswith("  YOUR_WEB, "))
    assert "database-swap (restart)" in host
    assert "database-swap (stop, restart)" in web
    monkeypatch.setenv("DATABASE_URL", "postgres://somewhere")
    assert "not set here" not in "\n".join(print_check(path)[0])


def test_check_says_what_a_person_chooses_and_for_what(tmp_path: Path) -> None:
    path = tmp_path / "warroom.yaml"
    steps = "steps: {s: {title: s, op: shop.restart, with: {version: '${choice.it}'}}}"
    made = f"{{title: t, use_when: u, choices: {{it: {{title: The version, use: shop.versions}}}}, {steps}}}"
    path.write_text(f"{PLATFORM}procedures: {{a: {made}, b: {made}}}\n", encoding="utf-8")
    lines, status = print_check(path, Plugins())
    assert status == 0
    assert "A person chooses before the plan is made: The version, for a and b." in lines


def test_check_lists_every_mistake(tmp_path: Path) -> None:
    path = tmp_path / "warroom.yaml"
    path.write_text(HEAD + "watch: soon\ncontacts: 5\n", encoding="utf-8")
    lines, status = print_check(path, Plugins())
    assert status == 1
    assert lines == [
        f'{path}:5:8: found the text "soon", expected a duration such as 20s, 5m or 1h30m',
        f"{path}:6:11: found the number 5, expected a group of keys",
        "2 mistakes.",
    ]


def test_check_does_not_flood(tmp_path: Path) -> None:
    path = tmp_path / "warroom.yaml"
    path.write_text(HEAD + "".join(f"x{n}: 1\n" for n in range(MOST_PROBLEMS + 50)), encoding="utf-8")
    lines, status = print_check(path, Plugins())
    assert (status, len(lines)) == (1, MOST_PROBLEMS + 2)
    assert lines[-2:] == ["… and 50 more", f"{MOST_PROBLEMS + 50} mistakes."]


def test_check_without_a_file(tmp_path: Path) -> None:
    lines, status = print_check(tmp_path / "warroom.yaml", Plugins())
    assert status == 1
    assert lines[0].endswith("found no file of this name, expected a runbook; warroom init writes one")


def test_init_writes_what_loads(tmp_path: Path) -> None:
    path = tmp_path / "warroom.yaml"
    said = init(path)
    assert str(path) in said[0]
    lines, status = print_check(path)
    assert status == 0
    assert lines[0].startswith(f"{path}: OK. my-service, staging: ")
    assert not [line for line in lines if line.startswith("warning")]


def test_init_is_short_and_commented() -> None:
    lines = STARTER_FILE.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 160
    assert sum(line.lstrip().startswith("#") for line in lines) > 10


def test_what_the_starter_only_shows_works_as_well(tmp_path: Path) -> None:
    """Every example in a comment, taken out of it: a key after "# "."""
    text = STARTER_FILE.read_text(encoding="utf-8")
    path = tmp_path / "warroom.yaml"
    shown = re.sub(r"(?m)^( *)# ( *[a-z][a-z0-9_-]*:(?: .*)?)$", r"\1\2", text)
    assert shown.count("plugin:") == 7
    path.write_text(shown, encoding="utf-8")
    lines, status = print_check(path)
    assert status == 0, lines
    (run,) = (line for line in lines if line.startswith("Run by warroom: "))
    assert "option-b, option-c, database-corruption, database-restore and 7 more." in run
    assert not any("UNKNOWN" in line and "http-error-ratio" in line for line in lines)
    for source in ("compose", "kubernetes", "prometheus", "sentry", "http", "postgres", "redis"):
        broken = shown.replace(
            f"plugin: {source}\n    config:\n", f"plugin: {source}\n    config:\n      nonsense: 1\n"
        )
        path.write_text(broken, encoding="utf-8")
        assert print_check(path)[1] == 1, source


def test_init_never_writes_over(tmp_path: Path) -> None:
    path = tmp_path / "warroom.yaml"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(BadInput, match="is there already"):
        init(path)
    assert path.read_text(encoding="utf-8") == "mine"


def test_init_follows_no_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "warroom.yaml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match="is there already"):
        init(tmp_path / "warroom.yaml")
    assert not (tmp_path / "elsewhere").exists()


def test_init_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="can't be written"):
        init(tmp_path / "none" / "warroom.yaml")


def test_coverage_lists_and_counts() -> None:
    lines = print_coverage(commands=["drill"], plugins=Plugins())
    assert "Rollback Decision Tree" in lines
    assert any(line.startswith("  manual       tree.can-we-hotfix-quickly") for line in lines)
    assert lines[-1].startswith("312 lines of the default runbook: ")


def test_coverage_of_one_status(tmp_path: Path) -> None:
    path = tmp_path / "warroom.yaml"
    path.write_text(HEAD, encoding="utf-8")
    lines = print_coverage(path, "not-yet", commands=["drill"], plugins=Plugins())
    assert {line.split()[0] for line in lines if line.startswith("  ")} == {"not-yet"}
    assert f"of {path}" in lines[-1]


def test_coverage_for_programs() -> None:
    found = json.loads(json.dumps(coverage_json(commands=["drill"], plugins=Plugins())))
    assert len(found) == 312
    assert set(found[0]) == {"id", "section", "says", "status", "where", "why"}


def test_schema_is_json() -> None:
    assert json.loads(print_schema())["title"] == "A warroom runbook"
