"""The Docker engine, asked over its HTTP API through the read door; it is only ever asked, with GET and HEAD.

The engine is the one that ``docker`` would talk to: a context, DOCKER_HOST, TLS files and ssh count as they do there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from weakref import WeakKeyDictionary

from warroom.api import Context, TimedOut, Unreachable, WarroomError
from warroom_compose.config import Config
from warroom_compose.endpoint import Endpoint, endpoint

if TYPE_CHECKING:
    import httpcore

NEWEST_API = (1, 45)
"""What this was written for; an older engine is asked in its own version."""
OLDEST_API = (1, 40)
BODY_LIMIT = 64 * 2**20
AT_ONCE = 16
"""Short questions under way; the others wait. Streams don't count."""
AT_ONCE_STARTED = 3
"""The same where each connection is a program of its own, which takes longer to start than to ask."""
_IDLE_S = 30


class EngineRefused(WarroomError):
    """The engine answered, and said no. ``status`` is its HTTP status."""

    def __init__(self, title: str, cause: str = "", hint: str = "", *, status: int = 0) -> None:
        super().__init__(title, cause, hint)
        self.status = status


class NotThere(EngineRefused):
    """There is no such container or image (404)."""


@dataclass(frozen=True)
class Version:
    engine: str
    api: str
    """As it stands in paths: ``v1.41``."""


