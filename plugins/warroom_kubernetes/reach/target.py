"""Which cluster this is, so that no other is taken for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from warroom.api import WarroomError
from warroom_kubernetes.reach.asking import Cluster, Forbidden, NotThere
from warroom_kubernetes.reach.paths import path


@dataclass(frozen=True)
class Target:
    """``words`` say what ``identity`` was told by."""

    identity: str
    words: str
    by_uid: bool


async def target(api: Cluster) -> Target:
    """The UID of the namespace ``kube-system``, which a cluster keeps for its life and no other has, and the namespace
    meant. Where nobody may read that one, what the server is trusted by and its address."""
    try:
        system = await api.get(path("v1", "namespaces", name="kube-system"))
    except (Forbidden, NotThere) as error:
        trust = hashlib.sha256(b"\0".join((api.at.ca, api.server.encode()))).hexdigest()[:32]
        words = f"by its CA and its address, {api.server}: the namespace kube-system can't be read ({error.reason})"
        return Target(f"kubernetes-ca-{trust}/{api.namespace}", words, by_uid=False)
    uid = (system.get("metadata") or {}).get("uid")
    if not isinstance(uid, str) or not uid:
        raise WarroomError("The cluster's identity can't be read", f"kube-system of {api.server} says no UID")
    return Target(f"kubernetes-{uid}/{api.namespace}", f"cluster {uid}, namespace {api.namespace}", by_uid=True)
