"""Who asks: the header of each request, and the client certificate, as the kubeconfig's user or its program gives them.

A login that ends is renewed before it does, and once more when the cluster takes it no longer.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from warroom.api import BadInput, Clock, Context, ProgramMissing, WarroomError
from warroom_kubernetes.config import Config
from warroom_kubernetes.reach.kubeconfig import Exec, User
from warroom_kubernetes.reach.plainly import regular
from warroom_kubernetes.reach.tls import not_after

PROGRAM_S = 30.0
"""A login program asks its provider over the network."""
EARLY = timedelta(seconds=60)
"""How long before its end a login is renewed; of a short one, no more than a tenth of its life is given away."""
FILE_S = 60.0
"""How long a token that stands in a file is used before the file is read again."""
LARGEST = 2**16
_LOADING = ("LD_", "DYLD_", "PYTHON", "PERL", "RUBY", "NODE_", "BASH_", "GCONV_")
"""Variables that make a program run other code than its own."""


@dataclass(frozen=True)
class Login:
    """``headers`` go with each request. ``certificate`` and ``key`` are PEM; empty for none. ``until``: where known."""

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    until: datetime | None = None
    kind: str = "no login"
    renews: bool = False
    """Whether it is made anew without anybody's doing."""

    @property
    def tls(self) -> tuple[bytes, bytes]:
        return self.certificate, self.key


class Logins:
    """The login of one user; made when it is first asked for."""

    def __init__(self, user: User, again: Callable[[], User]) -> None:
        """``again`` reads it anew: a person who logs in again has written it into the kubeconfig.

        A context is told with each question, and never kept: this outlives connections.
        """
        self._user: User | None = user  # until it has been used once
        self._again = again
        self._now: Login | None = None
        self._good_until: datetime | None = None
        self._read_at = 0.0
        self._making: asyncio.Task[None] | None = None
        self._hidden: set[str] = set()

    async def get(self, ctx: Context) -> Login:
        """One that is good for a while yet, by its own word."""
        if self._now is None or self._ends(ctx.clock):
            return await self._made(ctx)
        return self._now

    async def renewed(self, ctx: Context, old: Login) -> Login:
        """Another than ``old``, which the cluster refused; the one that somebody else has made since will do."""
        if self._now is None or self._now is old:
            return await self._made(ctx)
        return self._now

    @property
    def waits(self) -> bool:
        """Whether one is being made just now."""
        return self._making is not None and not self._making.done()

    async def _made(self, ctx: Context) -> Login:
        """Who asks may have less time than a login takes, which goes on then: the next one finds it made."""
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._make(ctx), name="a login")
            self._making.add_done_callback(_heard)
        await asyncio.shield(self._making)
        assert self._now is not None
        return self._now

    @property
    def known(self) -> Login | None:
        """The one in use."""
        return self._now

    def _ends(self, clock: Clock) -> bool:
        if self._good_until is not None and clock.now() >= self._good_until:
            return True
        return self._read_at > 0 and clock.monotonic() - self._read_at >= FILE_S

    async def _make(self, ctx: Context) -> None:
        user = self._user if self._user is not None else await asyncio.to_thread(self._again)
        self._user = None
        clock = ctx.clock
        began = clock.now()
        login = await self._of(ctx, user)
        self._now = login
        self._read_at = clock.monotonic() if user.token_file is not None else 0.0
        self._good_until = None
        if login.until is not None and login.until > began:  # one that has ended already is used until it is refused
            self._good_until = login.until - min(EARLY, (login.until - began) / 10)

    async def _of(self, ctx: Context, user: User) -> Login:
        """What it names first counts, in the order in which kubectl takes them."""
        if user.token_file is not None:
            token = await asyncio.to_thread(_from_file, user.token_file)
            return replace(self._bearer(ctx, user, token, _told_by(token), "a token from a file"), renews=True)
        if user.token:
            return self._bearer(ctx, user, user.token, _told_by(user.token), "a token")
        if user.username:
            self._hide(ctx, "KUBERNETES_PASSWORD", user.password)
            basic = base64.b64encode(f"{user.username}:{user.password}".encode()).decode()
            self._hide(ctx, "KUBERNETES_BASIC_TOKEN", basic)
            return self._with(user, ("Authorization", f"Basic {basic}"), None, "a name and a password")
        if user.exec is not None:
            return await self._executed(ctx, user, user.exec)
        if user.certificate:
            until = await asyncio.to_thread(not_after, user.certificate)
            return self._with(user, None, until, "a client certificate")
        return self._with(user, None, None, "no login")

    def _bearer(self, ctx: Context, user: User, token: str, until: datetime | None, kind: str) -> Login:
        if not token.isascii() or not token.isprintable() or " " in token:
            raise BadInput("The login can't be used", f"{user.name}: its token is none", "log in again")
        self._hide(ctx, "KUBERNETES_TOKEN", token)
        return self._with(user, ("Authorization", f"Bearer {token}"), until, kind)

    def _with(self, user: User, header: tuple[str, str] | None, until: datetime | None, kind: str) -> Login:
        headers = ((header,) if header else ()) + user.impersonate
        return Login(headers, user.certificate, user.key, until, kind)

    async def _executed(self, ctx: Context, user: User, program: Exec) -> Login:
        config: Config = ctx.config
        command = allowed(program, config.login_programs)
        name = Path(command).name
        env = {**program.env, "KUBERNETES_EXEC_INFO": _info(program)}
        try:
            done = await ctx.read.run([command, *program.args], timeout=PROGRAM_S, env=env)
        except ProgramMissing as error:
            hint = " ".join(program.hint.split())[:300] or f"install {name}"
            raise ProgramMissing(f"The login program {name} is not here", error.cause, hint) from None
        if done.status != 0:
            said = [line for line in done.text.strip().splitlines() if line.strip()]
            cause = f"{said[-1].strip()[:300]} (exit status {done.status})" if said else f"exit status {done.status}"
            raise WarroomError(f"The login program {name} failed", cause, f"run {name} yourself, and log in as it asks")
        status = _credential(name, program, done.text)
        token, certificate, key = (
            _word(name, status, part) for part in ("token", "clientCertificateData", "clientKeyData")
        )
        until = _instant(name, status.get("expirationTimestamp")) or _told_by(token)
        if bool(certificate) != bool(key) or not (token or certificate):
            raise _odd(name, "a token, or a client certificate with its key, was expected")
        self._hide(ctx, "KUBERNETES_TOKEN", token)
        self._hide(ctx, "KUBERNETES_CLIENT_KEY", key)
        if certificate and until is None:
            until = await asyncio.to_thread(not_after, certificate.encode())
        bearer = self._bearer(ctx, user, token, until, name) if token else self._with(user, None, until, name)
        if not certificate:
            return replace(bearer, renews=True)
        return Login(bearer.headers, certificate.encode(), key.encode(), until, name, renews=True)

    def _hide(self, ctx: Context, name: str, value: str) -> None:
        """Before it is used: what comes back may repeat it."""
        if value and value not in self._hidden:
            self._hidden.add(value)
            ctx.hide({name: value})


