"""Requests to a platform's API: sent by its plugin exactly as shown, journaled as sent, and never with a secret."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from tests.engines import OP1, World, a_running
from tests.world import PLUGIN, Deploy, until
from warroom.actions import changing
from warroom.actions.binding import bind
from warroom.actions.changing import DATA_LIMIT, Changing
from warroom.actions.commands import CommandLog
from warroom.actions.doors import HttpClient, Reading
from warroom.api import Context, Facts
from warroom.engine.core import SystemClock
from warroom.errors import DoorRefused, TimedOut, Unreachable, WarroomError
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.model.call import API_BODY_LIMIT, ApiCall, Call, CallResult
from warroom.model.live import CommandsQuery
from warroom.model.plan import Preview
from warroom.redact import Redactor
from warroom.testing.builders import a_call, an_api_call
from warroom.testing.fakes import FakeSecrets

SECRET = "hunter2-canary-9f3a"
OK = CallResult(status=200)
Answer = CallResult | WarroomError | Callable[[], Any]


class Door:
    """A change door whose sender answers what it was given, and remembers what it was to send."""

    def __init__(self, *calls: Call, answer: Answer = OK, sends: bool = True) -> None:
        self.sent: list[ApiCall] = []
        self.answer = answer
        self.log = CommandLog()
        self.redactor = Redactor()
        self.door = Changing(
            calls,
            http=HttpClient(),
            log=self.log,
            clock=SystemClock(),
            cleaner=self.redactor,
            secret=FakeSecrets({}),
            send=self.send if sends else None,
        )

    async def send(self, call: ApiCall, say: Callable[[str], None]) -> CallResult:
        self.sent.append(call)
        say("2 of 3 pods are new")
        answer = await self.answer() if callable(self.answer) else self.answer
        if isinstance(answer, WarroomError):
            raise answer
        assert isinstance(answer, CallResult)
        return answer


async def test_exactly_what_was_shown_is_sent_and_its_line_is_logged() -> None:
    call = an_api_call(body=[{"op": "test", "path": "/metadata/uid", "value": "u-1"}], query={"dryRun": "All"})
    door, lines = Door(call), list[tuple[str, str]]()
    result = await door.door.execute(call, lambda stream, text: lines.append((stream, text)))
    assert (result.status, door.sent) == (200, [call])
    assert lines == [("stdout", "2 of 3 pods are new")]
    assert [(made.door, made.text, made.status) for made in door.log.newest(9)] == [("change", call.line, 200)]


@pytest.mark.parametrize(
    "change",
    [
        {"method": "DELETE", "body": None},
        {"path": "/apis/apps/v1/namespaces/shop/deployments/web2"},
        {"query": {"dryRun": "All"}},
        {"body": {"spec": {"replicas": 0}}},
        {"content_type": "application/merge-patch+json"},
        {"expect": (200, 409)},
        {"timeout_s": 31.0},
        {"line": "kubectl delete deployment web"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_any_other_request_is_refused_before_it_is_sent(change: dict[str, Any]) -> None:
    call = an_api_call(body={"spec": {"replicas": 3}})
    door = Door(call)
    with pytest.raises(DoorRefused, match="the plan does not show"):
        await door.door.execute(call.model_copy(update=change))
    assert door.sent == []
    await door.door.execute(call)
    with pytest.raises(DoorRefused):
        await door.door.execute(call)
    assert door.sent == [call]


async def test_a_platform_without_a_sender_sends_nothing() -> None:
    call = an_api_call()
    with pytest.raises(DoorRefused, match="sends no such call"):
        await Door(call, sends=False).door.execute(call)


@pytest.mark.parametrize(
    "more",
    [
        {"body": {"data": {"x": f"a {SECRET} b"}}},
        {"body": {SECRET: 1}},
        {"query": {"fieldManager": SECRET}},
        {"path": f"/api/v1/{SECRET}"},
        {"line": f"kubectl {SECRET}"},
        {"method": "GET", "until": "done", "wanted": [SECRET]},
        {"body": [{"op": "replace", "value": {"env": [{"name": "DB_PASSWORD", "value": "never-seen-before"}]}}]},
        {"body": {"args": ["--password=never-seen-before"]}},
        {"body": {"env": "postgres://app:never-seen-before@db/x"}},
        {"body": {"image": "‹redacted: password›"}},
        {"line": "kubectl '‹secret: env:TOKEN›'"},
    ],
    ids=["value", "key", "query", "path", "line", "wanted", "variable", "argument", "address", "mark", "reference"],
)
async def test_no_secret_can_stand_in_one(more: dict[str, Any]) -> None:
    call = an_api_call(**more)
    door = Door(call)
    door.redactor.register(SECRET, "token")
    with pytest.raises(DoorRefused, match="a secret stands in what would be sent") as refused:
        await door.door.execute(call)
    assert door.sent == []
    assert SECRET not in f"{refused.value} {door.log.newest(9)}"


PLAIN: list[JsonValue] = [
    {"volumes": [{"name": "keys", "secret": {"secretName": "web-keys", "defaultMode": 420}}]},
    {"env": [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]},
    {"env": [{"name": "USE_TOKEN", "value": "true"}, {"name": "LOG_LEVEL", "value": "verbose-mode-1"}]},
    {"annotations": {"checksum/secret": "0f343b0931126a20f133d67c2b018a3b", "inject-token": "inject-it-please"}},
    {
        "tolerations": [{"key": "node.kubernetes.io/not-ready", "tolerationSeconds": 300}],
        "tokenExpirationSeconds": 3607,
    },
    {"command": ["sh", "-c", "exec app\n\t--listen=0.0.0.0\x1b[2J"], "digest": "sha256:" + "0f343b09" * 8},
]


@pytest.mark.parametrize("body", PLAIN, ids=["volume", "reference", "flag", "annotation", "spec", "control-bytes"])
async def test_what_only_names_a_secret_is_sent(body: JsonValue) -> None:
    call = an_api_call(body=body)
    door = Door(call)
    await door.door.execute(call)
    assert door.sent == [call]


async def test_what_comes_back_is_redacted_and_bounded() -> None:
    call = an_api_call()
    data: JsonValue = {"env": [{"name": "API_KEY", "value": "never-seen-before"}], "note": f"x {SECRET}", "kind": "Pod"}
    door = Door(call, answer=CallResult(status=200, text=f"got {SECRET} \x1b[2J", data=data))
    door.redactor.register(SECRET, "token")
    kept = (await door.door.execute(call)).model_dump_json()
    assert SECRET not in kept
    assert "never-seen-before" not in kept
    assert "Pod" in kept
    assert "\\u001b" not in kept

    door = Door(call, answer=CallResult(status=200, data={"pods": ["x" * 100] * (DATA_LIMIT // 100)}))
    result = await door.door.execute(call)
    assert (result.data, result.whole) == (None, False)


async def test_a_sender_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing, "GRACE", 0.0)
    call = an_api_call(timeout_s=0.05)
    door = Door(call, answer=asyncio.Event().wait)
    with pytest.raises(TimedOut, match="not answered in"):
        await door.door.execute(call)
    assert door.log.newest(1)[0].status is None


async def test_what_a_sender_raises_is_logged_and_passed_on() -> None:
    call = an_api_call()
    door = Door(call, answer=Unreachable("the API server is away"))
    with pytest.raises(Unreachable):
        await door.door.execute(call)
    assert door.log.newest(1)[0].text == f"{call.line}  # the API server is away"


def test_nothing_in_one_is_bound() -> None:
    call = an_api_call(body={"kind": "ref", "step": "a", "output": "b", "more": [{"secret": "env:X", "prefix": ""}]})
    same = an_api_call(body={"value": {"kind": "ref", "step": "a", "output": "b"}})
    assert bind(call, {}) == call
    assert bind(same, {"a": {"b": "c"}}) == same
    assert ApiCall.model_validate_json(same.model_dump_json()) == same


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"until": "rolled-out"}, "only a GET may wait"),
        ({"method": "GET", "wanted": {"a": 1}}, "no condition is named"),
        ({"method": "GET", "body": {"a": 1}}, "a GET has no body"),
        ({"method": "GET", "until": "Not A Name"}, "until"),
        ({"body": "x" * API_BODY_LIMIT}, "at most 1,048,576 bytes"),
        ({"path": "apis/apps/v1"}, "path"),
        ({"path": "//elsewhere/x"}, "path"),
        ({"path": "/api/v1/../../version"}, "path"),
        ({"path": "/api/./v1"}, "path"),
        ({"path": "/api?dryRun=All"}, "path"),
        ({"path": "/api/%2e%2e"}, "path"),
        ({"path": "/api\n"}, "path"),
        ({"path": "/"}, "path"),
        ({"line": "kubectl get pods; id"}, "one command of quoted words"),
        ({"line": "kubectl get $(id)"}, "one command of quoted words"),
        ({"line": "kubectl 'get"}, "one command of quoted words"),
        ({"line": "kubectl get pods\nid"}, "one command of quoted words"),
        ({"line": "kubectl '\x1b[2J'"}, "line"),
        ({"line": ""}, "line"),
        ({"line": " "}, "one command of quoted words"),
        ({"content_type": "application/json\r\nX: y"}, "content_type"),
        ({"timeout_s": 0}, "timeout_s"),
    ],
)
def test_what_can_not_be_one(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        an_api_call(**more)


async def test_a_question_over_a_plugins_own_connection_is_logged_bounded_and_cleaned() -> None:
    log, redactor = CommandLog(), Redactor()
    redactor.register(SECRET, "token")
    door = Reading(HttpClient(), log, SystemClock(), redactor)

    async def found() -> int:
        return 404

    async def refused() -> int:
        raise WarroomError(f"the server said {SECRET}", f"and {SECRET}", "look")

    assert await door.ask("kubectl get --raw /version", found(), timeout=5, status=lambda came: came) == 404
    assert await door.ask("kubectl get pods", found(), timeout=5) == 404
    with pytest.raises(WarroomError) as error:
        await door.ask(f"kubectl get {SECRET}", refused(), timeout=5)
    with pytest.raises(TimedOut, match=r"no answer in 0\.05 s"):
        await door.ask("kubectl get nodes", asyncio.Event().wait(), timeout=0.05)
    assert SECRET not in f"{error.value} {log.newest(9)}"
    assert [made.status for made in log.newest(9)] == [404, 0, None, None]
    assert log.newest(1)[0].text == "kubectl get nodes  # no answer in 0.05 s"


class ByApi(Deploy):
    """The world's operation over an API that its sender stands for."""

    def preview(self, config: Any, args: Any, facts: Facts) -> Preview:
        shown = super().preview(config, args, facts)
        running, variable = str(facts["running"]), {"name": "DB_PASSWORD", "value": str(facts.get("password", ""))}
        calls = tuple(an_api_call(body={"to": to, "env": [variable]}) for to in (args.release, running))
        return shown.model_copy(update={"calls": calls[:1], "inverse": calls[1:]})


