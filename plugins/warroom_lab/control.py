"""Asking the lab's control endpoint. Only reading: what changes the lab is a Call, executed by the runner."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import JsonValue

from warroom.api import BadInput, Context, Unreachable, WarroomError
from warroom_lab.config import Config

_LARGEST = 65536
_TIMEOUT = 10.0


@dataclass(frozen=True)
class Lab:
    control_url: str
    base_url: str
    fingerprint: str


def lab_of(config: Config) -> Lab:
    """The lab as its lab.json describes it now. Raises Unreachable when none is running there."""
    try:
        with open(config.lab_file, "rb") as file:
            found = json.loads(file.read(_LARGEST))
        return Lab(*(str(found[name]) for name in ("control_url", "base_url", "fingerprint")))
    except FileNotFoundError:
        where = str(Path(config.lab_file).parent)
        raise Unreachable(
            "The drill lab is not running", f"there is no lab.json in {where}", "Start the lab."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unreachable("The drill lab can't be found", f"{config.lab_file} can't be read: {error}") from None


async def ask(ctx: Context, path: str, **query: str | int) -> dict[str, Any]:
    """The control endpoint's JSON object. Raises Unreachable or TimedOut without an answer, else WarroomError."""
    config: Config = ctx.config
    words = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
    url = lab_of(config).control_url + path + (f"?{words}" if words else "")
    headers = {"Authorization": f"Bearer {ctx.secret(config.token_secret)}"}
    reply = await ctx.read.http("GET", url, timeout=_TIMEOUT, headers=headers)
    data: JsonValue = reply.data
    if not isinstance(data, dict):
        raise Unreachable("The drill lab did not answer as it should", f"{path}: HTTP {reply.status}")
    if reply.status in (400, 404):
        raise BadInput(*(str(data.get(name, "")) for name in ("error", "cause", "hint")))
    if reply.status >= 400:
        raise WarroomError(*(str(data.get(name, "")) for name in ("error", "cause", "hint")))
    return data
