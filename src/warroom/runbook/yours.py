"""The default runbook's lines to paste name one team's host, services and database.

In a file that extends it stand that file's own, where a platform of it says them, and a word to fill in where none
does: nobody pastes another team's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from warroom.runbook.nodes import Map, Node, Scalar, Seq, as_json

MEANS: Mapping[str, str] = {
    "YOUR_HOST": "the host at which the application is reached",
    "YOUR_SERVER": "user and server, as ssh takes them",
    "YOUR_FOLDER": "the application's folder on the server",
    "YOUR_IMAGE": "the application's image, without a tag",
    "YOUR_WEB": "the application's service in Docker Compose; where it runs otherwise, use what does the same there",
    "YOUR_DB": "the database's service in Docker Compose; elsewhere, leave out what stands before psql or pg_dump",
    "YOUR_REDIS": "Redis's service in Docker Compose; elsewhere, leave out what stands before redis-cli",
    "YOUR_DATABASE": "the database's name",
    "YOUR_BACKUPS": "the folder with the backups",
    "YOUR_DEPLOYMENT": "the application's Deployment",
    "YOUR_NAMESPACE": "its namespace",
}
"""Each word to fill in, and what it stands for. A shell takes none of them for anything that is there."""

_THEIRS: Sequence[tuple[str, re.Pattern[str]]] = (
    ("YOUR_HOST", re.compile(r"(?<=https://)your-app\.com")),
    ("YOUR_SERVER", re.compile(r"user@production-server")),
    ("YOUR_FOLDER", re.compile(r"/opt/ai-saas-app")),
    ("YOUR_IMAGE", re.compile(r"your-registry/ai-saas-web")),
    ("YOUR_DATABASE", re.compile(r"\bai_saas(?=_restored|_before|\b)")),
    ("YOUR_BACKUPS", re.compile(r"/backups\b")),
    ("YOUR_DEPLOYMENT", re.compile(r"\bai-saas-web\b")),
    ("YOUR_NAMESPACE", re.compile(r"\bai-saas-prod\b")),
)
_IN_COMPOSE: Sequence[tuple[str, re.Pattern[str]]] = tuple(
    (word, re.compile(rf"(?<=\s){name}(?=[\s:]|$)"))
    for word, name in (("YOUR_WEB", "web"), ("YOUR_DB", "db"), ("YOUR_REDIS", "redis"))
)
"""Only in lines for ``docker``: elsewhere these are words like any other."""
_WORD = re.compile(r"\bYOUR_[A-Z]+(?=_restored|_before|\b)")
_PLAIN = re.compile(r"[A-Za-z0-9/][A-Za-z0-9._:/-]{0,200}")
"""What may stand in a line that is pasted without being read as anything else."""


def yours(own: Map, default: Map) -> Map:
    """``default`` with the names of ``own`` in its lines to paste, and in the sentences that go with them."""
    pos, procedures = default.entries["procedures"]
    known = dict(_known(as_json(own)))
    return Map(default.pos, {**default.entries, "procedures": (pos, _walked(procedures, known))})


def to_fill_in(line: str) -> tuple[str, ...]:
    """The words in it that stand for what nobody has named, each once."""
    return tuple(dict.fromkeys(_WORD.findall(line)))


def _walked(node: Node, known: Mapping[str, str]) -> Node:
    if isinstance(node, Map):
        entries = {
            key: (pos, _manual(value, known) if key == "manual" and isinstance(value, Map) else _walked(value, known))
            for key, (pos, value) in node.entries.items()
        }
        return Map(node.pos, entries)
    return node


def _manual(step: Map, known: Mapping[str, str]) -> Map:
    entries = {key: (pos, _named(value, known)) for key, (pos, value) in step.entries.items()}
    said = as_json(entries["commands"][1]) if "commands" in entries else []
    words = to_fill_in("\n".join(map(str, said))) if isinstance(said, list) else ()
    if words and isinstance(does := entries["do"][1], Scalar):
        means = "; ".join(f"{word}: {MEANS[word]}" for word in words if word in MEANS)
        entries["do"] = (entries["do"][0], Scalar(does.pos, f"{does.value} Fill in {means}.", does.block))
    return Map(step.pos, entries)


def _named(node: Node, known: Mapping[str, str]) -> Node:
    if isinstance(node, Seq):
        return Seq(node.pos, tuple(_named(item, known) for item in node.items))
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return node
    text = node.value
    for word, theirs in (*_THEIRS, *(_IN_COMPOSE if "docker " in text else ())):
        text = known.get(word, word).join(theirs.split(text))
    return Scalar(node.pos, text, node.block)


def _known(own: Any) -> Iterator[tuple[str, str]]:
    """What the file's platforms say of these, the first one that does. Only what a shell takes as it stands."""
    found: dict[str, str] = {}
    for plugin, config in _platforms(own):
        for word, value in _of(plugin, config):
            if isinstance(value, str) and _PLAIN.fullmatch(value):
                found.setdefault(word, value)
    yield from found.items()


def _platforms(own: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    platforms = own.get("platforms") if isinstance(own, dict) else None
    for platform in platforms.values() if isinstance(platforms, dict) else ():
        if isinstance(platform, dict) and isinstance(config := platform.get("config"), dict):
            yield str(platform.get("plugin")), config


def _of(plugin: str, config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if plugin == "http":
        yield "YOUR_HOST", _host(config.get("base_url"))
    elif plugin == "compose":
        services = config.get("services")
        yield "YOUR_FOLDER", config.get("directory")
        if isinstance(services, dict) and services:
            yield "YOUR_WEB", config.get("release") or next(iter(services))
            yield from ((word, name) for word, name in (("YOUR_DB", "db"), ("YOUR_REDIS", "redis")) if name in services)
    elif plugin == "kubernetes":
        workloads = config.get("workloads")
        yield "YOUR_NAMESPACE", config.get("namespace")
        if isinstance(workloads, dict) and workloads:
            yield "YOUR_DEPLOYMENT", config.get("release") or next(iter(workloads))
    elif plugin == "postgres":
        through, backups = config.get("through"), config.get("backups")
        yield "YOUR_DB", through.get("service") if isinstance(through, dict) else None
        folders = backups.get("folders") if isinstance(backups, dict) else None
        yield "YOUR_BACKUPS", folders[0] if isinstance(folders, list) and folders else None


def _host(url: Any) -> str | None:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return None  # the plugin says what is wrong with it
    return parts.netloc if parts is not None and parts.scheme == "https" and "@" not in parts.netloc else None
