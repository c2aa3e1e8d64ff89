"""Secrets by name: ``env:NAME``, ``file:PATH``, or ``made:NAME`` for one that is made up here and kept in memory only.

A value is registered for redaction before anyone sees it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from warroom.errors import BadInput
from warroom.redact import Redactor

LARGEST = 65536


def hide_environment(redactor: Redactor) -> None:
    """What warroom's own environment calls a secret, and the passwords in its addresses, before anything is read."""
    redactor.register_settings(os.environ, "env")


def hide_configuration(redactor: Redactor, platform: str, config: BaseModel | None) -> None:
    """A platform's configuration names its secrets; one that was written out all the same is hidden as well."""

    def texts(value: Any, name: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, Mapping):
            for key, item in value.items():
                yield from texts(item, str(key))
        elif isinstance(value, (list, tuple, set, frozenset)):
            for item in value:
                yield from texts(item, name)

    if config is not None:
        for name, value in texts(config.model_dump(mode="json"), ""):
            if not value.startswith(("env:", "file:")):
                redactor.register_settings({name: value}, platform)


class Secrets:
    """``warroom.api.SecretResolver``."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._made: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        kind, _, where = name.partition(":")
        if kind == "env":
            value = os.environ.get(where)
            if not value:
                raise BadInput(f"the secret {name} is not set", f"no environment variable {where}", f"export {where}")
        elif kind == "file":
            value = _from_file(name, Path(where))
        elif kind == "made":
            value = self._made.setdefault(where, secrets.token_urlsafe(32))
        else:
            raise BadInput(f"{name!r} is no secret's name", "env:NAME or file:PATH was expected", "correct the runbook")
        self._redactor.register(value, name)
        return value


def _from_file(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise BadInput(f"the secret {name} can't be read", error.strerror or "", "check the file") from None
    if not data.strip() or len(data) > LARGEST:
        raise BadInput(f"the secret {name} can't be used", "the file is empty or far too large", "check the file")
    try:
        return data.decode().strip()
    except UnicodeDecodeError:
        raise BadInput(f"the secret {name} can't be used", "the file is not text", "check the file") from None
