"""The address of a service, as a runbook may write it."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from warroom.model.address import refused_host

PATH = re.compile(r"/(?!/)(?:[A-Za-z0-9._~!&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2}|\$\{[a-z][a-z0-9_]{0,40}\})*")
_SECRET = r"^(?:env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\x00]+)$"


def path_text(text: str) -> str:
    """A path from the root, perhaps with a query, with ``%xx`` for anything unusual. It can't leave the host."""
    plain = text.split("?", 1)[0]
    if not PATH.fullmatch(text) or any(part in (".", "..") for part in plain.split("/")):
        raise ValueError("a path such as /api/health was expected, with %xx for unusual characters")
    return text


def base_url(text: str) -> str:
    """``http`` or ``https``, a host, perhaps a port and a path prefix; nothing else, and no metadata address."""
    if any(not c.isprintable() or c in ' \\"<>^`{|}' for c in text):
        raise ValueError("an address such as https://app.example.com was expected")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an http:// or https:// address was expected")
    if "@" in parts.netloc:
        raise ValueError("no user name or password may stand in the address: name a secret instead")
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise ValueError("the address may not have a query or a fragment")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("the port is not a number from 1 to 65535")
    if reason := refused_host(parts.hostname):
        raise ValueError(f"this address is never asked: {reason}")
    path_text(parts.path or "/")
    return text.rstrip("/")


BaseUrl = Annotated[str, Field(max_length=300), AfterValidator(base_url)]
SecretName = Annotated[str, Field(pattern=_SECRET, max_length=4000)]
"""``env:NAME`` or ``file:/PATH``: where a secret is, never the secret itself."""
