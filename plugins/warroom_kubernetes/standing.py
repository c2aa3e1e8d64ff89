"""Which cluster this is, what is being rolled out just now, and whether a rollback would work in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from warroom.api import Context, Ready, WarroomError
from warroom.model.base import span_text
from warroom.model.units import listed, many
from warroom_kubernetes.config import Config
from warroom_kubernetes.objects.fields import condition
from warroom_kubernetes.objects.rollouts import rollout
from warroom_kubernetes.reach.asking import ApiRefused, Cluster, NotThere, cluster, server_now
from warroom_kubernetes.reach.login import left
from warroom_kubernetes.reach.paths import METRICS, RESOURCES, path
from warroom_kubernetes.reach.rights import Right, asked, to_change, to_look
from warroom_kubernetes.reach.target import target
from warroom_kubernetes.workload import reading

SOON_S = 3600.0
"""A login that ends within this may end during an incident."""
Check = Callable[[Context, Cluster], Coroutine[Any, Any, Ready]]


class KubernetesIdentity:
    async def fingerprint(self, ctx: Context) -> str:
        async with cluster(ctx) as api:
            return (await target(api)).identity


class KubernetesDeploying:
    async def deploying(self, ctx: Context) -> str:
        """Rollouts of the workloads that matter which have not come to their end. One that is stuck for longer than
        its deadline is under way no more, and neither is one whose pods have merely failed since."""
        config: Config = ctx.config
        async with cluster(ctx) as api:
            told = await asyncio.gather(*(_rolling(api, config, key) for key in config.workloads))
        words = [one for one in told if one]
        return f"in {ctx.platform}: {listed(words, 3)}"[:300] if words else ""


async def _rolling(api: Cluster, config: Config, key: str) -> str:
    try:
        found = await _object(api, config, key)
    except NotThere:
        return ""
    kind = config.workloads[key].kind
    how = rollout({"kind": kind, **found}, zero=True)
    if how.status != "waiting":
        return ""
    metadata, status = found.get("metadata") or {}, found.get("status") or {}
    unseen = (status.get("observedGeneration") or 0) < (metadata.get("generation") or 0)
    moving = condition(status, "Progressing").get("reason") not in (None, "NewReplicaSetAvailable")
    return how.words if unseen or moving or how.old or how.updated < how.wanted else ""


async def _object(api: Cluster, config: Config, key: str) -> dict[str, Any]:
    resource = RESOURCES[config.workloads[key].kind]
    return await api.get(await api.where(resource, namespace=api.namespace, name=config.object_name(key)))


class KubernetesReadiness:
    async def ready(self, ctx: Context) -> Sequence[Ready]:
        title = f"{ctx.platform}: the cluster answers"
        try:
            async with cluster(ctx) as api:
                version = await api.get("/version")
                words = f"Kubernetes {str(version.get('gitVersion') or '?')[:40]} at {api.server}, {api.context}"
                first = Ready("kubernetes-cluster", title, "ready", words)
                return [first, *await asyncio.gather(*(_told(ctx, api, check) for check in _CHECKS))]
        except WarroomError as error:
            fix = error.hint or "correct context or kubeconfig"
            return [Ready("kubernetes-cluster", title, "not-ready", why(error), fix)]


def why(error: WarroomError) -> str:
    return (f"{error.title}: {error.cause}" if error.cause else error.title)[:300]


async def _told(ctx: Context, api: Cluster, check: Check) -> Ready:
    """A question that can't be asked leaves its own row unknown, and no other."""
    try:
        return await check(ctx, api)
    except WarroomError as error:
        row, title = _NAMES[check]
        return Ready(row, f"{ctx.platform}: {title}", "unknown", why(error), error.hint)


async def _login(ctx: Context, api: Cluster) -> Ready:
    row, title = _row(ctx, _login)
    login = api.login
    if login is None:
        return Ready(row, title, "unknown", "nobody has logged in yet")
    seconds = left(login, server_now(ctx))
    if seconds is None:
        return Ready(row, title, "ready", f"{login.kind}; it does not say when it ends")
    words = f"{login.kind}, which ends in {span_text(max(0, round(seconds / 60)) * 60)}"
    if login.renews:
        return Ready(row, title, "ready", f"{words} and is renewed before")
    if seconds < SOON_S:
        return Ready(row, title, "not-ready", words, "log in again, so that it lasts through an incident")
    return Ready(row, title, "ready", words)


async def _tls(ctx: Context, api: Cluster) -> Ready:
    row, title = _row(ctx, _tls)
    fix = "give the kubeconfig the cluster's certificate-authority-data"
    if api.server.startswith("http:"):
        return Ready(row, title, "not-ready", f"{api.server} is asked without TLS: anybody on the way can answer", fix)
    if api.at.insecure:
        return Ready(row, title, "not-ready", "insecure-skip-tls-verify: anybody on the way can answer for it", fix)
    return Ready(row, title, "ready", "by the kubeconfig's own CA" if api.at.ca else "by this machine's CAs")


