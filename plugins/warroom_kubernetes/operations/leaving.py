"""What going back to an earlier template does not take back, and what may stand in its way: notes of a preview."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from warroom.model.units import listed
from warroom_kubernetes.managers import writers
from warroom_kubernetes.operations.scene import Found, Json
from warroom_kubernetes.revisions import Revision
from warroom_kubernetes.rollouts import on_delete
from warroom_kubernetes.stuck import troubles
from warroom_kubernetes.templates import changes, containers

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def configuration(template: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Names of the ConfigMaps and the Secrets that its pods use."""
    maps: set[str] = set()
    secrets: set[str] = set()
    spec = template.get("spec") or {}
    for one in containers(template):
        for each in one.get("envFrom") or ():
            maps.add(str((each.get("configMapRef") or {}).get("name") or ""))
            secrets.add(str((each.get("secretRef") or {}).get("name") or ""))
        for each in one.get("env") or ():
            source = each.get("valueFrom") or {}
            maps.add(str((source.get("configMapKeyRef") or {}).get("name") or ""))
            secrets.add(str((source.get("secretKeyRef") or {}).get("name") or ""))
    for volume in spec.get("volumes") or ():
        for source in [volume, *((volume.get("projected") or {}).get("sources") or ())]:
            maps.add(str((source.get("configMap") or {}).get("name") or ""))
            secret = source.get("secret") or {}
            secrets.add(str(secret.get("secretName") or secret.get("name") or ""))
    return sorted(maps - {""}), sorted(secrets - {""})


def notes(one: Found, now: Revision | None, target: Revision, hpas: Sequence[Json], maps: Sequence[Json]) -> list[str]:
    """``maps``: the ConfigMaps that the target's pods use, those that are there."""
    return [
        *_both_ways(one, now, target),
        *_by_whom(one),
        *_numbers(one, hpas),
        *_configuration(target, maps),
        *_manner(one),
        *_last_applied(one),
    ]


def _both_ways(one: Found, now: Revision | None, target: Revision) -> Iterator[str]:
    was = f"from revision {now.number} ({now.version}) " if now is not None else ""
    yield f"{one.title}: {was}to revision {target.number} ({target.version}), which gets a new number with it"
    differs = changes(one.template, target.template)
    if differs:
        yield f"what it changes: {listed([each.words for each in differs], 8)}"


def _by_whom(one: Found) -> Iterator[str]:
    if seen := writers(one.object):
        yield f"its template was last changed by {seen[0].words}: that may change it again"


def _numbers(one: Found, hpas: Sequence[Json]) -> Iterator[str]:
    if one.kind == "DaemonSet":
        return
    count = one.spec.get("replicas", 1)
    if count == 0:
        yield "it is scaled to zero: no pod comes of this before it is scaled up"
    else:
        yield f"not taken back: the number of pods, which stays {count}"
    for hpa in hpas:
        spec, name = hpa.get("spec") or {}, hpa["metadata"]["name"]
        least, most = spec.get("minReplicas", 1), spec.get("maxReplicas")
        yield f"not taken back: the autoscaler {name}, which sets that number between {least} and {most}"


def _configuration(target: Revision, maps: Sequence[Json]) -> Iterator[str]:
    wanted, secrets = configuration(target.template)
    there = {str(each["metadata"]["name"]): each for each in maps}
    if missing := [name for name in wanted if name not in there]:
        yield f"its pods ask for what is not there: ConfigMap {listed(missing, 6)}"
    since = []
    for name, each in there.items():
        last = next((one for one in writers(each, ()) if one.at is not None), None)
        if last is not None and last.at is not None and target.made_at is not None and last.at > target.made_at:
            since.append(f"{name} (by {last.words})")
    if since:
        yield f"not taken back, and changed since that revision was made: ConfigMap {listed(since, 6)}"
    same = [f"ConfigMap {name}" for name in there if not any(each.startswith(f"{name} ") for each in since)]
    kept = [*same, *(f"Secret {name}" for name in secrets)]
    if kept:
        yield f"not taken back: {listed(kept, 8)}, which stay as they are now"


def _manner(one: Found) -> Iterator[str]:
    spec = one.spec
    if one.kind == "Deployment" and (spec.get("strategy") or {}).get("type") == "Recreate":
        yield "it is rolled out by Recreate: all old pods end before the first new one begins, an outage for as long"
    elif one.kind == "Deployment":
        yield "not taken back: the strategy by which it is rolled out, which is no part of a revision"
    if one.kind != "Deployment" and on_delete(spec):
        yield "its pods are replaced only where somebody deletes them (OnDelete): this alone changes no pod"
    partition = ((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition") or 0
    if partition:
        yield f"pods below number {partition} stay as they are: its partition is {partition}"
    if one.kind == "StatefulSet" and spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady":
        yield "it replaces its pods in order: one that is broken may have to be deleted (delete-pod) for it to go on"


def _last_applied(one: Found) -> Iterator[str]:
    if LAST_APPLIED in one.notes:
        yield (
            "the note of what was last applied stays that of the release that is left: the next `kubectl apply` of a "
            "checkout compares with it and may merge wrongly, so apply the older manifest before anything else"
        )


def plight(one: Found, pods: Sequence[Json]) -> Iterator[str]:
    """What is the matter with it now: for somebody who goes back because of it."""
    found = troubles(one.object, pods)
    if found:
        yield f"now: {listed([each.words for each in found], 3)}"
