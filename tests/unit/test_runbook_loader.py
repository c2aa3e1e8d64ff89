"""What is wrong with a runbook, told at its place: ``line:column: found …, expected …``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runbooks import HEAD, LEAVES, PLATFORM, TREE, but_for_lines, loaded, mistakes
from warroom.model.runbook import Runbook
from warroom.runbook import RunbookInvalid, default_runbook
from warroom.runbook.loader import DEFAULT_FILE

SHAPE = {
    "unknown key": (HEAD + "triger: {}", '5:1: found the unknown key "triger", expected one of active_probes, '),
    "did you mean": (HEAD + "triger: {}", '; did you mean "triggers"?'),
    "key below": (
        HEAD + "contacts:\n  cto:\n    titel: CTO\n    title: CTO",
        '7:5: found the unknown key "titel", expected one of reach, title; did you mean "title"?',
    ),
    "missing": (HEAD + "contacts:\n  cto: {reach: x}", '6:3: found no "title" in cto, expected one'),
    "a text for a number": (
        HEAD + "checklists: {c: {title: 5, items: {}}}",
        "5:25: found the number 5, expected a text; put it in quotes",
    ),
    "nothing in a group": (
        HEAD + "checklists: {c: {title: x, items: {}}}",
        "5:35: found a group of keys, expected at least 1",
    ),
    "a number in quotes": (
        HEAD + 'procedures: {p: {title: x, use_when: y, steps: {s: {title: z, timeout: "5"}}}}',
        '5:72: found the text "5", expected a duration such as 20s, 5m or 1h30m',
    ),
    "a list for a group": (HEAD + "contacts: [a]", "5:11: found a list, expected a group of keys"),
    "a group for a list": (HEAD + "escalation: {a: 1}", "5:13: found a group of keys, expected a list"),
    "another choice": (
        HEAD.replace("drill", "prod"),
        '4:21: found the text "prod", expected one of production, staging, drill',
    ),
    "too small": (
        HEAD
        + "triggers: {t: {title: x, severity: warning, conditions: "
        + "{c: {sentence: y, signal: http-p95, above: 1, at_least: -1}}}}",
        "5:113: found the number -1, expected a number of at least 0",
    ),
    "a duration": (
        HEAD + "watch: 5 minutes",
        '5:8: found the text "5 minutes", expected a duration such as 20s, 5m or 1h30m',
    ),
    "too long": (HEAD + "watch: 9000h", '5:8: found the text "9000h", expected a number of at most 31622400'),
    "a name": (
        HEAD + "contacts: {Big Boss: {title: x}}",
        '5:12: found the name "Big Boss", expected lower-case letters, digits and single - _ or . between them',
    ),
    "kind of answers": (
        TREE + "    a: {ask: q, answers: {yes: go, no: stop}, from: {by: weather}}\n" + LEAVES,
        '8:58: found the text "weather", expected one of firing, severity, trend, timer',
    ),
    "no kind of answers": (
        TREE + "    a: {ask: q, answers: {yes: go, no: stop}, from: {wait: 5}}\n" + LEAVES,
        "8:53: found no by, expected one: it says of which kind this is",
    ),
    "format": (HEAD.replace("format: 1", "format: 2"), "2:9: found the number 2, expected 1"),
    "no format": (
        HEAD.replace("format: 1\n", ""),
        '1:1: found no "format", expected one: the default runbook can\'t know it',
    ),
    "no service": (HEAD.replace("service: shop\n", ""), '1:1: found no "service", expected one: the default'),
    "no environment": (
        "extends: default\nformat: 1\nservice: x\n",
        '1:1: found no "environment", expected one: the default',
    ),
    "extends": (HEAD.replace("default", "base"), '1:10: found the text "base", expected default'),
    "extends nothing": (HEAD.replace("extends: default\n", ""), '1:1: found no "tree", expected one'),
    "nothing for a section": (
        HEAD + "contacts:",
        "5:10: found nothing, expected entries of contacts, or no contacts at all",
    ),
    "nothing to take out": (
        HEAD + "contacts:\n  ctoo:",
        "6:3: found nothing, expected an entry, or the name of a default one: one of cto, lead-developer, devops, "
        'on-call-engineer; did you mean "cto"?',
    ),
}


@pytest.mark.parametrize("case", SHAPE)
def test_one_mistake(case: str, tmp_path: Path) -> None:
    text, said = SHAPE[case]
    found = mistakes(tmp_path, text)
    assert any(said in each for each in found), found


@pytest.mark.parametrize("text", [HEAD, PLATFORM, TREE + "    a: {ask: q, answers: {yes: go, no: stop}}\n" + LEAVES])
def test_these_tables_begin_without_a_mistake(text: str, tmp_path: Path) -> None:
    assert mistakes(tmp_path, text) == []


def test_a_problem_in_numbers(tmp_path: Path) -> None:
    with pytest.raises(RunbookInvalid) as invalid:
        loaded(tmp_path, HEAD + "watch: soon\ncontacts: 5\n")
    first, second = invalid.value.problems
    assert (first.file, first.line, first.column) == (f"{tmp_path}/warroom.yaml", 5, 8)
    assert (second.line, second.found) == (6, "the number 5")
    assert "has 2 mistakes" in invalid.value.title


class TestExtending:
    def test_an_entry_replaces_an_entry_whole(self, tmp_path: Path) -> None:
        book = loaded(tmp_path, HEAD + "contacts: {cto: {title: Ann}, new: {title: Bob}}\n").runbook
        assert [c.title for c in book.contacts.values()] == [
            "Ann",
            "Lead Developer",
            "DevOps",
            "On-Call Engineer",
            "Bob",
        ]

    def test_an_empty_entry_takes_one_out(self, tmp_path: Path) -> None:
        book = loaded(tmp_path, HEAD + "triggers:\n  payments-broken:\n  security: ~\n").runbook
        assert set(default_runbook().triggers) - set(book.triggers) == {"payments-broken", "security"}

    def test_scalars_and_lists_replace(self, tmp_path: Path) -> None:
        book = loaded(tmp_path, HEAD + "watch: 1h\nescalation: [{after: 1m, sentence: s, contacts: [cto]}]\n").runbook
        assert (book.watch, len(book.escalation)) == (3600, 1)

    def test_trees_and_post_mortems_replace_whole(self, tmp_path: Path) -> None:
        text = TREE + "    a: {ask: q, answers: {yes: go, no: stop}}\n" + LEAVES
        book = loaded(tmp_path, text + "post_mortem: {within: 48h, sections: {all: {title: All}}}\n").runbook
        assert set(book.tree.questions) == {"a"}
        assert (list(book.post_mortem.sections), book.post_mortem.actions) == (["all"], {})

    def test_everything_else_is_the_default(self, tmp_path: Path) -> None:
        mine, default = loaded(tmp_path, HEAD).runbook, default_runbook()
        own = {"service", "environment"}
        assert but_for_lines(mine.model_dump(exclude=own)) == but_for_lines(default.model_dump(exclude=own))
        assert mine.environment.kind == "drill"

    def test_a_file_may_stand_alone(self, tmp_path: Path) -> None:
        text = DEFAULT_FILE.read_text(encoding="utf-8")
        assert loaded(tmp_path, text).runbook == default_runbook()

    def test_it_survives_the_journal(self, tmp_path: Path) -> None:
        book = loaded(tmp_path, HEAD).runbook
        assert Runbook.model_validate_json(book.model_dump_json(by_alias=True)).hash == book.hash
