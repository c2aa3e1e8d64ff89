"""The Docker engine, asked with Docker's SDK over connections of the read door; it is only ever asked, never changed.

The engine is the one that ``docker`` would talk to: a context, DOCKER_HOST, TLS files and ssh count as they do there.
Logs and events, which are followed for hours, are read without the SDK: its thread that waits for one can't be
cancelled, and its log stream does not tell stdout from stderr.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode
from weakref import WeakKeyDictionary

from warroom.api import Context, WarroomError
from warroom_compose.asking import EngineRefused as EngineRefused
from warroom_compose.asking import NotThere as NotThere
from warroom_compose.asking import Questions, refusal
from warroom_compose.config import Config
from warroom_compose.endpoint import Endpoint, endpoint

if TYPE_CHECKING:
    import httpcore

    from warroom_compose.sdk import Api

T = TypeVar("T")
NEWEST_API = (1, 45)
"""What this was written for; an older engine is asked in its own version."""
OLDEST_API = (1, 40)
_NUMBER = re.compile(r"[0-9]{1,6}")
_ANY = f"{OLDEST_API[0]}.{OLDEST_API[1]}"
"""For asking what it speaks."""


@dataclass(frozen=True)
class Version:
    engine: str
    api: str
    """Of its API, such as ``1.41``."""


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
            ssl_context=at.tls,
            max_connections=512,
            max_keepalive_connections=0,
            network_backend=self._dialing,
        )
        self._questions = Questions(at, self._dialing)
        self._version: Version | None = None

    async def close(self) -> None:
        await self._questions.close()
        await self._pool.aclose()

    async def version(self) -> Version:
        """What it is. Raises WarroomError for one too old or too new to be understood."""
        if self._version is None:
            told = await self._questions.ask(lambda api: api.version(api_version=False), _ANY, self.timeout)
            if not isinstance(told, dict):
                raise WarroomError(
                    "The Docker engine's answer can't be read", f"{self.at.name} says no version of its own"
                )
            newest, oldest = _numbers(told.get("ApiVersion")), _numbers(told.get("MinAPIVersion"))
            if newest < OLDEST_API:
                raise WarroomError(
                    f"The Docker engine at {self.at.name} is too old",
                    f"it speaks version {told.get('ApiVersion')} of its API; 1.{OLDEST_API[1]} was expected",
                    "Docker 19.03 or newer is needed",
                )
            used = max(min(newest, NEWEST_API), oldest)
            self._version = Version(str(told.get("Version", "")), f"{used[0]}.{used[1]}")
        return self._version

    async def ask(self, question: Callable[[Api], T], *, timeout: float | None = None) -> T:
        """The answer of Docker's SDK, as in ``ask(lambda api: api.info())``; ``question`` runs in a thread.

        Raises ``NotThere``, ``EngineRefused``, ``Unreachable`` or ``TimedOut``.
        """
        return await self._questions.ask(question, (await self.version()).api, timeout or self.timeout)

    async def read(self, path: str, *, timeout: float | None = None, **query: object) -> AsyncIterator[bytes]:
        """The bytes that ``path`` gives, as they come. ``timeout`` None: it may be silent for as long as it likes."""
        api = (await self.version()).api
        return self._bytes(f"/v{api}{path}{_query(query)}", timeout)

    async def _bytes(self, target: str, silence: float | None) -> AsyncIterator[bytes]:
        async with self._asked(target, silence) as response:
            async for chunk in response.aiter_stream():
                yield chunk

    @contextlib.asynccontextmanager
    async def _asked(self, target: str, silence: float | None) -> AsyncIterator[httpcore.Response]:
        """An answer with a good status; its errors, and those while it is read, in this house's words."""
        import httpcore

        seconds = self.timeout
        patience = {"connect": seconds + self.at.slow_s, "write": seconds, "read": silence, "pool": seconds}
        url = httpcore.URL(scheme=self._origin, host=self.at.hostname.encode(), port=None, target=target.encode())
        sent = [("Host", "docker"), ("User-Agent", "warroom"), ("Connection", "close")]
        try:
            async with self._pool.stream("GET", url, headers=sent, extensions={"timeout": patience}) as response:
                if response.status >= 300:
                    await self._refused(target, response)
                yield response
        except httpcore.TimeoutException as error:
            raise self._dialing.late(seconds, target.partition("?")[0]) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise await self._dialing.lost(error) from error

    async def _refused(self, target: str, response: httpcore.Response) -> None:
        body = (await response.aread())[:4000]
        try:
            message = str(json.loads(body)["message"])
        except (ValueError, KeyError, TypeError):
            message = body.decode("utf-8", "replace").strip()
        raise refusal(target.partition("?")[0], message, response.status)


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
    return (int(major), int(minor)) if _NUMBER.fullmatch(major) and _NUMBER.fullmatch(minor) else (0, 0)
