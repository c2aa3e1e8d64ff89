"""The API's resources: what the server serves, by group and version."""

from __future__ import annotations

from dataclasses import dataclass

WRITABLE = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Resource:
    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    status: bool = False
    """Its status is a part of its own, and its spec's changes are counted as generation."""

    verbs: tuple[str, ...] = WRITABLE
    all: bool = False
    """In `kubectl get all`."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def custom(self) -> bool:
        """Of a CustomResourceDefinition: no strategic merge patch, and lists whose items say their kind."""
        return self.group.endswith((".io", ".dev")) and not self.group.endswith("k8s.io")

    @property
    def root(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def key(self) -> tuple[str, str]:
        return (self.group, self.plural)


def core(
    plural: str,
    kind: str,
    *short: str,
    status: bool = False,
    subs: tuple[str, ...] = (),
    namespaced: bool = True,
    every: bool = False,
) -> Resource:
    both = (("status",) if status else ()) + subs
    return Resource("", "v1", plural, kind, namespaced, both, short, status, all=every)


def apps(plural: str, kind: str, *short: str, scale: bool = True) -> Resource:
    subs = ("scale", "status") if scale else ("status",)
    return Resource("apps", "v1", plural, kind, subresources=subs, short=short, status=True, all=True)


def other(
    group: str, version: str, plural: str, kind: str, *short: str, status: bool = False, every: bool = False
) -> Resource:
    subs = ("status",) if status else ()
    return Resource(group, version, plural, kind, True, subs, short, status, all=every)


RESOURCES = (
    core("namespaces", "Namespace", "ns", status=True, subs=("finalize",), namespaced=False),
    core("nodes", "Node", "no", status=True, namespaced=False),
    core("pods", "Pod", "po", status=True, subs=("log", "eviction"), every=True),
    core("services", "Service", "svc", status=True, every=True),
    core("endpoints", "Endpoints", "ep"),
    core("events", "Event", "ev"),
    core("configmaps", "ConfigMap", "cm"),
    core("secrets", "Secret"),
    core("serviceaccounts", "ServiceAccount", "sa"),
    core("persistentvolumeclaims", "PersistentVolumeClaim", "pvc", status=True),
    core("resourcequotas", "ResourceQuota", "quota", status=True),
    core("limitranges", "LimitRange", "limits"),
    apps("deployments", "Deployment", "deploy"),
    apps("replicasets", "ReplicaSet", "rs"),
    apps("statefulsets", "StatefulSet", "sts"),
    apps("daemonsets", "DaemonSet", "ds", scale=False),
    Resource("apps", "v1", "controllerrevisions", "ControllerRevision"),
    other("batch", "v1", "cronjobs", "CronJob", "cj", status=True, every=True),
    other("batch", "v1", "jobs", "Job", status=True, every=True),
    other("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa", status=True, every=True),
    other("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    # The same objects in a version that is going: as servers of 1.23 and 1.24 have both.
    other("batch", "v1beta1", "cronjobs", "CronJob", "cj", status=True, every=True),
    other("autoscaling", "v2beta2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa", status=True),
    other("discovery.k8s.io", "v1beta1", "endpointslices", "EndpointSlice"),
    other("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", "pdb", status=True),
    other("networking.k8s.io", "v1", "ingresses", "Ingress", "ing", status=True),
    other("argoproj.io", "v1alpha1", "applications", "Application", "app", "apps"),
    other("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization", "ks", status=True),
    other("helm.toolkit.fluxcd.io", "v2", "helmreleases", "HelmRelease", "hr", status=True),
    other("image.toolkit.fluxcd.io", "v1", "imageupdateautomations", "ImageUpdateAutomation", "iua", status=True),
)

BY_PATH = {(one.group, one.version, one.plural): one for one in RESOURCES}
BY_KIND = {(one.api_version, one.kind): one for one in RESOURCES}


def resource(group: str, plural: str) -> Resource:
    return next(one for one in RESOURCES if one.key == (group, plural))


CREATED_ONLY = ("create",)
REVIEWS = (
    Resource(
        "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False, verbs=CREATED_ONLY
    ),
    Resource(
        "authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", False, verbs=CREATED_ONLY
    ),
    Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", False, verbs=CREATED_ONLY),
)
METRICS = (
    Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", verbs=("get", "list")),
    Resource("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", False, verbs=("get", "list")),
)
