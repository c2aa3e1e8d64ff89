"""A file that names a Kubernetes cluster gets Option C, and what stops and starts the writers, run by warroom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runbooks import HEAD
from warroom.model.cutover import stops_before
from warroom.model.runbook import Procedure, Runbook, StepDecl
from warroom.model.signal import Sample, TriggerReading
from warroom.runbook import Loaded, RunbookInvalid, default_runbook, load
from warroom.runbook.coverage import coverage
from warroom.runbook.render import print_check
from warroom.signals.triggers import TriggerBook
from warroom.testing.clock import VirtualClock

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


def usually(procedure: Procedure) -> dict[str, StepDecl]:
    """What is done of it where nobody takes more along."""
    return {name: step for name, step in procedure.steps.items() if not (step.if_needed or step.after_stop)}


def ops(runbook: Runbook, procedure: str) -> dict[str, str | None]:
    return {name: step.op for name, step in runbook.procedures[procedure].steps.items()}


def test_option_c_begins_each_undo_before_any_is_waited_for(tmp_path: Path) -> None:
    option_c = book(tmp_path).procedures["option-c"]
    assert {name: (step.op, step.with_) for name, step in usually(option_c).items()} == {
        "undo": ("kubernetes.undo", {"workload": "web", **TARGET, "resume": True}),
        "undo-work-er": ("kubernetes.undo", {"workload": "work-er", **TARGET, "resume": True}),
        "status": ("kubernetes.rollout", {"workload": "web", **TARGET, "wait": "4m"}),
        "status-work-er": ("kubernetes.rollout", {"workload": "work-er", "digest": "", "version": "", "wait": "4m"}),
    }
    assert list(option_c.steps) == [
        *("stop", "suspend", "suspend-work-er", "undo", "undo-work-er", "start", "status", "status-work-er"),
        *("caches", "autoscaler"),
    ]
    touching = [name for name, step in usually(option_c).items() if step.role == "application"]
    assert touching == ["undo", "undo-work-er", "status", "status-work-er"], "a rollout that fails is a failed cut-over"
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


def test_writes_are_stopped_first_where_it_must_be_and_start_again_with_the_release_gone_back_to(
    tmp_path: Path,
) -> None:
    option_c = book(tmp_path, f"eu: {SHOP}, us: {SHOP}").procedures["option-c"]
    assert list(option_c.steps)[:2] == ["stop", "stop-us"], "in every cluster, before anything else is done in any"
    assert stops_before(option_c) == ("stop", "stop-us")
    assert [option_c.steps[name].op for name in stops_before(option_c)] == ["eu.stop-writes", "us.stop-writes"]
    starts = {name: step for name, step in option_c.steps.items() if step.after_stop}
    assert {name: (step.op, step.with_) for name, step in starts.items()} == {
        "start": ("eu.resume-writes", {"after_stop": True, "wait": "4m"}),
        "start-us": ("us.resume-writes", {"after_stop": True, "wait": "4m"}),
    }
    order = list(option_c.steps)
    assert order.index("undo-us-work-er") < order.index("start-us") < order.index("status-us")
    assert order.index("status-work-er") < order.index("undo-us")


def test_an_autoscaler_whose_manifest_is_named_is_applied_by_warroom(tmp_path: Path) -> None:
    held = "work-er: {with_release: true, autoscaler: /k8s/worker-hpa.yaml}"
    platform = SHOP.replace("web: {}", "web: {autoscaler: /k8s/hpa.yaml}").replace(
        "work-er: {with_release: true}", held
    )
    runbook = book(tmp_path, f"kubernetes: {platform}")
    steps = runbook.procedures["option-c"].steps
    found = {name: (step.op, step.with_) for name, step in steps.items() if name.startswith("autoscaler")}
    assert found == {
        "autoscaler": ("kubernetes.hpa-apply", {"workload": "web"}),
        "autoscaler-work-er": ("kubernetes.hpa-apply", {"workload": "work-er"}),
    }
    assert all(steps[name].if_needed for name in found)
    assert steps["autoscaler"].title == "Update the autoscaler of web (if modified)"
    now = {each.id: each for each in coverage(runbook, commands=())}
    left = {name for name in now if name.startswith("option-c.") and now[name].status != "implemented"}
    assert left == set(), "every line of Option C"
    one = book(tmp_path, f"eu: {SHOP}, us: {platform}").procedures["option-c"].steps
    assert [name for name in one if name.startswith("autoscaler")] == ["autoscaler-us", "autoscaler-us-work-er"]


@pytest.mark.parametrize("procedure", ["stop-writes", "resume-writes"])
def test_stopping_and_resuming_writes_needs_nobody_s_hands(tmp_path: Path, procedure: str) -> None:
    found = book(tmp_path).procedures[procedure]
    assert [step.op for step in found.steps.values()] == [f"kubernetes.{procedure}"]


def test_a_template_that_somebody_changes_back_fires_a_trigger(tmp_path: Path) -> None:
    runbook = book(tmp_path, f"eu: {SHOP}, us: {SHOP}")
    for own_id, platform in (("as-left", "eu"), ("as-left-us", "us")):
        (condition,) = runbook.triggers[own_id].conditions.values()
        assert (condition.signal, condition.below, condition.for_) == (own_id, 1, 0), "one look is enough"
        source = runbook.signals[own_id].source
        assert source is not None
        assert (source.platform, source.signal) == (platform, "template-unchanged")


def test_that_alarm_goes_with_the_first_look_that_is_well(tmp_path: Path) -> None:
    """How long it has to be seen is the signal's to say, which knows who has put the template back."""
    clock, runbook = VirtualClock(), book(tmp_path)
    triggers = TriggerBook(runbook, clock)

    def looks(value: float, words: str) -> TriggerReading:
        clock.tick(2)
        triggers.add(Sample(signal="as-left", value=value, count=1, at=clock.now(), words=words), "as-left")
        return triggers.readings()["as-left"]

    assert looks(1, "as warroom left it").status == "ok"
    for _ in range(3):
        fires = looks(0, "ci changed it")
        assert (fires.status, fires.words) == ("firing", "ci changed it")
    assert looks(1, "as warroom left it").status == "ok"


