"""The two doors: nothing but the shown Calls, in their order, once; and no secret in what is kept of them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import JsonValue

from warroom.actions.changing import Changing, expected
from warroom.actions.commands import KEPT, LONGEST, CommandLog
from warroom.actions.doors import HttpClient, Reading, _result
from warroom.engine.core import SystemClock
from warroom.engine.secrets import Secrets
from warroom.errors import BadInput, DoorRefused, ProgramMissing, TimedOut, Unreachable, WarroomError
from warroom.model.call import Call, CallResult, HttpCall, ManualCall, ProcessCall, Ref, Secret, Until
from warroom.redact import Redactor
from warroom.testing.clock import VirtualClock

SECRET = "hunter2-canary-9f3a"


class Http(HttpClient):
    """Answers what it was given, one after the other; the last one for ever."""

    def __init__(self, *answers: CallResult | WarroomError) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Mapping[str, str], Any]] = []

    async def request(self, method: str, url: str, **more: Any) -> CallResult:
        self.asked.append((method, url, dict(more.get("headers") or {}), more.get("body")))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, WarroomError):
            raise answer
        return answer


class Door:
    def __init__(self, *calls: Call, http: HttpClient | None = None, clock: Any = None) -> None:
        self.log = CommandLog()
        self.redactor = Redactor()
        self.door = Changing(
            calls,
            http=http or HttpClient(),
            log=self.log,
            clock=clock or SystemClock(),
            cleaner=self.redactor,
            secret=Secrets(self.redactor),
        )

    async def does(self, call: Call) -> CallResult:
        return await self.door.execute(call)

    def logged(self) -> list[str]:
        return [line.text for line in self.log.newest(100)]


def touch(path: Path) -> ProcessCall:
    return ProcessCall(argv=(sys.executable, "-c", "import sys; open(sys.argv[1], 'a').write('x')", str(path)))


async def test_it_does_what_was_shown_in_its_order_and_once(tmp_path: Path) -> None:
    one, two = touch(tmp_path / "one"), touch(tmp_path / "two")
    door = Door(one, two)
    assert (await door.does(one)).status == 0
    assert (await door.does(two)).status == 0
    with pytest.raises(DoorRefused):
        await door.does(two)
    assert [(tmp_path / name).read_text() for name in ("one", "two")] == ["x", "x"]
    assert [line.split()[-1] for line in door.logged()] == [str(tmp_path / "one"), str(tmp_path / "two")]


def other_argv(call: ProcessCall) -> Call:
    return call.model_copy(update={"argv": (*call.argv, "more")})


@pytest.mark.parametrize(
    "change",
    [
        other_argv,
        lambda call: call.model_copy(update={"env": {"A": "b"}}),
        lambda call: call.model_copy(update={"cwd": "/"}),
        lambda call: call.model_copy(update={"stdin": "x"}),
        lambda call: call.model_copy(update={"timeout_s": 61}),
        lambda call: call.model_copy(update={"expect": (0, 1)}),
        lambda call: HttpCall(method="GET", url="http://127.0.0.1:1/"),
    ],
    ids=["argv", "env", "cwd", "stdin", "timeout", "expect", "kind"],
)
async def test_any_other_call_is_refused_before_it_has_an_effect(change: Any, tmp_path: Path) -> None:
    call = touch(tmp_path / "one")
    door = Door(call)
    with pytest.raises(DoorRefused, match="the plan does not show"):
        await door.does(change(call))
    assert not (tmp_path / "one").exists()
    assert door.logged() == []
    await door.does(call)
    assert (tmp_path / "one").read_text() == "x"


async def test_another_order_is_refused(tmp_path: Path) -> None:
    one, two = touch(tmp_path / "one"), touch(tmp_path / "two")
    with pytest.raises(DoorRefused):
        await Door(one, two).does(two)
    assert list(tmp_path.iterdir()) == []


async def test_a_call_that_was_cut_off_is_not_made_again(tmp_path: Path) -> None:
    call = ProcessCall(argv=(sys.executable, "-c", "import time; time.sleep(60)"))
    door = Door(call)
    work = asyncio.create_task(door.does(call))
    await asyncio.sleep(0)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    with pytest.raises(DoorRefused):
        await door.does(call)


@pytest.mark.parametrize(
    "call",
    [
        ProcessCall(argv=("true", Ref(step="one", output="id"))),
        ProcessCall(argv=("true",), env={"ID": Ref(step="one", output="id")}),
        ProcessCall(argv=("true",), stdin=Ref(step="one", output="id")),
        HttpCall(method="POST", url=Ref(step="one", output="url")),
        HttpCall(method="POST", url="http://x/", headers={"Id": Ref(step="one", output="id")}),
        ManualCall(text="do it"),
    ],
    ids=["argv", "env", "stdin", "url", "header", "manual"],
)
async def test_what_is_not_bound_or_is_a_persons_is_refused(call: Call) -> None:
    http = Http(CallResult(status=200))
    with pytest.raises(DoorRefused):
        await Door(call, http=http).does(call)
    assert http.asked == []


async def test_an_unbound_field_of_a_body_is_refused() -> None:
    http = Http(CallResult(status=200))
    call = HttpCall(method="POST", url="http://x/", body={"id": Ref(step="one", output="id")})
    with pytest.raises(DoorRefused):
        await Door(call, http=http).does(call)
    assert http.asked == []


async def test_a_secret_reaches_the_program_and_nothing_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", SECRET)
    show = "import os, sys; print(os.environ['PASSWORD'], sys.stdin.read())"
    call = ProcessCall(
        argv=(sys.executable, "-c", show),
        env={"PASSWORD": Secret(secret="env:CANARY")},
        stdin=Secret(secret="env:CANARY", prefix="Bearer "),
    )
    door = Door(call)
    result = await door.does(call)
    assert "Bearer" in result.text, "the program was given it"
    assert SECRET not in result.model_dump_json()
    assert SECRET not in "\n".join(door.logged())
    assert "‹secret: env:CANARY›" in door.logged()[0]


async def test_a_secret_reaches_the_header_and_nothing_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", SECRET)
    echo = CallResult(status=200, text=f"you sent {SECRET}", data={"token": SECRET, "seen": [f"x{SECRET}"]})
    http = Http(echo)
    call = HttpCall(
        method="POST", url="http://x/", headers={"Authorization": Secret(secret="env:CANARY", prefix="Bearer ")}
    )
    door = Door(call, http=http)
    result = await door.does(call)
    assert http.asked[0][2] == {"Authorization": f"Bearer {SECRET}"}
    assert SECRET not in result.model_dump_json()
    assert SECRET not in "\n".join(door.logged())


@pytest.mark.parametrize(
    ("name", "words"),
    [("env:NOT_THERE", "NOT_THERE"), ("file:/not/there", "can't be read"), ("vault:x", "is no secret's name")],
)
async def test_a_secret_that_cannot_be_had_stops_it_before_the_effect(name: str, words: str, tmp_path: Path) -> None:
    call = touch(tmp_path / "one").model_copy(update={"env": {"PASSWORD": Secret(secret=name)}})
    door = Door(call)
    with pytest.raises(BadInput, match=words):
        await door.does(call)
    assert not (tmp_path / "one").exists()


async def test_what_fails_is_in_the_log_with_its_reason() -> None:
    missing, slow = ProcessCall(argv=("/not/there",)), ProcessCall(argv=("sleep", "60"), timeout_s=0.1)
    door = Door(missing, slow)
    with pytest.raises(ProgramMissing):
        await door.does(missing)
    with pytest.raises(TimedOut):
        await door.does(slow)
    assert [line.text.partition("  # ")[2] for line in door.log.newest(9)] == [
        "/not/there is not on this machine",
        "sleep did not end in 0.1 s",
    ]
    assert all(line.door == "change" and line.status is None for line in door.log.newest(9))


async def test_what_is_kept_can_be_drawn() -> None:
    hostile = "\x1b]0;owned\x07 \x1b[31m\u202e"
    call = ProcessCall(argv=("printf", "%s", hostile))
    door = Door(call)
    result = await door.does(call)
    for text in (result.text, door.logged()[0]):
        assert not any(bad in text for bad in ("\x1b", "\x07", "\u202e"))


async def test_the_command_log_is_bounded() -> None:
    log = CommandLog()
    for number in range(KEPT + 10):
        log.add(VirtualClock().now(), "read", f"{number} " + "x" * 20_000, 0, 0)
    assert len(log.newest(10**6)) == KEPT
    assert [line.text.split()[0] for line in log.newest(2)] == [str(KEPT + 8), str(KEPT + 9)]
    assert all(len(line.text) <= LONGEST + 40 for line in log.newest(5))


def polled(value: JsonValue = "done", every: float = 1, at_most: float = 10) -> HttpCall:
    until = Until(field="job.state", equals=value, every_s=every, at_most_s=at_most)
    return HttpCall(method="GET", url="http://x/job", until=until)


def state(value: JsonValue, status: int = 200) -> CallResult:
    return CallResult(status=status, data={"job": {"state": value}})


async def waited(door: Door, call: Call, clock: VirtualClock, seconds: float = 60) -> CallResult:
    work = asyncio.create_task(door.does(call))
    await clock.advance(seconds)
    assert work.done(), "it goes on past its bound"
    return await work


async def test_a_loop_ends_when_its_field_has_the_value() -> None:
    clock = VirtualClock()
    http = Http(state("running"), Unreachable("away"), state("done", status=500), state("done"))
    assert (await waited(Door(polled(), http=http, clock=clock), polled(), clock)).data == {"job": {"state": "done"}}
    assert len(http.asked) == 4


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (state("running"), "job.state is 'running'"),
        (CallResult(status=200, data={"job": 3}), "job.state is None"),
        (CallResult(status=200), "job.state is None"),
        (state("x" * 20_000), "job.state is 'xxx"),
        (Unreachable("the service is away"), "the service is away"),
    ],
    ids=["value", "no field", "no JSON", "long", "away"],
)
async def test_a_loop_has_a_bound(answer: CallResult | WarroomError, words: str) -> None:
    clock, http = VirtualClock(), Http(answer)
    began = clock.monotonic()
    with pytest.raises(TimedOut, match=r"did not become 'done' in 10 s") as raised:
        await waited(Door(polled(), http=http, clock=clock), polled(), clock, 10)
    assert words in str(raised.value)
    assert len(str(raised.value)) < 400
    assert clock.monotonic() - began == 10
    assert len(http.asked) == 11


async def test_a_loop_without_a_field_waits_for_a_status_that_is_expected() -> None:
    until = Until(field="", equals=None, every_s=1, at_most_s=5)
    call = HttpCall(method="GET", url="http://x/health", expect=(200, 204), until=until)
    clock, http = VirtualClock(), Http(Unreachable("away"), CallResult(status=503, data={}), CallResult(status=204))
    assert (await waited(Door(call, http=http, clock=clock), call, clock)).status == 204
    assert "until it answers as it should, at most 5 s" in call.paste()
    with pytest.raises(TimedOut, match=r"did not answer as it should in 5 s.*HTTP 503"):
        await waited(Door(call, http=Http(CallResult(status=503)), clock=clock), call, clock, 5)


async def test_a_pause_longer_than_the_bound_does_not_stretch_it() -> None:
    clock, call = VirtualClock(), polled(every=100, at_most=5)
    with pytest.raises(TimedOut):
        await waited(Door(call, http=Http(state("running")), clock=clock), call, clock, 5)


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'{"a": NaN, "b": [Infinity, -Infinity]}', None),
        (b"[" * 100_000, None),
        (b'{"a": ' + b"9" * 10_000 + b"}", None),
        (b"\xff\xfe{", None),
        (b"", None),
    ],
    ids=["NaN", "deep", "long number", "no text", "empty"],
)
def test_hostile_json_is_an_answer_that_can_be_stored(body: bytes, data: JsonValue) -> None:
    response = httpx.Response(200, headers={"content-type": "application/json"}, content=body)
    result = _result(response, body, 0.1)
    assert result.data == data
    json.dumps(result.model_dump(mode="json"), allow_nan=False)


async def test_reading_logs_what_it_asked_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", SECRET)
    redactor, log = Redactor(), CommandLog()
    Secrets(redactor)("env:CANARY")
    reading = Reading(Http(CallResult(status=200)), log, SystemClock(), redactor)
    await reading.http("GET", f"http://x/?token={SECRET}", timeout=1)
    await reading.run(["true", SECRET], timeout=5)
    reading = Reading(Http(Unreachable(f"away {SECRET}")), log, SystemClock(), redactor)
    with pytest.raises(Unreachable):
        await reading.http("GET", "http://x/", timeout=1)
    assert len(log.newest(9)) == 3
    assert SECRET not in "".join(line.text for line in log.newest(9))
    assert all(line.door == "read" for line in log.newest(9))


async def test_an_address_nobody_listens_at_is_unreachable_and_a_slow_one_timed_out() -> None:
    http = HttpClient()
    with pytest.raises(Unreachable):
        await http.request("GET", "http://127.0.0.1:1/", timeout=5)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(TimedOut, match=rf"127.0.0.1:{port} did not answer in 0.2 s"):
        await http.request("GET", f"http://127.0.0.1:{port}/", timeout=0.2)
    await http.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("url", ["", "http://", "file:///etc/passwd", "http://[", "not a url", "http://x\x00y/"])
async def test_an_address_that_is_none_is_an_error_in_words(url: str) -> None:
    http = HttpClient()
    with pytest.raises(WarroomError):
        await http.request("GET", url, timeout=1)
    await http.close()


def test_a_status_is_expected_or_not() -> None:
    assert expected(ProcessCall(argv=("x",), expect=(0, 3)), CallResult(status=3))
    assert not expected(ProcessCall(argv=("x",)), CallResult(status=3))
    assert expected(ManualCall(text="x"), CallResult(status=3))
