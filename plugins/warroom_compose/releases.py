"""What ran, what runs, and what lies between: by the images' digests, never by their tags alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from warroom.api import BadInput, Context, TimedOut, Unreachable, WarroomError
from warroom.model.release import Release, ReleaseDiff
from warroom.model.units import listed
from warroom_compose.client import Engine, NotThere, engine
from warroom_compose.config import Config
from warroom_compose.images import TAG, Image, Reference, images, made_for, of_name, reference, repositories, short
from warroom_compose.project import LABEL, Container, NoProject, Project, find
from warroom_compose.registry import digest_of
from warroom_compose.said import Said, said_by

APP_TIMEOUT = 2.0
REPOINTED_TIMEOUT = 3.0
_PART_OF_ID = re.compile(r"^(?:sha256:)?([0-9a-f]{7,64})$")
_NEVER = datetime.min.replace(tzinfo=UTC)


class ComposeReleases:
    async def running(self, ctx: Context) -> Release | None:
        """By the image that the released service's running containers really have, and by the app's own word.

        None where none runs, and where they run different ones: then no one release does.
        """
        config: Config = ctx.config
        try:
            async with engine(ctx) as of:
                project = await find(ctx, of, only={config.released})
                there = await _running(of, project.running(config.released))
        except NoProject:
            return None
        if there is None:
            return None
        containers = project.running(config.released)
        image, names = there
        says = await said_by(ctx, config.services[config.released].version_url, APP_TIMEOUT)
        return _release(image, names, containers, note=_note(containers, says), said=says)

    async def history(self, ctx: Context) -> Sequence[Release]:
        """What is on the engine's host of the released service: what has a container first, then by when it was made.

        When the others ran, and how, is warroom's own to say: an engine remembers no earlier container.
        """
        async with engine(ctx) as of:
            project, there = await asyncio.gather(find(ctx, of, only={ctx.config.released}), images(of))
        found = [release for _, release in _history(ctx.config, project, there)]
        if not found and not project.of(ctx.config.released):
            raise WarroomError(
                f"The project {project.name} has no container of {ctx.config.released}",
                f"those it has are of {listed(sorted(project.services))}",
                "correct the names under services, or release",
            )
        return found

    async def resolve(self, ctx: Context, text: str) -> Release:
        """A tag, ``REPOSITORY:TAG``, digest, ID (seven digits of it at least) or version label.

        What is on the host is taken from there, without a network; else the registry is asked.
        """
        async with engine(ctx) as of:
            project, there = await asyncio.gather(find(ctx, of, only={ctx.config.released}), images(of))
            names = _names(project, ctx.config, there)
            found = _local(text, names, there)
            if found is not None:
                image, tagged = found
                note = await _repointed(ctx, of, image, tagged)
                return _release(image, names, project.of(ctx.config.released), note=note, called=text)
            return await _from_registry(ctx, of, text, names, [r for _, r in _history(ctx.config, project, there)])

    async def diff(self, ctx: Context, older: Release, newer: Release) -> ReleaseDiff:
        """What the two images say of themselves. Commits and files are in no image: notes say so."""
        async with engine(ctx) as of:
            there = await images(of)
            pair = []
            for release in (older, newer):
                one = _by_digest(release.digest or "", there)
                if one is None:
                    words = f"{release.name} is not on the engine's host: what differs can't be read before it is"
                    return ReleaseDiff(older=older.name, newer=newer.name, notes=(words,))
                pair.append(await of_name(of, one.id))
        for one in pair:
            ctx.hide(one.settings or {})
        return _compared(older, newer, pair[0], pair[1])


async def _running(of: Engine, containers: Sequence[Container]) -> tuple[Image, tuple[str, ...]] | None:
    """The one image that all of them have, and its repositories."""
    ids = {one.image_id for one in containers}
    if len(ids) != 1:
        return None
    try:
        found = await of_name(of, ids.pop())
    except NotThere:  # removed by force from under it
        found = Image(containers[0].image_id)
    return found, repositories(containers, [found])


def _note(containers: Sequence[Container], says: Said | None) -> str:
    by = "by its container's image" if len(containers) == 1 else f"by the image of its {len(containers)} containers"
    return f"{by}; {says.words}" if says is not None else by


def _release(
    image: Image,
    names: Sequence[str],
    containers: Sequence[Container],
    *,
    note: str = "",
    called: str = "",
    said: Said | None = None,
) -> Release:
    """``called``: what a person called it, which is its version where it is one of its names."""
    known = image.names(names)
    own = [one for one in containers if one.image_id == image.id]
    wanted = [ref.tag for text in [called, *(one.image for one in own)] if (ref := reference(text)) and ref.tag]
    version = next((name for name in (called, *wanted) if name in known and name != "latest"), known[0])
    if version == short(image.id) and said is not None and said.version:
        version = said.version
    made = [one.created_at for one in own if one.created_at is not None]
    return Release(
        version=version,
        commit=image.commit or (said.commit if said is not None else None),
        digest=image.digest(names),
        created_at=image.created_at.replace(microsecond=0) if image.created_at else None,  # as lists of images have it
        deployed_at=min(made) if made else None,
        note=note,
    )


def _names(project: Project, config: Config, there: Sequence[Image]) -> tuple[str, ...]:
    """The released service's repositories, the one its containers name first."""
    names = repositories(project.of(config.released), there)
    return names or (f"{project.name}-{config.released}",)


