"""The house's rules that no linter holds: who may start a program, what ships, how long a file may be.

Each rule is a function that is also tried on a bad example, so that a rule which finds nothing is known to look.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

LONGEST_FILE = 400
LONGEST_FUNCTION = 60

DOOR = "src/warroom/process/"

SPAWNING_SDKS: dict[str, str] = {}
"""Libraries that start programs themselves, by import name, each with why it may. None is used yet."""

LONG_FILES: dict[str, str] = {}
"""Files that may be longer than the rest, each with why it can't be split."""

LONG_FUNCTIONS: dict[str, str] = {}
"""The same for functions, as "path:name"."""

STARTERS = {
    "os": re.compile(r"system|popen|exec[lv]p?e?|spawn[lv]p?e?|posix_spawnp?|fork|forkpty|startfile"),
    "asyncio": re.compile(r"create_subprocess_(exec|shell)"),
    "pty": re.compile(r"spawn|fork"),
    "subprocess": re.compile(r".*"),
    "multiprocessing": re.compile(r".*"),
    "concurrent.futures": re.compile(r"ProcessPoolExecutor"),
}
WHOLLY_FORBIDDEN = {"subprocess", "multiprocessing", "pty"}
# Methods of an event loop or an executor are known by their names alone.
STARTING_METHODS = {"subprocess_exec", "subprocess_shell", "create_subprocess_exec", "create_subprocess_shell"}
SPAWNERS_ELSEWHERE = {"sh", "plumbum", "pexpect", "ptyprocess", "fabric", "invoke", "paramiko", "git", "sarge"}


