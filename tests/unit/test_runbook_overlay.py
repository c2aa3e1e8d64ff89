"""A file that names a Compose project gets Option B, and what stops and starts the application, run by warroom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runbooks import HEAD
from warroom.model.cutover import stops_before
from warroom.model.runbook import Runbook
from warroom.runbook import Loaded, RunbookInvalid, default_runbook, load
from warroom.runbook.coverage import coverage
from warroom.runbook.overlay import COMPOSE_FILE
from warroom.runbook.render import print_check

SHOP = "{plugin: compose, config: {project: shop, services: {web: {}, db: {}, worker: {with_release: true}}}}"


def read(tmp_path: Path, text: str) -> Loaded:
    path = tmp_path / "warroom.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load(path)


def book(tmp_path: Path, platforms: str = f"compose: {SHOP}", more: str = "") -> Runbook:
    return read(tmp_path, f"platforms: {{{platforms}}}\n{more}").runbook


def ops(runbook: Runbook, procedure: str) -> dict[str, str | None]:
    return {name: step.op for name, step in runbook.procedures[procedure].steps.items()}


def test_option_b_has_the_image_before_anything_is_touched(tmp_path: Path) -> None:
    runbook = book(tmp_path)
    option_b = runbook.procedures["option-b"]
    assert ops(runbook, "option-b") == {
        "stop": "compose.stop",
        "find-image": "compose.pull",
        "prove": "compose.prove",
        "pin": "compose.pin",
        "up": "compose.up",
        "caches": None,
    }
    assert stops_before(option_b) == ("stop",), "only where writes must end first"
    assert option_b.steps["up"].with_ == {
        "services": ["web", "worker"],
        "digest": "${target.digest}",
        "version": "${target.version}",
        "wait": "3m",
    }
    assert [name for name, step in option_b.steps.items() if step.role == "application"] == ["up"]
    before = default_runbook().procedures["option-b"]
    assert (option_b.title, option_b.use_when, option_b.expected) == (before.title, before.use_when, before.expected)
    assert option_b.needs == ("compose",)
    assert all(step.why for step in option_b.steps.values())


def test_what_a_person_does_stays_theirs_and_keeps_its_place(tmp_path: Path) -> None:
    runbook, default = book(tmp_path), default_runbook()
    corruption = runbook.procedures["database-corruption"]
    assert list(corruption.steps) == list(default.procedures["database-corruption"].steps)
    assert corruption.steps["stop"].op == "compose.stop"
    assert corruption.steps["assess"] == default.procedures["database-corruption"].steps["assess"]
    with_database = list(ops(runbook, "option-b-database"))
    assert [name for name in with_database if name != "prove"] == list(default.procedures["option-b-database"].steps)
    for name, procedure in default.procedures.items():
        if name.startswith(("option-a", "option-c")):
            assert runbook.procedures[name] == procedure


@pytest.mark.parametrize("procedure", ["stop-writes", "resume-writes"])
def test_stopping_and_resuming_writes_needs_nobody_s_hands(tmp_path: Path, procedure: str) -> None:
    found = book(tmp_path).procedures[procedure]
    assert [step.op for step in found.steps.values()] in (["compose.stop"], ["compose.start"])
    assert all(step.with_ == {"services": ["web", "worker"]} for step in found.steps.values())


def test_services_are_verified_as_the_runbook_lists_them(tmp_path: Path) -> None:
    check = book(tmp_path).verification["services"]
    assert (check.use, check.required) == ("compose.services-running", True)
    assert "services" not in default_runbook().verification


def test_whatever_the_platform_and_its_service_are_called(tmp_path: Path) -> None:
    named = "{plugin: compose, config: {project: shop, services: {db: {}, api: {}}, release: api}}"
    runbook = book(tmp_path, f"prod: {named}")
    assert set(ops(runbook, "option-b").values()) - {None} == {
        f"prod.{n}" for n in ("stop", "pull", "prove", "pin", "up")
    }
    assert runbook.procedures["stop-writes"].steps["stop"].with_ == {"services": ["api"]}
    source = runbook.signals["health-web"].source
    assert source is not None
    assert (source.platform, source.signal) == ("prod", "health-api")


def test_the_file_s_own_word_stands_over_it(tmp_path: Path) -> None:
    mine = "option-b: {title: Mine, use_when: u, steps: {s: {title: t, manual: {do: it}}}}"
    signal = "health-web: {title: w, unit: state}"
    runbook = book(tmp_path, more=f"procedures: {{{mine}, stop-writes: }}\nsignals: {{{signal}}}\n")
    assert runbook.procedures["option-b"].title == "Mine"
    assert "stop-writes" not in runbook.procedures
    assert runbook.signals["health-web"].source is None


def test_of_two_projects_the_one_called_compose_is_meant_or_a_person_goes_on_by_hand(tmp_path: Path) -> None:
    other = SHOP.replace("shop", "other")
    chosen = book(tmp_path, f"a: {other}, compose: {SHOP}")
    assert ops(chosen, "option-b")["up"] == "compose.up"
    loaded = read(tmp_path, f"platforms: {{a: {SHOP}, b: {other}}}\n")
    assert set(ops(loaded.runbook, "option-b").values()) == {None}
    told = [warning for warning in loaded.warnings if "2 Compose projects (a, b)" in warning.found]
    assert [(warning.line, warning.column) for warning in told] == [(5, 13)]


@pytest.mark.parametrize(
    ("services", "told"),
    [
        ("{}", "at least"),
        ("{web: {with_release: maybe}}", "true or false"),
        ('{"web\\", x: [": {}}', "web"),
        ("{web: {}}, release: api", "release must be one of services"),
        ("[web]", "a group of keys"),
    ],
)
def test_what_is_wrong_with_the_project_is_told_in_the_file_alone(tmp_path: Path, services: str, told: str) -> None:
    with pytest.raises(RunbookInvalid) as invalid:
        book(tmp_path, f"compose: {{plugin: compose, config: {{project: shop, services: {services}}}}}")
    assert told in " ".join(str(problem) for problem in invalid.value.problems)
    assert {problem.file for problem in invalid.value.problems} == {str(tmp_path / "warroom.yaml")}


def test_without_a_project_nothing_is_laid_over(tmp_path: Path) -> None:
    assert ops(read(tmp_path, "").runbook, "option-b")["up"] is None
    text = (tmp_path / "warroom.yaml").read_text(encoding="utf-8").replace("extends: default\n", "")
    (tmp_path / "own.yaml").write_text(text + f"platforms: {{compose: {SHOP}}}\n", encoding="utf-8")
    with pytest.raises(RunbookInvalid) as told:
        load(tmp_path / "own.yaml")
    assert str(COMPOSE_FILE) not in {problem.file for problem in told.value.problems}


def test_check_says_who_does_what(tmp_path: Path) -> None:
    path = tmp_path / "warroom.yaml"
    path.write_text(HEAD, encoding="utf-8")
    assert "Every procedure is done by hand, with the lines to paste: no step has an operation." in print_check(path)[0]
    path.write_text(HEAD + f"platforms: {{compose: {SHOP}}}\n", encoding="utf-8")
    lines, status = print_check(path)
    assert status == 0
    assert "Run by warroom: option-b, stop-writes and resume-writes." in lines
    assert any(line.startswith("Run by warroom in part, the rest by hand: option-b-database, ") for line in lines)


def test_the_runbook_that_the_readme_shows_is_all_it_takes(tmp_path: Path) -> None:
    readme = Path(__file__).parents[2] / "README.md"
    shown = readme.read_text(encoding="utf-8").partition("## Docker Compose")[2].partition("```yaml\n")[2]
    path = tmp_path / "warroom.yaml"
    path.write_text(shown.partition("```")[0], encoding="utf-8")
    runbook = load(path).runbook
    assert runbook.procedures["option-b"].steps["up"].with_["services"] == ["web", "worker"]
    assert "Run by warroom: option-b, stop-writes and resume-writes." in print_check(path)[0]


def test_the_coverage_says_so_line_by_line(tmp_path: Path) -> None:
    before = {each.id: each for each in coverage(default_runbook(), commands=())}
    now = {each.id: each for each in coverage(book(tmp_path), commands=())}
    option_b = [name for name in now if name.startswith(("option-b.stop.", "option-b.image.", "option-b.verify."))]
    assert len(option_b) > 25
    assert {before[name].status for name in option_b} == {"manual", "implemented"}, "but for the expected time"
    still = {name: now[name].why for name in option_b if now[name].status != "implemented"}
    assert still == {}
    ps = now["option-b.verify.docker-compose-ps"]
    assert ps.where == "verification.services"
    assert before["option-b.verify.docker-compose-ps"].where == "procedures.option-b.steps.verify-services"
    assert now["scenario-3.docker-compose-stop-web"].status == "implemented"
    assert now["option-b.database.docker-compose-exec-t-db-psql-u"].status == "manual"
