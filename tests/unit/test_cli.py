"""The commands as they are typed: what they print, where, and with which exit status. Never a traceback."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

import warroom
from tests.journals import flip
from warroom import cli
from warroom.cli.commands import commands
from warroom.engine import own_log
from warroom.errors import WarroomError
from warroom.journal.folder import StateFolder
from warroom.journal.store import Journal
from warroom.model.event import Actor, Body, IncidentClosed, NoteAdded
from warroom.testing.builders import an_incident, at


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Said]]:
    """``warroom`` with these words, in an empty folder and with a state folder of its own."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("WARROOM_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    root = logging.getLogger()
    handlers, level, raising = list(root.handlers), root.level, logging.raiseExceptions

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["warroom", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        status = ended.value.code
        return Said(int(status) if status is not None else 0, out, err)

    yield run
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    logging.getLogger("warroom").setLevel(logging.NOTSET)
    logging.captureWarnings(False)
    logging.raiseExceptions = raising


def a_journal(folder: StateFolder, *more: Body, **incident: str) -> str:
    """One incident on the disk; its id."""
    incident_id = folder.new_incident_id()

    async def write() -> None:
        journal = Journal.create(folder.folder(incident_id), incident_id, now=at)
        opened = an_incident(incident=incident_id, **incident)
        await journal.append(Actor(name="op1", uid=1000), opened, *more)
        await journal.close()

    folder.ensure()
    asyncio.run(write())
    return incident_id


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state")


# ---- the runbook -----------------------------------------------------------------------------------------------


def test_without_a_runbook_it_says_in_a_sentence_what_to_do(run: Run) -> None:
    said = run()
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("warroom: There is no warroom.yaml here\n")
    assert "`warroom init` writes a starter" in said.err
    assert "There is no other.yaml" in run("-f", "other.yaml").err


@pytest.mark.parametrize("words", [("-f", "other.yaml", "check"), ("--state", "elsewhere", "incidents")])
def test_an_option_before_a_command_is_refused_and_never_unheard(run: Run, words: tuple[str, ...]) -> None:
    said = run(*words)
    assert said.status != 0
    assert f"stands before {words[-1]}" in said.err
    assert said.out == ""


def test_init_then_check(run: Run) -> None:
    assert run("init").status == 0
    checked = run("check")
    assert (checked.status, checked.err) == (0, "")
    assert checked.out.startswith("warroom.yaml: OK.")
    again = run("init")
    assert (again.status, again.out) == (1, "")
    assert "is there already" in again.err


def test_check_names_the_place_and_opening_it_does_too(run: Run) -> None:
    Path("warroom.yaml").write_text("format: 1\nextends: default\nserivce: shop\n")
    checked = run("check")
    assert (checked.status, checked.err) == (1, "")
    assert "warroom.yaml:3:1: found " in checked.out
    opened = run()
    assert (opened.status, opened.out) == (1, "")
    assert "warroom.yaml:3:1: found " in opened.err


def test_the_schema_is_json_and_nothing_else(run: Run) -> None:
    said = run("schema")
    assert (said.status, said.err) == (0, "")
    assert json.loads(said.out)["type"] == "object"


def test_coverage_in_words_and_as_json(run: Run) -> None:
    said = run("runbook", "coverage", "--status", "manual")
    assert said.status == 0
    lines = json.loads(run("runbook", "coverage", "--json").out)
    assert {line["status"] for line in lines} <= {"implemented", "manual", "not-yet"}
    assert said.out.strip().splitlines()[-1].startswith(f"{len(lines)} lines of the default runbook: ")


# ---- incidents -------------------------------------------------------------------------------------------------


def test_incidents_and_drills_are_listed_with_their_ids(run: Run, state: StateFolder) -> None:
    assert run("incidents").out == "No incidents yet.\n"
    assert json.loads(run("incidents", "--json").out) == []
    assert not state.path.exists()
    a_journal(state, title="it \x1b[31mburns\x1b[0m\x07")
    a_journal(state.drills, IncidentClosed(outcome="recovered", reason=""), scenario="bad-release")
    listed = run("incidents")
    assert [line.split()[0] for line in listed.out.splitlines()] == ["INC-0001", "DRILL-0001"]
    assert "open" in listed.out.splitlines()[0]
    assert "recovered" in listed.out.splitlines()[1]
    assert "\x1b" not in listed.out
    found = json.loads(run("incidents", "--json").out)
    assert [(one["id"], one["scenario"], one["closed"]) for one in found] == [
        ("INC-0001", None, None),
        ("DRILL-0001", "bad-release", "recovered"),
    ]


@pytest.mark.parametrize("drill", [False, True])
def test_a_journal_is_shown_verified_exported_and_reported_on(run: Run, state: StateFolder, drill: bool) -> None:
    folder = state.drills if drill else state
    incident = a_journal(folder, NoteAdded(text="the cache is cold"))
    shown = run("journal", "show", incident)
    assert shown.status == 0
    assert shown.out.splitlines()[1].split(maxsplit=4)[3:] == ["op1", "noted: the cache is cold"]
    verified = run("journal", "verify", incident)
    assert (verified.status, verified.out) == (0, f"{incident}: 2 entries, chain and head agree\n")
    assert json.loads(run("journal", "verify", incident, "--json").out)["ok"] is True
    exported = run("journal", "export", incident).out.splitlines()
    assert [json.loads(line)["seq"] for line in exported] == [1, 2]
    report = run("report", incident)
    assert report.status == 0
    assert report.out.startswith("# Incident Report – ")
    assert f"`{incident}`" in report.out


def test_another_state_folder_can_be_named(run: Run, state: StateFolder, tmp_path: Path) -> None:
    incident = a_journal(state)
    shutil.move(state.path, tmp_path / "elsewhere")
    assert run("journal", "verify", incident).status == 1
    assert run("journal", "verify", incident, "--state", str(tmp_path / "elsewhere")).status == 0


def test_a_damaged_journal_exits_1_and_names_the_first_bad_entry(run: Run, state: StateFolder) -> None:
    incident = a_journal(state, *(NoteAdded(text=f"note {n}") for n in range(40)))
    database = state.folder(incident) / "journal.db"
    data = database.read_bytes()
    flip(database, data.rindex(b'"note 20"') + 2)
    verified = run("journal", "verify", incident)
    assert verified.status == 1
    assert verified.out.startswith(f"{incident}: damaged: entry 22: ")
    assert run("journal", "show", incident).status == 0
    assert "DAMAGED" in run("incidents").out


# ---- what people mistype ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "part"),
    [
        (["--bogus"], 2, "No such option: --bogus"),
        (["frobnicate"], 2, "No such command 'frobnicate'"),
        (["report"], 2, "Missing argument"),
        (["journal", "show", "-x", "INC-0001"], 2, "No such option: -x"),
        (["runbook", "coverage", "--status", "maybe"], 2, "'maybe' is not one of"),
        (["journal", "show", "1"], 1, "'1' is no incident's id\n  INC-0001 or DRILL-0001"),
        (["journal", "show", "../../etc"], 1, "is no incident's id"),
        (["journal", "verify", "INC-0009"], 1, "There is no INC-0009"),
        (["report", "DRILL-0009"], 1, "There is no DRILL-0009"),
        (["journal", "show", "\x1b]0;owned\x07"], 1, "is no incident's id"),
        (["drill", "--scenario", "nope"], 1, "There is no scenario 'nope'\n  known: bad-release"),
        (["drill", "--headless"], 1, "A headless drill needs --autopilot"),
        (["drill", "--autopilot", "--json"], 1, "--json is for a headless drill"),
        (["drill"], 1, "The console needs a terminal\n  standard input is none\n  for a drill without one"),
        (["check", "-f", "nothere.yaml"], 1, ""),
    ],
)
def test_mistakes_are_told_plainly(run: Run, words: list[str], status: int, part: str) -> None:
    said = run(*words)
    assert said.status == status
    assert part in said.err
    assert "\x1b" not in said.out + said.err
    assert "\x07" not in said.out + said.err


