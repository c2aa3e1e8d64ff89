"""Who would put the other version back: recognised by labels, annotations and managed fields.

What is recognised is what may act, by what it left on the object; whether it is at work now is asked in
``workload/contenders.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from warroom_kubernetes.objects.fields import owner
from warroom_kubernetes.objects.lengths import cut
from warroom_kubernetes.objects.managers import writers
from warroom_kubernetes.reach.paths import group_of

Kind = Literal["argo-cd", "flux", "helm", "hpa", "image-updater", "reloader", "operator", "re-apply"]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
KUSTOMIZATIONS, HELM_RELEASES = "kustomizations", "helmreleases"
APPLICATIONS, AUTOSCALERS = "applications", "horizontalpodautoscalers"
AUTOMATIONS = "imageupdateautomations"
ARGO_NAMESPACE = "argocd"
_ARGO = frozenset({"argocd-controller", "argocd-application-controller", "argocd"})
_APPLIERS = (
    *("kubectl-client-side-apply", "kubectl", "kubectl-set", "kubectl-edit", "kubectl-patch", "kubectl-replace"),
    *(
        "terraform",
        "hashicorp",
        "pulumi",
        "ansible",
        "openapi-generator",
        "kapp",
        "skaffold",
        "kustomize",
        "node-fetch",
    ),
)
"""The beginnings of what people's hands, scripts and jobs call themselves; nothing in it acts by itself."""


@dataclass(frozen=True)
class Where:
    """An object that says whether it acts: ``resource``, by name. An empty ``namespace`` is not known: it has to be
    looked for."""

    resource: str
    namespace: str
    name: str


@dataclass(frozen=True)
class Controller:
    """``by_itself``: it acts without anybody's doing. ``at`` is where it is suspended, None where it can't be."""

    kind: Kind
    name: str
    words: str
    by_itself: bool
    at: Where | None = None
    touches: Literal["template", "replicas"] = "template"


def controllers(workload: Mapping[str, Any], autoscalers: Iterable[Mapping[str, Any]] = ()) -> list[Controller]:
    """``workload`` with its managedFields; ``autoscalers`` are the namespace's."""
    head = workload.get("metadata") or {}
    labels, notes = head.get("labels") or {}, head.get("annotations") or {}
    found = [*_argo(workload, labels, notes), *_flux(labels, notes)]
    if not any(one.at is not None and one.at.resource == HELM_RELEASES for one in found):
        found += _helm(labels, notes)
    found += [*_scalers(workload, autoscalers), *_updaters(labels, notes), *_operator(workload)]
    if not any(one.by_itself and one.touches == "template" for one in found):
        found += _re_applies(workload, notes)
    return found


def _argo(workload: Mapping[str, Any], labels: Mapping[str, str], notes: Mapping[str, str]) -> Iterator[Controller]:
    """By its tracking annotation or label; the label that it may use is Helm's and everybody's, so that alone is not
    enough."""
    tracked = str(notes.get("argocd.argoproj.io/tracking-id") or "")
    name = cut(tracked.partition(":")[0] or labels.get("argocd.argoproj.io/instance") or "", 253)
    manager = next((one.manager for one in writers(workload, ()) if one.manager in _ARGO), "")
    if not name and manager:
        name = str(labels.get("app.kubernetes.io/instance") or "")
    if not name and not manager:
        return
    namespace, _, own = name.rpartition("_")  # an Application outside Argo's namespace: NAMESPACE_NAME
    words = f"Argo CD's application {own or 'that has it'} puts back what Git says, if it syncs by itself"
    where = Where(APPLICATIONS, namespace, own) if own else None
    yield Controller("argo-cd", own, words, by_itself=True, at=where)


def _flux(labels: Mapping[str, str], notes: Mapping[str, str]) -> Iterator[Controller]:
    for resource, called, field in (
        (KUSTOMIZATIONS, "Kustomization", "reconcile"),
        (HELM_RELEASES, "HelmRelease", "driftDetection"),
    ):
        group = group_of(resource)
        name, namespace = labels.get(f"{group}/name"), labels.get(f"{group}/namespace")
        if not name:
            continue
        if notes.get(f"{group}/{field}") == "disabled":
            words = f"Flux's {called} {name} leaves it alone: its annotation {group}/{field} says so"
            yield Controller("flux", str(name), words, by_itself=False)
            continue
        words = f"Flux's {called} {name} puts back what its source says, unless it is suspended"
        where = Where(resource, str(namespace or ""), str(name))
        yield Controller("flux", str(name), words, by_itself=True, at=where)


