"""Pod templates as the API serves them: whether two are the same, and what differs, without what may be secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from warroom.api import Context
from warroom.model.units import listed
from warroom_kubernetes.objects.lengths import SENTENCE, cut

Template = Mapping[str, Any]
HASH_LABEL = "pod-template-hash"
_SHOWN = (
    *("serviceAccountName", "terminationGracePeriodSeconds", "priorityClassName", "runtimeClassName", "nodeName"),
    *("schedulerName", "restartPolicy", "dnsPolicy", "hostNetwork", "hostPID", "hostIPC", "activeDeadlineSeconds"),
    *("imagePullPolicy", "workingDir", "enableServiceLinks", "automountServiceAccountToken"),
)
"""Settings whose values are plain words or numbers; of all others it is only said that they changed."""
_PROBES = {"livenessProbe": "liveness probe", "readinessProbe": "readiness probe", "startupProbe": "startup probe"}
_SAME_ACCOUNT = "serviceAccount"
MOST = 100
"""Changes between two templates that are told one by one."""
_TIMES = ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold", "successThreshold")


@dataclass(frozen=True)
class Change:
    """``what`` is its kind, ``words`` the sentence; ``key`` the name of a setting, where it is one."""

    what: Literal["image", "env", "resources", "probe", "mount", "container", "command", "label", "other"]
    words: str
    key: str = ""


def plain(template: Template) -> dict[str, Any]:
    """Without what the cluster adds to a stored one: the hash's label, the mark of a revision, and what is null."""
    made: dict[str, Any] = _without_nulls({name: value for name, value in template.items() if name != "$patch"})
    head = made.get("metadata")
    if isinstance(head, dict) and isinstance(labels := head.get("labels"), dict):
        head["labels"] = {name: value for name, value in labels.items() if name != HASH_LABEL}
    return {name: value for name, value in made.items() if value != {}}


def same(one: Template, other: Template) -> bool:
    return plain(one) == plain(other)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def containers(template: Template) -> list[dict[str, Any]]:
    """Those of the pod, the first ones to start first."""
    spec = template.get("spec") or {}
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def settings(template: Template) -> Iterator[dict[str, str]]:
    """What each container has in its environment as literal values."""
    for one in containers(template):
        given = one.get("env") or ()
        yield {str(each["name"]): str(each["value"]) for each in given if each.get("value") and each.get("name")}


def images_of(template: Template) -> str:
    """As people call them: ``shop:v2``, without the registry and the folders before it."""
    return listed([str(one.get("image", "?")).rpartition("/")[2] for one in containers(template)], 4)


def hide(ctx: Context, *templates: Template) -> None:
    """Before anything of them is kept: a log, an event or an error may print what a container was given."""
    for template in templates:
        for given in settings(template):
            ctx.hide(given)


def changes(older: Template, newer: Template) -> list[Change]:
    """From ``older`` to ``newer``."""
    was, now = plain(older), plain(newer)
    before, after = _named(containers(was)), _named(containers(now))
    found = [Change("container", f"the container {name} came with it") for name in after if name not in before]
    found += [Change("container", f"the container {name} is gone") for name in before if name not in after]
    for name in before:
        if name in after:
            found += _in_container(name, before[name], after[name])
    found += _in_pod(was.get("spec") or {}, now.get("spec") or {})
    for what in ("labels", "annotations"):
        names = [*_keys((was.get("metadata") or {}).get(what) or {}, (now.get("metadata") or {}).get(what) or {})]
        if names:
            found.append(Change("label", f"{what} of the pods: {listed(names, 6)}"))
    told = [replace(one, words=cut(one.words, SENTENCE), key=cut(one.key)) for one in found[:MOST]]
    more = [Change("other", f"{len(found) - MOST:,} more changes")] if len(found) > MOST else []
    return told + more


def _named(several: Sequence[Any]) -> dict[str, Any]:
    return {str(one.get("name") or number): one for number, one in enumerate(several) if isinstance(one, Mapping)}


