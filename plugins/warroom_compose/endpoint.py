"""Which engine ``docker`` would talk to, and how it is reached."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from warroom.api import Context, WarroomError
from warroom_compose.config import Config, host_problem

SSH_CONNECT_S = 30
"""What the docker command itself gives ssh to connect."""


@dataclass(frozen=True)
class Endpoint:
    """``host`` is as docker writes it (``unix:///…``, ``tcp://…``, ``ssh://…``); ``tls`` where it is spoken."""

    host: str
    tls: ssl.SSLContext | None = None

    @property
    def name(self) -> str:
        return self.host

    @property
    def hostname(self) -> str:
        return urlsplit(self.host).hostname or "docker" if self.host.startswith("tcp") else "docker"

    @property
    def local(self) -> bool:
        """Whether its disks are this machine's."""
        return self.host.startswith("unix:")

    @property
    def slow_s(self) -> float:
        """How much longer than its answers its connection may take, in seconds: ssh has to agree on keys first."""
        return 10 if self.host.startswith("ssh:") else 0

    @property
    def to(self) -> str | list[str]:
        """For ``ReadDoor.dial``."""
        parts = urlsplit(self.host)
        if parts.scheme == "unix":
            return f"unix:{self.host.removeprefix('unix://')}"
        if parts.scheme == "tcp":
            host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
            return f"tcp:{host}:{parts.port}".replace("[", "").replace("]", "")
        # As docker itself does it, but so that it can't ask for a password where nobody sees it.
        argv = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={SSH_CONNECT_S}", "-T"]
        if parts.username:
            argv += ["-l", parts.username]
        if parts.port:
            argv += ["-p", str(parts.port)]
        remote = ["docker", "system", "dial-stdio"]
        if parts.path not in ("", "/"):
            remote = ["docker", "--host", f"unix://{parts.path}", "system", "dial-stdio"]
        return [*argv, "--", parts.hostname or "", *remote]

    def hint(self, cause: str) -> str:
        if self.host.startswith("ssh:"):
            if "host key" in cause.lower():
                return "its host key is not the known one: find out why before anything else"
            return "try the same with ssh by hand; warroom can't be asked for a password"
        if "certificate" in cause.lower():
            return "its certificate, or yours, is not the known one: find out why before anything else"
        if "permission denied" in cause:
            return "warroom's user may not use the engine's socket: add it to its group, or run as one who may"
        return "is the engine running, and is this its address?"


async def endpoint(ctx: Context) -> Endpoint:
    """Raises WarroomError where docker itself can't say, or says what warroom does not speak."""
    config: Config = ctx.config
    if config.host is not None:
        return _environment(config.host)
    if config.context is None and (host := os.environ.get("DOCKER_HOST")):
        return _environment(host)
    argv = ["docker", "context", "inspect"] + ([config.context] if config.context else [])
    shown = await ctx.read.run(argv, timeout=config.timeout + 5)
    if shown.status != 0:
        said = shown.text.strip().splitlines()
        raise WarroomError(
            f"The docker context {config.context or 'in use'} can't be read",
            said[-1] if said else f"exit status {shown.status}",
            "docker context ls shows those there are",
        )
    try:
        (found,) = json.loads(shown.text)
        return _context(found)
    except (ValueError, KeyError, TypeError) as error:
        raise WarroomError("docker context inspect can't be understood", str(error)[:200]) from error


def _checked(host: str) -> str:
    if problem := host_problem(host):
        raise WarroomError(f"The Docker engine's address {host[:200]!r} can't be used", problem, "correct it")
    return host


def _context(found: Mapping[str, Any]) -> Endpoint:
    place = found["Endpoints"]["docker"]
    host = _checked(str(place["Host"]))
    names = (found.get("TLSMaterial") or {}).get("docker") or []
    if not names or not host.startswith("tcp:"):
        if not names and host.startswith("tcp:"):
            return _environment(host)
        return Endpoint(host)
    folder = Path(found["Storage"]["TLSPath"]) / "docker"
    return Endpoint(host, _tls(folder, set(names), not place.get("SkipTLSVerify", False)))


def _environment(host: str) -> Endpoint:
    """TLS as the docker command takes it from the environment."""
    _checked(host)
    verify = bool(os.environ.get("DOCKER_TLS_VERIFY"))
    if not host.startswith("tcp:") or not (verify or os.environ.get("DOCKER_TLS")):
        return Endpoint(host)
    folder = Path(os.environ.get("DOCKER_CERT_PATH") or os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    there = {name for name in ("ca.pem", "cert.pem", "key.pem") if (folder / name).exists()}
    return Endpoint(host, _tls(folder, there, verify))


def _tls(folder: Path, names: set[str], verify: bool) -> ssl.SSLContext:
    try:
        authority = folder / "ca.pem" if "ca.pem" in names else None
        tls = ssl.create_default_context(cafile=authority)
        if not verify:
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        if {"cert.pem", "key.pem"} <= names:
            tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        return tls
    except (OSError, ssl.SSLError) as error:
        raise WarroomError(f"The TLS files in {folder} can't be read", str(error)[:200]) from error
