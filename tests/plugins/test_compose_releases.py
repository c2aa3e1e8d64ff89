"""Releases of a Compose project: by digest, from what runs and what is on the host, and by name from a registry."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.docker_engine import DockerEngine, private_engine
from tests.plugins.compose_images import Image as Sample
from tests.plugins.compose_images import load
from tests.plugins.compose_projects import a_project, idle_service, web_service
from tests.plugins.compose_reading import LONG, reading
from warroom.api import BadInput, Unreachable, WarroomError
from warroom_compose.images import Image, Reference, reference
from warroom_compose.releases import ComposeReleases

NEEDS = pytest.mark.needs("dockerd", "compose", "docker-registry")
HEX = "7f8971931363ee724c30c22e8132fbd2e595344b494f79f97e0dce5fd3070b78"


# ---- what images are called


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("nginx", Reference("nginx")),
        ("docker.io/library/nginx:1.27", Reference("nginx", "1.27")),
        ("docker.io/shop/web:v1", Reference("shop/web", "v1")),
        ("127.0.0.1:5000/shop/web", Reference("127.0.0.1:5000/shop/web")),
        ("127.0.0.1:5000/shop/web:v1", Reference("127.0.0.1:5000/shop/web", "v1")),
        ("ghcr.io/shop/web_api--x:1.0.0-beta.2", Reference("ghcr.io/shop/web_api--x", "1.0.0-beta.2")),
        (f"web@sha256:{HEX}", Reference("web", "", f"sha256:{HEX}")),
        (f"web:v1@sha256:{HEX}", Reference("web", "", f"sha256:{HEX}")),
        (f"sha256:{HEX}", Reference(digest=f"sha256:{HEX}")),
        *((text, None) for text in ("", "-x", "--pull", "web:", "web:-x", "Web", "web:a b", "../x", "w$(id)", "a//b")),
        *((text, None) for text in ("web@sha256:12", "web:v1\n", "web\n", f"web:{'x' * 129}", "-oProxy=x/web:v1")),
    ],
)
def test_an_images_name_is_taken_apart_or_refused(text: str, seen: Reference | None) -> None:
    assert reference(text) == seen


@given(st.text(alphabet="-ab:/@._ ;$\n\x1b[A", max_size=12))
@example("--detach")
def test_no_name_begins_like_an_option(text: str) -> None:
    seen = reference(text)
    assert seen is None or (not str(seen).startswith("-") and str(seen).isprintable() and " " not in str(seen))


def test_the_registrys_digest_is_the_identity_and_else_the_images_own() -> None:
    one = Image(f"sha256:{HEX}", ("web:v1",), (f"other@sha256:{'b' * 64}", f"web@sha256:{'a' * 64}"))
    assert one.digest(("web",)) == f"sha256:{'a' * 64}"
    assert one.digest(()) == f"sha256:{'b' * 64}"
    assert Image(f"sha256:{HEX}").digest(("web",)) == f"sha256:{HEX}"


# ---- on a real engine, with a registry


@NEEDS
async def test_what_runs_what_ran_and_what_is_asked_for(docker_engine: DockerEngine, tmp_path: Path) -> None:
    with a_project(docker_engine, tmp_path, {"web": web_service()}) as sample:
        v2 = sample.publish("v2")
        only_there = sample.publish("v3")
        docker_engine.docker("rmi", f"{sample.repository}:v3")
        releases = ComposeReleases()
        async with reading(sample, services={"web2": {}}) as ctx:
            with pytest.raises(WarroomError, match="has no container of web2") as refused:
                await releases.history(ctx)
            assert "of web" in refused.value.cause
        async with reading(sample, services={"web": {"version_url": f"{sample.url}/api/version"}}) as ctx:
            running = await releases.running(ctx)
            assert running is not None
            assert (running.version, running.digest) == ("v1", sample.digest())
            assert running.created_at == Sample("v1").created
            assert running.deployed_at is not None
            assert running.note == "by its container's image; the app says v1"

            history = await releases.history(ctx)
            assert [(one.version, one.digest) for one in history] == [("v1", sample.digest()), ("v2", v2)]
            assert [one.deployed_at is None for one in history] == [False, True]

            assert (await releases.resolve(ctx, "v2")).digest == v2
            for name in (f"{sample.repository}:v2", v2, v2[:19], v2[7:19], f"{sample.repository}@{v2}"):
                assert (await releases.resolve(ctx, name)).digest == v2, name
            pulled = await releases.resolve(ctx, "v3")
            assert (pulled.version, pulled.digest) == ("v3", only_there)
            assert pulled.note == "in the registry; not on the engine's host yet"
            assert (await releases.resolve(ctx, only_there)).digest == only_there

            with pytest.raises(WarroomError, match=r"There is no .*:v9") as missing:
                await releases.resolve(ctx, "v9")
            assert missing.value.hint == "On the engine's host are: v1 and v2."
            for hostile in ("--detach", "; id", "", "-oProxyCommand=id", "../../etc/passwd", "\x1b[2J", "a b"):
                with pytest.raises(BadInput):
                    await releases.resolve(ctx, hostile)

            diff = await releases.diff(ctx, history[0], history[1])
            assert (diff.older, diff.newer, diff.config_keys) == ("v1", "v2", ("changed APP_VERSION",))
            unread = await releases.diff(ctx, history[0], pulled)
            assert unread.config_keys is None
            assert "not on the engine's host" in unread.notes[0]


@NEEDS
async def test_a_tag_that_was_moved_in_the_registry_is_said(docker_engine: DockerEngine, tmp_path: Path) -> None:
    with a_project(docker_engine, tmp_path, {"web": web_service()}) as sample:
        here = sample.digest()
        other = Sample("v7", labels={"moved": "yes"})
        load(docker_engine, {f"{sample.repository}:v1": other})
        docker_engine.docker("push", "--quiet", f"{sample.repository}:v1")
        docker_engine.docker("rmi", f"{sample.repository}:v1")
        docker_engine.docker("tag", sample.image_id(), f"{sample.repository}:v1")
        async with reading(sample, services={"web": {}}) as ctx:
            found = await ComposeReleases().resolve(ctx, "v1")
        assert found.digest == here
        assert "in the registry v1 is another image by now" in found.note


@NEEDS
async def test_an_image_that_no_registry_knows_is_known_by_its_id(docker_engine: DockerEngine, tmp_path: Path) -> None:
    """Three containers of it; and once they run different ones, no one release does."""
    services = {"web": idle_service("web", image="${REPOSITORY}:${TAG}", scale=2)}
    with a_project(docker_engine, tmp_path, services, local=True, mode="idle") as sample:
        sample.build("v2", "idle")
        releases = ComposeReleases()
        async with reading(sample, services={"web": {}}) as ctx:
            running = await releases.running(ctx)
            assert running is not None
            assert (running.version, running.digest) == ("v1", docker_engine.inspect(f"{sample.repository}:v1")["Id"])
            assert running.note == "by the image of its 2 containers"
            older = await releases.resolve(ctx, "v2")
            assert (older.digest, older.note) == (
                docker_engine.inspect(f"{sample.repository}:v2")["Id"],
                "built here: no registry knows it",
            )

            second = docker_engine.inspect(sample.containers("web")[1])
            docker_engine.docker("rm", "-f", second["Id"])
            labels = [f"--label={name}={value}" for name, value in second["Config"]["Labels"].items()]
            docker_engine.docker("run", "-d", *labels, f"{sample.repository}:v2")
            assert await releases.running(ctx) is None
            docker_engine.docker("rm", "-f", *sample.containers("web"))
            assert await releases.running(ctx) is None


@pytest.mark.needs("dockerd", "compose", "docker-registry")
async def test_without_its_registry_only_what_is_here_is_known(tmp_path: Path) -> None:
    with private_engine() as own, a_project(own, tmp_path, {"web": web_service()}) as sample:
        v2 = sample.publish("v2")
        await asyncio.to_thread(own.down, "registry")
        async with reading(sample, services={"web": {}}) as ctx, asyncio.timeout(LONG):
            found = await ComposeReleases().resolve(ctx, "v2")
            assert (found.digest, "the registry can't be asked" in found.note) == (v2, True)
            with pytest.raises(Unreachable, match="not on the engine's host, and the registry"):
                await ComposeReleases().resolve(ctx, "v9")


def test_names_of_an_image_that_lost_its_tag() -> None:
    one = Image(f"sha256:{HEX}", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert one.names(("web",)) == (f"sha256:{HEX[:12]}",)
    labelled = Image(f"sha256:{HEX}", ("web:latest",), labels={"org.opencontainers.image.version": "1.4.2"})
    assert labelled.names(("web",)) == ("1.4.2", "latest", f"sha256:{HEX[:12]}")
