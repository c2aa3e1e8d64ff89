"""Objects as the API serves them, read with care: what is left out, null or of another type reads as nothing.

What every kind has in common stands here once, so that a watch, a plan and a verification can't read it differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from warroom_kubernetes.objects.templates import same

Json = Mapping[str, Any]
T = TypeVar("T", bound=Json)


def part(holder: Json, key: str) -> Json:
    """A map in it; an empty one where there is none."""
    found = holder.get(key)
    return found if isinstance(found, Mapping) else {}


def number(holder: Json, key: str, missing: int = 0) -> int:
    found = holder.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) else missing


def condition(status: Json, kind: str) -> Json:
    found = [one for one in status.get("conditions") or () if isinstance(one, Mapping) and one.get("type") == kind]
    return found[0] if found else {}


def name_of(thing: Json) -> str:
    return str(part(thing, "metadata").get("name") or "")


def owner(one: Json) -> Json:
    """The reference to the controller; empty without one."""
    references = part(one, "metadata").get("ownerReferences") or ()
    return next((each for each in references if each.get("controller")), {})


def owned(objects: Iterable[T], uid: object) -> list[T]:
    """Those whose controller has this UID: a selector alone may find what is somebody else's."""
    return [one for one in objects if uid and owner(one).get("uid") == uid]


def is_ready(pod: Json) -> bool:
    return condition(part(pod, "status"), "Ready").get("status") == "True"


def over(pod: Json) -> bool:
    """It has come to its end. One that was evicted stays so, and its controller makes another."""
    return part(pod, "status").get("phase") in ("Succeeded", "Failed")


def counts(pod: Json) -> bool:
    """It is one of those that should run: none that is going, or has come to its end."""
    return not part(pod, "metadata").get("deletionTimestamp") and not over(pod)


def template_of(workload: Json) -> dict[str, Any]:
    """The pods' template: a CronJob has it deeper."""
    spec = part(workload, "spec")
    if "jobTemplate" in spec:
        spec = part(part(spec, "jobTemplate"), "spec")
    return dict(part(spec, "template"))


def container_in(template: Json, named: str | None) -> str:
    """The container that is meant: the first of the template where none is named, or that one is not there. A pod may
    have others before it: what an injector puts there is in no template."""
    own = [str(one.get("name") or "") for one in part(template, "spec").get("containers") or ()]
    return named if named in own else next(iter(own), "")


def selector_of(workload: Json) -> str:
    """As ``labelSelector`` takes it; the same for equal selectors. Empty where there is none: a CronJob."""
    selector = part(part(workload, "spec"), "selector")
    words = [f"{key}={value}" for key, value in sorted(part(selector, "matchLabels").items())]
    for one in selector.get("matchExpressions") or ():
        key, values = str(one.get("key", "")), ",".join(map(str, one.get("values") or ()))
        match one.get("operator"):
            case "In":
                words.append(f"{key} in ({values})")
            case "NotIn":
                words.append(f"{key} notin ({values})")
            case "Exists":
                words.append(key)
            case "DoesNotExist":
                words.append(f"!{key}")
    return ",".join(words)


def newest_set(deployment: Json, replica_sets: Sequence[T]) -> T | None:
    """The ReplicaSet of the template that the Deployment has now; of two, the older, which its controller takes."""
    now = template_of(deployment)
    mine = owned(replica_sets, part(deployment, "metadata").get("uid"))
    fitting = [one for one in mine if same(template_of(one), now)]
    return min(fitting, key=_age, default=None)


def newest_revision(workload: Json, stored: Sequence[T]) -> T | None:
    """The ControllerRevision of the template that a StatefulSet or DaemonSet has now; of several the last."""
    now = template_of(workload)
    mine = owned(stored, part(workload, "metadata").get("uid"))
    return max((one for one in mine if same(stored_template(one), now)), key=_turn, default=None)


def stored_template(revision: Json) -> dict[str, Any]:
    """Of a ControllerRevision, less its mark of a patch."""
    found = part(part(part(revision, "data"), "spec"), "template")
    return {key: value for key, value in found.items() if key != "$patch"}


def _turn(revision: Json) -> int:
    return number(revision, "revision")


def _age(one: Json) -> tuple[str, str]:
    return (str(part(one, "metadata").get("creationTimestamp") or ""), name_of(one))
