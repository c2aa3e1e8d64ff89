"""Which image each service is to get: by digest where a registry knows it, by ID where it was built on the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from warroom.api import BadInput, Context, Unreachable, WarroomError
from warroom_compose.client import Engine
from warroom_compose.images import TAG, Image, Reference, reference
from warroom_compose.operations.args import TargetArgs
from warroom_compose.operations.definition import Definition
from warroom_compose.operations.seeing import image
from warroom_compose.project import Project
from warroom_compose.registry import digest_of

REGISTRY_S = 6.0


@dataclass(frozen=True)
class Target:
    """``ref`` is what is pinned: NAME@sha256:…, or an image's ID. ``image`` is the local one, if it is there.

    ``tag`` is the name it has for people, ``tagged`` what that name stands for now, by the registry's word or else by
    the host's; both empty where nobody can tell.
    """

    service: str
    ref: str
    image: Image | None
    tag: str = ""
    tagged: str = ""


async def targets(
    ctx: Context,
    engine: Engine,
    project: Project,
    definitions: Mapping[str, Definition],
    args: TargetArgs,
    *,
    tags: bool = False,
) -> list[Target]:
    """Raises BadInput where a service's image can't be told, Unreachable where only a silent registry could tell.

    ``tags``: what the version's tag stands for is asked for too, which a registry that is away makes slow.
    """
    first = args.services[0]
    released = own_repository(project, definitions, first)
    found = []
    for service in args.services:
        mine = own_repository(project, definitions, service)
        if service in args.images:
            found.append(await _named(ctx, engine, service, args.images[service]))
        elif mine == released or _run_the_same(project, service, first):
            found.append(await _by_digest(ctx, engine, service, released, args, tags))
        elif TAG.fullmatch(args.version):
            found.append(await _named(ctx, engine, service, f"{mine}:{args.version}"))
        else:
            raise BadInput(
                f"{service} has another image than {first}",
                f"{mine} instead of {released}: the digest doesn't name it",
                "give the version, or images for each service, in the runbook's step",
            )
    return found


def own_repository(project: Project, definitions: Mapping[str, Definition], service: str) -> str:
    """Of the image that its definition names; Compose's own name for one that is only built.

    One that is named by an ID alone is looked for where its containers' image came from.
    """
    named = reference(definitions[service].image or f"{project.name}-{service}")
    return named.repository if named is not None and named.repository else f"{project.name}-{service}"


def _run_the_same(project: Project, service: str, first: str) -> bool:
    """Two that are built under names of their own may still run one image."""
    mine, other = ({one.image_id for one in project.of(name)} for name in (service, first))
    return bool(mine) and mine == other


async def _by_digest(ctx: Context, engine: Engine, service: str, name: str, args: TargetArgs, tags: bool) -> Target:
    ref = f"{name}@{args.digest}"
    tag = Reference(name, args.version) if tags and TAG.fullmatch(args.version) else None
    tagged = await _tagged(ctx, engine, tag)
    local = await image(engine, ref)
    if local is None:
        local = await image(engine, args.digest)
        ref = _identity(local, name) if local is not None else ref
    return Target(service, ref, local, str(tag) if tag else "", tagged)


async def _tagged(ctx: Context, engine: Engine, tag: Reference | None) -> str:
    """What the tag stands for: the registry is asked first, since the host's own word may be an old one."""
    if tag is None:
        return ""
    try:
        told = await digest_of(ctx, engine, tag, timeout=REGISTRY_S)
    except WarroomError:  # away, or not for us to ask: the host's word is what there is
        told = None
    if told is not None:
        return told
    local = await image(engine, str(tag))
    return "" if local is None else _identity(local, tag.repository).rpartition("@")[2]


async def _named(ctx: Context, engine: Engine, service: str, text: str) -> Target:
    """By a name for people: what the host knows under it, else what the registry does."""
    ref = reference(text)
    if ref is None or not ref.repository:
        raise BadInput(f"{text!r} names no image", "NAME:TAG or NAME@sha256:… was expected", "correct the runbook")
    local = await image(engine, str(ref))
    if ref.digest:
        return Target(service, str(ref), local)
    if local is not None:
        known = _identity(local, ref.repository)
        return Target(service, known, local, str(ref), known.rpartition("@")[2])
    try:
        told = await digest_of(ctx, engine, ref, timeout=REGISTRY_S)
    except WarroomError as error:
        raise Unreachable(f"The image {ref} can't be told", f"the host has none, and {error}") from None
    if told is None:
        raise BadInput(f"There is no image {ref}", "neither the host nor its registry has one", "name another one")
    whole = f"{ref.repository}@{told}"
    return Target(service, whole, await image(engine, whole), str(ref), told)


def _identity(local: Image, name: str) -> str:
    """NAME@sha256:… by which a registry knows it, else its ID."""
    return next((each for each in local.digests if each.startswith(f"{name}@")), local.id)


def putting_back(project: Project, service: str, local: Sequence[Image]) -> str:
    """What would be pinned to get what runs now again: by digest where it has one of its own repository, else by ID."""
    for one in project.of(service):
        found = next((each for each in local if each.id == one.image_id), None)
        if found is not None:
            ref = reference(one.image)
            return _identity(found, ref.repository) if ref is not None and ref.repository else found.id
    return ""
