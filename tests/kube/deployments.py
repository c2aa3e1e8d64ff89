"""The Deployment controller: a ReplicaSet for each template, rolled from the old ones to the new one pod by pod."""

from __future__ import annotations

import copy
import hashlib
import json

from tests.kube import rollouts
from tests.kube.api import ALPHABET, Write
from tests.kube.controllers import Item, Work, controller_of, owned, owner_reference
from tests.kube.kubelet import PODS
from tests.kube.replicasets import SETS
from tests.kube.resources import resource
from tests.kube.rollouts import HASH, REVISION, Sets, size, size_of
from tests.kube.store import Change, Obj

DEPLOYMENTS = resource("apps", "deployments")
HOW = Write("deployment-controller")
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"
SKIPPED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MOST,
    "deprecated.deployment.rollback.to",
}
"""Annotations that a ReplicaSet does not take over from its Deployment."""


def template_hash(template: Obj) -> str:
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:10])


def plain(template: Obj) -> Obj:
    """Without the label that the controller adds."""
    found = copy.deepcopy(template)
    (found.get("metadata", {}).get("labels") or {}).pop(HASH, None)
    return found


class Deployments:
    def __init__(self, work: Work) -> None:
        self.work, self.api = work, work.api
        work.syncs["deployments"] = self.sync
        work.concerns.append(self.concern)

    def concern(self, change: Change) -> list[Item]:
        if change.key == DEPLOYMENTS.key:
            return [("deployments", change.namespace, change.name)]
        if change.key == SETS.key and (owner := controller_of(change.now.obj)):
            return [("deployments", change.namespace, owner["name"])]
        if change.key == PODS.key and change.kind == "DELETED":
            # Of interest to the Recreate strategy alone.
            owner = controller_of(change.now.obj)
            rs = self.api.store.get(SETS.key, change.namespace, owner["name"]) if owner else None
            above = controller_of(rs) if rs else None
            return [("deployments", change.namespace, above["name"])] if above else []
        return []

    def sync(self, space: str, name: str) -> None:
        d = self.api.store.get(DEPLOYMENTS.key, space, name)
        if d is None:
            return
        if d["metadata"].get("deletionTimestamp"):
            self._status(d, self._sets(d))
            return
        d = self._paused_condition(d)
        sets = self._sets(d)
        if d["spec"].get("paused") or self._scaled(d, sets):
            sets = self._known(d, sets)
            d = self.api.read(DEPLOYMENTS, space, name)
            self._scale_all(d, sets)
            if d["spec"].get("paused"):
                self._clean(d, sets)
            self._status(d, self._sets(d), rolling=False)
            return
        if d["spec"]["strategy"]["type"] == "Recreate":
            d, sets = self._recreate(d, sets)
        else:
            d, sets = self._roll(d, sets)
        if rollouts.complete(d, d.get("status", {})):
            self._clean(d, sets)
        self._status(d, self._sets(d))

    # ---- the sets

    def _sets(self, d: Obj) -> Sets:
        found = owned(self.api.store.all(SETS.key, d["metadata"]["namespace"]), d)
        found.sort(
            key=lambda rs: (
                rs["metadata"]["creationTimestamp"],
                int(rs["metadata"].get("annotations", {}).get(REVISION, 0)),
                rs["metadata"]["name"],
            )
        )
        wanted = plain(d["spec"]["template"])
        new = next((rs for rs in found if plain(rs["spec"]["template"]) == wanted), None)
        return Sets(new, [rs for rs in found if rs is not new])

    def _known(self, d: Obj, sets: Sets) -> Sets:
        """The new set's annotations and the Deployment's revision brought up to date."""
        if sets.new is None:
            return sets
        revision = rollouts.highest(sets.old) + 1
        new = self._annotated(d, sets.new, revision)
        if new is not sets.new:
            new = self.api.update(SETS, d["metadata"]["namespace"], new["metadata"]["name"], new, HOW)
        self._set_revision(d, new)
        return Sets(new, sets.old)

    def _annotated(self, d: Obj, rs: Obj, revision: int) -> Obj:
        old = rs["metadata"].get("annotations") or {}
        notes = dict(old)
        notes |= {k: v for k, v in (d["metadata"].get("annotations") or {}).items() if k not in SKIPPED}
        before = int(old.get(REVISION, 0) or 0)
        if before < revision:
            notes[REVISION] = str(revision)
            if before:
                notes[HISTORY] = ",".join([*(old.get(HISTORY, "").split(",") if old.get(HISTORY) else []), str(before)])
        least = d["spec"].get("minReadySeconds", 0)
        if notes == old and rs["spec"].get("minReadySeconds", 0) == least:
            return rs
        spec = {**rs["spec"]} | ({"minReadySeconds": least} if least else {})
        return {**rs, "metadata": {**rs["metadata"], "annotations": notes}, "spec": spec}

    def _set_revision(self, d: Obj, rs: Obj) -> Obj:
        """By the status subresource, as the controller does: the generation stays."""
        d = self.api.read(DEPLOYMENTS, d["metadata"]["namespace"], d["metadata"]["name"])
        revision = rs["metadata"]["annotations"][REVISION]
        notes = d["metadata"].get("annotations") or {}
        if notes.get(REVISION) == revision:
            return d
        changed = {**d, "metadata": {**d["metadata"], "annotations": {**notes, REVISION: revision}}}
        how = Write(HOW.manager, status=True)
        return self.api.update(DEPLOYMENTS, d["metadata"]["namespace"], d["metadata"]["name"], changed, how)

    def _create(self, d: Obj, sets: Sets) -> Sets:
        template = plain(d["spec"]["template"])
        mark = template_hash(template)
        template["metadata"]["labels"][HASH] = mark
        selector = copy.deepcopy(d["spec"]["selector"])
        selector.setdefault("matchLabels", {})[HASH] = mark
        name = f"{d['metadata']['name']}-{mark}"
        count = size(d) if d["spec"]["strategy"]["type"] == "Recreate" else rollouts.new_size(d, sets, 0)
        notes = {k: v for k, v in (d["metadata"].get("annotations") or {}).items() if k not in SKIPPED}
        notes |= {REVISION: str(rollouts.highest(sets.old) + 1)} | self._sizes(d)
        spec = {"replicas": count, "selector": selector, "template": template}
        if least := d["spec"].get("minReadySeconds"):
            spec["minReadySeconds"] = least
        head = {"name": name, "annotations": notes, "labels": template["metadata"]["labels"]}
        head["ownerReferences"] = [owner_reference(d)]
        body = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": head, "spec": spec}
        new = self.api.create(SETS, d["metadata"]["namespace"], body, HOW)
        if count:
            self._say(d, f"Scaled up replica set {name} from 0 to {count}")
        d = self._set_revision(d, new)
        progress = rollouts.condition(
            "Progressing", "True", "NewReplicaSetCreated", f'Created new replica set "{name}"'
        )
        status = {**d.get("status", {}), "conditions": rollouts.with_condition(d, progress)}
        self.api.set_status("deployments", d, status)
        return Sets(new, sets.old)

    def _new(self, d: Obj, sets: Sets, create: bool) -> Sets:
        if sets.new is not None:
            return self._known(d, sets)
        return self._create(d, sets) if create else sets

    # ---- sizes

    def _sizes(self, d: Obj) -> dict[str, str]:
        return {DESIRED: str(size(d)), MOST: str(size(d) + rollouts.surge(d))}

    def _scale(self, d: Obj, rs: Obj, count: int) -> bool:
        notes = {**(rs["metadata"].get("annotations") or {}), **self._sizes(d)}
        before = size_of(rs)
        if before == count and notes == rs["metadata"].get("annotations"):
            return False
        changed = {
            **rs,
            "metadata": {**rs["metadata"], "annotations": notes},
            "spec": {**rs["spec"], "replicas": count},
        }
        changed["metadata"].pop("resourceVersion")
        self.api.update(SETS, d["metadata"]["namespace"], rs["metadata"]["name"], changed, HOW)
        if before != count:
            word = "up" if count > before else "down"
            self._say(d, f"Scaled {word} replica set {rs['metadata']['name']} from {before} to {count}")
        return before != count

    def _say(self, d: Obj, message: str) -> None:
        self.work.events.say(d, "ScalingReplicaSet", message, "deployment-controller")

    def _scaled(self, d: Obj, sets: Sets) -> bool:
        """The Deployment's number has changed since its sets were last sized."""
        for rs in sets.all:
            desired = (rs["metadata"].get("annotations") or {}).get(DESIRED)
            if size_of(rs) > 0 and desired is not None and int(desired) != size(d):
                return True
        return False

    def _scale_all(self, d: Obj, sets: Sets) -> None:
        active = [rs for rs in sets.all if size_of(rs) > 0]
        if len(active) <= 1:
            latest = active[0] if active else sets.new or (sets.old[-1] if sets.old else None)
            if latest:
                self._scale(d, latest, size(d))
            return
        if sets.new and rollouts.saturated(d, sets.new):
            for rs in sets.old:
                self._scale(d, rs, 0) if size_of(rs) else None
            return
        for rs, count in rollouts.proportions(d, active):
            self._scale(d, rs, count)

    def _roll(self, d: Obj, sets: Sets) -> tuple[Obj, Sets]:
        sets = self._new(d, sets, create=True)
        space, name = d["metadata"]["namespace"], d["metadata"]["name"]
        d = self.api.read(DEPLOYMENTS, space, name)
        assert sets.new is not None
        count = size(d) if size_of(sets.new) > size(d) else rollouts.new_size(d, sets, size_of(sets.new))
        if not self._scale(d, sets.new, count):
            for rs, smaller in rollouts.old_sizes(d, sets):
                self._scale(d, rs, smaller)
        return self.api.read(DEPLOYMENTS, space, name), self._sets(d)

    def _recreate(self, d: Obj, sets: Sets) -> tuple[Obj, Sets]:
        space, name = d["metadata"]["namespace"], d["metadata"]["name"]
        sets = self._new(d, sets, create=False)
        d = self.api.read(DEPLOYMENTS, space, name)
        # Each of them, not only the first that changes.
        changed = [self._scale(d, rs, 0) for rs in sets.old if size_of(rs)]
        if any(changed):
            return d, self._sets(d)
        pods = self.api.store.all(PODS.key, space)
        if any(owned(pods, rs) for rs in sets.old):
            return d, sets
        sets = self._new(d, sets, create=True)
        d = self.api.read(DEPLOYMENTS, space, name)
        assert sets.new is not None
        self._scale(d, sets.new, size(d))
        return self.api.read(DEPLOYMENTS, space, name), self._sets(d)

    def _clean(self, d: Obj, sets: Sets) -> None:
        limit = d["spec"].get("revisionHistoryLimit", 10)
        old = [rs for rs in sets.old if not rs["metadata"].get("deletionTimestamp")]
        old.sort(key=lambda rs: int(rs["metadata"]["annotations"].get(REVISION, 0)))
        for rs in old[: max(0, len(old) - limit)]:
            if size_of(rs) == 0 and rs["status"].get("replicas", 0) == 0:
                self.api.delete(SETS, d["metadata"]["namespace"], rs["metadata"]["name"])

    # ---- status

    def _paused_condition(self, d: Obj) -> Obj:
        now = rollouts.find(d, "Progressing")
        if now.get("reason") == "ProgressDeadlineExceeded" or "progressDeadlineSeconds" not in d["spec"]:
            return d
        if d["spec"].get("paused") and now.get("reason") != "DeploymentPaused":
            new = rollouts.condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
        elif not d["spec"].get("paused") and now.get("reason") == "DeploymentPaused":
            new = rollouts.condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")
        else:
            return d
        status = {**d.get("status", {}), "conditions": rollouts.with_condition(d, new)}
        return self.api.set_status("deployments", d, status)

    def _status(self, d: Obj, sets: Sets, rolling: bool = True) -> None:
        d = self.api.read(DEPLOYMENTS, d["metadata"]["namespace"], d["metadata"]["name"])
        status, wait = rollouts.status(d, sets, rolling)
        self.api.set_status("deployments", d, status)
        item = ("deployments", d["metadata"]["namespace"], d["metadata"]["name"])
        if rollouts.complete(d, status) and not rollouts.complete(d, d.get("status", {})):
            self.work.later(item)
        if wait is not None:
            self.work.later(item, wait)