def _keys(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Each name that differs, after ``added``, ``removed`` or ``changed``."""
    for name in sorted({*was, *now}):
        if name not in was:
            yield f"added {name}"
        elif name not in now:
            yield f"removed {name}"
        elif was[name] != now[name]:
            yield f"changed {name}"


def _in_container(name: str, was: Template, now: Template) -> Iterator[Change]:
    if was.get("image") != now.get("image"):
        yield Change("image", f"{name}: the image {cut(was.get('image'))} → {cut(now.get('image'))}")
    yield from _env(name, was, now)
    yield from _resources(name, was.get("resources") or {}, now.get("resources") or {})
    for field, called in _PROBES.items():
        yield from _probe(name, called, was.get(field), now.get(field))
    yield from _mounts(name, was.get("volumeMounts") or (), now.get("volumeMounts") or ())
    for field in ("command", "args"):
        if was.get(field) != now.get(field):
            yield Change("command", f"{name}: its {field} changed")
    known = {"name", "image", "env", "envFrom", "resources", "volumeMounts", "command", "args", *_PROBES}
    yield from _others(f"{name}: ", was, now, known)


def _env(name: str, was: Template, now: Template) -> Iterator[Change]:
    """Names only. Where a value is taken from is no secret."""
    before, after = _named(was.get("env") or ()), _named(now.get("env") or ())
    for said in _keys(before, after):
        what, _, key = said.partition(" ")
        old, new = _taken_from(before.get(key)), _taken_from(after.get(key))
        how = f": from {old or 'a value'}, now from {new or 'a value'}" if what == "changed" and old != new else ""
        if what == "added" and new:
            how = f", from {new}"
        yield Change("env", f"{name}: {cut(said)}{how}", said)
    old_whole, new_whole = ([_whole(one) for one in each.get("envFrom") or ()] for each in (was, now))
    for one in new_whole:
        if one not in old_whole:
            yield Change("env", f"{name}: added all of {one}", f"added all of {one}")
    for one in old_whole:
        if one not in new_whole:
            yield Change("env", f"{name}: removed all of {one}", f"removed all of {one}")


def _taken_from(entry: Template | None) -> str:
    """``Secret db, key url``; empty for a literal value."""
    source = (entry or {}).get("valueFrom") or {}
    for field, called in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
        if one := source.get(field):
            return f"{called} {one.get('name')}, key {one.get('key')}"
    return next((str(field) for field in source), "")


def _whole(entry: Template) -> str:
    for field, called in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
        if one := entry.get(field):
            prefix = f", as {entry['prefix']}…" if entry.get("prefix") else ""
            return f"{called} {one.get('name')}{prefix}"
    return "something"


def _resources(name: str, was: Template, now: Template) -> Iterator[Change]:
    for field, called in (("requests", "asks for"), ("limits", "is limited to")):
        old, new = was.get(field) or {}, now.get(field) or {}
        for kind in sorted({*old, *new}):
            if old.get(kind) != new.get(kind):
                words = f"{name}: {called} {new.get(kind, 'no')} {kind}, before {old.get(kind, 'none')}"
                yield Change("resources", words)
    if (was.get("claims") or []) != (now.get("claims") or []):
        yield Change("resources", f"{name}: its resource claims changed")


def _probe(name: str, called: str, was: Template | None, now: Template | None) -> Iterator[Change]:
    if was == now:
        return
    if not was or not now:
        yield Change("probe", f"{name}: the {called} {'is gone' if was else 'is new'}")
        return
    told = [f"{field} {was.get(field)} → {now.get(field)}" for field in _TIMES if was.get(field) != now.get(field)]
    rest = [{key: value for key, value in one.items() if key not in _TIMES} for one in (was, now)]
    if rest[0] != rest[1]:
        told.append(f"{_asks(was)} → {_asks(now)}")
    yield Change("probe", f"{name}: {called}: {listed(told, 6)}")


def _asks(probe: Template) -> str:
    if one := probe.get("httpGet"):
        return f"GET :{one.get('port')}{cut(one.get('path', '/'))}"
    if one := probe.get("tcpSocket"):
        return f"tcp :{one.get('port')}"
    if one := probe.get("grpc"):
        return f"grpc :{one.get('port')}"
    return "a command"


def _mounts(name: str, was: Sequence[Any], now: Sequence[Any]) -> Iterator[Change]:
    before, after = ({str(one.get("mountPath")): one for one in each} for each in (was, now))
    for path in sorted({*before, *after}):
        old, new = before.get(path), after.get(path)
        if old is None and new is not None:
            yield Change("mount", f"{name}: {new.get('name')} is mounted at {path}")
        elif new is None and old is not None:
            yield Change("mount", f"{name}: {old.get('name')} is no longer mounted at {path}")
        elif old != new:
            yield Change("mount", f"{name}: what is mounted at {path} changed")


def _in_pod(was: Template, now: Template) -> Iterator[Change]:
    before, after = _named(was.get("volumes") or ()), _named(now.get("volumes") or ())
    for said in _keys(before, after):
        name = said.partition(" ")[2]
        yield Change("mount", f"volume {said}: {_volume(after.get(name) or before[name])}")
    known = {"volumes", "containers", "initContainers", _SAME_ACCOUNT}
    yield from _others("", was, now, known)


def _volume(volume: Template) -> str:
    """What it is of, by name."""
    for field, called, key in (
        ("configMap", "ConfigMap", "name"),
        ("secret", "Secret", "secretName"),
        ("persistentVolumeClaim", "claim", "claimName"),
    ):
        if one := volume.get(field):
            return f"{called} {one.get(key)}"
    return next((str(field) for field in volume if field != "name"), "nothing")


def _others(who: str, was: Template, now: Template, known: set[str]) -> Iterator[Change]:
    for field in sorted({*was, *now} - known):
        if was.get(field) == now.get(field):
            continue
        if field in _SHOWN:
            yield Change("other", f"{who}{field}: {cut(was.get(field, 'none'))} → {cut(now.get(field, 'none'))}")
        else:
            yield Change("other", f"{who}{field} changed")
