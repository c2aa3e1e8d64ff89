"""ConfigMaps and Secrets that a template names: whether they are there, and whether they differ from then.

No rollback takes them back. Their values are hashed in memory with a key of this process, and neither kept nor shown.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from weakref import WeakKeyDictionary

from warroom.api import Context, WarroomError
from warroom.model.units import listed
from warroom_kubernetes.objects.managers import writers
from warroom_kubernetes.objects.moments import instant
from warroom_kubernetes.objects.templates import containers
from warroom_kubernetes.reach.asking import Cluster, Forbidden, NotThere
from warroom_kubernetes.reach.paths import path

_KEY = secrets.token_bytes(32)
MOST_KEPT = 200
"""Revisions of which it is remembered what they ran with."""


@dataclass(frozen=True, order=True)
class Named:
    kind: Literal["ConfigMap", "Secret"]
    name: str

    @property
    def shown(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Config:
    """``keys`` are hashes by name. ``there`` None: it can't be read, and ``why`` says why. ``changed_at`` is when its
    data was last written, by the managed fields; None where they don't say. ``fixed``: no server lets it be changed."""

    there: bool | None
    keys: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    made_at: datetime | None = None
    changed_at: datetime | None = None
    changed_by: str = ""
    fixed: bool = False


def references(template: Mapping[str, Any]) -> dict[Named, bool]:
    """What a pod of it can't start without (True), and what it takes where there is any (False)."""
    found: dict[Named, bool] = {}
    for one, needed in _references(template):
        found[one] = found.get(one, False) or needed
    return found


def _references(template: Mapping[str, Any]) -> Iterator[tuple[Named, bool]]:
    for one in containers(template):
        for given in one.get("envFrom") or ():
            yield from _named(given.get("configMapRef"), given.get("secretRef"))
        for given in one.get("env") or ():
            source = given.get("valueFrom") or {}
            yield from _named(source.get("configMapKeyRef"), source.get("secretKeyRef"))
    spec = template.get("spec") or {}
    for volume in spec.get("volumes") or ():
        yield from _named(volume.get("configMap"), volume.get("secret"))
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _named(source.get("configMap"), source.get("secret"))
    for one in spec.get("imagePullSecrets") or ():
        yield from _named(None, {**one, "optional": True})


def _named(config_map: Any, secret: Any) -> Iterator[tuple[Named, bool]]:
    if isinstance(config_map, Mapping) and config_map.get("name"):
        yield Named("ConfigMap", str(config_map["name"])), not config_map.get("optional")
    if isinstance(secret, Mapping) and (name := secret.get("name") or secret.get("secretName")):
        yield Named("Secret", str(name)), not secret.get("optional")


async def looked(api: Cluster, wanted: Sequence[Named]) -> dict[Named, Config]:
    """Each as it is now; one that can't be read says so."""
    gate = asyncio.Semaphore(8)

    async def one(named: Named) -> Config:
        async with gate:
            return await _read(api, named)

    return dict(zip(wanted, await asyncio.gather(*map(one, wanted)), strict=True))


async def _read(api: Cluster, named: Named) -> Config:
    resource = "configmaps" if named.kind == "ConfigMap" else "secrets"
    try:
        return hashed(await api.get(path("v1", resource, namespace=api.namespace, name=named.name)))
    except NotThere:
        return Config(False)
    except Forbidden:
        return Config(None, why="this login may not read it")
    except WarroomError as error:
        return Config(None, why=str(error)[:200])


def hashed(thing: Mapping[str, Any]) -> Config:
    """Pure. What is given is not kept."""
    keys = {}
    for part in ("data", "binaryData", "stringData"):
        for name, value in (thing.get(part) or {}).items():
            keys[str(name)] = hmac.new(_KEY, str(value).encode(), hashlib.sha256).hexdigest()
    owners = [*writers(thing, ("data",)), *writers(thing, ("binaryData",))]
    newest = max((one for one in owners if one.at is not None), key=lambda one: str(one.at), default=None)
    made = instant((thing.get("metadata") or {}).get("creationTimestamp"))
    return Config(
        True,
        keys,
        made_at=made,
        changed_at=newest.at if newest is not None else None,
        changed_by=newest.manager if newest is not None else "",
        fixed=thing.get("immutable") is True,
    )