class ToFolder:
    async def send(self, ctx: Context, call: ApiCall, say: Callable[[str], None]) -> CallResult:
        assert isinstance(call.body, dict)
        (ctx.config.folder / "current").write_text(str(call.body["to"]))
        return CallResult(status=200, data={"password": SECRET, "kind": "Deployment"})


async def _ran(world: World, plan_hash: str) -> None:
    await world.run(plan_hash)
    await until(lambda: world.state.plan.hash == plan_hash and world.state.plan.status == "done")


async def test_one_is_journaled_as_sent_and_taken_back_through_the_same_sender(tmp_path: Path) -> None:
    async with a_running(tmp_path, plugin=replace(PLUGIN, operations=(ByApi(),), sender=ToFolder())) as world:
        await _ran(world, await world.planned())
        assert (world.folder / "current").read_text() == "v2"
        bodies = [event.body for event in world.engine.core.journal.events()]  # type: ignore[union-attr]  # one is open
        (intended,) = [body for body in bodies if isinstance(body, ev.StepIntended)]
        assert intended.calls == (an_api_call(body={"to": "v2", "env": [{"name": "DB_PASSWORD", "value": ""}]}),)
        (made,) = [body.result for body in bodies if isinstance(body, ev.CallMade)]
        assert made.data == {"password": "‹redacted: password›", "kind": "Deployment"}
        page: Any = await world.engine.session(OP1).query(CommandsQuery(limit=100))
        assert [made.text for made in page.commands if made.door == "change"] == ["kubectl get deployment web"]

        await world.ok(it.Undo())
        await _ran(world, world.state.plan.hash)
        assert (world.folder / "current").read_text() == "v3"


