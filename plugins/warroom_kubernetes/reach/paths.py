"""Paths of the API. A name from outside is checked before it stands in one."""

from __future__ import annotations

import re
from urllib.parse import quote

from warroom.api import BadInput
from warroom_kubernetes.config import LABEL, SUBDOMAIN, Kind

RESOURCES: dict[Kind, str] = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "CronJob": "cronjobs",
}
"""The resource of each kind of workload."""
VERSIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("deployments", "statefulsets", "daemonsets", "replicasets", "controllerrevisions"), ("apps/v1",)),
    **dict.fromkeys(("services", "resourcequotas"), ("v1",)),
    "jobs": ("batch/v1",),
    "cronjobs": ("batch/v1", "batch/v1beta1"),
    "horizontalpodautoscalers": ("autoscaling/v2", "autoscaling/v2beta2"),
    "endpointslices": ("discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"),
    "poddisruptionbudgets": ("policy/v1", "policy/v1beta1"),
    "ingresses": ("networking.k8s.io/v1", "networking.k8s.io/v1beta1"),
    "applications": ("argoproj.io/v1alpha1",),
    "kustomizations": ("kustomize.toolkit.fluxcd.io/v1", "kustomize.toolkit.fluxcd.io/v1beta2"),
    "imageupdateautomations": (
        "image.toolkit.fluxcd.io/v1",
        "image.toolkit.fluxcd.io/v1beta2",
        "image.toolkit.fluxcd.io/v1beta1",
    ),
    "helmreleases": ("helm.toolkit.fluxcd.io/v2", "helm.toolkit.fluxcd.io/v2beta2", "helm.toolkit.fluxcd.io/v2beta1"),
}
"""Groups with their versions, newest first, in which a resource means the same to warroom. ``Cluster.version`` asks
which of them is served."""
METRICS = "metrics.k8s.io/v1beta1"
_LABEL = re.compile(LABEL)
_SUBDOMAIN = re.compile(SUBDOMAIN)
_GROUP_VERSION = re.compile(r"^(?:[a-z0-9][a-z0-9.-]{0,252}/)?v[0-9]+(?:(?:alpha|beta)[0-9]+)?$")
_WORD = re.compile(r"^[a-z][a-z0-9]{0,99}$")


def path(group_version: str, resource: str, *, namespace: str = "", name: str = "", sub: str = "") -> str:
    """``path("apps/v1", "deployments", namespace="shop", name="web", sub="scale")``; ``"v1"`` is the core group.

    Raises ``BadInput`` for what can be no name.
    """
    if not _GROUP_VERSION.fullmatch(group_version) or not _WORD.fullmatch(resource):
        raise BadInput(f"{group_version} {resource} is no resource", "a group with its version, and a plural")
    parts = ["/api" if "/" not in group_version else "/apis", group_version]
    if namespace:
        parts += ["namespaces", label(namespace)]
    parts.append(resource)
    if name:
        parts.append(subdomain(name))
    if sub:
        if not _WORD.fullmatch(sub):
            raise BadInput(f"{sub!r} is no subresource")
        parts.append(sub)
    return "/".join(parts)


def group_of(resource: str) -> str:
    """``apps``; empty for the core group."""
    return VERSIONS[resource][0].rpartition("/")[0]


def kubectl_name(resource: str, group_version: str) -> str:
    """What kubectl calls it so that it can only mean that version: it may have an older one for the short name."""
    group, _, version = group_version.rpartition("/")
    return f"{resource}.{version}.{group}" if group else resource


def service_proxy(namespace: str, service: str, of: str) -> str:
    """The path ``of`` of a Service, asked through the API server."""
    kept = quote(of.lstrip("/"), safe="/-._~:@!$&'()*+,;=%")
    return f"{path('v1', 'services', namespace=namespace, name=label(service), sub='proxy')}/{kept}"


def label(name: str) -> str:
    if not _LABEL.fullmatch(name):
        raise BadInput(f"{name[:80]!r} is no name", "lower case letters, digits and - were expected (DNS-1123)")
    return name


def subdomain(name: str) -> str:
    if not _SUBDOMAIN.fullmatch(name):
        raise BadInput(f"{name[:80]!r} is no name", "lower case letters, digits, - and . were expected (DNS-1123)")
    return name
