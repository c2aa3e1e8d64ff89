"""Runbook files for tests: a plugin of no real platform, and what is said of a text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, field_validator

from warroom.api import Context, Option, Plugin, Probed, SignalOffer
from warroom.errors import PluginBroken
from warroom.model.base import Fact
from warroom.model.call import CallResult
from warroom.model.plan import Look, Preview, Risk
from warroom.model.signal import Sample
from warroom.runbook import Loaded, RunbookInvalid, load
from warroom.testing.builders import a_preview

HEAD = """\
extends: default
format: 1
service: shop
environment: {kind: drill}
"""
"""The least that a file has to say; four lines."""

PLATFORM = HEAD + "platforms: {shop: {plugin: shop, config: {address: here}}}\n"
"""The same with a platform; five lines."""


TREE = HEAD + "tree:\n  root: a\n  questions:\n"
"""Seven lines; the first question stands on line 8."""
LEAVES = "  leaves:\n    stop: {advice: monitor, title: Stop}\n    go: {advice: rollback, title: Go}\n"
YES_NO = "from: {by: firing}"


class Config(Fact):
    address: str
    token: str = ""
    retries: int = Field(default=1, ge=1, le=9)
    identity: str | None = "yes"

    @field_validator("address")
    @classmethod
    def _fails(cls, text: str) -> str:
        return str(1 // 0) if text == "boom" else text


class RestartArgs(Fact):
    version: str = Field(pattern=r"^v[0-9.]+$")
    force: bool = False
    after: tuple[Annotated[str, Field(pattern=r"^v[0-9.]+$")], ...] = ()


class Restart:
    name = "restart"
    title = "Restart"
    risk: Risk = "disruptive"
    args: type[BaseModel] = RestartArgs

    async def facts(self, ctx: Context, args: Any) -> Mapping[str, Any]:
        return {}

    def preview(self, config: Any, args: Any, facts: Mapping[str, Any]) -> Preview:
        return a_preview()

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {}

    async def check(self, ctx: Context, args: Any, facts: Mapping[str, Any]) -> Look:
        return Look(verdict="cannot-tell", seen="")


class CountArgs(Fact):
    tables: tuple[str, ...] = ()


class Count:
    name = "count"
    args: type[BaseModel] = CountArgs

    async def probe(self, ctx: Context, args: Any) -> Probed:
        return Probed("pass", "")


class Offers:
    def offers(self, config: Any) -> Mapping[str, SignalOffer]:
        if config.address == "nowhere":
            raise RuntimeError("no such place")
        return {"errors": SignalOffer("errors", "ratio"), "latency": SignalOffer("latency", "ms")}

    async def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncIterator[Sample]:
        return
        yield


class Identity:
    async def fingerprint(self, ctx: Context) -> str:
        return "a1"


class Versions:
    title = "The version"

    async def options(self, ctx: Context) -> Sequence[Option]:
        return []


SHOP = Plugin(
    name="shop",
    version="1",
    config=Config,
    operations=[Restart()],
    probes=[Count()],
    choosers={"versions": Versions()},
    signals=Offers(),
    identity=Identity(),
)


@dataclass(frozen=True)
class Name:
    name: str


class Plugins:
    """Installed are ``shop``, ``plain`` (which can do nothing) and ``broken`` (which can't be loaded)."""

    def available(self) -> list[Name]:
        return [Name("shop"), Name("broken"), Name("plain")]

    def load(self, name: str) -> Plugin:
        if name == "shop":
            return SHOP
        if name == "plain":
            return Plugin(name="plain", version="1", config=Config)
        raise PluginBroken(f"The plugin {name} could not be loaded", "ImportError: no module")


def loaded(folder: Path, text: str | bytes, name: str = "warroom.yaml") -> Loaded:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(path, Plugins())


def mistakes(folder: Path, text: str | bytes) -> list[str]:
    """What is wrong with the text, each without the folder's name: ``line:column: found …, expected …``."""
    try:
        loaded(folder, text)
    except RunbookInvalid as invalid:
        return [str(problem).removeprefix(f"{folder}/warroom.yaml:") for problem in invalid.problems]
    return []


def but_for_lines(dumped: Any) -> Any:
    """What a runbook or a part of it holds, without what a person is told to do by hand: that has the file's names."""
    if isinstance(dumped, dict):
        return {key: bool(value) if key == "manual" else but_for_lines(value) for key, value in dumped.items()}
    return [but_for_lines(each) for each in dumped] if isinstance(dumped, list | tuple) else dumped
