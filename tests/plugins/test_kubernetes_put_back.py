"""Back and forth on a cluster: each undo says what it puts back and whom it takes out of service, and is asked for."""

from __future__ import annotations

from pathlib import Path

from tests.engines import OP1
from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_watching import outside
from tests.plugins.test_kubernetes_incident import incident, left, platform, ran, released
from tests.world import until
from warroom.model import intent as it
from warroom.model.live import GuardsPage, GuardsQuery
from warroom.model.next import next_action


async def test_what_an_undo_puts_back_is_what_its_steps_captured(
    namespace: Namespace, cluster: Cluster, tmp_path: Path
) -> None:
    """Stopped, rolled back, taken back to no pods at all, and rolled back once more: nothing ran that time."""
    web = await outside(namespace.workload, "web", replicas=1)
    await outside(released, web, image=cluster.images.next)
    good, bad = (image.rpartition(":")[2] for image in (cluster.images.good, cluster.images.next))
    async with incident(tmp_path, kubernetes=platform(namespace, "{web: {writer: true}}")) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        await world.ok(it.ChooseTarget(text=good))
        for procedure in ("stop-writes", "option-c"):
            await world.ok(it.ProposePlan(procedure=procedure))
            assert (await ran(world)).status == "done"
        before = next_action(world.core.runbook, world.state)
        title = world.state.plan.plan.title
        await world.ok(it.Undo())
        assert world.state.plan.plan.title == f"Undo {title}: back to {bad}: an outage"
        assert next_action(world.core.runbook, world.state) == before, "somebody has only looked at it"
        page = await world.session(OP1).query(GuardsQuery())
        assert isinstance(page, GuardsPage)
        outage = "An outage: web stops, and nothing of it answers until it is started again"
        assert [guard.words for guard in page.guards if guard.id == "outage"] == [outage]
        assert (await ran(world)).status == "done"
        assert (web.image, web.get()["spec"]["replicas"]) == (cluster.images.next, 0)
        await until(lambda: world.core.silent, 30)
        # Its scaling and its way back fell into the same second, by which managed fields can't tell them apart.
        await until(lambda: "no rollback" not in left(world).words, 30)
        assert (left(world).value, "as warroom left it" in left(world).words) == (1, True), left(world).words
        await world.ok(it.ProposePlan(procedure="option-c"))
        assert world.state.plan.plan.running is None
        assert (await ran(world)).status == "done"
        assert (web.image, web.get()["spec"]["replicas"]) == (cluster.images.good, 1), "it starts what was stopped"
        await world.ok(it.Undo())
        assert world.state.plan.plan.title.startswith(f"Undo {title}: back to {bad}")