def differing(was: Config, now: Config) -> list[str]:
    """Each key after ``added``, ``removed`` or ``changed``; nothing where either was not there."""
    names = sorted({*was.keys, *now.keys})
    return [
        f"{'added' if name not in was.keys else 'removed' if name not in now.keys else 'changed'} {name}"
        for name in names
        if was.keys.get(name) != now.keys.get(name)
    ]


class Memory:
    """What each revision was seen to run with, for as long as this process lives."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[datetime, dict[Named, Config]]] = {}

    def keep(self, uid: str, hash_: str, at: datetime, seen: Mapping[Named, Config]) -> None:
        self._seen.pop((uid, hash_), None)
        self._seen[uid, hash_] = (at, {named: one for named, one in seen.items() if one.there is not None})
        while len(self._seen) > MOST_KEPT:
            self._seen.pop(next(iter(self._seen)))

    def of(self, uid: str, hash_: str) -> tuple[datetime, Mapping[Named, Config]] | None:
        """(when it was last looked at while that revision ran, what it had then)."""
        return self._seen.get((uid, hash_))


_memories: WeakKeyDictionary[Any, Memory] = WeakKeyDictionary()


def memory(ctx: Context) -> Memory:
    """One for all who read through the same door."""
    return _memories.setdefault(ctx.read, Memory())


def compared(
    needed: Mapping[Named, bool],
    now: Mapping[Named, Config],
    then: tuple[datetime, Mapping[Named, Config]] | None,
    since: datetime | None,
) -> tuple[list[str], list[str]]:
    """(sentences, keys after ``added``, ``removed`` or ``changed``) on going back to a revision that ``needed`` these.

    ``then`` is what it was seen to run with; ``since`` is when that ended as far as the cluster says, None: unknown.
    """
    words: list[str] = []
    keys: list[str] = []
    same: list[str] = []
    for named in sorted(needed):
        one = now[named]
        before = then[1].get(named) if then is not None else None
        if one.there is None:
            words.append(f"whether {named.shown} differs from then can't be told: {one.why}")
        elif not one.there:
            what = "its pods can't start without it" if needed[named] else "its pods start without it"
            words.append(f"{named.shown} is not there any more: {what}")
        elif before is not None and before.there and then is not None:
            told = differing(before, one)
            if told and named.kind == "Secret":
                keys.append(f"changed {named.shown}")
                words.append(f"{named.shown} differs from {then[0]:%H:%M} UTC, when that ran, by hash")
            elif told:
                keys += [said.replace(" ", f" {named.name}.", 1) for said in told]
                words.append(f"{named.shown} differs from {then[0]:%H:%M} UTC, when that ran: {listed(told, 5)}")
            else:
                same.append(named.shown)
        else:
            words.append(_by_time(named, one, since))
    if same:
        words.append(f"the same as when that ran, by hash: {listed(same, 6)}")
    return words, keys


def _by_time(named: Named, one: Config, since: datetime | None) -> str:
    """What was taken out leaves no time in the managed fields: by them nothing is ever proven to be the same."""
    if since is not None and one.fixed and one.made_at is not None and one.made_at <= since:
        return f"{named.shown} is the same as when that ran: it is immutable, and was made before that ended"
    if since is None or one.changed_at is None:
        return f"whether {named.shown} differs from then can't be told: nobody looked while that ran"
    by = f" by {one.changed_by}" if one.changed_by else ""
    if one.changed_at > since:
        return f"{named.shown} was written{by} at {one.changed_at:%Y-%m-%d %H:%M:%S} UTC, after that ended: it stays so"
    at = f"{one.changed_at:%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"{named.shown} was last written{by} at {at}, before that ended; what was taken out of it since leaves no time"
    )
