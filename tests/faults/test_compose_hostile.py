"""Names that are made to be something else: an option, a command, another file. None of it is ever executed.

What a name would do where it got through is to make a file in ``canary``: by a shell, by ssh, by docker itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from tests.docker_engine import DockerEngine, unique, wait_for
from tests.plugins.compose_images import SECRET, Image, load
from tests.plugins.compose_projects import LABEL, Project, a_project, web_service
from tests.plugins.compose_room import Room, a_room
from warroom.api import WarroomError
from warroom.model.call import ProcessCall
from warroom.model.signal import LogLine
from warroom_compose import plugin
from warroom_compose.config import Config
from warroom_compose.operations import OPERATIONS
from warroom_compose.project import _listed, find

NAMES = 2000
DIGEST = f"sha256:{'1' * 64}"
COMMANDS = ("touch {c}/x", "cp /bin/sh {c}/x", "sh -c 'id >{c}/x'")
WRAPPED = (
    *(";{}", "; {} #", "| {}", "&& {}", "$({})", "`{}`", "\n{}\n", "'; {}; '", '"; {}; "', "${{IFS}}{}", "a b;{}"),
    *("-oProxyCommand={}", "-o ProxyCommand={}", "--host=ssh://-oProxyCommand={}", "-e{}", "@(sh -c '{}')"),
)
PLAIN = (
    *(
        "--detach",
        "-d",
        "--privileged",
        "-v/:/host",
        "--volume=/:/host",
        "--entrypoint=/bin/sh",
        "--",
        "-",
        "-f/etc/passwd",
    ),
    *("--project-directory=/", "--env-file=/etc/shadow", "--context=evil", "-H tcp://127.0.0.1:1", "--network=host"),
    *(
        "../../etc/passwd",
        "..",
        "/etc/passwd",
        "~root",
        "a/../../b",
        "{{.Config.Env}}",
        "%2e%2e%2f",
        "a\x00b",
        "\x1b]52;c;aGk=\x07",
    ),
    *(
        "\u202egnp",
        "[@click=app.quit]x[/]",
        "web;id",
        "web id",
        "web\tid",
        "${TAG}",
        "$TAG",
        "*",
        "?",
        "!!",
        "web,db",
        "=",
        " ",
    ),
)


def hostile(canary: Path, count: int = NAMES) -> list[str]:
    """The same ones each time; no two alike. Each is no name of a tag, a service or a project."""
    draw = random.Random(41)
    found = dict.fromkeys(PLAIN)
    while len(found) < count:
        if draw.random() < 0.7:
            payload = draw.choice(WRAPPED).format(draw.choice(COMMANDS).format(c=canary))
        else:
            payload = draw.choice(PLAIN)
        before = draw.choice(("", "", "v1", "web", "1.2", "a" * draw.randint(1, 90)))
        after = draw.choice(("", "", str(draw.randint(0, 9999)), ":latest", f"@{DIGEST}", "\u200b", "/x"))
        if not (before and payload.startswith(("-", ".", "="))):
            found[f"{before}{payload}{after}"] = None
    return list(found)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "c"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == [], "a name was executed"


def refused(model: type[BaseModel], **values: Any) -> bool:
    try:
        model.model_validate(values)
    except ValidationError as error:
        return all(each["msg"] and each["loc"] for each in error.errors())
    return False


def test_2000_names_are_refused_wherever_a_runbook_may_have_one(canary: Path) -> None:
    """The loader shows such an error with its line and column, as any other mistake."""
    good: dict[str, Any] = {"project": "shop", "services": {"web": {}}}
    Config.model_validate({**good, "context": "far", "host": None, "profiles": ["tools"], "release": "web"})
    let_through: list[tuple[str, str]] = []
    names = hostile(canary)
    for name in names:
        fields: dict[str, dict[str, Any]] = {
            "project": {"project": name},
            "services": {"services": {name: {}}},
            "release": {"release": name},
            "profiles": {"profiles": [name]},
            "context": {"context": name},
            "host": {"host": f"ssh://{name}"},
            "user": {"host": f"ssh://{name}@far"},
        }
        let_through += [(field, name) for field, lines in fields.items() if not refused(Config, **{**good, **lines})]
        for operation in OPERATIONS:
            given: dict[str, Any] = {"services": [name]}
            if "digest" in operation.args.model_fields:
                given["digest"] = DIGEST
            if not refused(operation.args, **given):
                let_through.append((operation.name, name))
    assert len(names) == len(set(names)) == NAMES
    assert let_through == []


@pytest.fixture(scope="module")
def project(docker_engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("compose")
    with a_project(docker_engine, folder, {"web": web_service()}, version="v2", local=True) as made:
        yield made


@pytest.mark.needs("dockerd", "compose")
async def test_a_name_that_a_person_types_is_looked_for_and_nothing_else(
    project: Project, tmp_path: Path, canary: Path, full: bool
) -> None:
    assert plugin.releases is not None
    before = project.containers()
    names = hostile(canary)
    async with a_room(project, tmp_path) as room:
        for name in names if full else random.Random(3).sample(names, 25):
            with pytest.raises(WarroomError) as caught:
                await plugin.releases.resolve(room.context, name)
            assert caught.value.title, name
            assert caught.value.cause, name
            assert [line for line in room.log.newest(2000) if line.door == "change"] == []
    assert project.containers() == before


@pytest.mark.needs("dockerd", "compose")
async def test_a_hostile_version_of_a_release_stands_in_no_call(
    project: Project, tmp_path: Path, canary: Path, full: bool
) -> None:
    """The digest is what counts; what the release calls itself is words."""
    local = project.image_id()
    names = hostile(canary)
    async with a_room(project, tmp_path) as room:
        for name in names[:200] if full else random.Random(5).sample(names, 3):
            plan = await room.plan(digest=local, version=name[:200])
            calls = [call for step in plan.steps for call in step.preview.calls]
            words = [word for call in calls if isinstance(call, ProcessCall) for word in (*call.argv, str(call.stdin))]
            assert not any(name[:200] in str(word) for word in words if name.strip() not in ("", "-", "=", ".."))


@pytest.mark.needs("dockerd", "compose")
async def test_labels_of_somebody_s_containers_give_no_option_and_no_file(
    project: Project, tmp_path: Path, canary: Path
) -> None:
    """Whoever may start a container may write the labels that the project is found by."""
    engine, name = project.engine, unique("evil")
    load(engine, {f"{name}:1": Image("1", "idle", healthcheck="none")})
    made = []
    try:
        for number, each in enumerate(random.Random(9).sample(hostile(canary), 8)):
            shown = each.replace("\x00", "")
            labels = {
                "project": project.name,
                "service": shown,
                "container-number": shown,
                "project.working_dir": shown,
                "project.config_files": f"{shown},--detach",
                "project.environment_file": shown,
                "oneoff": "False",
            }
            words = [f"--label={LABEL}.{key}={value}" for key, value in labels.items()]
            made.append(engine.docker("create", "--net", "none", "--name", f"{name}-{number}", *words, f"{name}:1"))
        async with a_room(project, tmp_path) as room:
            plan = await room.plan("stop", "start")
            lines = [call.argv for step in plan.steps for call in step.preview.calls if isinstance(call, ProcessCall)]
            files = [str(argv[index + 1]) for argv in lines for index, word in enumerate(argv) if word == "--file"]
            assert set(files) == {str(path) for path in project.files}
            assert await room.run(plan) == "done", room.detail()
            assert project.version() == "v2"
    finally:
        engine.docker("rm", "-f", *made)
        engine.docker("rmi", "-f", f"{name}:1")


@pytest.mark.parametrize(
    "number",
    ["\u00b2", "\u0663", "9" * 5000, "-1", "1.5", ""],
    ids=["square", "arabic", "long", "negative", "part", "none"],
)
def test_a_container_s_number_is_a_small_number(number: str) -> None:
    """One label that can't be counted must not hide all containers of the project."""
    labels = {f"{LABEL}.service": "web", f"{LABEL}.container-number": number}
    assert _listed({"Id": "1", "Created": 1, "State": "running", "Names": ["/web"], "Labels": labels}).number == 1


