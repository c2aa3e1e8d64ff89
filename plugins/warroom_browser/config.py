"""What a runbook says under ``platforms: … config:`` for this plugin."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from warroom.model.address import refused_host
from warroom.model.base import Fact


def _address(url: str) -> str:
    """Raises ValueError for what is no http or https address of a host that may be asked."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or not url.isprintable():
        raise ValueError("an http or https address was expected")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a name and a password are not written into an address")
    if why := refused_host(parts.hostname):
        raise ValueError(why)
    _ = parts.port  # raises ValueError where it is no number
    return url


def _host(name: str) -> str:
    if why := refused_host(name):
        raise ValueError(why)
    return name


Url = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_address)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Host = Annotated[str, AfterValidator(_host)]


class Config(Fact):
    """``pages`` are drawn one after the other. A page's scripts reach its own host and ``also``, nothing else."""

    pages: dict[Name, Url] = Field(min_length=1, max_length=20)
    also: tuple[Host, ...] = ()
    program: str = Field(default="chromium", pattern=r"^[A-Za-z0-9/][\w./+-]{0,199}$")
    width: int = Field(default=1600, ge=200, le=4000)
    height: int = Field(default=1200, ge=200, le=8000)
    settle_s: float = Field(default=5, ge=0, le=30)
    page_timeout_s: float = Field(default=30, ge=1, le=120)
