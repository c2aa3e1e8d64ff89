"""Who asks: programs of the list alone, tokens renewed in time, and nothing of them shown."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kube.certificates import make_certificates
from warroom.api import BadInput, Context, ProgramMissing, WarroomError
from warroom.model.call import CallResult
from warroom.testing.clock import VirtualClock
from warroom.testing.fakes import FakeReadDoor, a_context
from warroom_kubernetes.config import Config
from warroom_kubernetes.reach.kubeconfig import Exec, User
from warroom_kubernetes.reach.login import FILE_S, Logins, allowed
from warroom_kubernetes.reach.tls import not_after

V1 = "client.authentication.k8s.io/v1"
ARGV = ["aws", "eks", "get-token"]


class Room:
    """A context with a strict door, and the secrets that it was told of."""

    def __init__(self, **config: Any) -> None:
        self.door = FakeReadDoor()
        self.clock = VirtualClock()
        self.hidden: list[str] = []
        self.reads = 0
        ctx = a_context(Config.model_validate({"workloads": {"web": {}}, **config}), self.door, clock=self.clock)
        self.ctx: Context = replace(ctx, hide=lambda told: self.hidden.extend(told.values()))

    def logins(self, user: User, again: User | None = None) -> Logins:
        def read() -> User:
            self.reads += 1
            return again or user

        return Logins(user, read)

    async def header(self, logins: Logins) -> str:
        return dict((await logins.get(self.ctx)).headers).get("Authorization", "")

    def credential(self, token: str, ends_in: float | None = None, **status: Any) -> str:
        until = {}
        if ends_in is not None:
            until = {"expirationTimestamp": (self.clock.now() + timedelta(seconds=ends_in)).isoformat()}
        return credential(token=token, **until, **status)


def credential(kind: str = "ExecCredential", version: str = V1, **status: Any) -> str:
    return json.dumps({"apiVersion": version, "kind": kind, "status": status})


def program(**more: Any) -> User:
    return User(name="u", exec=Exec(**{"command": "aws", "args": ("eks", "get-token"), **more}))


def jwt(claims: Mapping[str, Any]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in ({"alg": "x"}, claims)]
    return ".".join([*parts, "c2ln"])


async def test_a_program_is_started_as_kubectl_starts_it_and_its_token_is_hidden() -> None:
    room = Room()
    room.door.on_run(ARGV, room.credential("tok-1"))
    info = {"server": "https://k", "certificate-authority-data": "YQ=="}
    with room.door:
        assert await room.header(room.logins(program(env={"AWS_PROFILE": "shop"}, info=info))) == "Bearer tok-1"
    made = room.door.made[0]
    assert made.env["AWS_PROFILE"] == "shop"
    told = json.loads(str(made.env["KUBERNETES_EXEC_INFO"]))
    assert told == {"apiVersion": V1, "kind": "ExecCredential", "spec": {"interactive": False, "cluster": info}}
    assert room.hidden == ["tok-1"]


async def test_what_it_says_beside_its_answer_does_not_count() -> None:
    room = Room()
    room.door.on_run(ARGV, room.credential("tok-1") + "\nWARNING: an update is there {\n")
    with room.door:
        assert await room.header(room.logins(program())) == "Bearer tok-1"


async def test_a_token_is_renewed_before_it_ends_and_not_sooner() -> None:
    room = Room()
    room.door.on_run(ARGV, room.credential("tok-1", 900)).on_run(ARGV, room.credential("tok-2", 1800))
    logins = room.logins(program())
    with room.door:
        assert await room.header(logins) == "Bearer tok-1"
        await room.clock.advance(900 - 61)
        assert await room.header(logins) == "Bearer tok-1"
        await room.clock.advance(2)
        assert await room.header(logins) == "Bearer tok-2"


async def test_one_that_ends_soon_is_used_for_most_of_its_life() -> None:
    room = Room()
    room.door.on_run(ARGV, room.credential("tok-1", 10)).on_run(ARGV, room.credential("tok-2"))
    logins = room.logins(program())
    with room.door:
        await room.header(logins)
        await room.clock.advance(8.5)
        assert await room.header(logins) == "Bearer tok-1"
        await room.clock.advance(1)
        assert await room.header(logins) == "Bearer tok-2"


async def test_one_that_has_ended_already_starts_its_program_no_second_time() -> None:
    room = Room()
    room.door.on_run(ARGV, room.credential("tok-1", -5))
    logins = room.logins(program())
    with room.door:
        assert [await room.header(logins) for _ in range(3)] == ["Bearer tok-1"] * 3


async def test_a_refused_login_is_made_anew_once_for_all_who_were_refused() -> None:
    room = Room()
    room.door.on_run(ARGV, room.credential("tok-1")).on_run(ARGV, room.credential("tok-2"))
    logins = room.logins(program())
    with room.door:
        old = await logins.get(room.ctx)
        new = [await logins.renewed(room.ctx, old) for _ in range(3)]
    assert {dict(one.headers)["Authorization"] for one in new} == {"Bearer tok-2"}


async def test_a_person_who_logs_in_again_is_taken_up() -> None:
    room = Room()
    logins = room.logins(User(token="tok-1"), User(token="tok-2"))
    old = await logins.get(room.ctx)
    assert room.reads == 0
    assert dict((await logins.renewed(room.ctx, old)).headers) == {"Authorization": "Bearer tok-2"}
    assert room.hidden == ["tok-1", "tok-2"]


async def test_a_client_certificate_of_a_program_is_used_until_it_ends(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    certificate, key = made.user_certificate.read_text(), made.user_key.read_text()
    room = Room()
    room.door.on_run(ARGV, credential(clientCertificateData=certificate, clientKeyData=key))
    with room.door:
        login = await room.logins(program()).get(room.ctx)
    assert login.tls == (certificate.encode(), key.encode())
    assert login.until == not_after(certificate.encode())
    assert login.until is not None
    assert login.renews
    assert key in room.hidden
    assert key not in repr(login)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no json", "no JSON"),
        ("[]", "an ExecCredential was expected"),
        (credential(kind="Pod"), "an ExecCredential was expected"),
        (credential(version="client.authentication.k8s.io/v1beta1"), "was asked for"),
        (json.dumps({"apiVersion": V1, "kind": "ExecCredential"}), "its status is missing"),
        (credential(), "a token, or a client certificate with its key"),
        (credential(clientCertificateData="x"), "with its key"),
        (credential(token=7), "token: a text was expected"),
        (credential(token="t", expirationTimestamp="soon"), "a time was expected"),
        ("[" * 100_000, "no JSON"),
    ],
    ids=["text", "list", "kind", "version", "status", "empty", "keyless", "number", "time", "deep"],
)
async def test_what_is_no_login_is_told(text: str, said: str) -> None:
    room = Room()
    room.door.on_run(ARGV, text[:65536])
    with room.door, pytest.raises(WarroomError, match="aws gave no login") as problem:
        await room.header(room.logins(program()))
    assert said in problem.value.cause


async def test_a_token_that_would_break_a_header_is_refused_and_not_shown() -> None:
    room = Room()
    room.door.on_run(ARGV, credential(token="tok\r\nX-Evil: 1"))
    with room.door, pytest.raises(BadInput) as problem:
        await room.header(room.logins(program()))
    assert "Evil" not in str(problem.value)


async def test_a_program_that_fails_is_told_in_its_own_words() -> None:
    room = Room()
    room.door.on_run(ARGV, CallResult(status=255, text="\nThe SSO session has expired, run aws sso login\n"))
    with room.door, pytest.raises(WarroomError, match="aws failed") as problem:
        await room.header(room.logins(program()))
    assert problem.value.cause == "The SSO session has expired, run aws sso login (exit status 255)"


async def test_a_program_that_is_missing_is_told_as_the_kubeconfig_says_how_to_get_it() -> None:
    room = Room()
    room.door.on_run(ARGV, ProgramMissing("aws is not on this host", "not in PATH"))
    with room.door, pytest.raises(ProgramMissing, match="The login program aws is not here") as problem:
        await room.header(room.logins(program(hint="Install it from\n the vendor.")))
    assert problem.value.hint == "Install it from the vendor."


class TestTheList:
    LIST = ("aws", "kubelogin", "/opt/tools/login")

    @pytest.mark.parametrize(
        ("command", "folder", "started"),
        [
            ("aws", "", "aws"),
            ("/opt/tools/login", "", "/opt/tools/login"),
            ("./login", "/opt/tools", "/opt/tools/login"),
        ],
    )
    def test_what_is_on_it_is_started(self, command: str, folder: str, started: str) -> None:
        assert allowed(Exec(command, folder=folder), self.LIST) == started

    @pytest.mark.parametrize(
        "command", ["sh", "/tmp/aws", "./aws", "../aws", "aws ", "bash", "-c", "/opt/tools/../aws"]
    )
    def test_what_is_not_is_refused(self, command: str) -> None:
        with pytest.raises(BadInput, match="login program is not started") as problem:
            allowed(Exec(command, folder="/home/me/.kube"), self.LIST)
        assert "login_programs" in problem.value.cause

    @pytest.mark.parametrize("name", ["PATH", "LD_PRELOAD", "PYTHONPATH", "NODE_OPTIONS", "DYLD_INSERT_LIBRARIES"])
    def test_no_environment_makes_it_another_program(self, name: str) -> None:
        with pytest.raises(BadInput, match="is not started"):
            allowed(Exec("aws", env={name: "x"}), self.LIST)

    def test_one_that_needs_a_terminal_is_refused(self) -> None:
        with pytest.raises(BadInput, match="asks at a terminal"):
            allowed(Exec("kubelogin", interactive="Always"), self.LIST)

    async def test_it_is_the_runbook_s(self) -> None:
        room = Room(login_programs=["kubelogin"])
        with room.door, pytest.raises(BadInput, match="not started"):
            await room.header(room.logins(program()))
        assert room.door.made == []


async def test_a_token_in_a_file_is_read_again_each_minute(tmp_path: Path) -> None:
    room, file = Room(), tmp_path / "token"
    file.write_text("tok-1\n")
    logins = room.logins(User(token_file=file, token="ignored"))
    assert await room.header(logins) == "Bearer tok-1"
    file.write_text("tok-2\n")
    await room.clock.advance(FILE_S - 1)
    assert await room.header(logins) == "Bearer tok-1"
    await room.clock.advance(1)
    assert await room.header(logins) == "Bearer tok-2"
    file.write_text("")
    await room.clock.advance(FILE_S)
    with pytest.raises(BadInput, match="it holds no token"):
        await room.header(logins)


async def test_a_name_and_a_password_are_hidden_also_as_they_are_sent() -> None:
    room = Room()
    header = await room.header(room.logins(User(username="me", password="pw-4711")))
    assert header == f"Basic {base64.b64encode(b'me:pw-4711').decode()}"
    assert room.hidden == ["pw-4711", header.removeprefix("Basic ")]


async def test_a_token_tells_when_it_ends_and_one_that_can_t_be_read_does_not() -> None:
    room = Room()
    end = int(room.clock.now().timestamp()) + 3600
    login = await room.logins(User(token=jwt({"exp": end}))).get(room.ctx)
    assert login.until is not None
    assert login.until.timestamp() == end
    for claims in ({"exp": "x"}, {}, {"exp": 1e300}):
        assert (await room.logins(User(token=jwt(claims))).get(room.ctx)).until is None


async def test_impersonation_goes_with_every_login() -> None:
    room = Room()
    user = User(token="tok-1", impersonate=(("Impersonate-User", "deployer"),))
    assert ("Impersonate-User", "deployer") in (await room.logins(user).get(room.ctx)).headers


def test_a_certificate_s_end_is_read_from_it(tmp_path: Path) -> None:
    file = make_certificates(tmp_path).user_certificate
    argv = ["openssl", "x509", "-noout", "-enddate", "-in", str(file)]
    said = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout
    end = not_after(file.read_bytes())
    assert end is not None
    assert end.timestamp() == ssl.cert_time_to_seconds(said.strip().removeprefix("notAfter="))


@pytest.mark.parametrize("cut", [0, 30, 100, 200, 400])
def test_what_is_no_certificate_tells_no_end(tmp_path: Path, cut: int) -> None:
    pem = make_certificates(tmp_path).user_certificate.read_bytes()
    assert not_after(pem[:cut]) is None
    assert not_after(pem[: max(cut, 28)] + b"\n-----END CERTIFICATE-----\n") is None