@pytest.mark.needs("dockerd", "compose")
async def test_a_container_that_never_ran_does_not_say_where_the_project_s_files_are(
    project: Project, tmp_path: Path
) -> None:
    engine, name = project.engine, unique("evil")
    labels = {"project": project.name, "service": "web", "container-number": "7", "oneoff": "False"}
    labels |= {"project.working_dir": "/", "project.config_files": f"{tmp_path}/other.yml"}
    words = [f"--label={LABEL}.{key}={value}" for key, value in labels.items()]
    made = engine.docker("create", "--net", "none", "--name", name, *words, project.image_id(), "x")
    try:
        async with a_room(project, tmp_path) as room:
            found = await find(room.context)
        assert found.files == tuple(str(path) for path in project.files)
        assert any("other files" in note for note in found.notes)
    finally:
        engine.docker("rm", "-f", made)


@pytest.mark.needs("dockerd", "compose")
async def test_what_a_container_says_of_its_environment_is_redacted_from_the_first_line(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    """Nothing was collected yet: a warroom that has just begun knows the secrets of what it looks at."""
    says = web_service(entrypoint=["sh", "-c", "echo no login with $$APP_SECRET; exit 3"])
    with a_project(docker_engine, tmp_path, {"web": says}, local=True, started=False) as leaky:
        leaky.up(wait=False)
        wait_for(
            lambda: (
                "Exited"
                in docker_engine.docker("ps", "-a", "--filter", f"name={leaky.name}", "--format", "{{.Status}}")
            ),
            "its end",
        )
        async with a_room(leaky, tmp_path) as room:
            plan = await room.plan("up", digest=leaky.image_id())
            look = await room.look(plan, "up")
            assert "no login with" in look.seen
            assert SECRET not in look.seen
        async with a_room(leaky, tmp_path) as room, contextlib.aclosing(lines_of(room)) as lines, asyncio.timeout(60):
            async for line in lines:
                if "no login with" in line.text:
                    assert SECRET in line.text
                    assert SECRET not in room.doors.redactor.clean(line.text)
                    break


def lines_of(room: Room) -> AsyncGenerator[LogLine, None]:
    assert plugin.logs is not None
    found = plugin.logs.follow(room.context)
    assert isinstance(found, AsyncGenerator)
    return found


@pytest.mark.parametrize(
    "way", ["-oProxyCommand=touch {c}/x", "x;touch {c}/x", "$(touch {c}/x)", "-l@h", "a@-oX", "h/$(id)"]
)
@pytest.mark.needs("dockerd")
async def test_an_engine_s_address_in_the_environment_is_no_option_of_ssh(
    way: str, project: Project, tmp_path: Path, canary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plugin.releases is not None
    async with a_room(project, tmp_path, host=None) as room:
        monkeypatch.setenv("DOCKER_HOST", f"ssh://{way.format(c=canary)}")
        with pytest.raises(WarroomError) as caught:
            await plugin.releases.running(room.context)
        assert "can't be used" in caught.value.title
        assert room.log.newest(10) == ()
