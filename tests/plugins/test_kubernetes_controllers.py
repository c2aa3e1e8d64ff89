"""Who would put the other version back: recognised by what they leave on an object, and asked whether they act."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_reading import reading
from warroom_kubernetes.objects.controllers import (
    APPLICATIONS,
    AUTOSCALERS,
    HELM_RELEASES,
    KUSTOMIZATIONS,
    Where,
    controllers,
)
from warroom_kubernetes.reach.asking import cluster
from warroom_kubernetes.workload.contenders import Acting, acting, state

Json = dict[str, Any]
TEMPLATE: Json = {"f:spec": {"f:template": {"f:spec": {}}}}


def a_workload(
    labels: Json | None = None, notes: Json | None = None, managers: tuple[str, ...] = (), **head: Any
) -> Json:
    entries = [
        {"manager": name, "operation": "Update", "time": f"2026-01-01T00:00:{at:02}Z", "fieldsV1": TEMPLATE}
        for at, name in enumerate(managers)
    ]
    made = {"labels": labels or {}, "annotations": notes or {}, "managedFields": entries}
    return {"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", **made, **head}}


def an_autoscaler(name: str = "web", kind: str = "Deployment", target: str = "web", **labels: str) -> Json:
    spec = {"scaleTargetRef": {"kind": kind, "name": target}, "minReplicas": 2, "maxReplicas": 9}
    return {"metadata": {"name": name, "namespace": "shop", "labels": labels}, "spec": spec}


ARGO = {"argocd.argoproj.io/tracking-id": "shop-web:apps/Deployment:shop/web"}
FLUX = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
FLUX_HELM = {"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "flux-system"}
HELM = {"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "shop"}
APPLIED = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}


@pytest.mark.parametrize(
    ("workload", "kind", "name", "at", "by_itself"),
    [
        (a_workload(notes=ARGO), "argo-cd", "shop-web", Where(APPLICATIONS, "", "shop-web"), True),
        (
            a_workload(notes={"argocd.argoproj.io/tracking-id": "team_web:apps/Deployment:shop/web"}),
            *("argo-cd", "web", Where(APPLICATIONS, "team", "web"), True),
        ),
        (
            a_workload(labels={"app.kubernetes.io/instance": "web"}, managers=("argocd-controller",)),
            *("argo-cd", "web", Where(APPLICATIONS, "", "web"), True),
        ),
        (a_workload(managers=("argocd-controller",)), "argo-cd", "", None, True),
        (a_workload(labels=FLUX), "flux", "apps", Where(KUSTOMIZATIONS, "flux-system", "apps"), True),
        (
            a_workload(labels=FLUX, notes={"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}),
            *("flux", "apps", None, False),
        ),
        (a_workload(labels=FLUX_HELM, notes=HELM), "flux", "web", Where(HELM_RELEASES, "flux-system", "web"), True),
        (a_workload(notes=HELM), "helm", "shop", None, False),
        (a_workload(labels={"app.kubernetes.io/managed-by": "Helm"}), "helm", "", None, False),
        (a_workload(notes={"keel.sh/policy": "minor"}), "image-updater", "keel", None, True),
        (a_workload(notes={"reloader.stakater.com/auto": "true"}), "reloader", "reloader", None, True),
        (
            a_workload(ownerReferences=[{"apiVersion": "v1", "kind": "Shop", "name": "eu", "controller": True}]),
            *("operator", "Shop eu (v1)", None, True),
        ),
        (a_workload(managers=("kubectl-client-side-apply",)), "re-apply", "kubectl-client-side-apply", None, False),
        (a_workload(managers=("Terraform", "warroom")), "re-apply", "Terraform", None, False),
        (a_workload(notes=APPLIED), "re-apply", "kubectl", None, False),
    ],
    ids=[
        "argo",
        "argo-elsewhere",
        "argo-label",
        "argo-manager",
        "flux",
        "flux-off",
        "flux-helm",
        "helm",
        "helm-label",
        "keel",
        "reloader",
        "operator",
        "kubectl",
        "terraform",
        "applied",
    ],
)
def test_each_is_recognised(workload: Json, kind: str, name: str, at: Where | None, by_itself: bool) -> None:
    found = next(one for one in controllers(workload) if one.kind == kind)
    assert (found.name, found.at, found.by_itself) == (name, at, by_itself)
    assert name in found.words or not name or kind in ("image-updater", "reloader", "operator")


def test_what_is_nobodys_is_nobodys() -> None:
    """The label that Argo CD may use is everybody's, and what set the status did not set the template."""
    workload = a_workload(labels={"app.kubernetes.io/instance": "web"}, notes={"keel.sh/policy": "never"})
    status = {"manager": "kube-controller-manager", "subresource": "status", "fieldsV1": {"f:status": {}}}
    workload["metadata"]["managedFields"] = [status]
    assert controllers(workload) == []
    assert controllers(a_workload(managers=("warroom",))) == [], "our own change is not to be feared"


def test_an_autoscaler_is_the_ones_that_has_this_target() -> None:
    others = [an_autoscaler("other", target="worker"), an_autoscaler("set", kind="StatefulSet")]
    keda = an_autoscaler("keda", **{"scaledobject.keda.sh/name": "web-scaler"})
    another = an_autoscaler("kruise")
    another["spec"]["scaleTargetRef"]["apiVersion"] = "apps.kruise.io/v1alpha1"
    own = {**a_workload(), "apiVersion": "apps/v1"}
    assert not controllers(own, [another])
    first, second = controllers(own, [*others, another, an_autoscaler(), keda])
    assert (first.kind, first.at, first.touches) == ("hpa", Where(AUTOSCALERS, "shop", "web"), "replicas")
    assert "2 to 9" in first.words
    assert "KEDA's ScaledObject web-scaler" in second.words


