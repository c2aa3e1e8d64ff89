"""Finding plugins, loading them one at a time, and keeping their faults apart from everything else.

A plugin that is broken is one red row with its error, never a crash: whatever it raises becomes ``PluginBroken``.
Listing never imports; only what the runbook names is loaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from warroom.api import API_VERSION, Clock, Plugin
from warroom.errors import BadInput, PluginBroken, TimedOut, WarroomError
from warroom.model.runbook import Platform, Runbook
from warroom.redact import Redactor

GROUP = "warroom.plugins"
T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_MOST_TEXT = 300
_PATTERNS = Redactor()


@dataclass(frozen=True)
class Found:
    """An entry point: ``name`` is what runbooks say, ``value`` what would be imported (``package:attribute``)."""

    name: str
    distribution: str
    value: str


@dataclass(frozen=True)
class LoadedPlatform:
    """One platform of a runbook. ``problem`` says why it can't be used; then ``plugin`` or ``config`` may be None."""

    plugin: Plugin | None
    config: BaseModel | None
    problem: WarroomError | None


def available() -> tuple[Found, ...]:
    """Every plugin installed, by name, without importing any."""
    found = {
        Found(name=entry.name, distribution=entry.dist.name if entry.dist else "", value=entry.value)
        for entry in metadata.entry_points(group=GROUP)
    }
    return tuple(sorted(found, key=lambda f: (f.name, f.distribution, f.value)))


def load(name: str) -> Plugin:
    """Imports one plugin. Raises ``PluginBroken`` whatever it does: missing, raising, exiting, of the wrong kind."""
    entry = _entry(name)
    with (
        _blamed(f"The plugin {name} could not be loaded", "Repair or reinstall the package it comes from."),
        contextlib.redirect_stdout(io.StringIO()),  # what it prints would be drawn over the console
        contextlib.redirect_stderr(io.StringIO()),
    ):
        plugin = entry.load()
    problem = _wrong(name, plugin)
    if problem:
        raise PluginBroken(
            f"The plugin {name} does not fit", problem, f"It must follow version {API_VERSION} of the plugin interface."
        )
    assert isinstance(plugin, Plugin)
    return plugin


def load_platforms(runbook: Runbook) -> dict[str, LoadedPlatform]:
    """Every platform the runbook names, loaded and with its configuration checked. Raises nothing."""
    return {platform_id: _platform(platform_id, platform) for platform_id, platform in runbook.platforms.items()}


def sentences(error: ValidationError) -> list[str]:
    """A validation error as plain sentences, ``url: a text was expected, found a number``; never a whole value."""
    return [_sentence(str(e["type"]), e["loc"], e["msg"], e["input"]) for e in error.errors(include_url=False)]


async def isolated(name: str, awaitable: Awaitable[T], *, timeout: float | None = None) -> T:
    """Awaits a plugin's work. ``WarroomError`` passes; anything else it raises becomes ``PluginBroken``.

    Raises ``TimedOut`` after ``timeout`` seconds. Cancelling the caller cancels the work.
    """
    with _blamed(f"{name} failed", "The rest of warroom goes on without it."):
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                return await awaitable
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TimedOut(f"{name} did not answer", f"It took longer than {timeout:g} s.") from error


def called(name: str, function: Callable[[], T]) -> T:
    """Calls a plugin's plain function (``preview``, ``offers``); errors as in ``isolated``."""
    with _blamed(f"{name} failed", "The rest of warroom goes on without it."):
        return function()


async def supervise(
    name: str,
    start: Callable[[], AsyncIterator[T]],
    *,
    of: type[T],
    clock: Clock,
    failed: Callable[[WarroomError, float], None],
    first_pause: float = 1.0,
    longest_pause: float = 30.0,
) -> AsyncGenerator[T, None]:
    """A plugin's endless stream, started again for ever after it raises, ends or yields something not of type ``of``.

    ``failed(error, pause)`` is told of each failure and of the seconds until the next start. Pauses double up to
    ``longest_pause``, and begin anew once a stream has lived longer than that. Closing this closes the stream.
    """
    pause = first_pause
    while True:
        began = clock.monotonic()
        try:
            with _blamed(f"{name} failed", "It is started again after a pause."):
                stream = start()
                try:
                    async for item in stream:
                        if not isinstance(item, of):
                            raise TypeError(f"{of.__name__} was expected, not {type(item).__name__}")
                        yield item
                finally:
                    await _closed(name, stream)
            error: WarroomError = PluginBroken(f"{name} ended", "It should go on for ever.", "It is started again.")
        except WarroomError as raised:
            error = raised
        if clock.monotonic() - began > longest_pause:
            pause = first_pause
        failed(error, pause)
        await clock.sleep(pause)
        pause = min(pause * 2, longest_pause)


