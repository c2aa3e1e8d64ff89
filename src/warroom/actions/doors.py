"""The read door: everything that is only looked at goes through here. What changes something: ``changing``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import ConfigDict, JsonValue, TypeAdapter

from warroom import process
from warroom.actions import bodies, handing
from warroom.actions.commands import CommandLog
from warroom.actions.missed import missed
from warroom.actions.stores import Stores
from warroom.api import Address, Clock, Connection, Rows, SecretResolver, Snapshot
from warroom.errors import DoorRefused, TimedOut, Unreachable, WarroomError
from warroom.files import opened
from warroom.model.call import CallResult, PgPass
from warroom.redact import Redactor

if TYPE_CHECKING:
    import httpx

    from warroom.actions.sql_reading import Server

T = TypeVar("T")
TEXT_LIMIT = 65536
BODY_LIMIT = 8 * 1024 * 1024
_SECRET_PARAMETERS = ("password", "sslpassword")
_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue, config=ConfigDict(allow_inf_nan=False))


class HttpClient:
    """One httpx client, made on first use (``warroom.actions.connecting``)."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    def get(self) -> httpx.AsyncClient:
        if self._client is None:
            from warroom.actions.connecting import client

            self._client = client()
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        cookies: Mapping[str, str] | None = None,
    ) -> CallResult:
        """Raises Unreachable, TimedOut, or DoorRefused for an address never asked; any HTTP status is an answer.

        A body is read up to ``BODY_LIMIT`` bytes.
        """
        import httpx

        sent = dict(headers or {})
        if cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        began = asyncio.get_running_loop().time()
        stalled = "no reply came"
        try:
            async with asyncio.timeout(timeout):
                request = self.get().build_request(method, url, headers=sent, json=body, timeout=timeout)
                request.headers["Accept-Encoding"] = bodies.ACCEPTED
                response = await self.get().send(request, stream=True)
                stalled = f"its reply (HTTP {response.status_code}) began, and did not end"
                try:
                    data, whole = await bodies.bounded(response, BODY_LIMIT)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            raise TimedOut(f"{_host(url)} did not answer in {timeout:g} s", stalled) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise missed(_host(url), error) from None
        return _result(response, data, asyncio.get_running_loop().time() - began, whole)


def _result(response: httpx.Response, data: bytes, seconds: float, whole: bool = True) -> CallResult:
    text = data.decode("utf-8", "replace")
    parsed: JsonValue = None
    if "json" in response.headers.get("content-type", ""):
        try:
            parsed = _JSON.validate_python(json.loads(text))
        except (ValueError, RecursionError):  # nothing that can be kept: NaN, or a thousand lists in one another
            parsed = None
    return CallResult(
        status=response.status_code,
        text=text[:TEXT_LIMIT],
        data=parsed,
        seconds=seconds,
        cookies=_cookies(response.headers.get_list("set-cookie")),
        location=response.headers.get("location", "")[:4000],
        retry_after_s=_retry_after(response.headers.get("retry-after", "")),
        headers=bodies.shown(response.headers),
        whole=whole,
    )


def _cookies(headers: list[str]) -> dict[str, str]:
    """Names and values that the reply sets, whatever domain and path they are for: they go back only to where they
    came from."""
    pairs = [header.split(";", 1)[0].partition("=") for header in headers]
    return {name.strip(): value.strip().strip('"') for name, equals, value in pairs if equals and name.strip()}


def _retry_after(header: str) -> float | None:
    """Seconds, at most a day. A date is not read: it would trust the other side's clock."""
    text = header.strip()
    return min(float(text), 86400.0) if text.isascii() and text.isdigit() else None


def _host(url: str) -> str:
    import httpx

    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        return "the address"
    return parsed.netloc.decode("ascii", "replace").rpartition("@")[2]


