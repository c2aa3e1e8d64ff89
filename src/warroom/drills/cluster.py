"""A drill on a Kubernetes cluster: only where a runbook marks it for that, and in a namespace of its own.

The cluster must be the one that the runbook's fingerprint names, and its environment staging or a drill's. Everything
is made and removed through the plugin's own sender, as the same requests that a plan would show.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from warroom.actions.commands import CommandLog
from warroom.actions.doors import HttpClient, Reading
from warroom.api import Context, Plugin
from warroom.engine.core import SystemClock
from warroom.engine.secrets import Secrets
from warroom.errors import BadInput, WarroomError
from warroom.model.call import ApiCall, CallResult
from warroom.model.runbook import Runbook
from warroom.plugins import load
from warroom.redact import Redactor

PLUGIN = "kubernetes"
NAME, CONTAINER, REPLICAS = "web", "app", 2
UP_S = 180.0
DOWN_S = 60.0
LOOK_S = 0.5
NO_SUCH_TAG = "warroom-drill-no-such-release"
NOT_PULLED = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName")
LABEL = "warroom.dev/drill"
MANAGER = "warroom-drill"
"""Who makes what is drilled on: another than warroom, whose own writes of a template count as a rollback."""
APPS = "/apis/apps/v1/namespaces"


LONGEST = 300
"""Characters of what a pod says."""


@dataclass(frozen=True)
class Marked:
    """A cluster that a runbook marks for drills: the platform's configuration, without what it runs there."""

    name: str
    config: Mapping[str, JsonValue]
    fingerprint: str


def marked(runbook: Runbook, file: Path, kubeconfig: Path | None = None) -> tuple[Marked, Mapping[str, JsonValue]]:
    """The cluster, and the platform's whole configuration, by which it is recognised. ``kubeconfig`` takes the place
    of the file's.

    Raises WarroomError for a runbook of production, and for one that does not say which cluster it means.
    """
    environment = runbook.environment
    if environment.kind not in ("staging", "drill"):
        raise WarroomError(
            "A drill on a cluster is for staging and drills",
            f"{file} says {environment.kind}",
            "name the runbook of a cluster that may be practised on with -f",
        )
    found = [name for name, platform in runbook.platforms.items() if platform.plugin == PLUGIN]
    if len(found) != 1:
        many = f"it has {len(found)}: {', '.join(found)}" if found else "it has none"
        raise WarroomError("The runbook must name one Kubernetes cluster", f"{file}: {many}", "")
    fingerprint = environment.fingerprints.get(found[0])
    if not fingerprint:
        raise WarroomError(
            "This cluster is not marked for drills",
            f"{file} has no fingerprint of {found[0]}",
            f"put what its readiness row shows there: fingerprints: {{{found[0]}: kubernetes-UID/NAMESPACE}}",
        )
    whole = dict(runbook.platforms[found[0]].config)
    if kubeconfig is not None:
        whole["kubeconfig"] = str(kubeconfig.expanduser().resolve())
    kept = {key: value for key, value in whole.items() if key not in ("workloads", "release", "namespace")}
    return Marked(environment.name or environment.kind, kept, fingerprint), whole


async def _no_why() -> str:
    return ""


