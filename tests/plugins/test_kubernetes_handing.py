"""Those who would put the other version back are told to leave it; and every operation keeps the plugins' contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_changing import operating
from warroom.errors import BadInput, WarroomError
from warroom.testing.conformance import Case
from warroom.testing.conformance.findings import Findings
from warroom.testing.conformance.operations import check_operation
from warroom_kubernetes.operations import OPERATIONS

ARGO = ("argoproj.io/v1alpha1", "applications")
HPA = ("autoscaling/v2", "horizontalpodautoscalers")
FLUX = ("kustomize.toolkit.fluxcd.io/v1", "kustomizations")
A_KUSTOMIZATION = {
    "interval": "1h",
    "path": "./",
    "prune": False,
    "sourceRef": {"kind": "GitRepository", "name": "apps"},
}


def managed(namespace: Namespace, spec: dict[str, Any]) -> str:
    """A workload of an Argo CD application; where that is."""
    namespace.create(*ARGO, "Application", "shop", spec={"project": "default", "destination": {}, **spec})
    tracking = {"argocd.argoproj.io/tracking-id": f"{namespace.name}_shop:apps/Deployment:{namespace.name}/web"}
    namespace.workload("web", replicas=1, metadata={"annotations": tracking})
    return namespace.path(*ARGO, "shop")


@pytest.mark.usefixtures("kinds_of_others")
async def test_argo_cd_is_suspended_and_resumed_as_it_was(namespace: Namespace, cluster: Cluster) -> None:
    sync = {"automated": {"prune": True, "selfHeal": True}, "retry": {"limit": 2}}
    at = managed(namespace, {"syncPolicy": sync})
    async with operating(namespace) as op:
        facts, preview = await op.planned("suspend-controller", workload="web")
        assert any("syncs by itself, at once" in note for note in preview.notes)
        await op.executed(preview.calls)
        assert cluster.get(at)["spec"]["syncPolicy"] == {"retry": {"limit": 2}}
        assert (await op.look("suspend-controller", facts, workload="web")).verdict == "done"
        await op.taken_back("suspend-controller", preview, facts, workload="web")
        assert cluster.get(at)["spec"]["syncPolicy"] == sync
        await op.done("suspend-controller", workload="web")
        await op.done("resume-controller", workload="web")
        assert cluster.get(at)["spec"]["syncPolicy"] == sync
        with pytest.raises(BadInput, match="was suspended by warroom"):
            await op.planned("resume-controller", workload="web")


@pytest.mark.usefixtures("kinds_of_others")
async def test_flux_is_suspended_and_an_undo_names_it(namespace: Namespace, cluster: Cluster) -> None:
    namespace.create(*FLUX, "Kustomization", "apps", spec=A_KUSTOMIZATION)
    labels = {
        f"kustomize.toolkit.fluxcd.io/{key}": value for key, value in (("name", "apps"), ("namespace", namespace.name))
    }
    web = namespace.workload("web", replicas=1, metadata={"labels": labels})
    web.set_image(cluster.images.next)
    web.wait_rolled_out()
    async with operating(namespace) as op:
        _, preview = await op.planned("undo", workload="web")
        assert any("Flux" in note and "suspend it first" in note for note in preview.notes)
        await op.done("suspend-controller", workload="web")
        assert cluster.get(namespace.path(*FLUX, "apps"))["spec"]["suspend"] is True
        _, preview = await op.planned("undo", workload="web")
        assert not any("suspend it first" in note for note in preview.notes)
        await op.done("resume-controller", workload="web")
        assert "suspend" not in cluster.get(namespace.path(*FLUX, "apps"))["spec"]


def a_manifest(namespace: Namespace, folder: Path, most: int = 9) -> Path:
    spec = namespace.cluster.get(namespace.path(*HPA, "web"))["spec"]
    made = {"apiVersion": HPA[0], "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}}
    path = folder / "hpa.yaml"
    path.write_text("kind: Service\n---\n" + json.dumps({**made, "spec": {**spec, "maxReplicas": most}}))
    return path


async def test_an_autoscalers_manifest_is_compared_before_it_is_applied(namespace: Namespace, tmp_path: Path) -> None:
    namespace.workload("web", replicas=1)
    namespace.autoscaler("web", least=1, most=5)
    at = namespace.path(*HPA, "web")
    before = namespace.cluster.get(at)["spec"]
    path = a_manifest(namespace, tmp_path)
    async with operating(namespace) as op:
        facts, preview = await op.planned("hpa-apply", workload="web", manifest=str(path))
        assert preview.notes == ("web: maxReplicas: 5 becomes 9",)
        await op.executed(preview.calls)
        assert namespace.cluster.get(at)["spec"]["maxReplicas"] == 9
        await op.taken_back("hpa-apply", preview, facts, workload="web", manifest=str(path))
        assert namespace.cluster.get(at)["spec"] == before
        await op.done("hpa-suspend", workload="web")
        await op.done("hpa-apply", workload="web", manifest=str(path))
        assert namespace.cluster.get(at)["spec"].get("behavior") == before.get("behavior")
        path.write_text("a: [")
        with pytest.raises(BadInput, match="can't be read"):
            await op.planned("hpa-apply", workload="web", manifest=str(path))
        path.write_text("kind: Service")
        with pytest.raises(BadInput, match="has no autoscaler of Deployment web"):
            await op.planned("hpa-apply", workload="web", manifest=str(path))


async def test_where_nobody_manages_it_that_is_said(namespace: Namespace) -> None:
    namespace.workload("web", replicas=1)
    async with operating(namespace) as op:
        with pytest.raises(BadInput, match="can be suspended here"):
            await op.planned("suspend-controller", workload="web")


async def test_a_template_that_somebody_changes_meanwhile_is_not_waited_for(
    namespace: Namespace, cluster: Cluster
) -> None:
    web = namespace.workload("web", replicas=1)
    async with operating(namespace) as op:
        plan, _ = await op.planned("undo", workload="web", to="1")
        await op.done("rollout", workload="web", digest=plan["target"])
        web.set_image(cluster.images.next)
        web.wait_rolled_out()
        _, waiting = await op.planned("rollout", workload="web", digest=plan["target"])
        with pytest.raises(WarroomError, match="another template than was meant"):
            await op.executed(waiting.calls)


@pytest.mark.usefixtures("kinds_of_others")
async def test_every_operation_keeps_the_contract(namespace: Namespace, cluster: Cluster, tmp_path: Path) -> None:
    managed(namespace, {"syncPolicy": {"automated": {}}})
    db = namespace.workload("db", "StatefulSet", replicas=1)
    db.set_image(cluster.images.next)
    db.wait_rolled_out()
    namespace.autoscaler("web")
    web, stateful = {"workload": "web"}, {"workload": "db"}
    cases: dict[str, dict[str, Any]] = {
        "undo": {**stateful, "to": "1"},
        "rollout": stateful,
        "scale": {**web, "to": 0},
        "stop-writes": {},
        "resume-writes": {},
        "pause": web,
        "resume": web,
        "restart": web,
        "delete-pod": {**stateful, "pod": "db-0"},
        "hpa-suspend": web,
        "hpa-restore": web,
        "hpa-apply": {**web, "manifest": str(a_manifest(namespace, tmp_path))},
        "suspend-controller": web,
        "resume-controller": web,
    }
    assert list(cases) == [operation.name for operation in OPERATIONS]
    first = {"resume-writes": "stop-writes", "hpa-restore": "hpa-suspend", "resume-controller": "suspend-controller"}
    findings = Findings()
    async with operating(namespace, workloads={"web": {"writer": True}, "db": {"kind": "StatefulSet"}}) as op:
        for operation in OPERATIONS:
            if operation.name in first:
                await op.done(first[operation.name], **cases[first[operation.name]])
            case = Case(operation.name, cases[operation.name])
            await check_operation(operation, op.context, case, set(), findings, 60)
    assert not findings.found, findings.found
