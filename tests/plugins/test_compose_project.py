"""A Compose project is found by its containers' labels, on the engine that docker itself would ask."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.docker_engine import DockerEngine
from tests.plugins.compose_projects import a_project, idle_service, migrate_service, shop, web_service, worker_service
from tests.plugins.compose_reading import LONG, context_of, reading
from tests.ssh_server import running_sshd
from warroom.api import Context, Unreachable, WarroomError
from warroom.model.call import CallResult
from warroom.testing.fakes import FakeReadDoor, a_context
from warroom_compose.client import EngineRefused, NotThere, engine
from warroom_compose.config import Config, host_problem
from warroom_compose.endpoint import Endpoint, endpoint
from warroom_compose.logs import ComposeLogs
from warroom_compose.project import Container, NoProject, _places_of, find
from warroom_compose.times import instant

NEEDS = pytest.mark.needs("dockerd", "compose", "docker-registry")


def config(**more: Any) -> Config:
    return Config.model_validate({"project": "shop", "services": {"web": {}}, **more})


# ---- the configuration


@pytest.mark.parametrize(
    "host",
    ["unix:///var/run/docker.sock", "tcp://10.0.0.2:2376", "ssh://deploy@prod", "ssh://prod:2222", "ssh://10.0.0.2"],
)
def test_engines_are_named_as_docker_names_them(host: str) -> None:
    assert host_problem(host) == ""
    assert config(host=host).docker == ("docker", "--host", host)


@pytest.mark.parametrize(
    "host",
    [
        *("ssh://-oProxyCommand=id", "ssh://-l@prod", "ssh://a b", "ssh://u:secret@prod", "ssh://prod/x?y", "ssh://"),
        *("tcp://169.254.169.254:2375", "tcp://10.0.0.2", "http://10.0.0.2:2375", "unix://relative", "prod", ""),
        *("unix:///run/../etc/x", "ssh://prod\n", "ssh://prod:99999", "--host=x", "npipe:////./pipe/docker"),
    ],
)
def test_other_engines_are_refused(host: str) -> None:
    assert host_problem(host)
    with pytest.raises(ValidationError):
        config(host=host)


@pytest.mark.parametrize(
    "wrong",
    [
        {"project": "-p"},
        {"project": "Shop"},
        {"services": {}},
        {"services": {"--detach": {}}},
        {"services": {"web": {"version_url": "file:///etc/passwd"}}},
        {"services": {"web": {"version_url": "http://u:p@host/"}}},
        {"release": "db"},
        {"context": "-x"},
        {"context": "a", "host": "ssh://prod"},
        {"directory": "shop"},
        {"directory": "/srv/../etc"},
        {"files": ["-f"]},
        {"profiles": ["--all"]},
    ],
)
def test_what_could_be_an_option_or_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**wrong)


def test_pins_are_those_of_one_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = config(pins="/var/lib/pins")
    assert here.pin_file("A").parent.parent == Path("/var/lib/pins")
    assert here.pin_file("A") != here.pin_file("B")
    monkeypatch.setenv("WARROOM_STATE", str(tmp_path))
    assert tmp_path in config().pin_file("A").parents


# ---- which engine


def found(host: str, **more: Any) -> str:
    return json.dumps([{"Name": "x", "Endpoints": {"docker": {"Host": host, **more}}, "TLSMaterial": {}}])


async def test_a_context_says_where_its_engine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///other")
    door = FakeReadDoor().on_run(["docker", "context", "inspect", "prod"], found("ssh://deploy@prod:2222"))
    at = await endpoint(a_context(config(context="prod"), door))
    assert at.host == "ssh://deploy@prod:2222"
    assert at.to == [
        *("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-T", "-l", "deploy", "-p", "2222"),
        *("--", "prod", "docker", "system", "dial-stdio"),
    ]
    assert not at.local
    door.verify()


async def test_the_environment_comes_before_the_context_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/user/1000/docker.sock")
    at = await endpoint(a_context(config(), FakeReadDoor()))
    assert (at.to, at.local) == ("unix:/run/user/1000/docker.sock", True)
    monkeypatch.delenv("DOCKER_HOST")
    door = FakeReadDoor().on_run(["docker", "context", "inspect"], found("tcp://10.0.0.2:2375"))
    at = await endpoint(a_context(config(), door))
    assert (at.to, at.tls, at.hostname) == ("tcp:10.0.0.2:2375", None, "10.0.0.2")


async def test_a_context_that_is_not_there_or_leads_elsewhere_is_said() -> None:
    missing = CallResult(status=1, text='context "prod" does not exist\n')
    door = FakeReadDoor().on_run(["docker", "context", "inspect", "prod"], missing)
    with pytest.raises(WarroomError, match='context "prod" does not exist'):
        await endpoint(a_context(config(context="prod"), door))
    for text in (found("npipe:////./pipe/docker"), found("ssh://-oProxyCommand=id"), "[]", "nonsense"):
        door = FakeReadDoor().on_run(["docker", "context", "inspect", "prod"], text)
        with pytest.raises(WarroomError):
            await endpoint(a_context(config(context="prod"), door))


async def test_tls_is_spoken_as_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    at = await endpoint(a_context(config(host="tcp://engine.example:2376"), FakeReadDoor()))
    assert at.tls is not None
    assert at.tls.verify_mode is ssl.CERT_REQUIRED
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(WarroomError, match="TLS files"):
        await endpoint(a_context(config(host="tcp://engine.example:2376"), FakeReadDoor()))


def test_a_certificate_of_somebody_else_is_no_matter_of_patience() -> None:
    told = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate"
    assert "its certificate, or yours, is not the known one" in Endpoint("tcp://prod:2376").hint(told)
    assert "is the engine running" in Endpoint("tcp://prod:2376").hint("connection refused")


def test_a_changed_host_key_is_no_matter_of_patience() -> None:
    hint = Endpoint("ssh://prod").hint("Host key verification failed.")
    assert "host key is not the known one" in hint


# ---- times


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("2026-11-23T06:51:35.951293728Z", "2026-11-23T06:51:35.951293+00:00"),
        ("2026-11-23T06:51:35Z", "2026-11-23T06:51:35+00:00"),
        ("2026-11-23T08:51:35.9+02:00", "2026-11-23T06:51:35.900000+00:00"),
    ],
)
def test_the_engines_times(text: str, seen: str) -> None:
    moment = instant(text)
    assert moment is not None
    assert moment.isoformat() == seen
    assert instant("0001-01-01T00:00:00Z") is instant("") is instant(None) is instant("soon") is None


# ---- what labels say


def labelled(**told: str) -> Container:
    labels = {f"com.docker.compose.project.{name}": value for name, value in told.items()}
    return Container("c", "shop-web-1", "web", 1, "i", "sha256:1", "running", None, labels=labels)


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        (
            {"working_dir": "/srv", "config_files": "/srv/a.yml,/etc/b.yml", "environment_file": "/srv/.prod"},
            ("/srv", ("/srv/a.yml", "/etc/b.yml"), ("/srv/.prod",)),
        ),
        ({"working_dir": "/srv", "config_files": "a.yml"}, ("/srv", ("/srv/a.yml",), ())),
        ({"working_dir": "/srv", "config_files": "-"}, ("/srv", (), ())),
        ({"working_dir": "srv", "config_files": "--context=x"}, ("", (), ())),
        ({"working_dir": "/srv", "config_files": "/srv/a.yml,/pins/shop.yaml"}, ("/srv", ("/srv/a.yml",), ())),
        ({}, ("", (), ())),
    ],
)
def test_places_are_read_from_labels(told: dict[str, str], seen: tuple[str, tuple[str, ...], tuple[str, ...]]) -> None:
    assert _places_of(labelled(**told), Path("/pins/shop.yaml")) == seen


# ---- real projects


def dockers() -> list[str]:
    """Each docker command once, whatever links to it."""
    places = [Path(folder) / "docker" for folder in os.environ["PATH"].split(os.pathsep)]
    return sorted({str(place.resolve()) for place in places if place.exists()})


@NEEDS
async def test_a_project_as_its_labels_tell_it(docker_engine: DockerEngine, tmp_path: Path) -> None:
    """Several files in their order, env files, a profile, three of one service, a one-shot: and the line that is made
    of it does what the project's own does, by every docker command on PATH: Debian's may be an older one."""
    services = {
        **shop(),
        "worker": worker_service(scale=3),
        "migrate": migrate_service(),
        "debug": idle_service("db", profiles=["debug"]),
    }
    with a_project(docker_engine, tmp_path, services, started=False, profiles=["debug"]) as sample:
        sample.add_file("production.yml", {"db": {"environment": {"FROM": "production"}}})
        environment = sample.folder / "production.env"
        shutil.copy(sample.folder / ".env", environment)
        sample.env_files = [environment]
        sample.up(wait=False)
        async with reading(sample, profiles=["debug"]) as ctx:
            project = await find(ctx)
            line = project.argv("ps", "--all", "--format", "{{.Service}}")
            shown = [await ctx.read.run([docker, *line[1:]], timeout=30) for docker in dockers()]
            definition = project.definition()
            production = sample.files[1]
            production.write_text(production.read_text() + "# edited\n")
            changed = {file for file, was in definition.items() if project.definition()[file] != was}
        assert project.directory == str(sample.folder)
        assert project.files == tuple(map(str, sample.files))
        assert project.env_files == (str(environment),)
        assert (project.unreadable(), project.notes) == ((), ())
        assert {name: len(those) for name, those in project.services.items()} == {
            "web": 1,
            "db": 1,
            "redis": 1,
            "worker": 3,
            "migrate": 1,
            "debug": 1,
        }
        assert [one.shown for one in project.of("worker")] == ["worker-1", "worker-2", "worker-3"]
        assert [(one.status, sorted(set(one.text.split()))) for one in shown] == [(0, sorted(services))] * len(shown)
        assert changed == {str(production)}
        web = project.of("web")[0]
        assert (web.image, web.image_id) == (f"{sample.repository}:v1", sample.image_id())
        assert (web.state, web.checked, web.memory_limit) == ("running", True, 0)
        migrate = project.of("migrate")[0]
        assert (migrate.state, migrate.exit_code, migrate.started_at is None) == ("exited", 0, False)


@NEEDS
async def test_one_that_has_moved_is_where_the_runbook_says(docker_engine: DockerEngine, tmp_path: Path) -> None:
    with a_project(docker_engine, tmp_path, {"web": web_service()}) as sample:
        moved = tmp_path / "elsewhere" / "shop"
        moved.parent.mkdir()
        shutil.copytree(sample.folder, moved, ignore=shutil.ignore_patterns("canary"))
        away = sample.folder.rename(tmp_path / "gone")
        try:
            async with reading(sample, services={"web": {}}) as ctx:
                project = await find(ctx)
                assert project.unreadable() == (f"{sample.files[0]}: no such file or directory",)
            async with reading(sample, services={"web": {}}, directory=str(moved)) as ctx:
                project = await find(ctx)
                shown = await ctx.read.run(project.argv("ps", "--format", "{{.Service}}"), timeout=30)
            assert project.files == (str(moved / "docker-compose.yml"),)
            assert (project.unreadable(), shown.text.split()) == ((), ["web"])
        finally:
            away.rename(sample.folder)


@NEEDS
async def test_the_pins_are_the_last_file_and_none_of_its_own(docker_engine: DockerEngine, tmp_path: Path) -> None:
    """The labels of what was made with the pins name them too."""
    with a_project(docker_engine, tmp_path, {"web": web_service(), "db": idle_service("db")}) as sample:
        async with reading(sample, services={"web": {}, "db": {}}) as ctx:
            project = await find(ctx)
            project.pin_file.parent.mkdir(parents=True)
            project.pin_file.write_text(f"services: {{web: {{image: {sample.repository}@{sample.digest()}}}}}\n")
            up = await ctx.read.run(project.argv("up", "-d", "--no-deps", "--pull", "never", "web"), timeout=60)
            assert (up.status, project.pinned) == (0, True)
            again = await find(ctx)
        assert str(project.pin_file) in again.of("web")[0].labels["com.docker.compose.project.config_files"]
        assert (again.files, again.notes) == (tuple(map(str, sample.files)), ())
        assert again.argv("ps")[-3:] == ("--file", str(project.pin_file), "ps")
        assert str(project.pin_file) not in again.argv("ps", pins=False)
        assert again.argv("ps", pins=True) == again.argv("ps")


@NEEDS
async def test_what_the_engine_has_not_is_said(docker_engine: DockerEngine, tmp_path: Path) -> None:
    told = {"project": "no-such-project", "services": {"web": {}}, "host": docker_engine.host}
    async with context_of(told) as ctx:
        with pytest.raises(NoProject, match="no container of the project no-such-project"):
            await find(ctx)
        async with engine(ctx) as of:
            with pytest.raises(NotThere):
                await of.ask(lambda api: api.inspect_container("no-such-container"))
            with pytest.raises(EngineRefused):
                await of.ask(lambda api: api.containers(filters={"nonsense": ["x"]}))
    async with context_of({**told, "host": f"unix://{tmp_path}/none"}) as ctx:
        with pytest.raises(Unreachable, match="no such file"):
            await find(ctx)


async def first_lines(ctx: Context) -> list[str]:
    """Of the container's log, up to where it says that it is ready."""
    seen = []
    lines = ComposeLogs().follow(ctx)
    async with asyncio.timeout(LONG):
        async for line in lines:
            seen.append(line.text)
            if line.text == "web v1: ready":
                break
    await lines.aclose()
    return seen