class Reading:
    """``warroom.api.ReadDoor``. What comes back is raw: whatever is kept of it passes the ingress first."""

    def __init__(
        self,
        http: HttpClient,
        log: CommandLog,
        clock: Clock,
        cleaner: Redactor,
        *,
        stores: Stores | None = None,
        secret: SecretResolver | None = None,
    ) -> None:
        """Without ``stores`` and ``secret``, no database and no cache can be read."""
        self._http = http
        self._log = log
        self._clock = clock
        self._cleaner = cleaner
        self._stores = stores
        self._secret = secret
        self._hidden: set[str] = set()

    async def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str | PgPass] | None = None,
        cwd: Path | None = None,
        stdin: str | PgPass | None = None,
        stdin_file: Path | None = None,
        stdin_held: bool = False,
        stdout_file: Path | None = None,
        on_line: process.OnLine | None = None,
    ) -> CallResult:
        at = self._clock.now()
        with contextlib.ExitStack() as stack:
            given = stack.enter_context(handing.handed(env or {}, str, self._named))
            feed: bytes | int | None = None
            if stdin is not None:
                feed = (handing.pgpass(stdin, self._named) if isinstance(stdin, PgPass) else stdin).encode()
            if stdin_file is not None:
                feed = stack.enter_context(handing.reading(stdin_file))
            if stdin_held:
                feed = stack.enter_context(handing.held(feed if isinstance(feed, bytes) else b""))
            out = stack.enter_context(opened(stdout_file, os.O_WRONLY)) if stdout_file is not None else None
            done = await process.run(
                argv,
                timeout=timeout,
                env=given.env,
                cwd=cwd,
                stdin=feed,
                stdout=out,
                pass_fds=given.fds,
                output_limit=BODY_LIMIT,
                on_line=on_line,
            )
        text = (done.stdout + done.stderr).decode("utf-8", "replace")[:TEXT_LIMIT]
        self._log.add(at, "read", self._cleaner.clean(shlex.join(argv)), done.returncode, done.duration)
        return CallResult(status=done.returncode, text=text, seconds=done.duration)

    async def http(
        self,
        method: Literal["GET", "HEAD", "POST"],
        url: str,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, JsonValue] | None = None,
        cookies: Mapping[str, str] | None = None,
    ) -> CallResult:
        at = self._clock.now()
        line = self._cleaner.clean(f"curl -fsS -X {method} {shlex.quote(url)}")
        try:
            result = await self._http.request(method, url, timeout=timeout, headers=headers, body=body, cookies=cookies)
        except WarroomError as error:
            self._log.add(at, "read", self._cleaner.clean(f"{line}  # {error.title}"), None, None)
            raise
        self._log.add(at, "read", line, result.status, result.seconds)
        return result

    async def stream(self, url: str, *, headers: Mapping[str, str] | None = None) -> AsyncIterator[str]:
        """Returns the lines as an async iterator. Raises Unreachable where it can't be opened or breaks."""
        self._log.add(self._clock.now(), "read", self._cleaner.clean(f"curl -fsSN {shlex.quote(url)}"), None, None)
        return self._lines(url, headers)

    async def _lines(self, url: str, headers: Mapping[str, str] | None) -> AsyncIterator[str]:
        import httpx

        try:
            client = self._http.get()
            sent = {**dict(headers or {}), "Accept-Encoding": "identity"}
            async with client.stream("GET", url, headers=sent, timeout=httpx.Timeout(10, read=None)) as got:
                if got.status_code != 200:
                    raise Unreachable(f"{_host(url)} answered {got.status_code}", "a stream of lines was expected")
                if got.headers.get("content-encoding", "identity").lower() != "identity":
                    raise Unreachable(f"{_host(url)} could not be followed", "its lines are packed, unlike asked")
                async for line in got.aiter_lines():
                    yield line
        except httpx.HTTPError as error:
            raise Unreachable(f"{_host(url)} could not be followed", str(error) or type(error).__name__) from None

    async def sql(
        self,
        secret: str,
        statement: str,
        *,
        timeout: float,
        parameters: Sequence[JsonValue] = (),
        names: Mapping[str, str] | None = None,
        at_most: int = 1000,
        database: str | None = None,
        through: Sequence[str] = (),
    ) -> Rows:
        from warroom.actions.sql_reading import composed

        stores, server = self._server(secret, database, through)
        query = composed(statement, names)
        line = _psql(secret, query, parameters, database, through)
        return await self._logged(line, stores.sql.read(server, query, parameters, timeout, at_most))

    def address(self, secret: str) -> Address:
        _, server = self._server(secret, None, ())
        found = server.address
        known = {name: value for name, value in found.conninfo.items() if name not in _SECRET_PARAMETERS}
        return Address(found.where, known, found.schema, found.pooled, bool(found.password))

    @asynccontextmanager
    async def snapshot(
        self, secret: str, *, timeout: float, database: str | None = None, through: Sequence[str] = ()
    ) -> AsyncIterator[Snapshot]:
        from warroom.actions import sql_snapshot

        _, server = self._server(secret, database, through)

        async def logged(query: str, work: Coroutine[Any, Any, Rows]) -> Rows:
            return await self._logged(_psql(secret, query, (), database, through), work)

        begin = " ".join(sql_snapshot.BEGIN.split())
        at = self._clock.now()
        async with sql_snapshot.held(server, timeout, logged) as found:
            self._log.add(at, "read", self._cleaner.clean(_psql(secret, begin, (), database, through)), 0, None)
            yield found

    def _server(self, secret: str, database: str | None, through: Sequence[str]) -> tuple[Stores, Server]:
        stores, url = self._store(secret)
        server = stores.sql.server(secret, url, database, tuple(through))
        self._hide(secret, server.address.password)
        self._hide(secret, server.address.conninfo.get("sslpassword", ""))
        return stores, server

    def _named(self, secret: str) -> str:
        return self._store(secret)[1]

    async def redis(self, secret: str, *command: str, timeout: float) -> JsonValue:
        stores, url = self._store(secret)
        self._hide(secret, stores.redis.address(secret, url).password or "")
        line = f"redis-cli -u {_pasted(secret)} {shlex.join(command)}"
        return await self._logged(line, stores.redis.read(secret, url, command, timeout))

    async def dial(self, to: str | Sequence[str], *, timeout: float) -> Connection:
        from warroom.actions import dialing

        return await self._logged(dialing.shown(to), dialing.dial(to, timeout))

    def _store(self, secret: str) -> tuple[Stores, str]:
        if self._stores is None or self._secret is None:
            raise DoorRefused("no database can be read here", "this door was made without one")
        return self._stores, self._secret(secret)

    def _hide(self, secret: str, password: str) -> None:
        """The address as a whole is hidden already; its password may come back alone."""
        if password and password not in self._hidden:
            self._hidden.add(password)
            self._cleaner.register(password, secret)

    async def ask(
        self, line: str, work: Coroutine[Any, Any, T], *, timeout: float, status: Callable[[T], int] | None = None
    ) -> T:
        return await self._logged(line, _within(line, work, timeout), status)

    async def _logged(self, line: str, work: Coroutine[Any, Any, T], status: Callable[[T], int] | None = None) -> T:
        """What ``work`` gives. In the log either way; an error's words are cleaned, since servers repeat what they are
        told."""
        at, began = self._clock.now(), asyncio.get_running_loop().time()
        try:
            found = await work
        except WarroomError as error:
            self._log.add(at, "read", self._cleaner.clean(f"{line}  # {error.title}"), None, None)
            error.title, error.cause = self._cleaner.clean(error.title), self._cleaner.clean(error.cause)
            error.args = (error.title, error.cause, error.hint)
            raise
        came = status(found) if status is not None else 0
        self._log.add(at, "read", self._cleaner.clean(line), came, asyncio.get_running_loop().time() - began)
        return found


async def _within(line: str, work: Coroutine[Any, Any, T], timeout: float) -> T:
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        raise TimedOut(f"no answer in {timeout:g} s", line) from None


def _psql(
    secret: str, query: str, parameters: Sequence[JsonValue], database: str | None, through: Sequence[str]
) -> str:
    """A query as a person would ask it; what psql would not take stands in a comment."""
    shown = " ".join(query.split()) + (f"  -- {json.dumps(list(parameters))}" if parameters else "")
    line = f"psql {_pasted(secret)} -c {shlex.quote(shown)}"
    line += f"  # in {shlex.quote(database)}" if database is not None else ""
    return line + (f"  # over {shlex.join(through)}" if through else "")


def _pasted(secret: str) -> str:
    """A secret as a shell would get it: named, never carried."""
    kind, _, where = secret.partition(":")
    if kind == "env" and where.isidentifier() and where.isascii():
        return f'"${where}"'
    return f'"$(cat {shlex.quote(where)})"' if kind == "file" else "'‹secret›'"