def _helm(labels: Mapping[str, str], notes: Mapping[str, str]) -> Iterator[Controller]:
    name = cut(notes.get("meta.helm.sh/release-name") or "")
    if name or labels.get("app.kubernetes.io/managed-by") == "Helm":
        words = (
            f"Helm's release {name or 'that made it'} still counts the other version as deployed: its next upgrade puts"
            " that back, and `helm rollback` is what tells it"
        )
        yield Controller("helm", str(name or ""), words, by_itself=False)


def scales(autoscaler: Mapping[str, Any], kind: str, name: object, version: object) -> bool:
    """Whether it is its number of pods that the autoscaler sets. Other groups have a Deployment too; a version that is
    left out says nothing."""
    target = (autoscaler.get("spec") or {}).get("scaleTargetRef") or {}
    if (target.get("kind"), target.get("name")) != (kind, name):
        return False
    groups = {str(one).partition("/")[0] for one in (target.get("apiVersion"), version) if one}
    return len(groups) < 2


def _scalers(workload: Mapping[str, Any], autoscalers: Iterable[Mapping[str, Any]]) -> Iterator[Controller]:
    head = workload.get("metadata") or {}
    for one in autoscalers:
        spec, its = one.get("spec") or {}, one.get("metadata") or {}
        if not scales(one, str(workload.get("kind") or "Deployment"), head.get("name"), workload.get("apiVersion")):
            continue
        least = spec.get("minReplicas", 1)
        words = f"the HPA {its.get('name')} sets how many pods there are, {least} to {spec.get('maxReplicas')}"
        if scaled := (its.get("labels") or {}).get("scaledobject.keda.sh/name"):
            words += f"; KEDA's ScaledObject {scaled} writes it anew"
        where = Where(AUTOSCALERS, str(its.get("namespace") or head.get("namespace") or ""), str(its.get("name")))
        yield Controller("hpa", str(its.get("name")), words, by_itself=True, at=where, touches="replicas")


def _updaters(labels: Mapping[str, str], notes: Mapping[str, str]) -> Iterator[Controller]:
    policy = notes.get("keel.sh/policy") or labels.get("keel.sh/policy")
    if policy and policy != "never":
        words = f"Keel moves its image forward by itself (keel.sh/policy: {cut(policy)})"
        yield Controller("image-updater", "keel", words, by_itself=True)
    if any(key.startswith("argocd-image-updater.argoproj.io/") for key in notes):
        yield Controller("image-updater", "argocd-image-updater", _MOVED.format("Argo CD's image updater"), True)
    if any("image.toolkit.fluxcd.io" in key for key in [*notes, *labels]):
        yield Controller("image-updater", "image-automation-controller", _MOVED.format("Flux's image automation"), True)
    if any(key.startswith(("reloader.stakater.com/", "configmap.reloader.", "secret.reloader.")) for key in notes):
        words = "Reloader starts its pods anew whenever a ConfigMap or Secret of it changes, and marks the template"
        yield Controller("reloader", "reloader", words, by_itself=True)


_MOVED = "{} moves its image forward by itself"


def _operator(workload: Mapping[str, Any]) -> Iterator[Controller]:
    ref = owner(workload)
    if ref:
        called = f"{cut(ref.get('kind'))} {cut(ref.get('name'))}"
        words = f"it belongs to the {called}: what manages that writes its template anew"
        group_version = str(ref.get("apiVersion") or "")
        yield Controller("operator", f"{called} ({cut(group_version)})", words, by_itself=True)


def _re_applies(workload: Mapping[str, Any], notes: Mapping[str, str]) -> Iterator[Controller]:
    """A job or a person applies a file: whatever applies it again puts that version back."""
    for one in writers(workload):
        if one.subresource or not one.manager.casefold().startswith(_APPLIERS):
            continue
        words = f"its template was written by {one.words}: whatever does that again puts that version back"
        if LAST_APPLIED in notes:
            words += "; kubectl's own record of what was applied stays, so that its next apply may merge wrongly"
        yield Controller("re-apply", one.manager, words, by_itself=False)
        return
    if LAST_APPLIED in notes:
        words = "it was made by `kubectl apply`: the next one from the same files puts that version back"
        yield Controller("re-apply", "kubectl", words, by_itself=False)