class Engine:
    """One engine. Made by ``engine(ctx)``; ``timeout`` in seconds is that of a question that says none of its own."""

    def __init__(self, ctx: Context, at: Endpoint) -> None:
        import httpcore

        from warroom_compose.wire import Dialing

        config: Config = ctx.config
        self.at = at
        self.timeout = config.timeout
        self.users = 0
        self._origin = b"https" if at.tls is not None else b"http"
        self._dialing = Dialing(ctx.read, at)
        self._pool: httpcore.AsyncConnectionPool = httpcore.AsyncConnectionPool(
            ssl_context=at.tls or ssl.create_default_context(),
            max_connections=512,
            max_keepalive_connections=4,
            keepalive_expiry=_IDLE_S,
            network_backend=self._dialing,
        )
        self._version: Version | None = None
        self._few = asyncio.Semaphore(AT_ONCE if isinstance(at.to, str) else AT_ONCE_STARTED)

    async def close(self) -> None:
        await self._pool.aclose()

    async def version(self) -> Version:
        """What it is. Raises WarroomError for one too old or too new to be understood."""
        if self._version is None:
            told = await self._json("/version", self.timeout)
            newest, oldest = _numbers(told.get("ApiVersion")), _numbers(told.get("MinAPIVersion"))
            if newest < OLDEST_API:
                raise WarroomError(
                    f"The Docker engine at {self.at.name} is too old",
                    f"it speaks version {told.get('ApiVersion')} of its API; 1.{OLDEST_API[1]} was expected",
                    "Docker 19.03 or newer is needed",
                )
            used = max(min(newest, NEWEST_API), oldest)
            self._version = Version(str(told.get("Version", "")), f"v{used[0]}.{used[1]}")
        return self._version

    async def get(self, path: str, *, timeout: float | None = None, **query: object) -> Any:
        """The JSON that ``path`` gives, such as ``/containers/json``. In the query, lists and objects become JSON.

        Raises ``NotThere``, ``EngineRefused``, ``Unreachable`` or ``TimedOut``.
        """
        seconds = timeout or self.timeout
        api = (await self.version()).api
        return await self._json(f"/{api}{path}{_query(query)}", seconds)

    async def read(self, path: str, *, timeout: float | None = None, **query: object) -> AsyncIterator[bytes]:
        """The bytes that ``path`` gives, as they come. ``timeout`` None: it may be silent for as long as it likes."""
        api = (await self.version()).api
        return self._bytes(f"/{api}{path}{_query(query)}", timeout)

    async def asked_with(self, path: str, *, headers: Mapping[str, str], timeout: float) -> Any:
        """As ``get``, with headers of one's own."""
        api = (await self.version()).api
        return await self._json(f"/{api}{path}", timeout, headers)

    async def _json(self, target: str, seconds: float, headers: Mapping[str, str] | None = None) -> Any:
        body = bytearray()
        async with self._few, self._asked(target, seconds, seconds, headers) as response:
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise WarroomError("The Docker engine's answer is too long", f"{target} gave over {BODY_LIMIT} B")
        try:
            return json.loads(bytes(body))
        except ValueError as error:
            raise WarroomError("The Docker engine's answer can't be read", f"{target} gave no JSON") from error

    async def _bytes(self, target: str, silence: float | None) -> AsyncIterator[bytes]:
        async with self._asked(target, self.timeout, silence, None) as response:
            async for chunk in response.aiter_stream():
                yield chunk

    @contextlib.asynccontextmanager
    async def _asked(
        self, target: str, seconds: float, silence: float | None, headers: Mapping[str, str] | None
    ) -> AsyncIterator[httpcore.Response]:
        """An answer with a good status; its errors, and those while it is read, in this house's words."""
        import httpcore

        patience = {"connect": seconds + self.at.slow_s, "write": seconds, "read": silence, "pool": seconds}
        url = httpcore.URL(scheme=self._origin, host=self.at.hostname.encode(), port=None, target=target.encode())
        sent = {"Host": "docker", "User-Agent": "warroom", **(headers or {})}
        try:
            async with self._pool.stream(
                "GET", url, headers=list(sent.items()), extensions={"timeout": patience}
            ) as response:
                if response.status >= 300:
                    await self._refused(target, response)
                yield response
        except httpcore.TimeoutException as error:
            raise TimedOut(
                f"The Docker engine at {self.at.name} did not answer in {seconds:g} s",
                target.partition("?")[0],
                "is it busy, or the way to it slow?",
            ) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            cause = await self._dialing.why() or str(error) or type(error).__name__
            raise Unreachable(
                f"The Docker engine at {self.at.name} could not be reached", cause, self.at.hint(cause)
            ) from error

    async def _refused(self, target: str, response: httpcore.Response) -> None:
        body = (await response.aread())[:4000]
        try:
            message = str(json.loads(body)["message"])
        except (ValueError, KeyError, TypeError):
            message = body.decode("utf-8", "replace").strip()
        kind = NotThere if response.status == 404 else EngineRefused
        raise kind(f"The Docker engine refused {target.partition('?')[0]}", message[:500], status=response.status)


_shared: WeakKeyDictionary[Any, dict[tuple[str | None, str | None], Engine]] = WeakKeyDictionary()


@contextlib.asynccontextmanager
async def engine(ctx: Context) -> AsyncIterator[Engine]:
    """The engine of ``ctx.config``. Who uses it at the same time through the same door shares its connections; they
    are closed with the last one."""
    config: Config = ctx.config
    engines = _shared.setdefault(ctx.read, {})
    key = (config.context, config.host)
    if key not in engines:
        at = await endpoint(ctx)
        engines.setdefault(key, Engine(ctx, at))
    one = engines[key]
    one.users += 1
    try:
        yield one
    finally:
        one.users -= 1
        if not one.users:
            engines.pop(key, None)
            await one.close()


def _query(query: Mapping[str, object]) -> str:
    told = {
        name: value if isinstance(value, str | int | float) else json.dumps(value)
        for name, value in query.items()
        if value is not None
    }
    return f"?{urlencode({name: int(v) if isinstance(v, bool) else v for name, v in told.items()})}" if told else ""


def part(text: str) -> str:
    """One part of a path: an id or an image's name, which may hold ``/`` and ``:``."""
    return quote(text, safe="/:@")


def _numbers(text: object) -> tuple[int, int]:
    major, _, minor = str(text or "0.0").partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)
