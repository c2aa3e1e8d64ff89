"""What only the plugins know, against what a runbook says, told at its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests import runbooks
from tests.runbooks import HEAD, PLATFORM, loaded, mistakes

STEP = PLATFORM + "procedures: {p: {title: t, use_when: u, steps: {s: {title: t, op: "

CHOOSING = (
    PLATFORM + "procedures: {p: {title: t, use_when: u, choices: {it: {title: c, use: shop.versions}}, "
    "steps: {s: {title: t, op: shop.restart, with: {version: '${choice.it}'}}}}}"
)

PLUGINS = {
    "not installed": (
        HEAD + "platforms: {a: {plugin: shp}}",
        '5:25: found the plugin "shp", expected a plugin that is installed: one of broken, plain, shop; did',
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
        '6:101: found the unknown key "forse", expected one of after, force, version; did you mean "force"?',
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
    "a choice that the platform lacks": (
        CHOOSING.replace("shop.versions", "shop.version"),
        '6:71: found the unknown choice "shop.version", expected shop.versions; did you mean "shop.versions"?',
    ),
    "a choice of a platform that gives none": (
        CHOOSING.replace("platforms: {", "platforms: {plain: {plugin: plain, config: {address: x}}, ").replace(
            "shop.versions", "plain.versions"
        ),
        '6:71: found the unknown choice "plain.versions", expected a platform that gives a choice: plain gives none',
    ),
    "a choice's other arguments": (
        CHOOSING.replace("version: '${choice.it}'", "version: '${choice.it}', force: 1"),
        "found the number 1, expected true or false",
    ),
    "a choice's argument that is not one": (
        CHOOSING.replace("version:", "vers: x, version:"),
        'found the unknown key "vers", expected one of after, force, version',
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


@pytest.mark.parametrize("case", PLUGINS)
def test_one_mistake(case: str, tmp_path: Path) -> None:
    text, said = PLUGINS[case]
    found = mistakes(tmp_path, text)
    assert any(said in each for each in found), found


def test_a_step_that_is_right(tmp_path: Path) -> None:
    text = STEP + "shop.restart, with: {version: '${target.version}', force: true}}}}}"
    step = loaded(tmp_path, text).runbook.procedures["p"].steps["s"]
    assert step.with_ == {"version": "${target.version}", "force": True}


def test_what_is_chosen_later_is_not_held_to_a_pattern(tmp_path: Path) -> None:
    procedure = loaded(tmp_path, CHOOSING).runbook.procedures["p"]
    assert procedure.choices["it"].use == "shop.versions"


def test_secrets_in_a_configuration_are_not_shown(tmp_path: Path) -> None:
    text = PLATFORM.replace("here", "here, token: [xoxb-1-secret], retries: hunter2")
    found = mistakes(tmp_path, text)
    assert found == ["5:65: found a list, expected a text", "5:91: found a text, expected a whole number"]


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


def test_an_identity_that_ends_with_a_restart_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PLATFORM.replace("drill", "production")
    assert len(loaded(tmp_path, text).warnings) == 1
    monkeypatch.setattr(runbooks, "SHOP", replace(runbooks.SHOP, identity_lasts=False))
    assert loaded(tmp_path, text).warnings == ()


def test_no_more_is_said_of_a_plugin_that_is_not_there(tmp_path: Path) -> None:
    text = (
        HEAD
        + "platforms: {a: {plugin: none}}\n"
        + "signals: {s: {title: t, unit: ms, source: {platform: a, signal: x}}}\n"
        + "verification: {v: {sentence: s, use: a.x}}\n"
        + "procedures: {p: {title: t, use_when: u, steps: {s: {title: t, op: a.x}}}}\n"
        + "channels: {c: {platform: a}}\n"
    )
    assert [each.split(",")[0] for each in mistakes(tmp_path, text)] == ['5:25: found the plugin "none"']


def test_no_more_is_said_of_signals_where_the_configuration_is_wrong(tmp_path: Path) -> None:
    text = PLATFORM.replace("here", "5") + "signals: {s: {title: t, unit: ms, source: {platform: shop, signal: x}}}\n"
    assert mistakes(tmp_path, text) == ["5:52: found a number, expected a text; put it in quotes"]


def test_a_plugin_without_signals(tmp_path: Path) -> None:
    text = (
        HEAD
        + "platforms: {a: {plugin: plain, config: {address: x}}}\n"
        + "signals: {s: {title: t, unit: ms, source: {platform: a, signal: x}}}\n"
    )
    assert mistakes(tmp_path, text) == [
        '6:65: found the unknown signal "x" of a, expected one that is declared, and none is',
    ]


def test_placeholders_in_lists(tmp_path: Path) -> None:
    text = STEP + "shop.restart, with: {version: '${target.version}', after: ['${running.version}']}}}}}"
    assert mistakes(tmp_path, text) == []
