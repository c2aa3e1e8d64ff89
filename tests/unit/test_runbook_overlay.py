"""A file that names a Compose project gets Option B, and what stops and starts the application, run by warroom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runbooks import HEAD, but_for_lines
from warroom.model.base import Fact
from warroom.model.cutover import stops_before
from warroom.model.measuring import HOW, unmeasured
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


def same(one: Fact, other: Fact) -> bool:
    return bool(but_for_lines(one.model_dump()) == but_for_lines(other.model_dump()))


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
    assert same(corruption.steps["assess"], default.procedures["database-corruption"].steps["assess"])
    with_database = list(ops(runbook, "option-b-database"))
    assert [name for name in with_database if name != "prove"] == list(default.procedures["option-b-database"].steps)
    for name, procedure in default.procedures.items():
        if name.startswith(("option-a", "option-c")):
            assert same(runbook.procedures[name], procedure)


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


def test_what_the_readme_says_of_feeding_a_trigger_feeds_it(tmp_path: Path) -> None:
    """And what nobody feeds is told with where that is said, so the words are the README's own."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    part = readme.partition(f"### {HOW.partition('“')[2].rstrip('”')}\n")[2]
    path = tmp_path / "warroom.yaml"
    path.write_text(part.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    fed = set(default_runbook().triggers) - unmeasured(load(path).runbook)
    assert (fed, set(default_runbook().triggers) - unmeasured(default_runbook())) == (
        {"redis-failing", "high-error-rate"},
        set(),
    )
    assert any(line.endswith(f"; how to feed them: {HOW}.") for line in print_check(path)[0])


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


BACKED_UP = "{plugin: postgres, config: {backups: {folders: [/backups]}}}"


def test_a_database_whose_backups_are_named_is_restored_by_warroom_in_two_plans(tmp_path: Path) -> None:
    runbook = book(tmp_path, f"compose: {SHOP}, shop-db: {BACKED_UP}")
    restore, swap = runbook.procedures["database-restore"], runbook.procedures["database-swap"]
    assert ops(runbook, "database-restore") == {
        "stop": "compose.stop",
        "restore-beside": "shop-db.restore",
        "compare": "shop-db.compare",
    }
    assert (restore.kind, restore.needs, restore.then) == ("other", ("compose", "shop-db"), "database-swap")
    assert restore.steps["stop"].if_needed, "only where data is still being damaged"
    assert {name: choice.use for name, choice in restore.choices.items()} == {"backup": "shop-db.backups"}
    assert restore.steps["restore-beside"].with_ == {"backup": "${choice.backup}"}
    assert restore.steps["compare"].with_["backup"] == "${choice.backup}"
    assert ops(runbook, "database-swap") == {
        "stop": "compose.stop",
        "swap": "shop-db.swap",
        "integrity": "shop-db.assess",
        "restart": "compose.start",
    }
    assert (swap.kind, swap.needs) == ("database", ("compose", "shop-db"))
    assert {name: choice.use for name, choice in swap.choices.items()} == {"restored": "shop-db.restored"}
    assert swap.steps["swap"].role == "database"
    discard = runbook.procedures["database-discard"]
    assert (discard.kind, ops(runbook, "database-discard")) == ("other", {"discard": "shop-db.discard"})
    with_it = ops(runbook, "option-b-database")
    assert (with_it["up"], with_it["restore-beside"], "find-backup" in with_it) == (
        "compose.up",
        "shop-db.restore",
        False,
    )
    corruption = runbook.procedures["database-corruption"]
    assert (corruption.kind, corruption.then) == ("other", "database-swap"), "nothing is rolled back by it yet"
    assert (corruption.steps["dump"].if_needed, corruption.steps["dump"].manual is not None) == (True, True)
    assert ops(runbook, "database-corruption")["stop"] == "compose.stop"


def test_which_of_two_ways_to_a_backup_to_take_is_told_by_both(tmp_path: Path) -> None:
    runbook = book(tmp_path, f"shop-db: {BACKED_UP}")
    corruption, restore = (runbook.procedures[name].use_when for name in ("database-corruption", "database-restore"))
    assert ("stops all writes" in corruption, "counts the damage" in corruption) == (True, True)
    assert "Scenario 3" in restore
    assert max(len(corruption), len(restore)) <= 84, "it is read in a dialog of 80 columns, tired"


def test_whether_its_data_holds_is_a_signal_and_is_verified(tmp_path: Path) -> None:
    runbook, before = book(tmp_path, f"shop-db: {BACKED_UP}"), default_runbook()
    for name in ("integrity-errors", "foreign-key-violations"):
        source = runbook.signals[name].source
        assert source is not None
        assert (source.platform, source.signal, before.signals[name].source) == ("shop-db", name, None)
    checks = {
        name: (runbook.verification[name].use, runbook.verification[name].proves) for name in ("integrity", "counts")
    }
    assert checks == {name: (f"shop-db.{name}", "integrity-verified") for name in ("integrity", "counts")}
    assert (before.verification["counts"].use, "integrity" in before.verification) == ("ask-a-person", False)


def test_a_database_alone_leaves_the_application_to_a_person(tmp_path: Path) -> None:
    runbook = book(tmp_path, f"database: {BACKED_UP}")
    assert ops(runbook, "database-swap") == {
        "stop": None,
        "swap": "database.swap",
        "integrity": "database.assess",
        "restart": None,
    }
    assert ops(runbook, "stop-writes") == {"stop": None}
    sources = {name: signal.source.signal for name, signal in runbook.signals.items() if signal.source is not None}
    assert sources == {
        "health-db": "reachable",
        "migrations-failed": "migrations-failed",
        "integrity-errors": "integrity-errors",
        "foreign-key-violations": "foreign-key-violations",
    }
    assert same(runbook.procedures["option-b-database"], default_runbook().procedures["option-b-database"])


@pytest.mark.parametrize(
    ("platforms", "chosen"),
    [
        ("database: {plugin: postgres}", None),
        (f"a: {{plugin: postgres}}, b: {BACKED_UP}", "b"),
        (f"a: {BACKED_UP}, postgres: {BACKED_UP}", "postgres"),
        (f"a: {BACKED_UP}, b: {BACKED_UP}", None),
    ],
    ids=["no-backups", "one-of-two", "by-its-name", "which"],
)
def test_the_database_that_is_meant_has_backups_and_is_told_apart(
    tmp_path: Path, platforms: str, chosen: str | None
) -> None:
    loaded = read(tmp_path, f"platforms: {{{platforms}}}\n")
    assert ops(loaded.runbook, "database-swap")["swap"] == (f"{chosen}.swap" if chosen else None)
    told = [warning for warning in loaded.warnings if "2 databases (a, b)" in warning.found]
    assert len(told) == (platforms == f"a: {BACKED_UP}, b: {BACKED_UP}")


def test_the_coverage_says_that_warroom_restores(tmp_path: Path) -> None:
    now = {each.id: each for each in coverage(book(tmp_path, f"compose: {SHOP}, db: {BACKED_UP}"), commands=())}
    mine = [name for name in now if name.startswith(("option-b.database.", "scenario-3.3", "scenario-3.get-latest"))]
    assert len(mine) > 9
    assert {now[name].status for name in mine} == {"implemented"}


def test_the_runbook_for_a_database_that_the_readme_shows_is_all_it_takes(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("## The database")[2].partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "warroom.yaml").write_text(shown, encoding="utf-8")
    runbook = load(tmp_path / "warroom.yaml").runbook
    for name in ("database-restore", "database-swap", "database-discard"):
        assert all(runbook.procedures[name].steps[step].op for step in runbook.procedures[name].steps)
