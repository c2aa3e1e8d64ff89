"""What is wrong with a runbook, told at its place: ``line:column: found …, expected …``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runbooks import HEAD, PLATFORM, loaded, mistakes
from warroom.model.runbook import Runbook
from warroom.runbook import RunbookInvalid, default_runbook
from warroom.runbook.loader import DEFAULT_FILE

TREE = HEAD + "tree:\n  root: a\n  questions:\n"
"""Seven lines; the first question stands on line 8."""
LEAVES = "  leaves:\n    stop: {advice: monitor, title: Stop}\n    go: {advice: rollback, title: Go}\n"
YES_NO = "from: {by: firing}"

SHAPE = {
    "unknown key": (HEAD + "triger: {}", '5:1: found the unknown key "triger", expected one of channels, checklists, '),
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

CONDITION = HEAD + "triggers: {t: {title: x, severity: warning, conditions: {c: {sentence: y, "

CROSS = {
    "component's signal": (
        HEAD + "components: {c: {title: x, signal: http-p96}}",
        '5:36: found the unknown signal "http-p96", expected one of http-error-ratio, http-p95, ',
    ),
    "condition's signal": (
        CONDITION + "signal: p95, above: 1}}}}",
        '5:83: found the unknown signal "p95", expected one of',
    ),
    "no limit": (CONDITION + "signal: http-p95}}}}", "5:58: found no limit in c, expected one of above, below, equals"),
    "two limits": (
        CONDITION + "signal: http-p95, above: 1, equals: 5}}}}",
        "5:103: found both above and equals, expected one limit in a condition",
    ),
    "per cent": (
        CONDITION + "signal: http-error-ratio, above: 5}}}}",
        "5:108: found the number 5 for a ratio, expected a number from 0 to 1; 5 % is 0.05",
    ),
    "a state": (
        CONDITION + "signal: health-web, equals: 2}}}}",
        "5:103: found the number 2 for a state, expected a number from 0 to 1; a state is 1 when well, 0 when not",
    ),
    "clears above": (
        CONDITION + "signal: http-p95, above: 1, clear_below: 2}}}}",
        "5:116: found clear_below 2, expected at most the limit, 1",
    ),
    "clears alone": (
        CONDITION + "signal: http-p95, below: 1, clear_below: 1}}}}",
        "5:103: found clear_below without above, expected it beside above only",
    ),
    "condition twice": (
        CONDITION.replace("{c:", "{p95:") + "signal: http-p95, above: 1}}}}",
        '5:58: found the condition "p95" again, expected a name of its own: it stands on line ',
    ),
    "checklist line twice": (
        HEAD + "checklists:\n  mine:\n    title: t\n    items:\n      x: {sentence: s, items: {target: {sentence: t}}}",
        '9:32: found the checklist line "target" again, expected a name of its own: line ',
    ),
    "escalation's contact": (
        HEAD + "escalation: [{after: 1m, sentence: s, contacts: [cto, boss]}]",
        '5:55: found the unknown contact "boss", expected one of cto, lead-developer, devops, on-call-engineer',
    ),
    "escalation's order": (
        HEAD + "escalation: [{after: 5m, sentence: s}, {after: 1m, sentence: s}]",
        "5:48: found after 60 s, expected later than the step before it, 300 s",
    ),
    "channel's platform": (
        HEAD + "channels: {ops: {platform: slack}}",
        '5:28: found the unknown platform "slack", expected nothing here: there is none',
    ),
    "signal's platform": (
        HEAD + "signals: {s: {title: t, unit: ms, source: {platform: x, signal: y}}}",
        '5:54: found the unknown platform "x", expected nothing here: there is none',
    ),
    "what a procedure needs": (
        PLATFORM
        + "procedures: {p: {title: t, use_when: u, needs: [shop, shoop], steps: {s: {title: t, manual: {do: x}}}}}",
        '6:55: found the unknown platform "shoop", expected shop; did you mean "shop"?',
    ),
    "a fingerprint of nothing": (
        HEAD.replace("drill}", "drill, fingerprints: {app: x}}"),
        '4:43: found the unknown platform "app", expected nothing here: there is none',
    ),
    "drill windows elsewhere": (
        HEAD.replace("drill", "staging") + "drill_windows: {watch: 1m}",
        "5:1: found drill_windows in a staging environment, expected them only where kind is drill",
    ),
    "drill window of nothing": (
        HEAD + "drill_windows: {watch: 1m, monitored: 5s, error-rat: 5s}",
        '5:43: found the unknown name "error-rat", expected the name of a condition, of a timer question, or watch; '
        'did you mean "error-rate"?',
    ),
    "neither": (
        HEAD + "procedures: {p: {title: t, use_when: u, steps: {s: {title: t}}}}",
        "5:49: found neither op nor manual in s, expected either an operation or a manual step",
    ),
    "both": (
        PLATFORM
        + "procedures: {p: {title: t, use_when: u, steps: "
        + "{s: {title: t, op: shop.restart, with: {version: v1}, manual: {do: x}}}}}",
        "6:49: found both op and manual in s, expected either an operation or a manual step",
    ),
    "arguments of a person": (
        HEAD + "procedures: {p: {title: t, use_when: u, steps: {s: {title: t, manual: {do: x}, with: {a: 1}}}}}",
        "5:80: found with in a manual step, expected it only beside op",
    ),
    "a placeholder": (
        HEAD
        + "procedures: {p: {title: t, use_when: u, steps: {s: {title: t, manual: {do: 'Go to ${target.verison}'}}}}}",
        '5:76: found "${target.verison}", expected ${…} with one of incident, service, target.version, target.commit, '
        'target.digest, running.version, running.commit, running.digest; did you mean "target.version"?',
    ),
    "a shell's variable": (
        HEAD
        + "procedures: {p: {title: t, use_when: u, steps: {s: {title: t, manual: {do: x, commands: ['cd ${HOME}']}}}}}",
        '5:90: found "${HOME}", expected ${…} with one of incident',
    ),
    "unknown check": (
        HEAD + "verification: {v: {sentence: s, use: signal-witin}}",
        '5:38: found the unknown check "signal-witin", expected platform.check, or one of running-is-target, '
        'signal-within, logs-clean, counts-match, triggers-quiet, ask-a-person; did you mean "signal-within"?',
    ),
    "check's arguments": (
        HEAD + "verification: {v: {sentence: s, use: logs-clean, with: {alow: 3}}}",
        '5:57: found the unknown key "alow", expected one of allow, settle; did you mean "allow"?',
    ),
    "check's limit": (
        HEAD + "verification: {v: {sentence: s, use: signal-within, with: {signal: http-p95}}}",
        "5:53: found no limit, expected below, above, or both",
    ),
    "check's signal": (
        HEAD + "verification: {v: {sentence: s, use: signal-within, with: {signal: p, below: 1}}}",
        '5:68: found the unknown signal "p", expected one of http-error-ratio',
    ),
    "template": (
        HEAD + "templates:\n  t:\n    title: t\n    text: |\n      Hello\n      {{ nmae }}\n",
        "10:1: found the unknown variable 'nmae', expected one of time_utc, ",
    ),
    "template's syntax": (HEAD + 'templates: {t: {title: t, text: "{{ reason"}}', "5:33: found "),
    "taken out, but used": (
        HEAD + "signals:\n  auth-signin:\n",
        '6:3: found nothing for the signal "auth-signin", expected an entry: components.auth of the default uses it',
    ),
    "a message that must be": (
        HEAD + "templates:\n  completed:\n",
        '5:1: found no "completed" in templates, expected one: no other message says that a rollback is over',
    ),
}

DECISION = {
    "root": (
        TREE.replace("root: a", "root: b") + f"    a: {{ask: q, answers: {{yes: go, no: stop}}, {YES_NO}}}\n" + LEAVES,
        ['6:9: found the unknown root "b", expected a'],
    ),
    "target": (
        TREE + "    a: {ask: q, answers: {yes: goo, no: stop}}\n" + LEAVES,
        [
            '8:32: found the unknown target "goo", expected one of a, stop, go; did you mean "go"?',
            '11:5: found "go", which no answer leads to, expected an answer that leads here',
        ],
    ),
    "circle": (
        TREE + "    a: {ask: q, answers: {yes: b, no: stop}}\n    b: {ask: q, answers: {yes: a, no: go}}\n" + LEAVES,
        ["9:32: found a circle: a → b → a, expected an answer that leads on"],
    ),
    "itself": (
        TREE + "    a: {ask: q, answers: {yes: a, no: stop, maybe: go}}\n" + LEAVES,
        ["8:32: found a circle: a → a, expected an answer that leads on"],
    ),
    "no leaf": (
        TREE + "    a: {ask: q, answers: {yes: a, no: a}}\n  leaves: {stop: {advice: monitor, title: t}}\n",
        [
            "6:3: found a tree that ends nowhere, expected an answer that leads to a leaf",
            "8:32: found a circle: a → a, expected an answer that leads on",
            "8:39: found a circle: a → a, expected an answer that leads on",
            '9:12: found "stop", which no answer leads to, expected an answer that leads here',
        ],
    ),
    "not reached": (
        TREE
        + "    a: {ask: q, answers: {yes: go, no: stop}}\n    b: {ask: q, answers: {yes: go, no: stop}}\n"
        + LEAVES,
        ['9:5: found "b", which no answer leads to, expected an answer that leads here'],
    ),
    "one answer": (
        TREE + "    a: {ask: q, answers: {yes: go}}\n" + LEAVES,
        ["8:26: found a group of keys, expected at least 2 entries"],
    ),
    "answers that never come": (
        TREE + f"    a: {{ask: q, answers: {{yes: go, perhaps: stop}}, {YES_NO}}}\n" + LEAVES,
        [
            '8:17: found no answer "no", expected one, which by: firing gives',
            '8:36: found the answer "perhaps", expected yes and no, which by: firing gives',
        ],
    ),
    "two words": (
        TREE + '    a: {ask: q, answers: {"not yet": go, no: stop}}\n' + LEAVES,
        ['8:27: found the answer "not yet", expected one word'],
    ),
    "trend's signal": (
        TREE + "    a: {ask: q, answers: {yes: go, no: stop}, from: {by: trend, signal: http-p94}}\n" + LEAVES,
        ['8:73: found the unknown signal "http-p94", expected one of '],
    ),
    "leaf and question": (
        TREE + "    a: {ask: q, answers: {yes: go, no: stop}}\n" + LEAVES + "    a: {advice: hotfix, title: t}\n",
        ['12:5: found the leaf "a", expected a name that no question has'],
    ),
}

STEP = PLATFORM + "procedures: {p: {title: t, use_when: u, steps: {s: {title: t, op: "

PLUGINS = {
    "not installed": (
        HEAD + "platforms: {a: {plugin: shp}}",
        '5:25: found the plugin "shp", expected a plugin that is installed: one of broken, shop; did you mean "shop"?',
    ),
    "broken": (
        HEAD + "platforms: {a: {plugin: broken}, b: {plugin: broken}}",
        '5:25: found the plugin "broken", expected one that can be loaded; The plugin broken could not be loaded. '
        "ImportError: no module",
    ),
    "configuration": (
        PLATFORM.replace("address: here", "adress: here"),
        '5:43: found the unknown key "adress", expected one of address, identity, retries, token; did you mean "addr',
    ),
    "configuration's values": (
        PLATFORM.replace("here", "here, retries: 99"),
        "5:67: found a number, expected a number of at most 9",
    ),
    "configuration left out": (
        HEAD + "platforms: {shop: {plugin: shop}}",
        '5:13: found no "address" in shop, expected one',
    ),
    "operation": (
        STEP + "shop.restrat}}}}",
        '6:67: found the unknown operation "shop.restrat", expected shop.restart; did you mean "shop.restart"?',
    ),
    "operation's platform": (
        STEP + "shoop.restart}}}}",
        '6:67: found the unknown platform "shoop", expected shop; did you',
    ),
    "operation's arguments": (
        STEP + "shop.restart, with: {version: v1, forse: true}}}}}",
        '6:101: found the unknown key "forse", expected one of force, version; did you mean "force"?',
    ),
    "operation's types": (
        STEP + "shop.restart, with: {version: v1, force: 1}}}}}",
        "6:108: found the number 1, expected true or false",
    ),
    "operation without arguments": (STEP + "shop.restart}}}}", '6:49: found no "version" in s, expected one'),
    "operation's pattern": (
        STEP + "shop.restart, with: {version: '${target.commit}'}}}}}",
        '6:97: found the text "${target.commit}", expected a text like ^v[0-9.]+$',
    ),
    "probe": (
        PLATFORM + "verification: {v: {sentence: s, use: shop.cuont}}",
        '6:38: found the unknown check "shop.cuont", expected shop.count; did you mean "shop.count"?',
    ),
    "probe's arguments": (
        PLATFORM + "verification: {v: {sentence: s, use: shop.count, with: {tables: User}}}",
        '6:65: found the text "User", expected a list',
    ),
    "counts by a probe": (
        PLATFORM + "verification: {v: {sentence: s, use: counts-match, with: {probe: shop.counts}}}",
        '6:66: found the unknown check "shop.counts", expected shop.count; did you mean "shop.count"?',
    ),
    "signal": (
        PLATFORM + "signals: {http-p95: {title: t, unit: ms, source: {platform: shop, signal: latenzy}}}",
        '6:75: found the unknown signal "latenzy" of shop, expected one of errors, latency; did you mean "latency"?',
    ),
    "unit": (
        PLATFORM + "signals: {http-p95: {title: t, unit: s, source: {platform: shop, signal: latency}}}",
        '6:38: found the unit s, expected ms, in which shop measures "latency"',
    ),
    "signals that fail": (
        PLATFORM.replace("here", "nowhere")
        + "signals: {http-p95: {title: t, unit: s, source: {platform: shop, signal: latency}}}",
        '5:13: found the plugin "shop", expected one that can say what it measures; The plugin shop failed. '
        "RuntimeError: no such place",
    ),
    "a validator that fails": (
        PLATFORM.replace("here", "boom"),
        "5:34: found values that the plugin fails on, expected values that it takes; The plugin failed. ZeroDiv",
    ),
    "probe's platform": (
        PLATFORM + "verification: {v: {sentence: s, use: shoop.count}}",
        '6:38: found the unknown platform "shoop", expected shop; did you mean "shop"?',
    ),
    "counts' platform": (
        PLATFORM + "verification: {v: {sentence: s, use: counts-match, with: {probe: shoop.count}}}",
        '6:66: found the unknown platform "shoop", expected shop; did you mean "shop"?',
    ),
    "notifier": (
        PLATFORM + "channels: {ops: {platform: shop}}",
        '6:28: found the plugin "shop", which sends no messages, expected one that does',
    ),
}


@pytest.mark.parametrize("case", [*SHAPE, *CROSS, *PLUGINS])
def test_one_mistake(case: str, tmp_path: Path) -> None:
    text, said = {**SHAPE, **CROSS, **PLUGINS}[case]
    assert any(said in each for each in mistakes(tmp_path, text)), mistakes(tmp_path, text)


@pytest.mark.parametrize("case", DECISION)
def test_the_tree(case: str, tmp_path: Path) -> None:
    text, said = DECISION[case]
    found = mistakes(tmp_path, text)
    assert len(found) == len(said), found
    assert all(each.startswith(start) for each, start in zip(found, said, strict=True)), found


@pytest.mark.parametrize("text", [HEAD, PLATFORM, TREE + "    a: {ask: q, answers: {yes: go, no: stop}}\n" + LEAVES])
def test_these_tables_begin_without_a_mistake(text: str, tmp_path: Path) -> None:
    assert mistakes(tmp_path, text) == []


def test_a_step_that_is_right(tmp_path: Path) -> None:
    text = STEP + "shop.restart, with: {version: '${target.version}', force: true}}}}}"
    step = loaded(tmp_path, text).runbook.procedures["p"].steps["s"]
    assert step.with_ == {"version": "${target.version}", "force": True}


def test_every_mistake_is_told_in_order(tmp_path: Path) -> None:
    """A mistake of shape does not hide what does not fit together elsewhere."""
    text = (
        HEAD
        + "watch: soon\n"
        + "components: {c: {title: x, signal: nothing}}\n"
        + "contacts: {cto: {titel: x}}\n"
        + "escalation: [{after: 0, sentence: s, contacts: [cto, boss]}]\n"
        + "channels: {a: {platform: none}}\n"
    )
    found = mistakes(tmp_path, text)
    assert [each.split(": ")[0] for each in found] == ["5:8", "6:36", "7:12", "7:18", "8:54", "9:26"]


def test_a_name_with_a_mistake_is_still_known(tmp_path: Path) -> None:
    text = (
        HEAD
        + "signals: {mine: {title: x, unit: furlongs}}\n"
        + "components: {c: {title: x, signal: mine}}\n"
        + "triggers: {t: {title: x, severity: bad, conditions: {long: {sentence: s, signal: mine, above: 1}}}}\n"
        + "drill_windows: {long: 1s}\n"
    )
    assert [each.split(": ")[0] for each in mistakes(tmp_path, text)] == ["5:34", "7:36"]


def test_a_wrong_environment_does_not_become_another(tmp_path: Path) -> None:
    text = HEAD.replace("drill", "dril") + "drill_windows: {watch: 1s}\n"
    assert len(mistakes(tmp_path, text)) == 1


def test_secrets_in_a_configuration_are_not_shown(tmp_path: Path) -> None:
    text = PLATFORM.replace("here", "here, token: [xoxb-1-secret], retries: hunter2")
    found = mistakes(tmp_path, text)
    assert found == ["5:65: found a list, expected a text", "5:91: found a text, expected a whole number"]


def test_a_problem_in_numbers(tmp_path: Path) -> None:
    with pytest.raises(RunbookInvalid) as invalid:
        loaded(tmp_path, HEAD + "watch: soon\ncontacts: 5\n")
    first, second = invalid.value.problems
    assert (first.file, first.line, first.column) == (f"{tmp_path}/warroom.yaml", 5, 8)
    assert (second.line, second.found) == (6, "the number 5")
    assert "has 2 mistakes" in invalid.value.title


@pytest.mark.parametrize(
    ("kind", "fingerprints", "warned"),
    [("production", "{}", True), ("staging", "{}", True), ("production", "{shop: a1}", False), ("drill", "{}", False)],
)
def test_an_environment_that_can_be_told_should_be(kind: str, fingerprints: str, warned: bool, tmp_path: Path) -> None:
    text = PLATFORM.replace("kind: drill", f"kind: {kind}, fingerprints: {fingerprints}")
    said = [f"{warning}" for warning in loaded(tmp_path, text).warnings]
    expected = (
        "found no fingerprint of shop in environment, expected one: without it nothing tells this environment apart"
    )
    assert said == ([f"{tmp_path}/warroom.yaml:5:13: {expected}"] if warned else [])


def test_a_platform_that_can_not_be_told_is_not_warned_of(tmp_path: Path) -> None:
    text = PLATFORM.replace("drill", "production").replace("here", "here, identity: ~")
    assert loaded(tmp_path, text).warnings == ()


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
        assert mine.model_dump(exclude=own) == default.model_dump(exclude=own)
        assert mine.environment.kind == "drill"

    def test_a_file_may_stand_alone(self, tmp_path: Path) -> None:
        text = DEFAULT_FILE.read_text(encoding="utf-8")
        assert loaded(tmp_path, text).runbook == default_runbook()

    def test_it_survives_the_journal(self, tmp_path: Path) -> None:
        book = loaded(tmp_path, HEAD).runbook
        assert Runbook.model_validate_json(book.model_dump_json(by_alias=True)).hash == book.hash
