"""A drill without a screen, played by a copy of warroom, and looked at from every side."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.labs import mentioning
from warroom.actions import evidence
from warroom.drills.lab.postgres import binaries
from warroom.journal.verify import verify

KEYS = [
    "scenario",
    "incident",
    "from",
    "to",
    "rolled_back",
    "verified",
    "timings",
    "kept",
    "lost",
    "journal",
    "evidence",
    "report",
]
MOMENTS = ["detected", "decided", "evidence", "rolled_back", "verified"]
HEADLESS = ("drill", "--scenario", "bad-release", "--headless", "--autopilot", "--json")
LONGEST = 300
SECTIONS = (
    "What Happened",
    "Timeline",
    "Root Cause",
    "Impact",
    "What Went Well",
    "What Went Wrong",
    "Action Items",
    "Verification",
    "Evidence",
)

Warroom = Callable[..., subprocess.CompletedProcess[str]]
"""Runs a copy of warroom with these words, its state always in the same folder; any exit status is an answer."""


def command(state: Path, *words: str) -> tuple[list[str], dict[str, str]]:
    """As this tree's copy is run."""
    return [sys.executable, "-m", "warroom.cli", *words], {**os.environ, "WARROOM_STATE": str(state)}


def of_this_tree(state: Path) -> Warroom:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        argv, env = command(state, *words)
        return ran(argv, env)

    return run


def ran(argv: Sequence[str], env: Mapping[str, str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(argv, env=env, cwd=cwd, capture_output=True, text=True, timeout=LONGEST, check=False)
    assert not re.search(r"^Traceback", done.stderr, re.MULTILINE), done.stderr
    return done


def drilled(warroom: Warroom, folder: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """The exit status, the JSON object, and the story that was told beside it. All of it lies in the folder."""
    done = warroom(*HEADLESS, *words)
    assert done.stdout.count("\n") == 1, f"one line was expected on standard output:\n{done.stdout}\n{done.stderr}"
    result = json.loads(done.stdout)
    assert list(result) == KEYS
    assert list(result["timings"]) == MOMENTS
    for place in ("journal", "evidence", "report"):
        assert Path(result[place]).exists()
        assert Path(result[place]).is_relative_to(folder)
    assert mentioning(folder) == set()
    drills = drills_of(result)
    assert drills.name == "drills"
    assert not (drills / "lab").exists()
    return done.returncode, result, done.stderr


def drills_of(result: Mapping[str, Any]) -> Path:
    """The state folder of drills."""
    return Path(result["journal"]).parents[2]


def rolled_back(warroom: Warroom, folder: Path) -> None:
    """A bad release is rolled back to a proven recovery."""
    status, result, story = drilled(warroom, folder)
    assert status == 0, story
    assert (result["scenario"], result["incident"]) == ("bad-release", "DRILL-0001")
    assert (result["from"], result["to"]) == ("v1.0.0-beta.3", "v1.0.0-beta.2")
    assert (result["rolled_back"], result["verified"]) == (True, "pass")
    seconds = [result["timings"][moment] for moment in MOMENTS]
    assert seconds == sorted(seconds)
    assert seconds[0] > 20, "detected before its window of 20 s could have held"
    assert "recovered: v1.0.0-beta.2 runs in place of v1.0.0-beta.3" in story

    journal = Path(result["journal"])
    assert journal.is_file()
    assert verify(journal.parent).ok
    assert warroom("journal", "verify", "DRILL-0001").returncode == 0
    shown = warroom("journal", "show", "DRILL-0001").stdout
    for part in ("opened (critical, drill bad-release)", "decided: rollback-now, as advised", "verification: PASS"):
        assert part in shown
    (decided,) = re.findall(r"decided: .*", shown)
    assert len(decided) < 200
    (listed,) = json.loads(warroom("incidents", "--json").stdout)
    assert (listed["id"], listed["closed"], listed["scenario"]) == ("DRILL-0001", "recovered", "bad-release")

    _sealed(Path(result["evidence"]))
    _reported(Path(result["report"]))

    checked = warroom("check", "-f", str(drills_of(result) / "drill.yaml"))
    assert checked.returncode == 0, checked.stdout


def _sealed(sealed: Path) -> None:
    assert evidence.verify(sealed) == []
    (dump,) = sealed.rglob("*.dump")
    contents = subprocess.run([binaries() / "pg_restore", "--list", dump], capture_output=True, text=True, check=True)
    for table in ("User", "Conversation", "Message", "Payment", "_prisma_migrations"):
        assert re.search(rf"TABLE DATA public {table} ", contents.stdout)
    found = {path.relative_to(sealed).parts[0] for path in sealed.rglob("*")}
    assert {"logs", "samples", "journal", "versions", "manifest.json"} <= found
    assert all(path.stat().st_mode & 0o077 == 0 for path in sealed.rglob("*"))
    changes, errors = (json.loads((sealed / "causes" / f"{name}.json").read_bytes()) for name in ("changes", "errors"))
    assert changes["from_target_to_running"]["migrations"] == ["20251007143000_user_locale"]
    assert changes["from_target_to_running"]["config_keys"] == ["added LONGEST_MESSAGE"]
    assert "AttributeError" in errors["first_error"]["text"]
    assert any(kind["new"] and kind["kind"].startswith("AttributeError") for kind in errors["kinds"])


def _reported(path: Path) -> None:
    report = path.read_text()
    headings = re.findall(r"^## (.*)", report, re.MULTILINE)
    assert [heading for heading in SECTIONS if heading not in headings] == []
    assert "**This was a drill of the scenario bad-release, not production.**" in report
    assert "- Outcome: recovered" in report
    assert "**Service restored**" in report
