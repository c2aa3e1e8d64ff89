"""The two doors to the world. Reading has its own; changing executes exactly the Calls it was given, in order."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import ConfigDict, JsonValue, TypeAdapter

from warroom import process
from warroom.actions import bodies
from warroom.actions.commands import CommandLog
from warroom.actions.missed import missed
from warroom.actions.stores import Stores
from warroom.api import Clock, Connection, Rows, SecretResolver
from warroom.errors import DoorRefused, TimedOut, Unreachable, WarroomError
from warroom.model.call import Call, CallResult, HttpCall, ManualCall, Private, ProcessCall, Ref, Secret, Until
from warroom.redact import Redactor

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
TEXT_LIMIT = 65536
BODY_LIMIT = 8 * 1024 * 1024
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
        self, argv: Sequence[str], *, timeout: float, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> CallResult:
        at = self._clock.now()
        whole = {**os.environ, **env} if env else None
        done = await process.run(argv, timeout=timeout, env=whole, cwd=cwd, output_limit=BODY_LIMIT)
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
    ) -> Rows:
        from warroom.actions.sql_reading import composed

        stores, url = self._store(secret)
        self._hide(secret, stores.sql.address(secret, url).password)
        query = composed(statement, names)
        shown = " ".join(query.split()) + (f"  -- {json.dumps(list(parameters))}" if parameters else "")
        line = f"psql {_pasted(secret)} -c {shlex.quote(shown)}"
        return await self._logged(line, stores.sql.read(secret, url, query, parameters, timeout, at_most))

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

    async def _logged(self, line: str, work: Coroutine[Any, Any, T]) -> T:
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
        self._log.add(at, "read", self._cleaner.clean(line), 0, asyncio.get_running_loop().time() - began)
        return found


def _pasted(secret: str) -> str:
    """A secret as a shell would get it: named, never carried."""
    kind, _, where = secret.partition(":")
    if kind == "env" and where.isidentifier() and where.isascii():
        return f'"${where}"'
    return f'"$(cat {shlex.quote(where)})"' if kind == "file" else "'‹secret›'"


class Changing:
    """The change door of one step: it holds the step's bound Calls and refuses any other, before it has an effect."""

    def __init__(
        self,
        calls: Sequence[Call],
        *,
        http: HttpClient,
        log: CommandLog,
        clock: Clock,
        cleaner: Redactor,
        secret: SecretResolver,
    ) -> None:
        self._calls = tuple(calls)
        self._next = 0
        self._http = http
        self._log = log
        self._clock = clock
        self._cleaner = cleaner
        self._secret = secret

    async def execute(self, call: Call, on_line: process.OnLine | None = None) -> CallResult:
        """Executes the next Call, and refuses any other (DoorRefused).

        TimedOut or Unreachable say that its effect is not known.
        """
        if self._next >= len(self._calls) or call != self._calls[self._next]:
            raise DoorRefused(
                "a call was tried that the plan does not show", _first_line(call.paste()), "nothing was done"
            )
        self._next += 1
        at = self._clock.now()
        try:
            result = await self._perform(call, on_line)
        except WarroomError as error:
            self._log.add(at, "change", self._cleaner.clean_call(f"{call.paste()}  # {error.title}"), None, None)
            raise
        self._log.add(at, "change", self._cleaner.clean_call(call.paste()), result.status, result.seconds)
        return CallResult(
            status=result.status,
            text=self._cleaner.clean(result.text)[:TEXT_LIMIT],
            data=self._cleaner.clean_json(result.data),
            seconds=result.seconds,
        )

    async def _perform(self, call: Call, on_line: process.OnLine | None) -> CallResult:
        if isinstance(call, ProcessCall):
            return await self._process(call, on_line)
        if isinstance(call, HttpCall):
            return await self._request(call) if call.until is None else await self._poll(call)
        raise DoorRefused("a manual step can't be executed", "a person does it and says so", "")

    async def _process(self, call: ProcessCall, on_line: process.OnLine | None) -> CallResult:
        argv = [_bound(part) for part in call.argv]
        env = {**os.environ, **{name: self._value(value) for name, value in call.env.items()}} if call.env else None
        stdin = self._value(call.stdin).encode() if call.stdin is not None else None
        done = await process.run(argv, timeout=call.timeout_s, cwd=call.cwd, env=env, stdin=stdin, on_line=on_line)
        text = (done.stdout + done.stderr).decode("utf-8", "replace")[-TEXT_LIMIT:]
        return CallResult(status=done.returncode, text=text, seconds=done.duration)

    async def _request(self, call: HttpCall) -> CallResult:
        headers = {name: self._value(value) for name, value in call.headers.items()}
        unbound = next((value for value in (call.body or {}).values() if isinstance(value, Ref)), None)
        if unbound is not None:
            _bound(unbound)
        return await self._http.request(
            call.method, _bound(call.url), timeout=call.timeout_s, headers=headers, body=call.body
        )

    async def _poll(self, call: HttpCall) -> CallResult:
        """A loop is one Call with a bound. An answer that can't be had is asked for again until the bound."""
        assert call.until is not None
        ends = self._clock.monotonic() + call.until.at_most_s
        last: CallResult | None = None
        problem = ""
        while True:
            try:
                last = await self._request(call)
                problem = ""
            except (TimedOut, Unreachable) as error:
                problem = error.title
            else:
                if last.status in call.expect and _field(last.data, call.until.field) == call.until.equals:
                    return last
            if self._clock.monotonic() >= ends:
                raise _never(call.until, last, problem)
            await self._clock.sleep(min(call.until.every_s, ends - self._clock.monotonic()))

    def _value(self, value: Private) -> str:
        if isinstance(value, Secret):
            return value.prefix + self._secret(value.secret)
        return _bound(value)


def _bound(value: str | Ref) -> str:
    if isinstance(value, Ref):
        raise DoorRefused("a value is not known yet", f"{value.output} of step {value.step}", "run that step first")
    return value


def _never(until: Until, last: CallResult | None, problem: str) -> TimedOut:
    within = f"in {until.at_most_s:g} s"
    if not until.field:
        seen = f"HTTP {last.status}" if last is not None else ""
        return TimedOut(f"it did not answer as it should {within}", problem or seen)
    value = _field(last.data if last else None, until.field)
    seen = problem or f"{until.field} is {repr(value)[:200]}"
    return TimedOut(f"{until.field} did not become {until.equals!r} {within}", seen)


def _field(data: JsonValue, path: str) -> JsonValue:
    """``a.b.c`` into nested objects; None where it is missing."""
    for part in path.split("."):
        if not isinstance(data, dict):
            return None
        data = data.get(part)
    return data


def _first_line(text: str) -> str:
    return text.splitlines()[0][:200] if text else ""


def expected(call: Call, result: CallResult) -> bool:
    return isinstance(call, ManualCall) or result.status in call.expect
