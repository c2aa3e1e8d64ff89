"""Whatever is done to a runbook's file, reading it ends soon, in a runbook or in mistakes with their places."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runbooks import HEAD, Plugins
from warroom.model.runbook import Condition, Item, Platform, Question, Runbook, StepDecl, Template, Tree, Trigger
from warroom.runbook import Problem, RunbookInvalid
from warroom.runbook.loader import DEFAULT_FILE, load
from warroom.runbook.starter import STARTER_FILE

LONGEST = 5.0
"""Seconds of processor time for one file, many times what any of these takes."""

SEEDS = (DEFAULT_FILE.read_bytes(), STARTER_FILE.read_bytes(), HEAD.encode())
PIECES = [
    *b"\t \x00 \xff \xef\xbb\xbf - ? : [ ] { } ' \" # \n \r @ ` ~ no on null .nan 1e999 0x".split(b" "),
    *b"${ ${x} {% \xe2\x80\xae \\x00".split(b" "),
    *(b"&a ", b"*a", b"*b ", b"<<: ", b"? ", b"- ", b": ", b"|\n", b">-\n", b"---\n", b"...\n", b"  ", b"9" * 60),
    *(b"!!python/name:os.system ", b"%YAML 1.1\n", b"{{ x }}", b"{% for", b"extends: default\n", b'"\\ud800"'),
]


def read(path: Path, data: bytes) -> str:
    """``ok``, or what was told first; fails where anything else happens."""
    path.write_bytes(data)
    began = time.process_time()
    problems = _problems(path)
    assert time.process_time() - began < LONGEST
    for problem in problems or ():
        assert min(problem.line, problem.column) >= 1
        assert problem.found
        assert problem.expected
        assert str(problem).isprintable()
    return "ok" if problems is None else str(problems[0])


def _problems(path: Path) -> tuple[Problem, ...] | None:
    try:
        load(path, Plugins())
    except RunbookInvalid as invalid:
        return invalid.problems
    return None


def cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data))]


def leave_out(data: bytes, dice: random.Random) -> bytes:
    first = dice.randrange(len(data))
    return data[:first] + data[first + dice.randrange(1, 200) :]


def put_in(data: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(data))
    return data[:place] + dice.choice(PIECES) * dice.choice((1, 1, 1, 3, 40)) + data[place:]


def flip(data: bytes, dice: random.Random) -> bytes:
    made = bytearray(data)
    made[dice.randrange(len(made))] ^= 1 << dice.randrange(8)
    return bytes(made)


def move_lines(data: bytes, dice: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    one, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def indent(data: bytes, dice: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    place = dice.randrange(len(lines))
    lines[place] = b" " * dice.randrange(1, 4) + lines[place]
    return b"".join(lines)


MANGLES: tuple[Callable[[bytes, random.Random], bytes], ...] = (cut, leave_out, put_in, flip, move_lines, indent)


@pytest.mark.parametrize("mangle", MANGLES, ids=lambda mangle: mangle.__name__)
def test_mangled_files(mangle: Callable[[bytes, random.Random], bytes], tmp_path: Path) -> None:
    dice = random.Random(mangle.__name__)
    told = [read(tmp_path / "warroom.yaml", mangle(SEEDS[n % len(SEEDS)], dice)) for n in range(36)]
    assert any(each != "ok" for each in told)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400))
def test_junk(data: bytes, tmp_path: Path) -> None:
    assert read(tmp_path / "warroom.yaml", data) != "ok"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=60))
def test_yaml_of_signs(pieces: list[bytes], tmp_path: Path) -> None:
    read(tmp_path / "warroom.yaml", HEAD.encode() + b"contacts: " + b"".join(pieces))


MODELS = (Condition, Trigger, Tree, Question, Item, StepDecl, Platform, Template)
SECTIONS = st.sampled_from([*Runbook.model_fields, "extends", "nothing"])
KEYS = st.sampled_from(
    [*sorted({info.alias or name for model in MODELS for name, info in model.model_fields.items()}), "x", "5"]
)
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.sampled_from(("5m", "x", "no", "a.b"))
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(KEYS, inner, max_size=5),
    ),
    max_leaves=20,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.dictionaries(SECTIONS, VALUES, max_size=6))
def test_other_shapes(data: dict[str, object], tmp_path: Path) -> None:
    import yaml

    read(tmp_path / "warroom.yaml", HEAD.encode() + yaml.safe_dump(data).encode())
    read(tmp_path / "warroom.yaml", yaml.safe_dump(data).encode())
