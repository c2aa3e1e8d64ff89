"""What a workload has been: its revisions, out of ReplicaSets or ControllerRevisions as the API serves them.

A revision's number changes when it is gone back to; ``hash``, which the cluster makes of the template, does not. So it
is the identity: ``template:HASH``. An image alone would not do: a release may have changed nothing but a setting, what
has no pods says no digest, and what can't pull its image never will.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from warroom.api import BadInput, WarroomError
from warroom.model.units import listed
from warroom_kubernetes.config import Kind
from warroom_kubernetes.objects.fields import (
    counts,
    is_ready,
    newest_revision,
    newest_set,
    owned,
    stored_template,
    template_of,
)
from warroom_kubernetes.objects.images import Image, image_of
from warroom_kubernetes.objects.moments import NEVER, instant
from warroom_kubernetes.objects.templates import containers, plain

Json = dict[str, Any]
PREFIX = "template:"
NUMBER = "deployment.kubernetes.io/revision"
EARLIER = "deployment.kubernetes.io/revision-history"
CAUSE = "kubernetes.io/change-cause"
_COMMIT_KEYS = ("org.opencontainers.image.revision", "app.kubernetes.io/commit", "git-commit", "commit", "git-sha")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_PART = re.compile(r"(?:sha256:)?([0-9a-f]{7,64})")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")
_UNTAGGED = ("", "latest")
PREVIOUS = ("previous", "the one before", "0")
"""0 is what `kubectl rollout undo --to-revision` calls it."""


@dataclass(frozen=True)
class Revision:
    """``template`` is as the API serves it; without the hash's label and a stored revision's marks it can be put back.

    ``earlier`` are the numbers that it had before. ``pods`` are those of now that were made of it.
    """

    number: int
    hash: str
    name: str
    uid: str
    template: Json
    annotations: Mapping[str, str]
    made_at: datetime | None
    current: bool
    images: tuple[Image, ...]
    pods: tuple[Json, ...] = ()
    earlier: tuple[int, ...] = ()
    wanted: int = 0
    """Pods that its ReplicaSet is to have; those that there are, for other kinds."""
    version: str = ""

    @property
    def identity(self) -> str:
        return PREFIX + self.hash

    @property
    def cause(self) -> str:
        return str(self.annotations.get(CAUSE) or "")

    @property
    def commit(self) -> str | None:
        """Where the pods' annotations or labels say one."""
        head = self.template.get("metadata") or {}
        said = {**self.annotations, **(head.get("labels") or {}), **(head.get("annotations") or {})}
        found = (value for key, value in said.items() if key.rpartition("/")[2] in _COMMIT_KEYS or key in _COMMIT_KEYS)
        return next((value for value in found if isinstance(value, str) and _COMMIT.fullmatch(value)), None)

    @property
    def alive(self) -> tuple[Json, ...]:
        """Those of its pods that should run: one that was evicted stays, beside the one that was made for it."""
        return tuple(pod for pod in self.pods if counts(pod))

    @property
    def ready(self) -> int:
        return sum(is_ready(pod) for pod in self.pods)

    @property
    def restarts(self) -> int:
        statuses = (one for pod in self.pods for one in (pod.get("status") or {}).get("containerStatuses") or ())
        return sum(int(one.get("restartCount") or 0) for one in statuses)

    def image(self, container: str | None) -> Image:
        """Of the container that is meant; the first where none is named. Raises WarroomError where it has none."""
        own = [one["name"] for one in (self.template.get("spec") or {}).get("containers") or ()]
        name = container or next(iter(own), "")
        for one in self.images:
            if one.container == name:
                return one
        raise WarroomError(f"Revision {self.number} has no container {name}", f"it has {listed(own)}", "see container")


def of_deployment(deployment: Json, replica_sets: Sequence[Json], pods: Sequence[Json]) -> list[Revision]:
    """Newest first."""
    own = owned(replica_sets, deployment["metadata"].get("uid"))
    current = newest_set(deployment, replica_sets)
    found = []
    for one in own:
        head, spec = one["metadata"], one.get("spec") or {}
        notes = head.get("annotations") or {}
        hashed = str((head.get("labels") or {}).get("pod-template-hash") or "")
        revision = Revision(
            number=_number(notes.get(NUMBER)),
            hash=hashed or str(head["name"]).removeprefix(f"{deployment['metadata']['name']}-"),
            name=str(head["name"]),
            uid=str(head.get("uid") or ""),
            template=spec.get("template") or {},
            annotations=notes,
            made_at=instant(head.get("creationTimestamp")),
            current=one is current,
            images=(),
            earlier=tuple(filter(None, map(_number, str(notes.get(EARLIER) or "").split(",")))),
            wanted=int(spec.get("replicas") or 0),
        )
        found.append(_with_pods(revision, owned(pods, revision.uid)))
    return _sorted(found)


def of_controller(workload: Json, stored: Sequence[Json], pods: Sequence[Json]) -> list[Revision]:
    """A StatefulSet's or a DaemonSet's, newest first."""
    head, status = workload["metadata"], workload.get("status") or {}
    own, name = owned(stored, head.get("uid")), str(head["name"])
    now = newest_revision(workload, own)
    updated = status.get("updateRevision")
    if updated and status.get("observedGeneration") == head.get("generation"):  # its controller's own word
        now = next((one for one in own if one["metadata"]["name"] == updated), now)
    found = []
    for one in own:
        called = str(one["metadata"]["name"])
        hashed = called.removeprefix(f"{name}-")
        mine = [
            pod
            for pod in owned(pods, head.get("uid"))
            if (pod["metadata"].get("labels") or {}).get("controller-revision-hash") in (called, hashed)
        ]
        revision = Revision(
            number=_number(one.get("revision")),
            hash=hashed,
            name=called,
            uid=str(one["metadata"].get("uid") or ""),
            template=stored_template(one),
            annotations=one["metadata"].get("annotations") or {},
            made_at=instant(one["metadata"].get("creationTimestamp")),
            current=one is now,
            images=(),
            wanted=len(mine),
        )
        found.append(_with_pods(revision, mine))
    return _sorted(found)