class Ground:
    """The drill's namespace and its one Deployment, in a cluster that was found to be the one that is meant."""

    def __init__(self, plugin: Plugin, context: Context, http: HttpClient, namespace: str, image: str) -> None:
        self.plugin = plugin
        self.context = context
        self.http = http
        self.namespace = namespace
        self.image = image
        self._uid = ""
        self._unanswered = False
        """The namespace was asked for, and no answer has come: it may be there."""

    @property
    def where(self) -> str:
        return f"namespace {self.namespace}"

    async def make(self) -> None:
        """The namespace with the good release, up."""
        labels = {LABEL: "true"}
        metadata: dict[str, JsonValue] = {"name": self.namespace, "labels": dict(labels)}
        body: JsonValue = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        self._unanswered = True
        made = await self._send("POST", "/api/v1/namespaces", body, "create", "namespace", self.namespace)
        self._uid = str(_at(made.data, "metadata", "uid") or "")
        create = ("create", "deployment", NAME, f"--image={self.image}", f"--replicas={REPLICAS}", "-n", self.namespace)
        await self._send("POST", f"{APPS}/{self.namespace}/deployments", _deployment(self.image), *create)
        await self._until_up()

    async def begin(self) -> datetime:
        """The release that does not exist is rolled out; it began when the last pod that served was gone."""
        broken = broken_image(self.image)
        template: dict[str, JsonValue] = {"spec": {"containers": [{"name": CONTAINER, "image": broken}]}}
        notes: dict[str, JsonValue] = {"annotations": {"kubernetes.io/change-cause": "the drill's bad release"}}
        line = ("set", "image", f"deployment/{NAME}", f"{CONTAINER}={broken}", "-n", self.namespace)
        await self._send(
            "PATCH",
            f"{APPS}/{self.namespace}/deployments/{NAME}",
            {"metadata": notes, "spec": {"template": template}},
            *line,
            content_type="application/strategic-merge-patch+json",
        )
        await self._until(lambda ready: ready == 0, DOWN_S, "the pods of the good release went on serving")
        begun = datetime.now(UTC)
        await self._until_not_pulled(broken)
        return begun

    async def _until_up(self) -> None:
        """An image that can't be pulled ends it at once: whoever practises has named another than was meant."""

        async def waiting() -> str:
            for state in await self._states_of(self.image):
                told = _at(state, "waiting") or {}
                reason, message = str(told.get("reason") or ""), str(told.get("message") or "")
                said = ": ".join(filter(None, (reason, message)))[:LONGEST]
                if reason in NOT_PULLED:
                    hint = "name one with --image that its nodes can pull"
                    raise WarroomError(f"{self.image} can't be pulled in the {self.where}", said, hint)
                if said:
                    return said
            return ""

        await self._until(lambda ready: ready >= REPLICAS, UP_S, f"{self.image} did not come up", waiting)

    async def _states_of(self, image: str) -> list[dict[str, JsonValue]]:
        where = f"/api/v1/namespaces/{self.namespace}/pods"
        pods = await self._send("GET", where, None, "get", "pods", "-n", self.namespace)
        return [state for pod in _at(pods.data, "items") or () for state in _states(pod, image)]

    async def _until_not_pulled(self, broken: str) -> None:
        """A release that comes up after all is no fault: nobody would ever be called to it."""
        for _ in range(round(DOWN_S / LOOK_S)):
            states = await self._states_of(broken)
            if any(_at(state, "waiting", "reason") in NOT_PULLED for state in states):
                return
            if any("running" in state for state in states):
                raise WarroomError("The drill's bad release runs", f"the cluster has an image {broken}", self.where)
            await asyncio.sleep(LOOK_S)
        raise WarroomError("The drill's bad release is not tried", f"no pod of {broken} in {DOWN_S:g} s", self.where)

    async def remove(self) -> None:
        """The namespace that was made here, and no other of its name."""
        hint = f"kubectl delete namespace {self.namespace}"
        if self._unanswered:
            raise WarroomError(f"The drill's {self.where} may be left behind", "its making was never answered", hint)
        if self._uid:
            body: JsonValue = {"preconditions": {"uid": self._uid}}
            where = f"/api/v1/namespaces/{self.namespace}"
            try:
                await self._send("DELETE", where, body, "delete", "namespace", self.namespace)
            except WarroomError as error:
                raise WarroomError(f"The drill's {self.where} is left behind", str(error), hint) from error

    async def _until(
        self,
        happened: Callable[[int], bool],
        at_most: float,
        otherwise: str,
        why: Callable[[], Awaitable[str]] = _no_why,
    ) -> None:
        """Raises WarroomError after ``at_most`` seconds, with what ``why`` last said; it may raise earlier."""
        where, ready, said = f"{APPS}/{self.namespace}/deployments/{NAME}", 0, ""
        for _ in range(round(at_most / LOOK_S)):
            seen = await self._send("GET", where, None, "get", "deployment", NAME, "-n", self.namespace)
            ready = int(_at(seen.data, "status", "availableReplicas") or 0)
            if happened(ready):
                return
            said = await why()
            await asyncio.sleep(LOOK_S)
        counted = f"{ready} of {REPLICAS} pods are ready after {at_most:g} s"
        raise WarroomError(otherwise, f"{counted}: {said}" if said else counted, self.where)

    async def _send(self, method: str, where: str, body: JsonValue, *words: str, **more: Any) -> CallResult:
        """Raises WarroomError with the API's words where it says no."""
        asked: dict[str, Any] = {"method": method, "path": where, "body": body, **more}
        if method in ("POST", "PATCH"):
            asked["query"] = {"fieldManager": MANAGER}
        call = ApiCall.model_validate({**asked, "line": shlex.join(("kubectl", *words))})
        assert self.plugin.sender is not None
        result = await self.plugin.sender.send(self.context, call, lambda text: None)
        self._unanswered = False
        if result.status not in call.expect:
            said = str(_at(result.data, "message") or result.text)[:300]
            raise WarroomError(f"The cluster refuses what the drill needs: {call.line}", said, self.where)
        return result