def sources(*folders: str) -> list[Path]:
    return sorted(
        path for folder in folders for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts
    )


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """(line, module, name or "") for every absolute import, also those inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ""
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield node.lineno, node.module, alias.name


def programs_started(code: str) -> list[str]:
    """What in a file starts a program without going through the door."""
    tree, found = ast.parse(code), []
    for line, module, name in imported(tree):
        top = module.partition(".")[0]
        pattern = STARTERS.get(top if top in WHOLLY_FORBIDDEN else module)
        whole = top in WHOLLY_FORBIDDEN and not name
        if whole or (pattern and name and pattern.fullmatch(name)):
            found.append(f"{line}: imports {module}{'.' + name if name else ''}")
        if top in SPAWNERS_ELSEWHERE and top not in SPAWNING_SDKS:
            found.append(f"{line}: imports {top}, which starts programs")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value) if isinstance(node.value, ast.Name | ast.Attribute) else "…"
            pattern = STARTERS.get(owner)
            if node.attr in STARTING_METHODS or (pattern and pattern.fullmatch(node.attr)):
                found.append(f"{node.lineno}: {owner}.{node.attr}")
    return found


def shells(code: str) -> list[str]:
    if "shell" not in code:
        return []  # most files; to read each takes seconds
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            for word in node.keywords:
                if word.arg == "shell" and not (isinstance(word.value, ast.Constant) and word.value.value is False):
                    found.append(f"{node.lineno}: shell={ast.unparse(word.value)}")
    return found


def swallowed_cancels(code: str) -> list[str]:
    """``asyncio.wait_for`` loses a cancel that comes as its wait ends (before 3.12); ``asyncio.timeout`` does not."""
    if "wait_for" not in code:
        return []
    return [
        f"{node.lineno}: wait_for"
        for node in ast.walk(ast.parse(code))
        if (isinstance(node, ast.Attribute) and node.attr == "wait_for" and ast.unparse(node.value) == "asyncio")
        or (
            isinstance(node, ast.ImportFrom) and node.module == "asyncio" and "wait_for" in [a.name for a in node.names]
        )
    ]


def long_functions(code: str) -> list[str]:
    return [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]


def test_no_wait_swallows_a_cancel() -> None:
    bad = {
        name_of(path): found
        for path in sources("src", "plugins", "tests", "tools")
        if (found := swallowed_cancels(path.read_text(encoding="utf-8")))
    }
    assert bad == {}


@pytest.mark.parametrize(
    "code", ["import asyncio\nawait asyncio.wait_for(x, 1)", "from asyncio import wait_for", "f = asyncio.wait_for"]
)
def test_a_wait_that_swallows_is_seen(code: str) -> None:
    assert swallowed_cancels(code)


def test_programs_are_started_through_one_door() -> None:
    bad = {
        name_of(path): found
        for path in sources("src", "plugins")
        if not name_of(path).startswith(DOOR) and (found := programs_started(path.read_text(encoding="utf-8")))
    }
    assert bad == {}


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess",
        "def late():\n    import subprocess as s",
        "from subprocess import Popen",
        "from os import execvp",
        "from asyncio.subprocess import PIPE\nimport asyncio\nasyncio.create_subprocess_exec('ls')",
        "from asyncio import create_subprocess_shell",
        "import os\nos.system('ls')",
        "import os\nos.posix_spawn('ls', [], {})",
        "import os\nrun = os.execve",
        "import os\nos.spawnlp(0, 'ls')",
        "import os\nos.fork()",
        "import pty\npty.spawn('sh')",
        "loop.subprocess_exec(None, 'ls')",
        "import multiprocessing.pool",
        "from multiprocessing import Process",
        "from concurrent.futures import ProcessPoolExecutor",
        "import pexpect",
    ],
)
def test_every_way_to_start_a_program_is_seen(code: str) -> None:
    assert programs_started(code)


@pytest.mark.parametrize(
    "code", ["import os\nos.environ, os.path.exists('x')", "executor.submit(print)", "import pty_x"]
)
def test_what_starts_nothing_is_let_be(code: str) -> None:
    assert programs_started(code) == []


def test_no_shell_anywhere() -> None:
    everything = sources("src", "plugins", "tests", "tools")
    assert {name_of(path): found for path in everything if (found := shells(path.read_text(encoding="utf-8")))} == {}
    assert shells("run('ls', shell=True)")
    assert shells("run('ls', shell=flag)")
    assert not shells("run(['ls'], shell=False)")


def test_files_and_functions_stay_readable() -> None:
    long_files, functions = {}, {}
    for path in sources("src", "plugins"):
        code, name = path.read_text(encoding="utf-8"), name_of(path)
        if code.count("\n") > LONGEST_FILE and name not in LONG_FILES:
            long_files[name] = code.count("\n")
        if found := [one for one in long_functions(code) if f"{name}:{one.split()[0]}" not in LONG_FUNCTIONS]:
            functions[name] = found
    assert (long_files, functions) == ({}, {})
    assert long_functions("def f():\n" + "    x = 1\n" * LONGEST_FUNCTION) == ["f (61 lines)"]
    assert long_functions("def f():\n" + "    x = 1\n" * (LONGEST_FUNCTION - 1)) == []


def test_the_exceptions_are_still_needed() -> None:
    for name in LONG_FILES:
        assert (ROOT / name).read_text(encoding="utf-8").count("\n") > LONGEST_FILE, name
    for name in LONG_FUNCTIONS:
        path, _, function = name.partition(":")
        assert function in str(long_functions((ROOT / path).read_text(encoding="utf-8"))), name


def packages_of_plugins() -> set[str]:
    return {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}


def test_each_plugin_package_has_its_entry_point() -> None:
    points: dict[str, str] = PROJECT["project"]["entry-points"]["warroom.plugins"]
    assert points == {name.removeprefix("warroom_"): f"{name}:plugin" for name in packages_of_plugins()}


def test_what_is_installed_has_the_entry_points_written_here() -> None:
    from importlib.metadata import entry_points

    installed = {point.name: point.value for point in entry_points(group="warroom.plugins")}
    ours = PROJECT["project"]["entry-points"]["warroom.plugins"]
    assert {name: value for name, value in installed.items() if name in ours} == ours


def distributions_imported() -> set[str]:
    from importlib.metadata import packages_distributions

    from packaging.utils import canonicalize_name

    known, tops = packages_distributions(), set()
    for path in sources("src", "plugins"):
        code = path.read_text(encoding="utf-8")
        tops |= {module.partition(".")[0] for _, module, _ in imported(ast.parse(code))}
        tops |= set(re.findall(r"find_spec\(\"(\w+)\"\)", code))
    foreign = {top for top in tops - sys.stdlib_module_names if not top.startswith("warroom")}
    return {str(canonicalize_name(name)) for top in foreign for name in known.get(top, [f"unknown-{top}"])}


NOT_IMPORTED_YET = {
    "stamina": "retries of idempotent reads",
}
"""Dependencies that are settled, each with what it is for, but that no module imports so far."""


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    declared = {str(canonicalize_name(Requirement(line).name)) for line in PROJECT["project"]["dependencies"]}
    extras = {name: lines for name, lines in PROJECT["project"]["optional-dependencies"].items() if name != "dev"}
    wanted = {str(canonicalize_name(Requirement(line).name)) for lines in extras.values() for line in lines}
    used = distributions_imported()
    assert {"missing": used - declared - wanted, "idle": declared - used - NOT_IMPORTED_YET.keys()} == {
        "missing": set(),
        "idle": set(),
    }
    assert NOT_IMPORTED_YET.keys() & used == set(), "imported by now: take it off the list"


def contract(name: str) -> dict[str, Any]:
    (found,) = (one for one in PROJECT["tool"]["importlinter"]["contracts"] if one["id"] == name)
    return dict(found)


def parts_of_warroom() -> set[str]:
    """The modules and packages directly under warroom."""
    top = ROOT / "src" / "warroom"
    modules = {path.stem for path in top.glob("*.py")} - {"__init__"}
    return modules | {path.parent.name for path in top.glob("*/__init__.py")}


def test_the_import_contracts_leave_nothing_out() -> None:
    """import-linter itself insists that the layers name every part; these lists it can't check."""
    parts, plugins = {f"warroom.{part}" for part in parts_of_warroom()}, packages_of_plugins()
    listed = {
        "roots": set(PROJECT["tool"]["importlinter"]["root_packages"]),
        "screen": set(contract("screen")["source_modules"]),
        "outward": set(contract("outward")["forbidden_modules"]),
        "plugins": set(contract("plugins")["source_modules"]),
        "known to plugins": parts - set(contract("plugins")["forbidden_modules"]),
        "known to the console": parts - set(contract("console")["forbidden_modules"]),
        "apart": set(contract("apart")["modules"]),
    }
    assert listed == {
        "roots": {"warroom", *plugins},
        "screen": (parts | plugins) - {"warroom.console"},
        "outward": plugins,
        "plugins": plugins,
        "known to plugins": {"warroom.api", "warroom.model"},
        "known to the console": {
            *("warroom.console", "warroom.session", "warroom.model", "warroom.errors"),
            # Above the console, so the layers keep it from them.
            *({"warroom.cli", "warroom.testing", "warroom.drills"} & parts),
        },
        "apart": plugins,
    }


