"""The change door: it executes exactly the Calls it was given, in their order, once."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pydantic import JsonValue

from warroom import process
from warroom.actions import handing
from warroom.actions.commands import CommandLog
from warroom.actions.doors import TEXT_LIMIT, HttpClient
from warroom.actions.stores import Stores
from warroom.api import Clock, SecretResolver
from warroom.errors import DoorRefused, TimedOut, Unreachable, WarroomError
from warroom.model.call import (
    ApiCall,
    Call,
    CallResult,
    HttpCall,
    ManualCall,
    PgPass,
    Private,
    ProcessCall,
    Ref,
    Secret,
    SqlCall,
    Until,
    as_sent,
)
from warroom.redact import Redactor

Send = Callable[[ApiCall, Callable[[str], None]], Awaitable[CallResult]]
"""``warroom.api.Sender.send`` of a platform, with its context."""
DATA_LIMIT = 65536
"""Bytes of an API's answer, as JSON, that are kept: it may be all of what was changed."""
GRACE = 5.0
"""Seconds that a sender has beyond a Call's own limit, to say why it was not kept."""


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
        send: Send | None = None,
        stores: Stores | None = None,
    ) -> None:
        """Without ``send``, no ApiCall can be made; without ``stores``, no SqlCall."""
        self._calls = tuple(calls)
        self._next = 0
        self._http = http
        self._log = log
        self._clock = clock
        self._cleaner = cleaner
        self._secret = secret
        self._send = send
        self._stores = stores

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
            whole=result.whole,
        )

    async def _perform(self, call: Call, on_line: process.OnLine | None) -> CallResult:
        if isinstance(call, ProcessCall):
            return await self._process(call, on_line)
        if isinstance(call, HttpCall):
            return await self._request(call) if call.until is None else await self._poll(call)
        if isinstance(call, ApiCall):
            return await self._api(call, on_line)
        if isinstance(call, SqlCall):
            return await self._sql(call)
        raise DoorRefused("a manual step can't be executed", "a person does it and says so", "")

    async def _process(self, call: ProcessCall, on_line: process.OnLine | None) -> CallResult:
        argv = [_bound(part) for part in call.argv]
        with contextlib.ExitStack() as stack:
            given = stack.enter_context(handing.handed(call.env, self._value, self._secret))
            fed = "".join(self._input(each) for each in call.inputs).encode() if call.inputs else None
            file = stack.enter_context(handing.reading(call.stdin_file)) if call.stdin_file is not None else None
            run: dict[str, Any] = {"timeout": call.timeout_s, "cwd": call.cwd, "env": given.env}
            run |= {"pass_fds": given.fds, "on_line": on_line}
            if file is not None and (call.stdin_from or fed):
                first = call.stdin_from or ("cat",)
                done = await process.piped(first, argv, stdin=file, before=fed or b"", **run)
            else:
                done = await process.run(argv, stdin=fed if file is None else file, **run)
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

    async def _api(self, call: ApiCall, on_line: process.OnLine | None) -> CallResult:
        """Sent as it stands: nothing in it is resolved, and none of it may be a secret, which would be journaled."""
        if self._send is None:
            raise DoorRefused("this platform sends no such call", _first_line(call.line), "nothing was done")
        if self._cleaner.holds_secret(as_sent(call)):
            raise DoorRefused(
                "a secret stands in what would be sent", _first_line(self._cleaner.clean(call.line)), "nothing was done"
            )
        began = self._clock.monotonic()
        limit = asyncio.timeout(call.timeout_s + GRACE)
        try:
            async with limit:
                result = await self._send(call, lambda text: on_line("stdout", text) if on_line else None)
        except TimeoutError:
            if not limit.expired():
                raise
            raise TimedOut(f"it was not answered in {call.timeout_s:g} s", _first_line(call.line)) from None
        seconds = result.seconds or self._clock.monotonic() - began
        return _kept(result.model_copy(update={"seconds": seconds}))

    async def _sql(self, call: SqlCall) -> CallResult:
        """As it stands, like a request to an API; what its statements gave may be all that a table holds."""
        from warroom.actions import sql_changing

        if self._stores is None:
            raise DoorRefused("no database can be changed here", _first_line(call.paste()), "nothing was done")
        if self._cleaner.holds_secret(as_sent(call)):
            raise DoorRefused(
                "a secret stands in a statement", _first_line(self._cleaner.clean(call.paste())), "nothing was done"
            )
        server = self._stores.sql.server(call.secret, self._secret(call.secret), call.database, call.through)
        self._cleaner.register(server.address.password, call.secret)
        return _kept(await sql_changing.execute(server, call, self._secret))

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

    def _input(self, given: Private | PgPass) -> str:
        return handing.pgpass(given, self._secret) if isinstance(given, PgPass) else self._value(given)

    def _value(self, value: Private) -> str:
        if isinstance(value, Secret):
            return value.prefix + self._secret(value.secret)
        return _bound(value)


def _kept(result: CallResult) -> CallResult:
    """Without its data where that is more than is kept."""
    if len(json.dumps(result.data)) <= DATA_LIMIT:
        return result
    return result.model_copy(update={"data": None, "whole": False})


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
