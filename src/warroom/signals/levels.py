"""How bad a log line says it is: JSON lines by their level field, plain ones by the words that loggers write."""

from __future__ import annotations

import re

from warroom.model.signal import Level

LOOKED_AT = 600
"""A line says its level near its beginning; the rest is not looked at."""

_NAMES: dict[str, Level] = {
    **dict.fromkeys(("trace", "debug", "verbose", "silly", "d"), "debug"),
    **dict.fromkeys(("info", "information", "informational", "notice", "log", "i"), "info"),
    **dict.fromkeys(("warn", "warning", "w"), "warning"),
    **dict.fromkeys(
        ("error", "err", "e", "fatal", "f", "critical", "crit", "panic", "severe", "alert", "emerg"), "error"
    ),
    "emergency": "error",
}

_JSON = re.compile(
    r'"(?:level|severity|lvl|loglevel|log\.level|levelname|severity_text)"\s*:\s*(?:"([A-Za-z]{1,13})"|(\d{1,3})\b)',
    re.IGNORECASE,
)
_LOGFMT = re.compile(r'\b(?:level|lvl|severity)=["\']?([A-Za-z]{1,13})\b', re.IGNORECASE)
_KLOG = re.compile(r"^([DIWEF])\d{4} \d\d:\d\d:\d\d")
_ERROR = re.compile(
    r"\b(?:ERROR|ERR|FATAL|CRITICAL|CRIT|PANIC|SEVERE|EMERG|ALERT)\b"
    r"|\[(?:error|crit|alert|emerg|fatal)\]"
    r"|^\s*(?:[Ee]rror|panic|fatal(?: error)?): "
    r"|Traceback \(most recent call last\)"
    r"|\b(?:[A-Z]\w+(?:Error|Exception)): "
    r"|\b[Uu]n(?:handled|caught) (?:promise |rejection|exception|error)"
    r"|\bException in thread\b"
    r'|\bHTTP/\d(?:\.\d)?" 5\d\d\b'
)
_WARNING = re.compile(r"\bWARN(?:ING)?\b|\[warn(?:ing)?\]|^\s*[Ww]arning: ")
_INFO = re.compile(r"\b(?:INFO|NOTICE|LOG):?\b|\[(?:info|notice)\]")
_DEBUG = re.compile(r"\b(?:DEBUG|TRACE)\b|\[debug\]")


_ERROR_PARTS = (
    *(
        "ERR",
        "rror",
        "FATAL",
        "fatal",
        "CRIT",
        "[crit",
        "PANIC",
        "panic",
        "SEVERE",
        "EMERG",
        "[emerg",
        "ALERT",
        "[alert",
    ),
    *("Traceback", "xception", "nhandled", "ncaught", "HTTP/"),
)
_BY_WORDS: tuple[tuple[Level, tuple[str, ...], re.Pattern[str]], ...] = (
    ("error", _ERROR_PARTS, _ERROR),
    ("warning", ("WARN", "[warn", "arning: "), _WARNING),
    ("info", ("INFO", "NOTICE", "LOG", "[info", "[notice"), _INFO),
    ("debug", ("DEBUG", "TRACE", "[debug"), _DEBUG),
)
"""Parts that a pattern cannot match without: looking for them first makes most lines ten times cheaper."""


def level_of(text: str) -> Level:
    """``unknown`` where the line does not say. A line that names both an error and another level is an error.

    Text such as "0 errors" is no error: only what loggers write counts, not the word in a sentence.
    """
    head = text[:LOOKED_AT]
    said = _said(head)
    if said != "unknown":
        return said
    for level, parts, pattern in _BY_WORDS:
        for part in parts:
            if part in head:
                if pattern.search(head):
                    return level
                break
    return "unknown"


def _said(head: str) -> Level:
    """The level that a structured line states."""
    if "{" in head and (found := _JSON.search(head)) is not None:
        name, number = found.groups()
        return _NAMES.get(name.lower(), "unknown") if name else _numbered(int(number))
    if "=" in head and (found := _LOGFMT.search(head)) is not None:
        return _NAMES.get(found.group(1).lower(), "unknown")
    if (found := _KLOG.match(head)) is not None:
        return _NAMES[found.group(1).lower()]
    return "unknown"


def _numbered(level: int) -> Level:
    """Pino and bunyan count 10 to 60; syslog counts 7 down to 0."""
    if level >= 10:
        return "error" if level >= 50 else "warning" if level >= 40 else "info" if level >= 30 else "debug"
    return "error" if level <= 3 else "warning" if level == 4 else "info" if level <= 6 else "debug"