def broken_image(image: str) -> str:
    """The same repository with a tag that nobody has: what a release that was never pushed looks like."""
    repository = image.partition("@")[0]
    folder, slash, last = repository.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}:{NO_SUCH_TAG}"


def _deployment(image: str) -> JsonValue:
    """All pods are replaced at once, so that a release that does not come up serves nobody."""
    labels: dict[str, JsonValue] = {"app": NAME}
    container: dict[str, JsonValue] = {"name": CONTAINER, "image": image}
    pod: dict[str, JsonValue] = {"terminationGracePeriodSeconds": 2, "containers": [container]}
    notes: dict[str, JsonValue] = {"kubernetes.io/change-cause": "the drill's good release"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "labels": labels, "annotations": notes},
        "spec": {
            "replicas": REPLICAS,
            "minReadySeconds": 2,
            "progressDeadlineSeconds": 120,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%", "maxSurge": 0}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _states(pod: JsonValue, image: str) -> list[dict[str, JsonValue]]:
    """Of the containers that were made from this image, or are to be."""
    statuses = _at(pod, "status", "containerStatuses") or ()
    return [status.get("state") or {} for status in statuses if status.get("image") == image]


def _at(value: JsonValue, *path: str) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


@asynccontextmanager
async def ground(marks: Marked, whole: Mapping[str, JsonValue], image: str) -> AsyncIterator[Ground]:
    """The drill's place, up, for as long as the block lasts; it is removed however that ends.

    Raises WarroomError, with nothing changed, where the cluster is not the one that the runbook marks.
    """
    plugin, http = load(PLUGIN), HttpClient()
    namespace = f"warroom-drill-{secrets.token_hex(4)}"
    own: dict[str, JsonValue] = {**marks.config, "namespace": namespace, "workloads": {NAME: {"container": CONTAINER}}}
    try:
        seen = await _identity(plugin, _context(plugin, http, whole))
        if seen != marks.fingerprint:
            raise WarroomError(
                "This is not the cluster that the runbook marks",
                f"it is {seen}, and {marks.fingerprint} was expected",
                "nothing was changed; check the context and the fingerprint",
            )
        place = Ground(plugin, _context(plugin, http, own), http, namespace, image)
        try:
            await place.make()
            yield place
        finally:
            await place.remove()
    finally:
        await http.close()


def drill_settings(marks: Marked, place: Ground) -> dict[str, str]:
    """What stands for the tokens of the drill's runbook, as JSON. The identity is the cluster's with the namespace."""
    config = place.context.config.model_dump(mode="json", exclude_unset=True)
    cluster = marks.fingerprint.rpartition("/")[0] or marks.fingerprint
    values = {
        "@PLACE@": f"{marks.name}, {place.where}",
        "@FINGERPRINT@": f"{cluster}/{place.namespace}",
        "@CONFIG@": config,
    }
    return {token: json.dumps(value) for token, value in values.items()}


def _context(plugin: Plugin, http: HttpClient, config: Mapping[str, JsonValue]) -> Context:
    redactor, clock = Redactor(), SystemClock()
    secret = Secrets(redactor)
    return Context(
        platform=PLUGIN,
        config=plugin.config.model_validate(dict(config)),
        read=Reading(http, CommandLog(), clock, redactor, secret=secret),
        clock=clock,
        secret=secret,
        environment="drill",
        hide=partial(redactor.register_settings, of=PLUGIN),
        hidden=redactor.holds_secret,
    )


async def _identity(plugin: Plugin, context: Context) -> str:
    if plugin.identity is None:
        raise BadInput("The plugin kubernetes can't say which cluster it is", "", "")
    return await plugin.identity.fingerprint(context)