def _history(config: Config, project: Project, there: Sequence[Image]) -> list[tuple[Image, Release]]:
    names, containers = _names(project, config, there), project.of(config.released)
    ids = {one.image_id for one in containers}
    ours = [
        image
        for image in there
        if image.id in ids or set(image.repositories) & set(names) or made_for(image, project, config.released)
    ]
    taken: set[str] = set()
    found = []
    for image in ours:
        release = _release(image, names, containers)
        if release.version in taken:  # two images whose labels say the same version
            release = release.model_copy(update={"version": short(image.id)})
        taken.add(release.version)
        found.append((image, release))
    return sorted(found, key=lambda each: (each[1].deployed_at or _NEVER, each[1].created_at or _NEVER), reverse=True)


def _local(text: str, names: Sequence[str], there: Sequence[Image]) -> tuple[Image, Reference | None] | None:
    """The image on the host, and the tag it was found by. Raises ``BadInput`` where several could be meant."""
    ref = reference(text)
    if (
        ref is not None
        and ref.tag
        and "/" not in text
        and ref.repository not in {n for i in there for n in i.repositories}
    ):
        ref = None
    if ref is not None and (ref.tag or ref.digest):
        for image in there:
            if str(ref) in map(_short_name, (*image.tags, *image.digests)) or ref.digest == image.id:
                return image, ref if ref.tag else None
        if ref.digest and not ref.repository:
            image_ = _by_digest(ref.digest, there)
            return (image_, None) if image_ is not None else None
        return None
    for repository in names:
        for image in there:
            if f"{repository}:{text}" in map(_short_name, image.tags):
                return image, Reference(repository, text)
    own = [image for image in there if set(image.repositories) & set(names) or not image.repositories]
    return _one_of(text, [image for image in own if text in image.names(names)]) or _by_part(text, there)


def _short_name(text: str) -> str:
    return str(reference(text) or text)


def _by_part(text: str, there: Sequence[Image]) -> tuple[Image, None] | None:
    match = _PART_OF_ID.fullmatch(text)
    if match is None:
        return None
    start = f"sha256:{match[1]}"
    digests = {image.id: [image.id, *(d.partition("@")[2] for d in image.digests)] for image in there}
    return _one_of(text, [i for i in there if any(d.startswith(start) for d in digests[i.id])])


