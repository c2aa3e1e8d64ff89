"""Paths of the API. A name from outside is checked before it stands in one."""

from __future__ import annotations

import re
from urllib.parse import quote

from warroom.api import BadInput
from warroom_kubernetes.config import LABEL, SUBDOMAIN, Kind

RESOURCES: dict[Kind, tuple[str, str]] = {
    "Deployment": ("apps/v1", "deployments"),
    "StatefulSet": ("apps/v1", "statefulsets"),
    "DaemonSet": ("apps/v1", "daemonsets"),
    "CronJob": ("batch/v1", "cronjobs"),
}
"""Group and version, and resource, of each kind of workload."""
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


def workload_path(kind: Kind, namespace: str, name: str = "", sub: str = "") -> str:
    group_version, resource = RESOURCES[kind]
    return path(group_version, resource, namespace=namespace, name=name, sub=sub)


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
