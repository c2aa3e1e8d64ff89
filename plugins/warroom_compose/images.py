"""Images, as the engine's host has them and as registries know them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from warroom_compose.client import Engine
from warroom_compose.project import LABEL, Container, Project, has_check
from warroom_compose.times import instant

DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
TAG = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")
REPOSITORY = re.compile(
    r"^(?:(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
    r"|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$"
)
"""As docker allows them, so that none begins with ``-``."""
VERSION_LABEL = "org.opencontainers.image.version"
COMMIT_LABEL = "org.opencontainers.image.revision"
_COMMIT = re.compile(r"^[0-9a-f]{7,64}$")
SHORT = 12
"""Hexadecimal digits of an ID as people write it."""


@dataclass(frozen=True)
class Reference:
    """What an image is called: ``repository``, and a ``tag`` or a ``digest``, each empty where it is not said."""

    repository: str = ""
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        if self.digest:
            return f"{self.repository}@{self.digest}" if self.repository else self.digest
        return f"{self.repository}:{self.tag}" if self.tag else self.repository


def reference(text: str) -> Reference | None:
    """None for what docker allows no image to be called. Docker Hub's own names are made short, as the engine does."""
    name, at, digest = text.partition("@")
    if at and not DIGEST.fullmatch(digest):
        return None
    if not at and DIGEST.fullmatch(name):
        return Reference(digest=name)
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        head, tag = name, ""
    if len(head) > 255 or not REPOSITORY.fullmatch(head) or (head != name and not TAG.fullmatch(tag)):
        return None
    return Reference(_familiar(head), "" if digest else tag, digest)


def _familiar(repository: str) -> str:
    for prefix in ("index.docker.io/", "docker.io/"):
        repository = repository.removeprefix(prefix)
    return repository.removeprefix("library/")


@dataclass(frozen=True)
class Image:
    """One image on the engine's host. ``tags`` and ``digests`` are whole (``REPO:TAG``, ``REPO@sha256:…``).

    ``settings`` are its environment's names with their values, and None unless it was inspected; what stands behind it
    is empty then. ``architecture`` is what it was built for: ``amd64``, ``arm64``.
    """

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    created_at: datetime | None = None
    size: int = 0
    labels: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: Mapping[str, str] | None = field(default=None, repr=False)
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    layers: tuple[str, ...] = field(default=(), repr=False)
    checked: bool = False
    architecture: str = ""

    @property
    def repositories(self) -> tuple[str, ...]:
        found = [ref.repository for text in (*self.tags, *self.digests) if (ref := reference(text)) is not None]
        return tuple(dict.fromkeys(found))

    def digest(self, repositories: Sequence[str] = ()) -> str:
        """Its identity: what a registry knows it by, one of these repositories first; its own ID where none does."""
        known = {ref.repository: ref.digest for text in self.digests if (ref := reference(text)) is not None}
        for repository in (*repositories, *sorted(known)):
            if repository in known:
                return known[repository]
        return self.id

    def names(self, repositories: Sequence[str]) -> tuple[str, ...]:
        """What a person may call it, the best first: its tags there, a version in its labels, ``latest``, its ID."""
        refs = [ref for text in self.tags if (ref := reference(text)) is not None and ref.tag]
        tags = [ref.tag for ref in refs if ref.repository in repositories]
        said = self.labels.get(VERSION_LABEL, "")
        own = [said] if TAG.fullmatch(said) else []
        named = sorted(tag for tag in tags if tag != "latest")
        return tuple(dict.fromkeys([*named, *own, *(["latest"] if "latest" in tags else []), short(self.id)]))

    @property
    def commit(self) -> str | None:
        found = self.labels.get(COMMIT_LABEL, "").lower()
        return found if _COMMIT.fullmatch(found) else None


def short(ref: str) -> str:
    """A digest, or a reference by one, for people; any other reference as it is."""
    name, at, digest = ref.rpartition("@")
    return f"{name}{at}{digest[: len('sha256:') + SHORT]}" if digest.startswith("sha256:") else ref


def _clean(texts: object) -> tuple[str, ...]:
    return tuple(str(text) for text in texts if "<none>" not in str(text)) if isinstance(texts, list) else ()


def listed(one: Mapping[str, Any]) -> Image:
    """From one of ``/images/json``."""
    return Image(
        id=str(one["Id"]),
        tags=_clean(one.get("RepoTags")),
        digests=_clean(one.get("RepoDigests")),
        created_at=datetime.fromtimestamp(int(one["Created"]), UTC) if one.get("Created") else None,
        size=int(one.get("Size") or 0),
        labels={str(name): str(value) for name, value in (one.get("Labels") or {}).items()},
    )


def inspected(one: Mapping[str, Any]) -> Image:
    """From ``/images/NAME/json``."""
    made = one.get("Config") or {}
    environment = [str(each).partition("=") for each in made.get("Env") or []]
    return Image(
        id=str(one["Id"]),
        tags=_clean(one.get("RepoTags")),
        digests=_clean(one.get("RepoDigests")),
        created_at=instant(one.get("Created")),
        size=int(one.get("Size") or 0),
        labels={str(name): str(value) for name, value in (made.get("Labels") or {}).items()},
        settings={name: value for name, _, value in environment},
        command=_words(made.get("Cmd")),
        entrypoint=_words(made.get("Entrypoint")),
        ports=tuple(sorted(made.get("ExposedPorts") or {})),
        layers=_words((one.get("RootFS") or {}).get("Layers")),
        checked=has_check(made),
        architecture=str(one.get("Architecture") or ""),
    )


def _words(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


async def images(engine: Engine) -> list[Image]:
    """All that are on the host, those without a name too, newest made first."""
    found = [listed(one) for one in await engine.ask(lambda api: api.images())]
    return sorted(found, key=lambda one: (one.created_at or datetime.min.replace(tzinfo=UTC), one.id), reverse=True)


async def of_name(engine: Engine, name: str) -> Image:
    """One of the host's, by its name, digest or ID. Raises ``NotThere``."""
    return inspected(await engine.ask(lambda api: api.inspect_image(name)))


def repositories(containers: Sequence[Container], there: Sequence[Image]) -> tuple[str, ...]:
    """Where these containers' images come from: by their references first, then by the images' other names."""
    found = [ref.repository for one in containers if (ref := reference(one.image)) is not None]
    ids = {one.image_id for one in containers}
    found += [name for image in there if image.id in ids for name in image.repositories]
    return tuple(dict.fromkeys(name for name in found if name))


def made_for(image: Image, project: Project, service: str) -> bool:
    """Whether Compose built it for this service: such an image loses its name with the next build."""
    labels = image.labels
    return labels.get(f"{LABEL}project") == project.name and labels.get(f"{LABEL}service") == service
