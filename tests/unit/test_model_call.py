"""Calls as people see and paste them: what a shell makes of the line is what was meant, whatever the names are."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.strategies import HOSTILE, TEXT, models
from warroom import process
from warroom.model.call import ApiCall, Call, CallResult, HttpCall, ManualCall, ProcessCall, Ref, Secret, Until, drawn
from warroom.testing.builders import a_call

WORDS_OF_A_SHELL = (
    "a b",
    "'",
    '"',
    "$HOME",
    "`id`",
    "$(id)",
    "!!",
    "~",
    "*",
    "a\\b",
    "\n",
    "|",
    "&&",
    "#",
    "{a,b}",
    "A=b",
)
ARGUMENTS = HOSTILE | st.sampled_from(WORDS_OF_A_SHELL) | TEXT
NO_NUL = ARGUMENTS.map(lambda text: text.replace("\x00", ""))
ECHO = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ.get('A'), sys.stdin.read()]))"


@given(st.lists(ARGUMENTS, min_size=1, max_size=5))
def test_a_pasted_line_is_split_into_the_same_arguments(argv: list[str]) -> None:
    assert shlex.split(ProcessCall(argv=tuple(argv)).paste()) == argv


@given(st.lists(ARGUMENTS, min_size=1, max_size=3), ARGUMENTS, TEXT)
def test_environment_folder_and_input_are_part_of_the_line(argv: list[str], value: str, folder: str) -> None:
    line = ProcessCall(argv=("x", *argv), env={"A": value}, cwd=f"/{folder}", stdin=value).paste()
    assert shlex.split(line)[1:] == [f"/{folder}", "&&", "printf", "%s", value, "|", f"A={value}", "x", *_closed(argv)]
    assert line.startswith("(cd ")


def _closed(argv: list[str]) -> list[str]:
    return [*argv[:-1], f"{argv[-1]})"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NO_NUL, max_size=5), NO_NUL)
async def test_a_real_shell_runs_what_is_drawn(tmp_path: Path, argv: list[str], value: str) -> None:
    shell = shutil.which("sh")
    assert shell is not None
    call = ProcessCall(argv=(sys.executable, "-c", ECHO, *argv), env={"A": value}, stdin=value, cwd=str(tmp_path))
    done = await process.run([shell, "-c", call.paste()], timeout=20, output_limit=1_000_000)
    assert json.loads(done.stdout) == [argv, value, value]
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_looks_like_an_assignment_is_not_one() -> None:
    assert a_call("A=b", "C=d").paste() == "'A=b' C=d"


@given(st.dictionaries(st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True), TEXT, max_size=2), TEXT)
def test_a_pasted_request_is_one_request(headers: dict[str, str], value: str) -> None:
    call = HttpCall(method="POST", url="http://127.0.0.1:1/x?a=[b]", headers=dict(headers), body={"version": value})
    parts = shlex.split(call.paste())
    assert parts[:4] == ["curl", "-fsS", "-X", "POST"]
    assert parts[-1] == "http://127.0.0.1:1/x?a=[b]"
    assert json.loads(parts[parts.index("-d") + 1]) == {"version": value}
    sent = [parts[i + 1] for i, part in enumerate(parts) if part == "-H"]
    assert sent[: len(headers)] == [f"{name}: {text}" for name, text in headers.items()]


@pytest.mark.parametrize(
    "url", ["-oX", "--config=x", "file:///etc/passwd", "@x", "", "http://", "http://x/\ny", "http://x y"]
)
def test_a_url_is_never_an_option_or_a_file(url: str) -> None:
    with pytest.raises(ValidationError):
        HttpCall(method="GET", url=url)


@pytest.mark.parametrize("name", ["A;id", "A=b", "1A", "", "A B", "-A", "A\n"])
def test_names_that_stand_unquoted_follow_a_grammar(name: str) -> None:
    with pytest.raises(ValidationError):
        ProcessCall(argv=("x",), env={name: "v"})
    if name != "1A":
        with pytest.raises(ValidationError):
            HttpCall(method="GET", url="http://x/", headers={name: "v"})


@given(TEXT, st.lists(TEXT, max_size=2))
def test_what_a_person_is_told_to_do_is_never_a_command_by_accident(text: str, commands: list[str]) -> None:
    told = ManualCall(text=f"{text}\nrm -rf /\r\nid\x0bid\x85id\u2028id", commands=tuple(commands)).paste()
    lines = told.split("\n")
    until = len(lines) - sum(len(command.split("\n")) for command in commands)
    assert all(line.startswith("# ") for line in lines[:until])
    assert len(lines[:until]) >= 6


def test_what_a_loop_waits_for_stays_in_its_comment() -> None:
    until = Until(field="a\nid", equals="b\nid", every_s=1, at_most_s=5)
    line = HttpCall(method="GET", url="http://x/", until=until).paste()
    assert "\n" not in line
    assert line.endswith('# every 1 s until a\\nid = "b\\nid", at most 5 s')


def test_only_reads_may_be_repeated() -> None:
    until = Until(field="a", equals=1, every_s=1, at_most_s=5)
    with pytest.raises(ValidationError, match="only a GET or HEAD"):
        HttpCall(method="POST", url="http://x/", until=until)


@pytest.mark.parametrize("where", ["argv", "cwd"])
def test_a_secret_has_no_place_in_a_command_line(where: str) -> None:
    raw: dict[str, Any] = {
        "argv": ["x"],
        where: [{"secret": "env:A", "prefix": ""}] if where == "argv" else {"secret": "a"},
    }
    with pytest.raises(ValidationError):
        ProcessCall.model_validate(raw)


def test_secrets_and_values_not_known_yet_are_drawn_by_name() -> None:
    call = ProcessCall(
        argv=("deploy", Ref(step="pull", output="digest")),
        env={"TOKEN": Secret(secret="env:T", prefix="Bearer ")},
        stdin=Secret(secret="file:/x"),
    )
    assert call.paste() == ("printf %s '‹secret: file:/x›' | TOKEN='Bearer ‹secret: env:T›' deploy '‹digest of pull›'")
    assert drawn("plain") == "plain"


def test_a_ref_among_json_is_one_only_where_it_says_so() -> None:
    body: dict[str, Any] = {
        "ref": Ref(step="a", output="b"),
        "data": {"step": "a", "output": "b"},
        "nested": {"kind": "ref", "step": "a", "output": "b", "more": 1},
    }
    call = HttpCall(method="POST", url="http://x/", body=body)
    again = HttpCall.model_validate_json(call.model_dump_json())
    assert again == call
    assert again.body is not None
    assert isinstance(again.body["ref"], Ref)
    assert isinstance(again.body["data"], dict)
    assert isinstance(again.body["nested"], dict)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(models(ProcessCall), models(HttpCall), models(ApiCall), models(ManualCall)))
def test_every_call_can_be_drawn(call: Call) -> None:
    assert call.paste().strip()


def test_a_result_keeps_a_bounded_text() -> None:
    assert CallResult(status=0, text="x" * 65536).status == 0
    with pytest.raises(ValidationError, match="65,536"):
        CallResult(status=0, text="x" * 65537)
