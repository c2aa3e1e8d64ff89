"""What does not fit together in a runbook, told at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runbooks import HEAD, LEAVES, PLATFORM, TREE, YES_NO, mistakes

CONDITION = HEAD + "triggers: {t: {title: x, severity: warning, conditions: {c: {sentence: y, "

CHOOSING = (
    PLATFORM + "procedures:\n  p: {title: t, use_when: u, choices: {it: {title: c, use: shop.versions}}, "
    "steps: {s: {title: t, manual: {do: 'use ${choice.it}'}}}}"
)

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
    "what a procedure answers": (
        HEAD + "procedures:\n  p: {title: t, use_when: u, first_for: [integrity, intgrity], "
        "steps: {s: {title: t, manual: {do: x}}}}",
        '6:53: found the unknown condition "intgrity", expected one of sign-in, session, refresh, ',
    ),
    "what follows on it": (
        HEAD + "procedures:\n  p: {title: t, use_when: u, then: databaseswap, steps: {s: {title: t, manual: {do: x}}}}",
        '6:36: found the unknown procedure "databaseswap", expected one of option-a-rerun, ',
    ),
    "escalation's contact": (
        HEAD + "escalation: [{after: 1m, sentence: s, contacts: [cto, boss]}]",
        '5:55: found the unknown contact "boss", expected one of cto, lead-developer, devops, on-call-engineer',
    ),
    "escalation's order": (
        HEAD + "escalation: [{after: 5m, sentence: s}, {after: 1m, sentence: s}]",
        "5:48: found after 60 s, expected later than the step before it, 300 s",
    ),
    "a choice that nobody declared": (
        CHOOSING.replace("${choice.it}", "${choice.its}"),
        'did you mean "choice.it"?',
    ),
    "a choice that no step has": (
        CHOOSING.replace("${choice.it}", "v1"),
        '7:40: found the choice "it", which no step has, expected ${choice.it} in a step, or no such choice',
    ),
    "a choice's platform": (
        CHOOSING.replace("shop.v", "shp.v"),
        'found the unknown platform "shp", expected shop; did you mean "shop"?',
    ),
    "a choice of another procedure": (
        CHOOSING + "\n  q: {title: t, use_when: u, steps: {s: {title: t, manual: {do: 'see ${choice.it}'}}}}",
        "its procedure declares it, with choices: {it: {title: …, use: …}}",
    ),
    "a choice without a title": (
        CHOOSING.replace("title: c, ", ""),
        'found no "title" in it, expected one',
    ),
    "channel's platform": (
        HEAD + "channels: {ops: {platform: slack}}",
        '5:28: found the unknown platform "slack", expected one that is declared, and none is',
    ),
    "signal's platform": (
        HEAD + "signals: {s: {title: t, unit: ms, source: {platform: x, signal: y}}}",
        '5:54: found the unknown platform "x", expected one that is declared, and none is',
    ),
    "what a procedure needs": (
        PLATFORM
        + "procedures: {p: {title: t, use_when: u, needs: [shop, shoop], steps: {s: {title: t, manual: {do: x}}}}}",
        '6:55: found the unknown platform "shoop", expected shop; did you mean "shop"?',
    ),
    "a fingerprint of nothing": (
        HEAD.replace("drill}", "drill, fingerprints: {app: x}}"),
        '4:43: found the unknown platform "app", expected one that is declared, and none is',
    ),
    "drill windows elsewhere": (
        HEAD.replace("drill", "staging") + "drill_windows: {watch: 1m}",
        "5:1: found drill_windows in a staging environment, expected them only where kind is drill",
    ),
    "drill window of nothing": (
        HEAD + "drill_windows: {watch: 1m, monitored: 5s, error-rat: 5s}",
        '5:43: found the unknown name "error-rat", expected the name of a condition, of a question by timer or trend, '
        'or watch; did you mean "error-rate"?',
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


@pytest.mark.parametrize("case", CROSS)
def test_one_mistake(case: str, tmp_path: Path) -> None:
    text, said = CROSS[case]
    found = mistakes(tmp_path, text)
    assert any(said in each for each in found), found


@pytest.mark.parametrize("case", DECISION)
def test_the_tree(case: str, tmp_path: Path) -> None:
    text, said = DECISION[case]
    found = mistakes(tmp_path, text)
    assert len(found) == len(said), found
    assert all(each.startswith(start) for each, start in zip(found, said, strict=True)), found


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


def test_a_default_that_leads_to_what_a_file_has_taken_out_is_no_mistake(tmp_path: Path) -> None:
    assert mistakes(tmp_path, HEAD + "procedures: {database-swap: }\ntriggers: {database-corruption: }") == []


def test_a_wrong_environment_does_not_become_another(tmp_path: Path) -> None:
    text = HEAD.replace("drill", "dril") + "drill_windows: {watch: 1s}\n"
    assert len(mistakes(tmp_path, text)) == 1