@pytest.mark.parametrize("kind", ["production", "staging"])
def test_a_drill_on_a_runbook_of_another_kind_is_refused(run: Run, kind: str) -> None:
    run("init")
    text, replaced = re.subn(r"(?m)^  kind: \w+", f"  kind: {kind}", Path("warroom.yaml").read_text())
    assert replaced == 1
    Path("warroom.yaml").write_text(text)
    assert run("check").status == 0
    said = run("drill", "--headless", "--autopilot", "--json", "-f", "warroom.yaml")
    assert (said.status, said.out) == (1, "")
    assert "Drills and the autopilot are for drill environments" in said.err
    assert f"warroom.yaml says {kind}" in said.err


def test_the_version(run: Run) -> None:
    assert run("--version") == Said(0, f"warroom {warroom.__version__}\n", "")


def test_every_command_has_help_and_a_line_about_itself(run: Run) -> None:
    assert {"drill", "check", "schema", "init", "incidents", "report", "journal show"} <= set(commands())
    for command in commands():
        said = run(*command.split(), "--help")
        assert said.status == 0
        assert len(said.out.strip().splitlines()) > 3


# ---- what nobody thought of --------------------------------------------------------------------------------------


def breaking(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def broken(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(StateFolder, "incidents", broken)


def test_an_error_that_nobody_thought_of_is_a_sentence_and_its_details_are_in_the_log(
    run: Run, state: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, ZeroDivisionError("password=hunter2hunter2 \x1b[31m"))
    said = run("incidents")
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("warroom: This went wrong in a way that nobody thought of\n  ZeroDivisionError: ")
    log = state.path / own_log.NAME
    assert f"details: {log}" in said.err
    text = log.read_text()
    assert "Traceback (most recent call last)" in text
    assert "ZeroDivisionError" in text
    assert log.stat().st_mode & 0o777 == 0o600
    for shown in (text, said.err):
        assert "hunter2" not in shown
        assert "\x1b" not in shown


def test_without_a_place_for_the_log_it_is_told_all_the_same(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    breaking(monkeypatch, RuntimeError("lost"))
    said = run("incidents")
    assert said.status == 1
    assert "RuntimeError: lost" in said.err
    assert "details" not in said.err


def test_several_errors_at_once_are_told_by_their_words(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = ExceptionGroup("two", [WarroomError("One thing"), ExceptionGroup("in", [WarroomError("Another")])])
    breaking(monkeypatch, inner)
    said = run("incidents")
    assert said.err == "warroom: One thing\n  Another\n"


def test_commands_that_only_read_leave_no_log(run: Run, state: StateFolder) -> None:
    run("--version")
    run("check")
    run("incidents")
    assert not state.path.exists()
