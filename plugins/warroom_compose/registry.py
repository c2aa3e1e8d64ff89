"""What a registry has under a name, by the engine's word: it asks with its own mirrors, proxies and certificates."""

from __future__ import annotations

import base64
import binascii
import json
import os
from pathlib import Path
from typing import Any

from warroom.api import Context, TimedOut, Unreachable
from warroom_compose.client import Engine, EngineRefused, NotThere
from warroom_compose.images import Reference

ABSENT = ("manifest unknown", "name unknown", "not found", "no such manifest")


async def digest_of(ctx: Context, engine: Engine, ref: Reference, *, timeout: float = 10) -> str | None:
    """The digest there, or None where the registry says that it has none. Raises ``Unreachable`` or ``TimedOut``."""
    login = _login(ctx, ref)
    try:
        told = await engine.ask(lambda api: api.inspect_distribution(str(ref), auth_config=login), timeout=timeout)
    except NotThere:
        return None
    except EngineRefused as error:
        if any(word in error.cause.lower() for word in ABSENT):
            return None
        raise Unreachable(f"The registry of {ref.repository} can't be asked", error.cause) from error
    except TimedOut as error:
        raise TimedOut(f"The registry of {ref.repository} did not answer in {timeout:g} s", error.cause) from error
    digest = (told.get("Descriptor") or {}).get("digest") if isinstance(told, dict) else None
    return str(digest) if digest else None


def _login(ctx: Context, ref: Reference) -> dict[str, str]:
    """What ``docker login`` keeps for this registry in its file; empty where that is nothing. A credential helper is
    not started (without a login given, the SDK would do that): a registry that wants one can't be asked from here,
    while ``docker pull`` can."""
    first = ref.repository.partition("/")[0]
    host = first if "/" in ref.repository and ("." in first or ":" in first or first == "localhost") else ""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        known: Any = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("auths") or {}
        kept = known.get(host or "https://index.docker.io/v1/") or {}
        user, _, password = base64.b64decode(kept["auth"], validate=True).decode().partition(":")
    except (OSError, ValueError, KeyError, AttributeError, TypeError, binascii.Error):
        return {}
    ctx.hide({"REGISTRY_PASSWORD": password, "REGISTRY_AUTH": str(kept["auth"])})
    return {"username": user, "password": password, "serveraddress": host or "https://index.docker.io/v1/"}
