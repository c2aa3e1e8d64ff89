"""The lab's logs, line by line, each with its source's own time."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

from warroom.api import Context, WarroomError
from warroom.model.signal import Level, LogLine
from warroom_lab.config import Config
from warroom_lab.control import ask

SOURCES = ("app", "postgres", "redis", "lab")
FIRST_LOOK = -65536
"""How many bytes of a log's end are read when its following begins."""

_LEVELS: dict[str, Level] = {"debug": "debug", "info": "info", "warning": "warning", "error": "error"}
_POSTGRES = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) UTC \[\d+\] (\w+):")
_REDIS = re.compile(r"\d+:[A-Z] (\d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3}) ([.*#-])")
_POSTGRES_LEVELS: dict[str, Level] = {
    "WARNING": "warning",
    "ERROR": "error",
    "FATAL": "error",
    "PANIC": "error",
}


class LabLogs:
    async def follow(self, ctx: Context) -> AsyncGenerator[LogLine, None]:
        """All sources, from a little before now on. A lab that doesn't answer for a while is asked again."""
        config: Config = ctx.config
        offsets = dict.fromkeys(SOURCES, FIRST_LOOK)
        while True:
            for source in SOURCES:
                try:
                    page = await ask(ctx, "/logs", source=source, offset=offsets[source])
                except WarroomError:
                    continue  # the signals and the readiness rows say that it is away
                # A log that is shorter than where we were has begun anew.
                offsets[source] = page["next"] if page["size"] >= offsets[source] else 0
                for text in page["lines"]:
                    yield read_line(source, str(text))
            await ctx.clock.sleep(config.every)


def read_line(source: str, text: str) -> LogLine:
    """A line with its time and level, where it says them. Of a JSON line the text is its message and fields."""
    if source in ("app", "lab"):
        return _structured(source, text)
    if source == "postgres" and (match := _POSTGRES.match(text)):
        at = datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
        return LogLine(source=source, text=text, at=at, level=_POSTGRES_LEVELS.get(match[2], "info"))
    if source == "redis" and (match := _REDIS.match(text)):
        return LogLine(source=source, text=text, level="warning" if match[2] == "#" else "info")
    return LogLine(source=source, text=text)


def _structured(source: str, text: str) -> LogLine:
    try:
        found: Any = json.loads(text)
        at = datetime.fromisoformat(str(found.pop("time")))
        level = _LEVELS.get(str(found.pop("level")), "unknown")
        message = str(found.pop("message"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return LogLine(source=source, text=text)
    fields = " ".join(f"{name}={_shown(value)}" for name, value in found.items())
    return LogLine(source=source, text=f"{message} {fields}".rstrip(), at=at if at.tzinfo else None, level=level)


def _shown(value: object) -> str:
    """As it is where that is one word, else quoted on one line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if text and not re.search(r'[\s"=]', text) else json.dumps(text, ensure_ascii=False)
