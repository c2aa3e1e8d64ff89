"""Questions to one cluster, each in the command log as kubectl would ask it. Nothing here changes anything, except
``send``, which sends a Call that was approved."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary

from warroom.api import BadInput, Context, DoorRefused, TimedOut, WarroomError
from warroom.model.call import ApiCall, CallResult
from warroom_kubernetes.config import Config
from warroom_kubernetes.reach.client import Client, Query, parsed, query_text
from warroom_kubernetes.reach.clocks import Ahead
from warroom_kubernetes.reach.errors import ApiRefused as ApiRefused
from warroom_kubernetes.reach.errors import Conflict as Conflict
from warroom_kubernetes.reach.errors import Forbidden as Forbidden
from warroom_kubernetes.reach.errors import Gone as Gone
from warroom_kubernetes.reach.errors import Invalid as Invalid
from warroom_kubernetes.reach.errors import LoginRefused as LoginRefused
from warroom_kubernetes.reach.errors import NotThere as NotThere
from warroom_kubernetes.reach.kubeconfig import Reach, User, reach
from warroom_kubernetes.reach.login import Login, Logins
from warroom_kubernetes.reach.paths import VERSIONS
from warroom_kubernetes.reach.paths import path as path_of

_Key = tuple[object, ...]
T = TypeVar("T")
PAGE = 500
"""Objects that one answer of a list has."""
MOST_PAGES = 1000
TEXT_LIMIT = 65536
LATELY_S = 10.0
"""How long an answer stands in for a question that is asked again (``Cluster.lately``)."""
LINE_LIMIT = 8 * 2**20
"""Bytes of one line that is followed; a longer one is cut, and its rest left out."""
JSON_TYPE = "application/json"
JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True)
class Listed:
    """All of a list, and the version to watch from."""

    items: tuple[dict[str, Any], ...]
    version: str


@dataclass(frozen=True)
class May:
    """Whether whoever is logged in may do something; ``why`` where the API says so."""

    allowed: bool
    why: str = ""


class Cluster:
    """One cluster, by ``async with cluster(ctx) as api``.

    Every question raises ``NotThere``, ``Forbidden``, ``Conflict``, ``Gone``, ``Invalid``, ``LoginRefused`` or another
    ``ApiRefused`` when the API says no, ``Unreachable`` (``CannotLook``) or ``TimedOut`` when it says nothing.
    ``timeout`` is in seconds, ``request_s`` of the configuration where it is left out.
    """

    def __init__(self, ctx: Context, at: Reach, logins: Logins, ahead: Ahead) -> None:
        config: Config = ctx.config
        self.at = at
        self.context = at.context
        self.namespace = at.namespace
        self.server = at.server
        self.timeout = config.request_s
        self.kubectl = kubectl(config, at)
        """As command lines that people paste begin: the program and the context."""
        self.users = 0
        self._ctx = ctx
        self._logins = logins
        self._client = Client(ctx, at, logins, ahead)
        self._versions: dict[str, str] = {}
        self._finding = asyncio.Lock()
        self._lately: dict[_Key, tuple[float, Any]] = {}

    @property
    def login(self) -> Login | None:
        """The one in use; None before the first question."""
        return self._logins.known

    async def close(self) -> None:
        await self._client.close()

    async def lately(self, key: _Key, ask: Callable[[], Awaitable[T]]) -> T:
        """What ``ask`` gives, or gave in the last seconds under this key. Only for what nothing hangs on: notes for
        people, and questions that the change itself puts to the cluster again. What it raises is not kept."""
        now = self._ctx.clock.monotonic()
        self._lately = {one: kept for one, kept in self._lately.items() if now - kept[0] < LATELY_S}
        if key not in self._lately:
            self._lately[key] = (now, await ask())
        found: T = self._lately[key][1]
        return found

    async def version(self, resource: str) -> str:
        """Its group and version: the newest of ``paths.VERSIONS`` that this cluster serves, asked once. The newest of
        all where none is served, or where nobody may ask."""
        known = VERSIONS[resource]
        if len(known) == 1:
            return known[0]
        async with self._finding:
            if resource not in self._versions and (served := await self._served(resource, known)):
                self._versions[resource] = served
        return self._versions.get(resource, known[0])

    async def where(self, resource: str, *, namespace: str = "", name: str = "", sub: str = "") -> str:
        """Its path, in the version that this cluster serves."""
        return path_of(await self.version(resource), resource, namespace=namespace, name=name, sub=sub)

    async def _served(self, resource: str, known: tuple[str, ...]) -> str:
        for version in known:
            try:
                answer = await self.get(f"/apis/{version}")
            except NotThere:
                continue
            except Forbidden:
                return ""
            if any(one.get("name") == resource for one in answer.get("resources") or ()):
                return version
        return ""

    async def get(self, path: str, query: Query | None = None, *, timeout: float | None = None) -> dict[str, Any]:
        """One object, or one page of a list."""
        answer = await self._asked("GET", path, query or {}, timeout=timeout)
        if not isinstance(answer, dict):
            raise WarroomError(f"The answer of {self.server} can't be read", f"{path}: an object was expected")
        return answer

    async def pages(
        self, path: str, query: Query | None = None, *, page: int = PAGE, timeout: float | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """A list, page by page. ``Gone`` where it took so long that the cluster no longer keeps what it began with."""
        going = ""
        for _ in range(MOST_PAGES):
            asked = {**(query or {}), "limit": page, **({"continue": going} if going else {})}
            answer = await self.get(path, asked, timeout=timeout)
            yield answer
            going = str((answer.get("metadata") or {}).get("continue") or "")
            if not going:
                return
        raise WarroomError(f"The list of {self.server} does not end", f"{path}: more than {MOST_PAGES} pages")

    async def each(
        self, path: str, query: Query | None = None, *, page: int = PAGE, timeout: float | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The items of a list. Items of a list say neither ``kind`` nor ``apiVersion``."""
        async for answer in self.pages(path, query, page=page, timeout=timeout):
            for item in answer.get("items") or ():
                yield item

    async def listed(
        self, path: str, query: Query | None = None, *, page: int = PAGE, timeout: float | None = None
    ) -> Listed:
        """All of a list; asked again from the beginning where that was no longer kept."""
        for _ in range(3):
            items: list[dict[str, Any]] = []
            version = ""
            try:
                async for answer in self.pages(path, query, page=page, timeout=timeout):
                    items += answer.get("items") or ()
                    version = str((answer.get("metadata") or {}).get("resourceVersion") or "")
            except Gone:
                continue
            return Listed(tuple(items), version)
        raise Gone(f"The list of {self.server} changed faster than it could be read", path, status=410)

    async def text(
        self, path: str, query: Query | None = None, *, at_most: int = 2**20, timeout: float | None = None
    ) -> str:
        """The beginning of an answer that is no JSON, such as ``…/log``: at most so many bytes."""
        seconds = timeout or self.timeout
        return (
            await self._ctx.read.ask(
                self._raw(path, query or {}), self._beginning(path, query or {}, at_most, seconds), timeout=seconds
            )
        ).decode("utf-8", "replace")

    async def stream(
        self, path: str, query: Query | None = None, *, silence: float | None = None, timeout: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Lines as they come, without their ends: a watch, or a log that is followed. Ends when the cluster ends it.

        ``timeout`` is for its beginning. ``TimedOut`` where nothing comes for ``silence`` seconds, None: for ever. Who
        stops before its end closes it: ``async with contextlib.aclosing(api.stream(…)) as lines``.
        """
        seconds = timeout or self.timeout
        async with contextlib.AsyncExitStack() as stack:
            opened = stack.enter_async_context(self._client.followed(path, query or {}, seconds))
            answer = await self._ctx.read.ask(
                self._raw(path, query or {}), opened, timeout=seconds, status=lambda got: got.status
            )
            rest = b""
            cut = False
            while chunk := await self._chunk(answer.content.readany(), path, silence):
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    if not cut:
                        yield line
                    cut = False
                if len(rest) > LINE_LIMIT:
                    if not cut:
                        yield rest[:LINE_LIMIT]
                    rest, cut = b"", True
            if rest and not cut:
                yield rest

    async def dry_run(
        self,
        method: Literal["POST", "PUT", "PATCH", "DELETE"],
        path: str,
        body: Any = None,
        *,
        content_type: str = JSON_TYPE,
        query: Query | None = None,
        line: str = "",
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """What the cluster would answer, and whether it would refuse: it checks all, and keeps nothing."""
        asked = {**(query or {}), "dryRun": "All"}
        line = line or shlex.join([*self.kubectl, method.lower(), "--raw", f"{path}{query_text(asked)}"])
        answer = await self._asked(method, path, asked, body, content_type, line=line, timeout=timeout)
        return answer if isinstance(answer, dict) else {}

    async def may(
        self, verb: str, resource: str, *, group: str = "", sub: str = "", name: str = "", namespace: str | None = None
    ) -> May:
        """A SelfSubjectAccessReview. ``namespace`` empty for what is in none; left out, that of the configuration."""
        where = self.namespace if namespace is None else namespace
        attributes = {"verb": verb, "resource": resource, "group": group, "subresource": sub, "name": name}
        spec = {
            "resourceAttributes": {key: value for key, value in {**attributes, "namespace": where}.items() if value}
        }
        kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        named = f"{resource}{f'.{group}' if group else ''}{f'/{name}' if name else ''}"
        words = [*self.kubectl, "auth", "can-i", verb, named, *(["--subresource", sub] if sub else [])]
        line = shlex.join([*words, *(["-n", where] if where else [])])
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = await self._asked("POST", path, {}, {**kind, "spec": spec}, line=line)
        status = answer.get("status") if isinstance(answer, dict) else None
        if not isinstance(status, dict) or not isinstance(status.get("allowed"), bool):
            raise WarroomError(f"The answer of {self.server} can't be read", f"{verb} {named}: neither yes nor no")
        return May(status["allowed"], str(status.get("reason") or status.get("evaluationError") or "")[:300])

    async def send(self, call: ApiCall) -> CallResult:
        """Sends one approved request; any status is an answer. For the sender alone: it is the change door's log that
        this stands in."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        status, data = await self._client.asked(
            call.method, call.path, call.query, call.body, call.content_type, call.timeout_s, once=call.method != "GET"
        )
        text = data[: 4 * TEXT_LIMIT].decode("utf-8", "replace")[:TEXT_LIMIT]
        return CallResult(status=status, text=text, data=parsed(data), seconds=loop.time() - began)

    async def _asked(
        self,
        method: str,
        path: str,
        query: Query,
        body: Any = None,
        content_type: str = JSON_TYPE,
        *,
        line: str = "",
        timeout: float | None = None,
    ) -> Any:
        if not (method == "GET" or query.get("dryRun") == "All" or path.endswith("/selfsubjectaccessreviews")):
            raise DoorRefused(f"{method} {path} was not asked", "it would change something", "")
        seconds = timeout or self.timeout
        work = self._client.json(method, path, query, body, content_type, seconds)
        return await self._ctx.read.ask(line or self._raw(path, query), work, timeout=seconds + 1)

    async def _beginning(self, path: str, query: Query, at_most: int, seconds: float) -> bytes:
        parts, size = [], 0
        async with self._client.followed(path, query, seconds) as answer:
            async for part in answer.content.iter_any():
                parts.append(part[: at_most - size])
                size += len(part)
                if size >= at_most:
                    break
        return b"".join(parts)

    async def _chunk(self, coming: Any, path: str, silence: float | None) -> bytes:
        limit = asyncio.timeout(silence)
        try:
            async with limit:
                return bytes(await coming)
        except TimeoutError:
            if not limit.expired():
                raise
            raise TimedOut(
                f"{self.server} has said nothing for {silence:g} s", path, "is the way to it open?"
            ) from None

    def _raw(self, path: str, query: Query) -> str:
        return shlex.join([*self.kubectl, "get", "--raw", f"{path}{query_text(query)}"])


