"""What going back to an earlier template does not take back, and what may stand in its way: notes of a preview."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from warroom.model.units import listed
from warroom_kubernetes.objects.controllers import LAST_APPLIED
from warroom_kubernetes.objects.managers import writers
from warroom_kubernetes.objects.revisions import Revision
from warroom_kubernetes.objects.rollouts import on_delete
from warroom_kubernetes.objects.stuck import summed, troubles
from warroom_kubernetes.objects.templates import changes
from warroom_kubernetes.operations.subject import Found, Json


def notes(
    one: Found, now: Revision | None, target: Revision, hpas: Sequence[Json], configs: Sequence[str]
) -> list[str]:
    """``configs``: what is known of the ConfigMaps and Secrets that the target's pods use, beside what they were."""
    return [
        *_both_ways(one, now, target),
        *_by_whom(one),
        *_numbers(one, hpas),
        *(f"not taken back: {words}" for words in configs),
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
        yield f"now: {summed(found)}"