def test_an_outage_fires_in_each_cluster_by_what_is_the_release_there(tmp_path: Path) -> None:
    runbook = book(tmp_path, f"eu: {SHOP}, us: {SHOP.replace('{web: {}, ', '{api: {}, ')}")
    for own_id, platform, release in (("served", "eu", "web"), ("served-us", "us", "api")):
        (condition,) = runbook.triggers[own_id].conditions.values()
        source = runbook.signals[condition.signal].source
        assert source is not None
        assert (source.platform, source.signal) == (platform, f"ready-{release}")
        assert runbook.triggers[own_id].title == f"Nobody is served in {platform}"
        assert release in runbook.triggers[own_id].impact
    assert [name for name in runbook.triggers if name.startswith("well")] == [
        *("well", "well-work-er", "well-us", "well-us-work-er"),
    ]


def test_a_stuck_pod_of_a_stateful_set_can_be_deleted_and_only_of_one(tmp_path: Path) -> None:
    assert not [name for name in book(tmp_path).procedures if name.startswith("unstick")]
    named = "{web: {}, db: {kind: StatefulSet, with_release: true}, other: {kind: StatefulSet}}"
    procedures = book(tmp_path, f"kubernetes: {{plugin: kubernetes, config: {{workloads: {named}}}}}").procedures
    (unstick,) = [procedure for name, procedure in procedures.items() if name.startswith("unstick")]
    assert [(step.op, step.with_["workload"]) for step in unstick.steps.values()] == [
        ("kubernetes.delete-pod", "db"),
        ("kubernetes.rollout", "db"),
    ]
    assert unstick.kind == "rollback", "it is offered as a way on"


def test_the_health_of_the_release_is_more_than_pods_that_are_ready(tmp_path: Path) -> None:
    health = book(tmp_path).signals["health-web"]
    assert health.unit == "state"
    assert health.source is not None
    assert health.source.signal == "health-web"


def test_several_clusters_go_one_after_the_other(tmp_path: Path) -> None:
    runbook = book(tmp_path, f"eu: {SHOP}, us: {SHOP.replace('work-er', 'queue')}")
    steps = {name: step.op for name, step in usually(runbook.procedures["option-c"]).items() if step.op}
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


def test_a_database_is_swapped_in_while_the_writers_of_every_cluster_stand_stopped(tmp_path: Path) -> None:
    database = "{plugin: postgres, config: {backups: {folders: [/backups]}}}"
    runbook = book(tmp_path, f"eu: {SHOP}, us: {SHOP}, database: {database}")
    assert ops(runbook, "database-swap") == {
        "stop": "eu.stop-writes",
        "stop-us": "us.stop-writes",
        "swap": "database.swap",
        "integrity": "database.assess",
        "restart": "eu.resume-writes",
        "restart-us": "us.resume-writes",
    }
    restore = runbook.procedures["database-restore"]
    assert list(usually(restore)) == ["restore-beside", "compare"]
    assert list(restore.steps) == ["stop", "stop-us", "restore-beside", "compare"]
    assert restore.needs == ("eu", "us", "database")


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
        f"kubernetes.{name}" for name in ("stop-writes", "undo", "rollout", "resume-writes")
    ]