def test_who_applied_it_last_counts_for_nothing_beside_who_acts_by_itself() -> None:
    kinds = [one.kind for one in controllers(a_workload(notes={**ARGO, **APPLIED}, managers=("kubectl-set",)))]
    assert kinds == ["argo-cd"]


def of(resource: str) -> Where:
    return Where(resource, "shop", "web")


@pytest.mark.parametrize(
    ("where", "thing", "acts", "words"),
    [
        (of(APPLICATIONS), {"spec": {"syncPolicy": {"automated": {"selfHeal": True}}}}, True, "at once (selfHeal)"),
        (of(APPLICATIONS), {"spec": {"syncPolicy": {"automated": {}}}}, True, "with the next change in Git"),
        (
            of(APPLICATIONS),
            {
                "metadata": {"annotations": {"argocd.argoproj.io/skip-reconcile": "true"}},
                "spec": {"syncPolicy": {"automated": {}}},
            },
            *(False, "not looked at at all (skip-reconcile)"),
        ),
        (of(APPLICATIONS), {"spec": {"syncPolicy": {"automated": {"enabled": False}}}}, False, "only when somebody"),
        (of(APPLICATIONS), {"spec": {}}, False, "only when somebody asks"),
        (
            of(APPLICATIONS),
            {"metadata": {"ownerReferences": [{"kind": "ApplicationSet", "name": "all"}]}, "spec": {}},
            *(False, "ApplicationSet all writes it, and may undo a suspension"),
        ),
        (
            of(APPLICATIONS),
            {"metadata": {"annotations": {"argocd-image-updater.argoproj.io/image-list": "web=shop/web"}}, "spec": {}},
            *(False, "Argo CD's image updater moves its image forward"),
        ),
        (of(KUSTOMIZATIONS), {"spec": {"suspend": True}}, False, "it is suspended"),
        (of(HELM_RELEASES), {"spec": {}}, True, "it is not suspended"),
        (of(AUTOSCALERS), {"spec": {}}, True, "it is at work"),
        (
            of(AUTOSCALERS),
            {"spec": {"behavior": {way: {"selectPolicy": "Disabled"} for way in ("scaleUp", "scaleDown")}}},
            *(False, "both of its ways are disabled"),
        ),
    ],
    ids=[
        "heals",
        "syncs",
        "skipped",
        "disabled",
        "by-hand",
        "app-set",
        "updater",
        "suspended",
        "helm",
        "hpa",
        "hpa-off",
    ],
)
def test_whether_it_acts(where: Where, thing: Json, acts: bool, words: str) -> None:
    told = state(where, thing)
    assert told[0] is acts
    assert words in told[1]


FLUX_OBJECT = ("kustomize.toolkit.fluxcd.io/v1", "kustomizations")
A_KUSTOMIZATION = {"interval": "1h", "prune": False, "sourceRef": {"kind": "GitRepository", "name": "apps"}}


async def asked(namespace: Namespace, workload: Json) -> list[Acting]:
    async with reading(namespace) as ctx, cluster(ctx) as api:
        return await acting(api, controllers(workload))


@pytest.mark.usefixtures("kinds_of_others")
async def test_its_own_object_says_whether_it_acts(namespace: Namespace) -> None:
    """It is found in whatever namespace it is; one that can't be asked is not known to act, nor not to."""
    notes = {"argocd.argoproj.io/tracking-id": "of-this-test:apps/Deployment:shop/web"}
    spec = {"project": "default", "destination": {}, "syncPolicy": {}}
    namespace.create("argoproj.io/v1alpha1", "applications", "Application", "of-this-test", spec=spec)
    labels = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": namespace.name}
    namespace.create(*FLUX_OBJECT, "Kustomization", "apps", spec={**A_KUSTOMIZATION, "suspend": True})
    workload = a_workload(notes=notes, labels=labels)
    argo, flux = await asked(namespace, workload)
    assert (argo.acts, argo.at) == (False, Where(APPLICATIONS, namespace.name, "of-this-test"))
    assert flux.acts is False
    assert flux.thing is not None
    at = namespace.path(*FLUX_OBJECT, "apps")
    namespace.cluster.merge(at, {"spec": {"suspend": None}})
    _, flux = await asked(namespace, workload)
    assert flux.acts is True
    if not namespace.cluster.emulated:
        return
    namespace.cluster.steer.deny("get", "kustomizations", namespace.name)
    _, flux = await asked(namespace, workload)
    assert flux.acts is None
    assert "can't be told" in flux.words


@pytest.mark.usefixtures("kinds_of_others")
async def test_what_moves_images_forward_in_its_source_is_named(namespace: Namespace) -> None:
    labels = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": namespace.name}
    namespace.create(*FLUX_OBJECT, "Kustomization", "apps", spec=A_KUSTOMIZATION)
    kind = ("image.toolkit.fluxcd.io/v1", "imageupdateautomations")
    for name, source in (("images", "apps"), ("others", "infra")):
        spec = {"interval": "5m", "sourceRef": {"kind": "GitRepository", "name": source}}
        namespace.create(*kind, "ImageUpdateAutomation", name, spec=spec)
    (flux,) = await asked(namespace, a_workload(labels=labels))
    assert "it is not suspended; Flux's image automation images moves images forward in its source" in flux.words
    namespace.cluster.merge(namespace.path(*kind, "images"), {"spec": {"suspend": True}})
    (flux,) = await asked(namespace, a_workload(labels=labels))
    assert "image automation" not in flux.words


async def test_one_that_is_not_in_this_cluster_may_act_from_another(namespace: Namespace) -> None:
    (argo,) = await asked(namespace, a_workload(notes=ARGO))
    assert argo.acts is None
    assert "may act from another" in argo.words