def _heard(made: asyncio.Task[None]) -> None:
    """What went wrong is told to who asks next, where nobody waits any more."""
    if not made.cancelled():
        made.exception()


def allowed(program: Exec, programs: tuple[str, ...]) -> str:
    """The program to start. A name of the list is looked for in PATH; with a folder, that very file must be listed."""
    command = program.command
    if "/" in command and not command.startswith("/"):
        command = os.path.normpath(os.path.join(program.folder, command))
    if command not in programs:
        raise BadInput(
            "The kubeconfig's login program is not started",
            f"{command[:200]!r} is not among login_programs: {', '.join(programs) or 'none'}",
            "if you trust it, add it to login_programs in the runbook",
        )
    if program.interactive == "Always":
        raise BadInput(
            f"The login program {Path(command).name} asks at a terminal",
            "interactiveMode is Always: it can't be asked from here",
            "use a login that needs no answers",
        )
    for name in program.env:
        if name == "PATH" or name.startswith(_LOADING):
            raise BadInput(
                f"The login program {Path(command).name} is not started",
                f"the kubeconfig sets {name[:80]} for it, which would make it run other code",
                "set it for warroom as a whole where it is needed",
            )
    return command


def _info(program: Exec) -> str:
    spec: dict[str, Any] = {"interactive": False}
    if program.info is not None:
        spec["cluster"] = program.info
    return json.dumps({"apiVersion": program.api_version, "kind": "ExecCredential", "spec": spec})


def _credential(name: str, program: Exec, text: str) -> Mapping[str, Any]:
    """Its standard output comes first in ``text``; what it said beside it follows."""
    try:
        found, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        raise _odd(name, "no JSON") from None
    if not isinstance(found, dict) or found.get("kind") != "ExecCredential":
        raise _odd(name, "an ExecCredential was expected")
    if found.get("apiVersion") != program.api_version:
        raise _odd(name, f"{program.api_version} was asked for, {str(found.get('apiVersion'))[:80]} was given")
    status = found.get("status")
    if not isinstance(status, dict):
        raise _odd(name, "its status is missing")
    return status


def _word(name: str, status: Mapping[str, Any], part: str) -> str:
    value = status.get(part)
    if value is not None and not isinstance(value, str):
        raise _odd(name, f"{part}: a text was expected")
    return (value or "").strip() if part == "token" else value or ""


def _instant(name: str, value: object) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise _odd(name, "expirationTimestamp: a time was expected") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _odd(name: str, why: str) -> WarroomError:
    return WarroomError(f"The login program {name} gave no login", why, f"run {name} yourself to see what it says")


def _from_file(path: Path) -> str:
    try:
        with regular(path).open("rb") as file:
            data = file.read(LARGEST + 1)
        token = data.decode("ascii").strip()
    except OSError as error:
        why = (error.strerror or "").lower()
        raise BadInput("The token can't be read", f"{path}: {why}", "is the account's token mounted?") from None
    except UnicodeDecodeError:
        token = ""
    if not token or len(data) > LARGEST:
        raise BadInput("The token can't be read", f"{path}: it holds no token", "is the account's token mounted?")
    return token


def _told_by(token: str) -> datetime | None:
    """When a token says it ends, if it is a JSON Web Token. Nothing is checked: it only decides what people are told
    and when it is asked for again."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError):
        return None


def left(login: Login, now: datetime) -> float | None:
    """Seconds until it ends, ``now`` by the clock of whom it is for; None where nobody says."""
    return None if login.until is None else (login.until - now).total_seconds()