_shared: WeakKeyDictionary[Any, dict[_Key, Cluster]] = WeakKeyDictionary()
_logins: WeakKeyDictionary[Any, dict[_Key, tuple[Reach, Logins]]] = WeakKeyDictionary()
"""Kept longer than connections: a login program takes its time, and asks a person's provider."""
_aheads: WeakKeyDictionary[Any, dict[_Key, Ahead]] = WeakKeyDictionary()


@contextlib.asynccontextmanager
async def cluster(ctx: Context) -> AsyncIterator[Cluster]:
    """The cluster of ``ctx.config``. Who uses it at the same time through the same door shares its connections; they
    are closed with the last one. Raises ``BadInput`` for a kubeconfig that can't be used."""
    config: Config = ctx.config
    clusters = _shared.setdefault(ctx.read, {})
    key = _key(config)
    if key not in clusters:
        at = await asyncio.to_thread(reach, config)
        logins = _login_of(ctx, config, at)
        if key not in clusters:
            clusters[key] = Cluster(ctx, at, logins, _ahead_of(ctx))
    one = clusters[key]
    one.users += 1
    try:
        yield one
    finally:
        one.users -= 1
        if not one.users:
            clusters.pop(key, None)
            await one.close()


def ahead(ctx: Context) -> timedelta:
    """By how much the cluster's clock is ahead of ours, as far as it has answered through this door."""
    return _ahead_of(ctx).by


