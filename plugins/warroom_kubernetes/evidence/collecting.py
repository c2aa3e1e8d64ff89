"""Evidence before anything is changed: what the cluster says of the workloads that matter, and of what is around them.

What containers have in their environment is told to ``ctx.hide`` and withheld as well; no Secret is asked for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from warroom.api import Context, Folder, WarroomError
from warroom_kubernetes.config import Config
from warroom_kubernetes.evidence.withheld import withheld
from warroom_kubernetes.objects.fields import owned, selector_of
from warroom_kubernetes.objects.moments import by_time, happened_at
from warroom_kubernetes.objects.revisions import Revision
from warroom_kubernetes.reach.asking import Cluster, NotThere, cluster
from warroom_kubernetes.reach.paths import path
from warroom_kubernetes.workload import configs
from warroom_kubernetes.workload.reading import STORED, Standing, standing

MOST_EVENTS = 20_000
"""The newest of the namespace; the cluster itself forgets them after an hour, unless it is set otherwise."""
AROUND = {
    "autoscalers": "horizontalpodautoscalers",
    "services": "services",
    "endpointslices": "endpointslices",
    "disruption-budgets": "poddisruptionbudgets",
    "quotas": "resourcequotas",
    "ingresses": "ingresses",
}
"""What is around the workloads, all of the namespace; one that this login may not read is named in versions.json."""


async def standings(ctx: Context, api: Cluster) -> tuple[list[Standing], dict[str, str]]:
    """(each workload that can be read, why each of the others can't). Raises where none can."""
    config: Config = ctx.config
    found = await asyncio.gather(*(standing(ctx, api, key) for key in config.workloads), return_exceptions=True)
    there: list[Standing] = []
    unread: dict[str, str] = {}
    for key, one in zip(config.workloads, found, strict=True):
        if isinstance(one, Standing):
            there.append(one)
        elif isinstance(one, WarroomError):
            unread[key] = str(one)
        elif one is not None:
            raise one
    if not there:
        raise next(one for one in found if isinstance(one, WarroomError))
    return there, unread


class StateCollector:
    """Workloads, what keeps their revisions, their pods, and what is around them; events, oldest first."""

    name = "kubernetes-state"
    kinds: tuple[str, ...] = ("containers", "versions", "events", "config")
    timeout_s = 90.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        async with cluster(ctx) as api:
            there, unread = await standings(ctx, api)
            for at in there:
                await _workload(api, at, folder)
            for name, resource in AROUND.items():
                try:
                    found = await api.listed(await api.where(resource, namespace=api.namespace))
                except WarroomError as error:
                    unread[name] = str(error)
                    continue
                await folder.write(f"{name}.json", _json(withheld(list(found.items))), kind="config")
            await _events(api, folder, unread)
            await _configs(api, there, folder)
            await folder.write("versions.json", _json(await _versions(api, there, unread)), kind="versions")
        if "events" in unread:
            raise WarroomError("The cluster's events can't be read", unread["events"], "the other files are there")


async def _workload(api: Cluster, at: Standing, folder: Folder) -> None:
    name = f"{at.kind.lower()}_{at.name}"  # no name in a cluster has this sign
    thing = {"kind": at.kind, **at.thing}
    await folder.write(f"{name}.json", _json(withheld(thing, managed=True)), kind="config")
    if at.kind in STORED:
        where = await api.where(STORED[at.kind], namespace=at.namespace)
        found = await api.listed(where, {"labelSelector": selector_of(at.thing)})
        own = owned(found.items, at.uid)
        await folder.write(f"{name}_{STORED[at.kind]}.json", _json(withheld(own)), kind="config")
    else:
        jobs = await jobs_of(api, at)
        await folder.write(f"{name}_jobs.json", _json(withheld(jobs)), kind="containers")
    await folder.write(f"{name}_revisions.json", _json([_revision(one) for one in at.revisions]), kind="versions")
    await folder.write(f"{name}_pods.json", _json(withheld(list(at.pods))), kind="containers")


async def jobs_of(api: Cluster, at: Standing) -> list[dict[str, Any]]:
    """A CronJob's, by its UID."""
    found = await api.listed(await api.where("jobs", namespace=at.namespace))
    return owned(found.items, at.uid)


def _revision(one: Revision) -> dict[str, Any]:
    return {
        "revision": one.number,
        "hash": one.hash,
        "name": one.name,
        "version": one.version,
        "current": one.current,
        "made_at": one.made_at.isoformat() if one.made_at is not None else None,
        "earlier_numbers": one.earlier,
        "change_cause": one.cause,
        "images": {image.container: [image.reference, *image.digests] for image in one.images},
        "pods": {"there": len(one.pods), "ready": one.ready, "restarts": one.restarts},
    }


async def _events(api: Cluster, folder: Folder, unread: dict[str, str]) -> None:
    """All of the namespace: what befell a node or a claim is part of it."""
    try:
        found = by_time(list((await api.listed(path("v1", "events", namespace=api.namespace))).items))
    except WarroomError as error:
        unread["events"] = str(error)
        return
    kept = found[-MOST_EVENTS:]
    told = {"note": _left_out(len(found)), "events": withheld(kept)}
    await folder.write("events.json", _json(told), kind="events")
    await folder.write("events.txt", "".join(map(_line, kept)).encode(), kind="events")


def _left_out(count: int) -> str:
    if count > MOST_EVENTS:
        return f"the newest {MOST_EVENTS:,} of {count:,} events; the older ones are not here"
    return "all events that the cluster still keeps of this namespace, oldest first"


def _line(event: Mapping[str, Any]) -> str:
    """As people read them: when, how often, what it is about, what happened."""
    at, about = happened_at(event), event.get("involvedObject") or {}
    count = event.get("count") or (event.get("series") or {}).get("count") or 1
    said = " ".join(str(event.get("message") or "").split())
    when = at.isoformat() if at is not None else "no time"
    times = f" ({count} times)" if count != 1 else ""
    return f"{when} {event.get('type')} {about.get('kind')}/{about.get('name')} {event.get('reason')}{times}: {said}\n"


async def _configs(api: Cluster, there: Sequence[Standing], folder: Folder) -> None:
    """The ConfigMaps that the templates name: whether they are there, the names of their keys and when they were
    written. Secrets are named, and not read."""
    named: dict[configs.Named, bool] = {}
    for at in there:
        for one in at.revisions:
            named |= configs.references(one.template)
    maps = [one for one in named if one.kind == "ConfigMap"]
    looked = await configs.looked(api, maps)
    told = {
        "configmaps": {
            one.name: {
                "there": found.there,
                "keys": sorted(found.keys),
                "written_at": found.changed_at.isoformat() if found.changed_at is not None else None,
                "written_by": found.changed_by,
                "why": found.why,
            }
            for one, found in looked.items()
        },
        "secrets, which are not read": sorted(one.name for one in named if one.kind == "Secret"),
    }
    await folder.write("configs.json", _json(told), kind="config")


async def _versions(api: Cluster, there: Sequence[Standing], unread: Mapping[str, str]) -> dict[str, Any]:
    try:
        version: Any = await api.get("/version")
    except WarroomError as error:
        version = str(error)
    images = {
        at.shown: {image.container: [image.reference, *image.digests] for image in now.images}
        for at in there
        if (now := at.current) is not None
    }
    return {
        "cluster": {"context": api.context, "server": api.server, "namespace": api.namespace, "version": version},
        "uids": {at.shown: at.uid for at in there},
        "images": images,
        "not read": dict(unread),
    }


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


class LogCollector:
    """The whole log of each container of each pod, the run before as well, every line with its time."""

    name = "kubernetes-logs"
    kinds: tuple[str, ...] = ("logs",)
    timeout_s = 180.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        """One that can't be read says so in its own file; where none can be it raises. Without a pod there is no log
        that a change could destroy: logs.txt says so."""
        from warroom_kubernetes.evidence import logs as evidence_logs

        async with cluster(ctx) as api:
            there, unread = await standings(ctx, api)
            pods = [pod for at in there for pod in at.pods]
            for at in there:
                if at.kind == "CronJob":
                    pods += await _pods_of_jobs(api, at)
            await evidence_logs.collect(api, pods, unread, folder)


async def _pods_of_jobs(api: Cluster, at: Standing) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for job in await jobs_of(api, at):
        uid = job["metadata"]["uid"]
        try:
            of = {"labelSelector": f"job-name={job['metadata']['name']}"}
            found += owned((await api.listed(path("v1", "pods", namespace=at.namespace), of)).items, uid)
        except NotThere:
            continue
    return found