def _one_of(text: str, found: Sequence[Image]) -> tuple[Image, None] | None:
    if len(found) > 1:
        those = listed([short(image.id) for image in found])
        raise BadInput(f"{text!r} could be any of {len(found)} images", those, "Name one by more of its ID.")
    return (found[0], None) if found else None


def _by_digest(digest: str, there: Sequence[Image]) -> Image | None:
    return next((i for i in there if digest == i.id or any(d.endswith(f"@{digest}") for d in i.digests)), None)


async def _repointed(ctx: Context, of: Engine, image: Image, ref: Reference | None) -> str:
    """Whether the registry has another image under this tag by now; empty where it has not, or can't be asked."""
    if ref is None or not any(d.startswith(f"{ref.repository}@") for d in map(_short_name, image.digests)):
        return "" if image.digests else "built here: no registry knows it"
    try:
        there = await digest_of(ctx, of, ref, timeout=REPOINTED_TIMEOUT)
    except WarroomError:
        return "on the engine's host; the registry can't be asked whether its tag is still the same"
    if there is None:
        return f"on the engine's host; the registry has no {ref.tag} any more"
    if f"{ref.repository}@{there}" in map(_short_name, image.digests):
        return ""
    return f"on the engine's host; in the registry {ref.tag} is another image by now: {short(there)}"


async def _from_registry(
    ctx: Context, of: Engine, text: str, names: Sequence[str], known: Sequence[Release]
) -> Release:
    ref = reference(text)
    if ref is not None and not ref.repository:
        ref = Reference(names[0], digest=ref.digest)
    elif ref is None or not (ref.tag or ref.digest):
        ref = reference(f"{names[0]}:{text}") if TAG.fullmatch(text) else None
    there = listed([release.version for release in known]) or "none"
    if ref is None:
        raise BadInput(
            f"{text[:100]!r} is not what an image can be called",
            "a tag, a digest (sha256:…) or an ID was expected",
            f"On the engine's host are: {there}.",
        )
    try:
        digest = await digest_of(ctx, of, ref)
    except (Unreachable, TimedOut) as error:
        raise Unreachable(f"{ref} is not on the engine's host, and {_lower(error.title)}", error.cause) from error
    if digest is None:
        raise WarroomError(
            f"There is no {ref}",
            "neither the engine's host nor the registry has it",
            f"On the engine's host are: {there}.",
        )
    return Release(
        version=ref.tag or short(digest), digest=digest, note="in the registry; not on the engine's host yet"
    )


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]


def _compared(older: Release, newer: Release, before: Image, after: Image) -> ReleaseDiff:
    notes = ["an image tells neither its commits nor its files"]
    if before.commit and after.commit:
        notes = [f"commits {before.commit[:12]}..{after.commit[:12]}, by the images' labels"]
    for what, was, now in (
        ("the command", before.command, after.command),
        ("the entrypoint", before.entrypoint, after.entrypoint),
        ("the ports", before.ports, after.ports),
    ):
        if was != now:
            notes.append(f"{what}: {' '.join(was) or 'none'} became {' '.join(now) or 'none'}"[:300])
    if before.checked != after.checked:
        notes.append(f"only {(after if after.checked else before).names(())[0]} has a health check")
    shared = len(set(before.layers) & set(after.layers))
    notes.append(f"{shared} of {len(after.layers)} layers are the same")
    changed = sorted(
        name
        for name in {*before.labels, *after.labels}
        if before.labels.get(name) != after.labels.get(name) and not name.startswith(LABEL)
    )
    if changed:
        notes.append(f"labels that differ: {listed(changed, 6)}")
    keys = _settings(before.settings or {}, after.settings or {})
    return ReleaseDiff(older=older.name, newer=newer.name, config_keys=tuple(keys), notes=tuple(notes))


def _settings(was: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    keys = [f"added {name}" for name in sorted(now.keys() - was.keys())]
    keys += [f"removed {name}" for name in sorted(was.keys() - now.keys())]
    return keys + [f"changed {name}" for name in sorted(was.keys() & now.keys()) if was[name] != now[name]]