def server_now(ctx: Context) -> datetime:
    """By the cluster's clock: what the times that its objects carry are held against."""
    return ctx.clock.now() + ahead(ctx)


def _ahead_of(ctx: Context) -> Ahead:
    return _aheads.setdefault(ctx.read, {}).setdefault(_key(ctx.config), Ahead())


def _key(config: Config) -> _Key:
    return (
        config.context,
        config.kubeconfig,
        config.in_cluster,
        config.namespace,
        config.login_programs,
        config.request_s,
    )


def _login_of(ctx: Context, config: Config, at: Reach) -> Logins:
    """The login that there is already, where the kubeconfig still means the same."""
    logins = _logins.setdefault(ctx.read, {})
    key = _key(config)
    if key not in logins or logins[key][0] != at:
        logins[key] = (at, Logins(at.user, lambda: _user_again(config, at)))
    return logins[key][1]


def _user_again(config: Config, at: Reach) -> User:
    """Whoever the kubeconfig names by now, for the same cluster: no login goes to another than it was made for."""
    now = reach(config)
    if (now.server, now.ca, now.insecure) != (at.server, at.ca, at.insecure):
        raise BadInput(
            f"The kubeconfig means another cluster by now: {now.server}",
            f"{at.context} was {at.server} when this began ({at.source})",
            "start warroom again if that is meant",
        )
    return now.user


def kubectl(config: Config, at: Reach) -> tuple[str, ...]:
    named = ("--kubeconfig", config.kubeconfig) if config.kubeconfig is not None else ()
    return (
        "kubectl",
        *named,
        *(() if at.user.token_file and at.context == "in-cluster" else ("--context", at.context)),
    )
