"""Requests to one cluster: connections, TLS and proxies by ``kubernetes.aio``, bounded in time and bytes.

Answers are plain JSON, never the client's models, which take many times the memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from warroom.api import Context, TimedOut, WarroomError
from warroom_kubernetes.reach.clocks import Ahead
from warroom_kubernetes.reach.errors import refusal
from warroom_kubernetes.reach.kubeconfig import Reach
from warroom_kubernetes.reach.login import Login, Logins
from warroom_kubernetes.reach.missed import missed

if TYPE_CHECKING:
    import aiohttp

    from warroom_kubernetes.reach.rest import Rest

BODY_LIMIT = 64 * 2**20
"""Bytes of one answer, unpacked. A page of 500 Pods has about five million."""
AT_ONCE = 24
"""Questions under way; the others wait. What is followed does not count."""
AGAIN = 4
"""How often a request is sent again that the cluster put off (429), which it did not carry out."""
LONGEST_WAIT = 5.0
"""Seconds between two of these, whatever the cluster asks for."""

Query = Mapping[str, str | int | bool]


class Client:
    """Made by ``asking.cluster``."""

    def __init__(self, ctx: Context, reach: Reach, logins: Logins, ahead: Ahead) -> None:
        self.reach = reach
        self.logins = logins
        self._ahead = ahead
        self._ctx = ctx
        self._few = asyncio.Semaphore(AT_ONCE)
        self._making = asyncio.Lock()
        self._rests: dict[bool, tuple[tuple[bytes, bytes], Rest]] = {}
        """By whether each request has a connection of its own; with the client certificate that it was made with."""
        self._old: list[Rest] = []

    @property
    def name(self) -> str:
        return self.reach.server

    async def close(self) -> None:
        rests = [*self._old, *(rest for _, rest in self._rests.values())]
        self._old, self._rests = [], {}
        for rest in rests:
            await rest.close()

    async def json(self, method: str, path: str, query: Query, body: Any, content_type: str, seconds: float) -> Any:
        """The answer's JSON. Raises ``ApiRefused`` and its kinds, ``Unreachable``, ``CannotLook`` or ``TimedOut``."""
        status, data = await self.asked(method, path, query, body, content_type, seconds)
        answer = parsed(data)
        if status >= 300:
            raise refusal(f"{method} {path}", status, answer, _words(data))
        if answer is None:
            raise WarroomError(f"The answer of {self.name} can't be read", f"{path} gave no JSON", "is it a cluster?")
        return answer

    async def asked(
        self,
        method: str,
        path: str,
        query: Query,
        body: Any,
        content_type: str,
        seconds: float,
        *,
        once: bool = False,
    ) -> tuple[int, bytes]:
        """Status and body. Of a login that is refused, a new one is tried, once.

        ``once``: over a connection of its own, so that none that was lost meanwhile leaves open whether it came, and
        nothing beneath sends it a second time.
        """
        async with self._few, self._in_time(path, seconds):
            for again in range(AGAIN + 1):
                async with self._open(method, path, query, body, content_type, seconds, once) as response:
                    data = await self._bounded(path, response)
                    wait = _put_off(response)
                if wait is None or again == AGAIN:
                    return response.status, data
                await self._ctx.clock.sleep(wait)
        raise AssertionError("the last time was answered")

    @contextlib.asynccontextmanager
    async def followed(self, path: str, query: Query, seconds: float) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer with a good status, to be read as it comes. ``seconds`` until it begins."""
        async with self._open("GET", path, query, None, "application/json", seconds) as response:
            if response.status >= 300:
                async with self._in_time(path, seconds):
                    data = await self._bounded(path, response)
                raise refusal(f"GET {path}", response.status, parsed(data), _words(data))
            yield response

    @contextlib.asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        query: Query,
        body: Any,
        content_type: str,
        seconds: float,
        once: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        import aiohttp

        response: aiohttp.ClientResponse | None = None
        try:
            async with self._in_time(path, seconds):
                login = await self.logins.get(self._ctx)
                response = await self._sent(login, once, method, path, query, body, content_type)
                if response.status == 401:
                    response.close()
                    login = await self.logins.renewed(self._ctx, login)
                    response = await self._sent(login, once, method, path, query, body, content_type)
            self._ahead.take(response.headers.get("Date", ""), self._ctx.clock.now())
            yield response
        except (aiohttp.ClientError, ssl.SSLError, OSError) as error:
            raise missed(self.reach, error) from error
        finally:
            if response is not None:
                response.close() if not response.content.at_eof() else response.release()

    async def _sent(
        self, login: Login, once: bool, method: str, path: str, query: Query, body: Any, content_type: str
    ) -> aiohttp.ClientResponse:
        from multidict import CIMultiDict

        rest = await self._connections(login, once)
        headers: CIMultiDict[str] = CIMultiDict({"Accept": "application/json, */*;q=0.5", "User-Agent": "warroom"})
        headers["Content-Type"] = content_type
        headers.extend(login.headers)
        return await rest.sent(method, f"{self.reach.server}{path}{query_text(query)}", headers, body)

    async def _connections(self, login: Login, once: bool) -> Rest:
        """Those of this login's certificate; what is still followed over those of the one before goes on there."""
        async with self._making:
            tls, rest = self._rests.get(once, (None, None))
            if rest is None or tls != login.tls:
                made = await asyncio.to_thread(_made, self.reach, login, once)
                if rest is not None:
                    self._old.append(rest)
                self._rests[once] = (login.tls, made)
                return made
            return rest

    @contextlib.asynccontextmanager
    async def _in_time(self, path: str, seconds: float) -> AsyncIterator[None]:
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            if self.logins.waits:
                title = f"The login for {self.name} is not there after {seconds:g} s"
                raise TimedOut(title, f"nobody was asked for {path} yet", "run its login program yourself") from None
            raise TimedOut(f"{self.name} did not answer in {seconds:g} s", path, "is the way to it open?") from None

    async def _bounded(self, path: str, response: aiohttp.ClientResponse) -> bytes:
        parts, size = [], 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > BODY_LIMIT:
                raise WarroomError(
                    f"The answer of {self.name} is too long", f"{path} gave more than {BODY_LIMIT // 2**20} MB"
                )
            parts.append(part)
        return b"".join(parts)


def _made(reach: Reach, login: Login, once: bool) -> Rest:
    """In a thread: the client takes its time to be imported."""
    try:
        from warroom_kubernetes.reach.rest import Rest
    except ImportError as error:
        hint = "pip install 'warroom[kubernetes]'"
        raise WarroomError("The Kubernetes client is not installed", f"no module {error.name}", hint) from error
    return Rest(reach, login, once)


def query_text(query: Query) -> str:
    told = {name: str(v).lower() if isinstance(v, bool) else v for name, v in query.items()}
    return f"?{urlencode(told)}" if told else ""


def parsed(data: bytes) -> Any:
    """None for what is no JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _words(data: bytes) -> str:
    return " ".join(data[:2000].decode("utf-8", "replace").split())


def _put_off(response: aiohttp.ClientResponse) -> float | None:
    """How long to wait before the same is asked again, in seconds; None where that would be of no use."""
    after = response.headers.get("Retry-After", "").strip()
    if response.status != 429 or not (after.isascii() and after.isdigit()):
        return None
    return min(max(float(after), 0.1), LONGEST_WAIT)