async def _identity(ctx: Context, api: Cluster) -> Ready:
    row, title = _row(ctx, _identity)
    found = await target(api)
    fix = "" if found.by_uid else "allow get on namespaces/kube-system"
    return Ready(row, title, "ready" if found.by_uid else "unknown", found.words, fix)


async def _workloads(ctx: Context, api: Cluster) -> Ready:
    row, title = _row(ctx, _workloads)
    config: Config = ctx.config
    missing = []
    for key, one in config.workloads.items():
        try:
            await _object(api, config, key)
        except NotThere:
            missing.append(f"{one.kind} {config.object_name(key)}")
    if missing:
        words = f"no {listed(missing)} in the namespace {api.namespace}"
        return Ready(row, title, "not-ready", words, "correct workloads, or namespace")
    return Ready(row, title, "ready", f"{listed(list(config.workloads), 8)} in the namespace {api.namespace}")


async def _services(ctx: Context, api: Cluster) -> Ready:
    row, title = _row(ctx, _services)
    config: Config = ctx.config
    named = [one.service for one in config.workloads.values() if one.service]
    if not named:
        fix = "name it, to see who is sent requests"
        return Ready(row, title, "unknown", "no workload names its service", fix, needed=False)
    missing = []
    for service in named:
        try:
            await api.get(path("v1", "services", namespace=api.namespace, name=service))
        except NotThere:
            missing.append(service)
    if missing:
        return Ready(row, title, "not-ready", f"there is no {listed(missing)}", "correct service")
    return Ready(row, title, "ready", listed(named, 8))


async def _looking(ctx: Context, api: Cluster) -> Ready:
    return await _allowed(ctx, api, _looking, to_look(ctx.config))


async def _changing(ctx: Context, api: Cluster) -> Ready:
    return await _allowed(ctx, api, _changing, to_change(ctx.config))


async def _allowed(ctx: Context, api: Cluster, check: Check, rights: list[Right]) -> Ready:
    row, title = _row(ctx, check)
    told = await asked(api, rights)
    fix = f"grant it in the namespace {api.namespace}; kubectl auth can-i --list shows what is granted"
    if denied := [one.right.words for one in told if one.allowed is False]:
        return Ready(row, title, "not-ready", f"not allowed: {listed(denied, 6)}"[:300], fix)
    if unsure := [one for one in told if one.allowed is None]:
        words = f"not told of {many(len(unsure), 'right')}: {unsure[0].why}"
        return Ready(row, title, "unknown", words[:300], fix)
    return Ready(row, title, "ready", f"{many(len(told), 'right')} asked for, all granted")


async def _revisions(ctx: Context, api: Cluster) -> Ready:
    """Of the released workload."""
    row, title = _row(ctx, _revisions)
    config: Config = ctx.config
    found = await reading.standing(ctx, api, config.released)
    if found.kind == "CronJob":
        return Ready(row, title, "unknown", f"{found.shown} keeps no revisions", "keep its image's earlier versions")
    earlier = [one.version for one in found.revisions if not one.current]
    if earlier:
        return Ready(row, title, "ready", f"{many(len(earlier), 'earlier revision')}: {listed(earlier, 4)}"[:300])
    limit = (found.thing.get("spec") or {}).get("revisionHistoryLimit")
    fix = "set revisionHistoryLimit to 10 or so" if limit == 0 else "there is one after the next release"
    words = f"{found.shown} has no earlier revision{'; its revisionHistoryLimit is 0' if limit == 0 else ''}"
    return Ready(row, title, "not-ready", words, fix)


async def _metrics(ctx: Context, api: Cluster) -> Ready:
    row, title = _row(ctx, _metrics)
    fix = "install metrics-server to see how full the pods are"
    try:
        await api.get(f"/apis/{METRICS}")
    except ApiRefused as error:  # there is none, or the one that is registered does not answer
        gone = "there is no metrics API" if isinstance(error, NotThere) else f"the metrics API: {error.cause}"
        return Ready(row, title, "unknown", gone[:300], fix, needed=False)
    return Ready(row, title, "ready", "by metrics.k8s.io")


_NAMES: dict[Check, tuple[str, str]] = {
    _login: ("kubernetes-login", "the login lasts"),
    _tls: ("kubernetes-tls", "the cluster proves who it is"),
    _identity: ("kubernetes-identity", "the cluster can be told from another"),
    _workloads: ("kubernetes-workloads", "the workloads are there"),
    _services: ("kubernetes-services", "the Services are there"),
    _looking: ("kubernetes-look", "all that is looked at may be read"),
    _changing: ("kubernetes-change", "a rollback is allowed"),
    _revisions: ("kubernetes-revisions", "there is a revision to go back to"),
    _metrics: ("kubernetes-metrics", "processor and memory can be measured"),
}
_CHECKS: tuple[Check, ...] = tuple(_NAMES)


def _row(ctx: Context, check: Check) -> tuple[str, str]:
    row, title = _NAMES[check]
    return row, f"{ctx.platform}: {title}"