async def test_a_plan_that_would_write_a_secret_down_is_refused(tmp_path: Path) -> None:
    class Leaking(ByApi):
        async def facts(self, ctx: Context, args: Any) -> Facts:
            return {**await super().facts(ctx, args), "password": "never-seen-before"}

    async with a_running(tmp_path, plugin=replace(PLUGIN, operations=(Leaking(),), sender=ToFolder())) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        await world.ok(it.ChooseTarget(text="v2"))
        assert "would write a secret down" in await world.refused(it.ProposePlan(procedure="swap"))
        assert world.state.plan is None
        assert b"never-seen-before" not in b"".join(
            file.read_bytes() for file in (tmp_path / "state").rglob("*") if file.is_file()
        )


async def test_a_sender_is_the_only_way_for_one(tmp_path: Path) -> None:
    async with a_running(tmp_path, plugin=replace(PLUGIN, operations=(ByApi(),))) as world:
        await world.run(await world.planned())
        await until(lambda: world.state.plan.status == "failed")
        assert "sends no such call" in world.state.plan.detail
        assert (world.folder / "current").read_text() == "v3"
        assert a_call() not in world.state.plan.plan.steps[0].preview.calls


@given(st.lists(st.text(alphabet="ab' \"$\\|;é\t-"), min_size=1, max_size=4))
def test_a_line_is_what_a_shell_would_read_as_one_command(words: list[str]) -> None:
    assert shlex.split(an_api_call(line=shlex.join(words)).line) == words
    loose = " ".join(words)
    try:
        canonical = shlex.join(shlex.split(loose)) == loose != ""
    except ValueError:
        canonical = False
    try:
        accepted = an_api_call(line=loose).line == loose
    except ValidationError:
        accepted = False
    assert accepted == canonical


def test_a_line_of_a_megabyte_is_read_at_once() -> None:
    """One that carries a large template took a minute before it was shown."""
    began = time.process_time()
    an_api_call(line=shlex.join(["kubectl", "patch", "-p", "it's a 'x' " * 100_000]))
    assert time.process_time() - began < 5
