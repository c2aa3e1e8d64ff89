"""What a runbook says about a Compose project."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from warroom.model.address import HOST, refused_host
from warroom.model.base import Duration, Fact

PROJECT = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""A project's name, as Compose normalizes it."""
SERVICE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
"""A service's name; Compose would let one begin with ``.``, ``_`` or ``-``, where an option could stand."""
CONTEXT = r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$"
_USER = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}$")


def _absolute(text: str) -> str:
    if not text.startswith("/") or not text.isprintable() or ".." in Path(text).parts:
        raise ValueError("an absolute path without .. was expected")
    return text


def _host(text: str) -> str:
    """As ``docker -H`` takes it: ``unix:///PATH``, ``tcp://HOST:PORT`` or ``ssh://[USER@]HOST[:PORT]``."""
    if problem := host_problem(text):
        raise ValueError(problem)
    return text


def host_problem(text: str) -> str:
    """Why this is no address of an engine that warroom asks; empty when it is one."""
    expected = "unix:///PATH, tcp://HOST:PORT or ssh://[USER@]HOST[:PORT] was expected"
    if not text.isprintable() or any(c.isspace() for c in text):
        return expected
    if text.startswith("unix:///"):
        return "" if ".." not in Path(text[7:]).parts else expected
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return expected
    if parts.scheme not in ("tcp", "ssh") or set("?#") & set(text) or parts.path not in ("", "/"):
        return expected
    if parts.password is not None:
        return "a password in the address would stand in argv: use keys"
    if parts.scheme == "tcp" and (port is None or parts.username is not None):
        return "tcp://HOST:PORT was expected"
    if parts.username is not None and not _USER.fullmatch(parts.username):
        return expected
    if parts.scheme == "ssh":  # a name that only ~/.ssh/config knows is as good as any
        return "" if HOST.fullmatch(host) or ":" in host else expected
    return refused_host(host)


def _http(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("an address such as http://127.0.0.1:3000/api/version was expected")
    return text


AbsolutePath = Annotated[str, Field(max_length=4000), AfterValidator(_absolute)]
Url = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s\x00-\x1f]+$"), AfterValidator(_http)]
ServiceName = Annotated[str, Field(pattern=SERVICE)]


class Service(Fact):
    """What is known of a service beside what the engine says of its containers.

    ``version_url`` answers with JSON that has a ``version`` or a ``commit``; ``health_url`` with a 2xx while it is
    well, which decides where the image has no health check. ``memory_limit`` is in bytes, for a container that the
    engine gives none. ``one_shot``: it runs to its end and stays stopped. ``with_release``: the default runbook rolls
    it back together with the released service.
    """

    version_url: Url | None = None
    health_url: Url | None = None
    memory_limit: int | None = Field(default=None, ge=2**20)
    one_shot: bool = False
    with_release: bool = False


class Config(Fact):
    """``services`` are those that matter, by name; the first is the one whose image is the release, unless
    ``release`` names another.

    Where the project is, which files and which env files it is made of comes from its containers' labels.
    ``directory``, ``files``, ``env_files`` and ``profiles`` say it for one that has moved, or that Compose's labels
    don't tell. ``context`` or ``host`` names the engine as ``docker --context`` and ``docker -H`` take it; without
    either it is the one that ``docker`` itself would ask. ``pins`` is the folder of the files that pin images; left
    out, one in warroom's state folder. ``every`` is the pause between two measurements, ``timeout`` the longest that
    one may take.
    """

    project: str = Field(pattern=PROJECT)
    services: dict[ServiceName, Service] = Field(min_length=1, max_length=100)
    release: ServiceName | None = None
    directory: AbsolutePath | None = None
    files: tuple[AbsolutePath, ...] = Field(default=(), max_length=50)
    env_files: tuple[AbsolutePath, ...] = Field(default=(), max_length=50)
    profiles: tuple[Annotated[str, Field(pattern=SERVICE)], ...] = Field(default=(), max_length=50)
    context: str | None = Field(default=None, pattern=CONTEXT)
    host: Annotated[str, Field(max_length=400), AfterValidator(_host)] | None = None
    pins: AbsolutePath | None = None
    every: Annotated[Duration, Field(ge=0.2, le=60)] = 2
    timeout: Annotated[Duration, Field(ge=0.5, le=60)] = 5

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if self.context is not None and self.host is not None:
            raise ValueError("context or host, not both")
        if self.release is not None and self.release not in self.services:
            raise ValueError(f"release must be one of services: {', '.join(self.services)}")
        return self

    @property
    def released(self) -> str:
        """The service whose image is the release."""
        return self.release or next(iter(self.services))

    @property
    def docker(self) -> tuple[str, ...]:
        """``docker`` with the engine that is meant, as every command line begins."""
        if self.context is not None:
            return ("docker", "--context", self.context)
        return ("docker", "--host", self.host) if self.host is not None else ("docker",)

    def pin_file(self, engine_id: str) -> Path:
        """The override that pins images of this project on that engine, outside every repository."""
        engine = hashlib.sha256(engine_id.encode()).hexdigest()[:12]
        return self._pins / engine / f"{self.project}.yaml"

    @property
    def _pins(self) -> Path:
        if self.pins is not None:
            return Path(self.pins)
        if named := os.environ.get("WARROOM_STATE"):
            return Path(os.path.abspath(named)) / "pins"
        import platformdirs

        return platformdirs.user_state_path("warroom", appauthor=False) / "pins"