def of_cron_job(cron_job: Json) -> list[Revision]:
    """A CronJob keeps no revisions: what it has now is all that is known."""
    from warroom.model.base import canonical, sha256

    head, template = cron_job["metadata"], template_of(cron_job)
    hashed = sha256(canonical(plain(template))).removeprefix("sha256:")[:16]
    revision = Revision(
        number=int(head.get("generation") or 0),
        hash=hashed,
        name=str(head["name"]),
        uid=str(head.get("uid") or ""),
        template=template,
        annotations=head.get("annotations") or {},
        made_at=instant(head.get("creationTimestamp")),
        current=True,
        images=(),
    )
    return _sorted([_with_pods(revision, [])])


def revisions_of(kind: Kind, workload: Json, stored: Sequence[Json], pods: Sequence[Json]) -> list[Revision]:
    """``stored``: ReplicaSets or ControllerRevisions of the namespace; others than the workload's are left out."""
    if kind == "CronJob":
        return of_cron_job(workload)
    return (of_deployment if kind == "Deployment" else of_controller)(workload, stored, pods)


def ended(revisions: Sequence[Revision], one: Revision) -> datetime | None:
    """When the next revision came; None where none has, or nobody knows."""
    later = [each.made_at for each in revisions if each.number > one.number and each.made_at is not None]
    return min((at for at in later if one.made_at is None or at >= one.made_at), default=None)


def _number(text: object) -> int:
    """0 where there is none: it is then no revision that can be gone back to by number."""
    word = str(text if text is not None else "").strip()
    return int(word) if word.isascii() and word.isdigit() and len(word) < 19 else 0


def _with_pods(revision: Revision, pods: Sequence[Json]) -> Revision:
    running = [pod for pod in pods if counts(pod)] or pods
    images = tuple(image_of(one, running) for one in containers(revision.template))
    return replace(revision, pods=tuple(pods), images=images)


def _sorted(found: Sequence[Revision]) -> list[Revision]:
    return sorted(found, key=lambda one: (one.number, one.made_at or NEVER), reverse=True)


def named(revisions: Sequence[Revision], container: str | None) -> list[Revision]:
    """With a version each, no two the same: the image's tag, else what the pods' label or a change cause of one word
    says, else the digest's begin.

    Two revisions of one tag differ in something else: then the hash is part of the name.
    """
    plainly = [_version(one, container) for one in revisions]
    often = Counter(plainly)
    return [
        replace(one, version="-".join(filter(None, (word, one.hash))) if often[word] > 1 or word in _UNTAGGED else word)
        for one, word in zip(revisions, plainly, strict=True)
    ]


def _version(revision: Revision, container: str | None) -> str:
    """One in which that container had another name is a revision all the same: its first container names it then."""
    known = any(image.container == container for image in revision.images)
    image = revision.image(container if known else None)
    # The API takes any text as an image: what is no tag names no release.
    tag = image.tag if _TAG.fullmatch(image.tag) else ""
    if tag not in _UNTAGGED:
        return tag
    labels = (revision.template.get("metadata") or {}).get("labels") or {}
    for said in (labels.get("app.kubernetes.io/version"), revision.cause):
        if isinstance(said, str) and _WORD.fullmatch(said):
            return said
    return image.digest[7:19] if image.digest else tag


def find(revisions: Sequence[Revision], text: str) -> Revision:
    """By a version, revision number, template hash (``template:HASH`` too), name or UID of its ReplicaSet, digest or
    reference of an image, change cause or commit; of a digest and a commit seven digits will do. ``previous``, as
    kubectl has it, is the newest of those that are not current.

    Raises ``BadInput`` where there is none, or where several could be meant.
    """
    word = text.strip()
    fitting = [one for one in revisions if word in _names(one)]
    fitting = fitting or [one for one in revisions if word and any(image.tag == word for image in one.images)]
    if not fitting and (start := _PART.fullmatch(word)):
        fitting = [one for one in revisions if (one.commit or "").startswith(word) or _has_digest(one, start[1])]
    if not fitting and word.lower() in PREVIOUS:
        fitting = [one for one in revisions if not one.current][:1]
    if len(fitting) == 1:
        return fitting[0]
    known = listed([f"{one.number} ({one.version or one.hash})" for one in revisions], 8) or "none"
    if fitting:
        those = listed([f"{one.number} ({one.hash})" for one in fitting], 8)
        raise BadInput(f"{text[:100]!r} could be any of {len(fitting)} revisions", those, "name one by its hash")
    raise BadInput(f"There is no revision {text[:100]!r}", _renumbered(revisions, word), f"There are: {known}.")


def _names(one: Revision) -> set[str]:
    names = {one.hash, one.identity, one.name, one.uid, one.version, one.commit or "", one.cause}
    names |= {str(one.number)} if one.number else set()
    return (names | {image.reference for image in one.images}) - {""}


def _has_digest(one: Revision, start: str) -> bool:
    return any(image.digest is not None and image.digest[7:].startswith(start) for image in one.images)


def _renumbered(revisions: Sequence[Revision], word: str) -> str:
    for one in revisions:
        if word.isdigit() and int(word) in one.earlier:
            return f"what was revision {word} was gone back to, and is revision {one.number} since"
    return "it was never there, or is no longer kept (revisionHistoryLimit)"
