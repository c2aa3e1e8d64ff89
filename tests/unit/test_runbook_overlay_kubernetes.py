"""A file that names a Kubernetes cluster gets Option C, and what stops and starts the writers, run by warroom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runbooks import HEAD
from warroom.model.cutover import stops_before
from warroom.model.runbook import Runbook
from warroom.runbook import Loaded, RunbookInvalid, default_runbook, load
from warroom.runbook.coverage import coverage
from warroom.runbook.render import print_check

SHOP = (
    "{plugin: kubernetes, config: {namespace: shop, workloads: {web: {}, db.main: {}, work-er: {with_release: true}}}}"
)
COMPOSE = "{plugin: compose, config: {project: shop, services: {api: {}}}}"
TARGET = {"version": "${target.version}", "digest": "${target.digest}"}


def read(tmp_path: Path, text: str) -> Loaded:
    path = tmp_path / "warroom.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load(path)


def book(tmp_path: Path, platforms: str = f"kubernetes: {SHOP}", more: str = "") -> Runbook:
    return read(tmp_path, f"platforms: {{{platforms}}}\n{more}").runbook


def ops(runbook: Runbook, procedure: str) -> dict[str, str | None]:
    return {name: step.op for name, step in runbook.procedures[procedure].steps.items()}


def test_option_c_begins_each_undo_before_any_is_waited_for(tmp_path: Path) -> None:
    option_c = book(tmp_path).procedures["option-c"]
    assert {name: (step.op, step.with_) for name, step in option_c.steps.items() if not step.if_needed} == {
        "undo": ("kubernetes.undo", {"workload": "web", **TARGET}),
        "undo-work-er": ("kubernetes.undo", {"workload": "work-er", **TARGET}),
        "status": ("kubernetes.rollout", {"workload": "web", "digest": "${target.digest}", "wait": "4m"}),
        "status-work-er": ("kubernetes.rollout", {"workload": "work-er", "digest": "", "wait": "4m"}),
    }
    assert list(option_c.steps) == [
        *("suspend", "suspend-work-er", "undo", "undo-work-er", "status", "status-work-er"),
        *("caches", "autoscaler"),
    ]
    assert [name for name, step in option_c.steps.items() if step.role == "application"] == ["undo", "undo-work-er"]
    assert stops_before(option_c) == ()
    before = default_runbook().procedures["option-c"]
    assert (option_c.title, option_c.use_when, option_c.expected) == (before.title, before.use_when, before.expected)
    assert option_c.steps["undo"].title == "Roll web back"


def test_scaling_to_zero_is_no_step_of_the_rollback_and_names_its_outage(tmp_path: Path) -> None:
    runbook = book(tmp_path)
    assert all(not name.startswith("scale") for name in runbook.procedures["option-c"].steps)
    down, up = runbook.procedures["scale-to-zero"], runbook.procedures["scale-back"]
    assert (down.kind, up.kind) == ("stop-writes", "resume-writes"), "offered where issues persist, or to stop writes"
    assert "outage" in down.title
    assert all("nobody is served" in step.title for step in down.steps.values())
    assert [step.with_ for step in down.steps.values()] == [
        {"workload": "web", "to": 0},
        {"workload": "work-er", "to": 0},
    ]
    assert [step.with_["to"] for step in up.steps.values()] == ["recorded", "recorded"]
    first = next(name for name, procedure in runbook.procedures.items() if procedure.kind == "stop-writes")
    assert first == "stop-writes", "the declared writers come before everything"
    assert "down until" in runbook.procedures["stop-writes"].title


@pytest.mark.parametrize("procedure", ["stop-writes", "resume-writes"])
def test_stopping_and_resuming_writes_needs_nobody_s_hands(tmp_path: Path, procedure: str) -> None:
    found = book(tmp_path).procedures[procedure]
    assert [step.op for step in found.steps.values()] == [f"kubernetes.{procedure}"]


def test_several_clusters_go_one_after_the_other(tmp_path: Path) -> None:
    runbook = book(tmp_path, f"eu: {SHOP}, us: {SHOP.replace('work-er', 'queue')}")
    steps = {name: op for name, op in ops(runbook, "option-c").items() if op and "suspend" not in op}
    assert list(steps.items()) == [
        ("undo", "eu.undo"),
        ("undo-work-er", "eu.undo"),
        ("status", "eu.rollout"),
        ("status-work-er", "eu.rollout"),
        ("undo-us", "us.undo"),
        ("undo-us-queue", "us.undo"),
        ("status-us", "us.rollout"),
        ("status-us-queue", "us.rollout"),
    ]
    assert runbook.procedures["option-c"].needs == ("eu", "us")
    assert runbook.procedures["option-c"].steps["undo-us"].title == "Roll web back in us"
    assert runbook.procedures["option-c"].steps["status-us"].with_["digest"] == "${target.digest}"
    assert ops(runbook, "stop-writes") == {"stop": "eu.stop-writes", "stop-us": "us.stop-writes"}
    assert [runbook.verification[name].use for name in ("services", "services-us")] == [
        "eu.rolled-out",
        "us.rolled-out",
    ]


@pytest.mark.parametrize("order", [("compose", "kubernetes"), ("kubernetes", "compose")])
def test_beside_a_compose_project_each_has_its_option_and_the_first_the_rest(
    tmp_path: Path, order: tuple[str, str]
) -> None:
    named = {"compose": COMPOSE, "kubernetes": SHOP}
    runbook = book(tmp_path, ", ".join(f"{name}: {named[name]}" for name in order))
    assert ops(runbook, "option-b")["up"] == "compose.up"
    assert ops(runbook, "option-c")["undo"] == "kubernetes.undo"
    stop = {"compose": "compose.stop", "kubernetes": "kubernetes.stop-writes"}
    assert ops(runbook, "stop-writes") == {"stop": stop[order[0]]}
    assert runbook.procedures["database-corruption"].steps["stop"].op == stop[order[0]]
    assert ops(runbook, "database-corruption")["assess"] is None, "the default's own, whichever lies over it"


def test_names_that_can_be_no_ids_stay_apart(tmp_path: Path) -> None:
    named = (
        "{plugin: kubernetes, config: {workloads: {web: {}, a.b: {with_release: true}, a--b: {with_release: true}}}}"
    )
    option_c = book(tmp_path, f"k: {named}").procedures["option-c"]
    undone = [step.with_["workload"] for step in option_c.steps.values() if step.op == "k.undo"]
    assert undone == ["web", "a.b", "a--b"]


@pytest.mark.parametrize(
    ("workloads", "told"),
    [
        ("{}", "at least"),
        ("{job: {kind: CronJob, with_release: true}}", "keeps revisions"),
        ("{web: {}}, release: api", "release must be one of workloads"),
        ("{web: {}, w: {with_release: maybe}}", "true or false"),
    ],
)
def test_what_is_wrong_with_the_platform_is_told_in_the_file_alone(tmp_path: Path, workloads: str, told: str) -> None:
    with pytest.raises(RunbookInvalid) as invalid:
        book(tmp_path, f"kubernetes: {{plugin: kubernetes, config: {{workloads: {workloads}}}}}")
    assert told in " ".join(str(problem) for problem in invalid.value.problems)
    assert {problem.file for problem in invalid.value.problems} == {str(tmp_path / "warroom.yaml")}


def test_the_coverage_says_so_line_by_line(tmp_path: Path) -> None:
    before = {each.id: each for each in coverage(default_runbook(), commands=())}
    now = {each.id: each for each in coverage(book(tmp_path), commands=())}
    option_c = [name for name in now if name.startswith("option-c.")]
    assert len(option_c) > 35
    manual = {name for name in option_c if before[name].status == "manual"}
    still = {name for name in option_c if now[name].status != "implemented"}
    assert len(manual) > 30
    assert still == {name for name in option_c if name.startswith("option-c.autoscaler.") and "expected" not in name}
    assert now["option-c.scale.kubectl-scale-deployment-ai-saas"].where == "procedures.scale-to-zero.steps.scale-down"
    assert now["option-c.verify.kubectl-get-pods-n-ai-saas-prod"].where == "verification.services"


def test_the_runbooks_that_the_readme_shows_are_all_it_takes(tmp_path: Path) -> None:
    readme = Path(__file__).parents[2] / "README.md"
    shown = readme.read_text(encoding="utf-8").partition("## Kubernetes")[2].split("```yaml\n")
    path = tmp_path / "warroom.yaml"
    path.write_text(shown[1].partition("```")[0], encoding="utf-8")
    assert ops(load(path).runbook, "option-c")["undo-worker"] == "kubernetes.undo"
    told = [line for line in print_check(path)[0] if line.startswith("Run by warroom: option-c, stop-writes")]
    assert len(told) == 1
    path.write_text(path.read_text(encoding="utf-8") + shown[2].partition("```")[0], encoding="utf-8")
    assert list(ops(load(path).runbook, "our-way").values()) == [
        f"kubernetes.{name}" for name in ("pause", "undo", "rollout", "resume")
    ]