async def _closed(name: str, stream: object) -> None:
    """A fault while closing must not replace the reason for closing: it goes to the log."""
    close = getattr(stream, "aclose", None)
    try:
        if close is not None:
            with _blamed(f"{name} failed while it was closed", ""):
                await close()
    except WarroomError as error:
        _LOG.warning("%s", error)


@contextlib.contextmanager
def _blamed(title: str, hint: str) -> Iterator[None]:
    """Turns what a plugin raises into ``PluginBroken``; lets through what is ours: WarroomError, a cancel, Ctrl+C."""
    try:
        yield
    except (WarroomError, KeyboardInterrupt, GeneratorExit):
        raise
    except asyncio.CancelledError as error:
        if _being_cancelled():
            raise
        raise PluginBroken(title, "It cancelled itself.", hint) from error
    except BaseException as error:
        raise PluginBroken(title, _told(error), hint) from error


def _being_cancelled() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs: there is nothing that could be cancelled
        return False
    return task is not None and task.cancelling() > 0


def _told(error: BaseException) -> str:
    """An exception in one bounded line, without control bytes and secrets."""
    text = " ".join(_PATTERNS.clean(str(error)).split())
    kind = type(error).__name__
    return f"{kind}: {text[:_MOST_TEXT]}" if text else kind


def _entry(name: str) -> metadata.EntryPoint:
    entries = {e.value: e for e in metadata.entry_points(group=GROUP, name=name)}
    if not entries:
        known = ", ".join(sorted({f.name for f in available()})) or "none"
        raise PluginBroken(f"There is no plugin {name}", f"Installed are: {known}.", "Install it, or correct its name.")
    if len(entries) > 1:
        raise PluginBroken(
            f"There are {len(entries)} plugins named {name}", ", ".join(sorted(entries)), "Uninstall all but one."
        )
    return next(iter(entries.values()))


def _wrong(name: str, plugin: object) -> str:
    """Why this is not a plugin that can be used; empty when it is."""
    if not isinstance(plugin, Plugin):
        return f"A warroom.api.Plugin was expected, not {type(plugin).__name__}."
    if plugin.api != API_VERSION:
        return f"It was written for version {plugin.api} of the plugin interface."
    if plugin.name != name:
        return f"It calls itself {str(plugin.name)[:80]!r}."
    config: object = plugin.config
    if not (isinstance(config, type) and issubclass(config, BaseModel)):
        return "Its config is not a pydantic model."
    if config.model_config.get("extra") != "forbid":
        return "Its config model must refuse unknown keys (extra='forbid')."
    return ""


def _platform(platform_id: str, platform: Platform) -> LoadedPlatform:
    try:
        plugin = load(platform.plugin)
    except WarroomError as problem:
        return LoadedPlatform(None, None, problem)
    title = f"The configuration of the platform {platform_id} is wrong"
    try:
        config = called(f"The plugin {platform.plugin}", lambda: _validated(plugin, platform, title))
    except WarroomError as problem:
        return LoadedPlatform(plugin, None, problem)
    return LoadedPlatform(plugin, config, None)


def _validated(plugin: Plugin, platform: Platform, title: str) -> BaseModel:
    try:
        return plugin.config.model_validate(platform.config)
    except ValidationError as error:
        keys = ", ".join(plugin.config.model_fields) or "none"
        raise BadInput(title, "; ".join(sentences(error)), f"The plugin {plugin.name} takes: {keys}.") from error


_KINDS = {
    "str": "a text",
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "dict": "a group of keys",
    "list": "a list",
    "NoneType": "nothing",
}
_EXPECTED = {"string": "a text", "int": "a whole number", "float": "a number", "bool": "true or false"}


def _sentence(kind: str, loc: tuple[int | str, ...], message: str, found: object) -> str:
    where = _PATTERNS.clean(".".join(str(part) for part in loc))[:120] or "the configuration"
    seen = _KINDS.get(type(found).__name__, type(found).__name__)
    if kind == "missing":
        return f"{where}: is missing"
    if kind == "extra_forbidden":
        return f"{where}: is not a key it knows"
    expected = _EXPECTED.get(kind.removesuffix("_type").removesuffix("_parsing"))
    if expected is not None:
        return f"{where}: {expected} was expected, found {seen}"
    plain = _PATTERNS.clean(message).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return f"{where}: {plain[:1].lower()}{plain[1:_MOST_TEXT]} (found {seen})"
