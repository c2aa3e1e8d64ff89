"""What the app says of itself counts: a rollout is over once it calls itself what is meant."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer

from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_changing import operating
from warroom.errors import WarroomError
from warroom_kubernetes.changes import sender
from warroom_kubernetes.workload.version import Said, agrees


@pytest.mark.parametrize(
    ("told", "meant", "same"),
    [
        (Said("1.2"), "v1.2", True),
        (Said("v1.2"), "1.2-alpine", True),
        (Said("1.2+7"), "v1.2", True),
        (Said("1.2.1"), "1.2", False),
        (Said("1.2"), "1.20", False),
        (Said("1.2.0"), "1.2.0-rc1", False),
        (Said("1.2.0-beta.3"), "1.2.0", False),
        (Said("main"), "main-abc1234", False),
        (Said("main-abc1234"), "main-abc1234", True),
        (Said(commit="0123456789abcdef"), "0123456", True),
        (Said(commit="0123456789abcdef"), "012345", False),
        (Said("v3", commit="0123456789abcdef"), "v2", False),
        (Said(words="it does not answer"), "", False),
    ],
)
def test_names_of_one_release_are_known_for_it(told: Said, meant: str, same: bool) -> None:
    assert agrees(told, meant) is same


@pytest.fixture
def app() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1") as server:
        yield server


def says(app: HTTPServer, *versions: str) -> None:
    """One after the other, the last for ever."""
    app.clear()
    for version in versions[:-1]:
        app.expect_ordered_request("/version").respond_with_json({"version": version})
    app.expect_request("/version").respond_with_json({"version": versions[-1]})


async def test_an_app_that_goes_on_calling_itself_something_else_is_not_rolled_out(
    namespace: Namespace, cluster: Cluster, app: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = (image.rpartition(":")[2] for image in (cluster.images.good, cluster.images.next))
    web = namespace.workload("web", replicas=1)
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    async with operating(namespace, workloads={"web": {"version_url": app.url_for("/version")}}) as op:
        says(app, bad)
        facts, waiting = await op.planned("rollout", workload="web", version=good, wait=60)
        await op.done("undo", workload="web", to="1")
        monkeypatch.setattr(sender, "WORD_S", 0.5)
        with pytest.raises(WarroomError, match=f"yet the app says {bad}, where {good} was meant"):
            await op.executed(waiting.calls)
        assert (await op.look("rollout", facts, workload="web", version=good)).verdict == "partly"
        says(app, bad, bad, good)
        monkeypatch.setattr(sender, "WORD_S", 60.0)
        (result,) = await op.executed(waiting.calls)
        assert f"the app says {good}" in result.text
        look = await op.look("rollout", facts, workload="web", version=good)
        assert (look.verdict, f"the app says {good}" in look.seen) == ("done", True)


async def test_one_that_goes_by_other_names_holds_nothing_up(
    namespace: Namespace, cluster: Cluster, app: HTTPServer
) -> None:
    namespace.workload("web", replicas=1)
    says(app, "2026.11")
    async with operating(namespace, workloads={"web": {"version_url": app.url_for("/version")}}) as op:
        good = cluster.images.good.rpartition(":")[2]
        look, preview, _ = await op.done("rollout", workload="web", version=good, wait=20)
        assert f"the app says 2026.11, which names none of {good}: its word is not waited for" in preview.notes
        assert "2026.11" not in look.seen