def test_every_package_has_its_init() -> None:
    """A folder of Python without one is a namespace package, which import-linter does not see."""
    folders = {path.parent for path in sources("src", "plugins")} - {ROOT / "src", ROOT / "plugins"}
    assert [name_of(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_every_style_is_found_by_the_resolver() -> None:
    from warroom.console import styles

    ours = sorted((ROOT / "styles").rglob("*.tcss"))
    assert ours
    assert sorted(path.resolve() for path in styles.sheets()) == ours


def test_the_lock_names_no_host_and_holds_every_package_by_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"://|--(index|extra-index|find-links|trusted)|@ file", lock)
    entries = re.findall(r"^(?=[a-z])(.+?)(?=^[a-z]|\Z)", lock, re.MULTILINE | re.DOTALL)
    assert len(entries) > 50
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lock_holds_what_pyproject_asks_for() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", lock, re.MULTILINE))
    extras = PROJECT["project"]["optional-dependencies"].values()
    asked = [Requirement(line) for lines in (PROJECT["project"]["dependencies"], *extras) for line in lines]
    assert [
        str(one)
        for one in asked
        if one.name != "warroom" and not one.specifier.contains(pinned.get(canonicalize_name(one.name), "0"))
    ] == []


def test_pre_commit_runs_the_same_checks() -> None:
    assert "entry: ./dev lint\n" in (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