@pytest.mark.needs("dockerd", "compose", "docker-registry", "sshd")
async def test_an_engine_over_ssh_is_asked_as_one_here(
    docker_engine: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its address, by a context, and not at all once its host key is another."""
    with (
        a_project(docker_engine, tmp_path, {"web": web_service()}) as sample,
        running_sshd(DOCKER_HOST=docker_engine.host) as server,
    ):
        monkeypatch.setenv("PATH", server.env["PATH"])
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
        docker_engine.run(
            *("docker", "context", "create", "far", "--docker", f"host={server.url}"),
            env={"DOCKER_CONFIG": str(tmp_path / "docker"), "DOCKER_HOST": ""},
        )
        seen = []
        for how in ({"host": server.url}, {"host": None, "context": "far"}):
            async with reading(sample, services={"web": {}}, **how) as ctx:
                project = await find(ctx)
                seen.append((project.engine_id, project.of("web")[0].id))
                ps = await ctx.read.run(project.argv("ps", "-q"), timeout=60)
                assert (ps.status, ps.text.split()) == (0, [project.of("web")[0].id])
                assert "web v1: starting as good" in await first_lines(ctx)
        here = docker_engine.docker("info", "--format", "{{.ID}}")
        assert seen == [(here, sample.container()["Id"])] * 2

        server.change_host_key()
        async with reading(sample, services={"web": {}}, host=server.url) as ctx:
            with pytest.raises(Unreachable, match=r"(?i)host key") as refused:
                await find(ctx)
        assert "host key is not the known one" in refused.value.hint


def test_a_container_that_is_being_replaced_is_known_by_its_name() -> None:
    one = Container("c", "0123456789ab_shop-web-1", "web", 1, "i", "sha256:1", "running", None)
    assert one.being_replaced
    assert not Container("c", "shop-web-1", "web", 1, "i", "sha256:1", "running", None).being_replaced
