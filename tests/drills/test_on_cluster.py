"""A drill on a cluster: refused wherever the runbook does not mark that very cluster, and gone without a trace."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.kube.cluster import Cluster
from tests.world import until
from warroom.cli.commands import app
from warroom.cli.drilling import choose
from warroom.drills.cluster import LABEL, NO_SUCH_TAG, UP_S, broken_image
from warroom.drills.on_cluster import On, headless, playing
from warroom.engine.engine import Engine
from warroom.errors import BadInput, Unreachable, WarroomError
from warroom.journal.verify import verify


def a_file(folder: Path, cluster: Cluster, kind: str = "staging", fingerprint: str = "", more: str = "") -> Path:
    path = folder / "warroom.yaml"
    marks = f"fingerprints: {{kubernetes: {fingerprint}}}" if fingerprint else ""
    at = f"kubeconfig: {cluster.kubeconfig}, context: {cluster.context}"
    config = f"{{{at}, namespace: default, workloads: {{api: {{}}}}}}"
    path.write_text(
        f"extends: default\nformat: 1\nservice: shop\nenvironment: {{kind: {kind}, {marks}}}\n"
        f"platforms: {{kubernetes: {{plugin: kubernetes, config: {config}}}{more}}}\n",
        encoding="utf-8",
    )
    return path


def identity(cluster: Cluster) -> str:
    return f"kubernetes-{cluster.get('/api/v1/namespaces/kube-system')['metadata']['uid']}/default"


def grounds(cluster: Cluster) -> list[str]:
    found = cluster.get("/api/v1/namespaces")["items"]
    there = [one for one in found if LABEL in (one["metadata"].get("labels") or {})]
    return [one["metadata"]["name"] for one in there if not one["metadata"].get("deletionTimestamp")]


def what_the_drill_did_is_no_rollback(engine: Engine, since: datetime) -> bool:
    left = engine.sensing.signals.readings()["as-left"]
    return left.at is not None and left.at > since and "no rollback" in left.words


@pytest.mark.parametrize(
    ("kind", "fingerprint", "told"),
    [
        ("production", "its own", "for staging and drills"),
        ("staging", "", "not marked for drills"),
        ("drill", "kubernetes-another/default", "not the cluster that the runbook marks"),
    ],
)
async def test_no_cluster_but_the_marked_one_is_touched(
    tmp_path: Path, cluster: Cluster, kind: str, fingerprint: str, told: str
) -> None:
    mark = identity(cluster) if fingerprint == "its own" else fingerprint
    on = On(a_file(tmp_path, cluster, kind, mark), cluster.images.good)
    with pytest.raises(WarroomError, match=told):
        async with playing(on, tmp_path / "state"):
            pytest.fail("it began")
    assert grounds(cluster) == []


async def test_two_clusters_in_one_file_are_none(tmp_path: Path, cluster: Cluster) -> None:
    other = ", other: {plugin: kubernetes, config: {workloads: {api: {}}}}"
    on = On(a_file(tmp_path, cluster, "staging", "kubernetes-x/default", other), cluster.images.good)
    with pytest.raises(WarroomError, match="one Kubernetes cluster"):
        async with playing(on, tmp_path / "state"):
            pytest.fail("it began")


async def test_a_release_that_does_not_come_up_leaves_nothing(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warroom.drills.cluster.UP_S", 1.0)
    on = On(a_file(tmp_path, cluster, "drill", identity(cluster)), cluster.images.bad)
    with pytest.raises(WarroomError, match=r"did not come up|can't be pulled"):
        async with playing(on, tmp_path / "state"):
            pytest.fail("it began")
    assert grounds(cluster) == []


async def test_an_image_that_can_not_be_pulled_ends_it_at_once_with_the_reason(
    tmp_path: Path, cluster: Cluster
) -> None:
    image = broken_image(cluster.images.good)
    if cluster.emulated:
        cluster.steer.image(image, "no-such-image")
    on = On(a_file(tmp_path, cluster, "drill", identity(cluster)), image)
    with pytest.raises(WarroomError, match="can't be pulled in the namespace") as told:
        async with asyncio.timeout(UP_S / 3), playing(on, tmp_path / "state"):
            pytest.fail("it began")
    assert told.value.cause.startswith(("ErrImagePull: ", "ImagePullBackOff: "))
    assert image in told.value.cause
    assert grounds(cluster) == []


@pytest.mark.parametrize(
    ("kind", "fingerprint", "told"), [("production", "k/x", "for staging and drills"), ("staging", "", "not marked")]
)
def test_where_it_may_not_be_played_is_said_before_how(
    tmp_path: Path, cluster: Cluster, kind: str, fingerprint: str, told: str
) -> None:
    file = a_file(tmp_path, cluster, kind, fingerprint)
    words = ("drill", "--headless", "--on", "kubernetes", "--image", "a", "-f", str(file))
    found = CliRunner().invoke(app, [*words, "--state", str(tmp_path / "state")]).exception
    assert isinstance(found, WarroomError)
    assert told in str(found), "and not that --autopilot is missing"


async def test_a_namespace_whose_making_was_not_answered_may_be_there(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unanswered(*asked: object) -> None:
        raise Unreachable("the connection was lost")

    monkeypatch.setattr("warroom_kubernetes.changes.sender.KubernetesSender.send", unanswered)
    on = On(a_file(tmp_path, cluster, "drill", identity(cluster)), cluster.images.good)
    with pytest.raises(WarroomError, match=r"namespace warroom-drill-[0-9a-f]{8} may be left behind"):
        async with playing(on, tmp_path / "state"):
            pytest.fail("it began")
    assert grounds(cluster) == []


async def test_a_drill_is_played_on_it(tmp_path: Path, cluster: Cluster, full: bool) -> None:
    """Up to the fault, which is real there; under ``full`` to its end, by the autopilot."""
    if cluster.emulated:
        cluster.steer.image(broken_image(cluster.images.good), "no-such-image")
    told: list[str] = []
    on = On(a_file(tmp_path, cluster, "staging", identity(cluster)), cluster.images.good)
    if not full:
        async with playing(on, tmp_path / "state", say=told.append) as drill:
            (namespace,) = grounds(cluster)
            assert drill.where == f"namespace {namespace}"
            assert drill.runbook.environment.kind == "drill"
            assert drill.runbook.environment.fingerprints["kubernetes"].endswith(f"/{namespace}")
            begun = await drill.begin()
            assert begun > drill.engine.core.clock.now() - timedelta(seconds=60)
            status = cluster.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/web")["status"]
            assert not status.get("readyReplicas"), "nobody is served"
            await until(lambda: what_the_drill_did_is_no_rollback(drill.engine, begun))
        assert grounds(cluster) == []
        return
    result = await headless(on, tmp_path / "state", told.append)
    story = "\n".join(told)
    assert result["verified"] == "pass", story
    assert result["rolled_back"], story
    assert set(result["timings"]) >= {"detected", "rolled_back", "verified"}
    assert NO_SUCH_TAG in str(result["from"]), story
    assert verify(Path(result["journal"]).parent).ok, story
    assert grounds(cluster) == []


@pytest.mark.needs("kube-emulator")
async def test_a_bad_release_that_comes_up_after_all_is_no_drill(tmp_path: Path, cluster: Cluster) -> None:
    cluster.steer.image(broken_image(cluster.images.good), "runs")
    on = On(a_file(tmp_path, cluster, "staging", identity(cluster)), cluster.images.good)
    async with playing(on, tmp_path / "state") as drill:
        with pytest.raises(WarroomError, match="bad release runs"):
            await drill.begin()
    assert grounds(cluster) == []


@pytest.mark.parametrize(
    ("image", "broken"),
    [
        ("nginx", f"nginx:{NO_SUCH_TAG}"),
        ("registry:5000/shop/web:v1", f"registry:5000/shop/web:{NO_SUCH_TAG}"),
        ("registry:5000/web@sha256:" + "0" * 64, f"registry:5000/web:{NO_SUCH_TAG}"),
        ("r/web:v1@sha256:" + "0" * 64, f"r/web:{NO_SUCH_TAG}"),
    ],
)
def test_the_broken_release_is_one_of_the_same_repository(image: str, broken: str) -> None:
    assert broken_image(image) == broken


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"on": "nomad"}, "no drills on 'nomad'"),
        ({"on": "kubernetes"}, "needs an image"),
        ({"on": "kubernetes", "image": "-x"}, "needs an image"),
        ({"on": "kubernetes", "image": "a b"}, "needs an image"),
        ({"on": "kubernetes", "image": "a", "fault_in_target": True}, "for the lab"),
        ({"image": "a"}, "for a drill on a cluster"),
    ],
)
def test_what_was_given_for_another_drill_is_refused(more: dict[str, Any], told: str) -> None:
    given: dict[str, Any] = {"file": None, "on": "", "image": "", "kubeconfig": None, "fault_in_target": False}
    with pytest.raises(BadInput, match=told):
        choose("bad-release", **(given | more))
