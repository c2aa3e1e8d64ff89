"""The operations beside the cut-over, each on a real engine: what is shown, what it does, what takes it back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker_engine import DockerEngine
from tests.plugins.compose_operating import Operating, operating
from tests.plugins.compose_projects import Project, a_project, idle_service, web_service, worker_service
from warroom.errors import BadInput, ProgramFailed, WarroomError
from warroom.model.plan import Look
from warroom.testing.conformance import Case
from warroom.testing.conformance.findings import Findings
from warroom.testing.conformance.operations import check_operation
from warroom_compose.operations import OPERATIONS

pytestmark = [pytest.mark.needs("dockerd", "compose"), pytest.mark.asyncio]


@pytest.fixture(scope="module")
def project(docker_engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """web v2 and its worker, built on the host; a v1 beside. Each test leaves it running v2."""
    services = {"web": web_service(), "worker": worker_service(ports=[]), "db": idle_service("db")}
    with a_project(docker_engine, tmp_path_factory.mktemp("compose"), services, version="v2", local=True) as made:
        made.build("v1")
        made.build("v0", "idle")
        yield made


def image(project: Project, version: str) -> str:
    return str(project.engine.inspect(f"{project.repository}:{version}")["Id"])


def states(project: Project, service: str) -> list[str]:
    return [str(project.engine.inspect(each)["State"]["Status"]) for each in project.containers(service)]


def started(project: Project, service: str) -> list[str]:
    return [str(project.engine.inspect(each)["State"]["StartedAt"]) for each in project.containers(service)]


async def undone(room: Operating, name: str, **args: Any) -> Look:
    """Done, taken back by the captured inverse, and what is seen then."""
    facts, preview = await room.planned(name, **args)
    assert (await room.look(name, facts, **args)).verdict == "not-begun"
    await room.executed(preview.calls)
    look = await room.look(name, facts, **args)
    assert look.verdict == "done", look
    await room.executed(preview.inverse)
    return await room.look(name, facts, **args)


async def test_every_operation_keeps_the_contract(project: Project) -> None:
    target = {"services": ["web", "worker"], "digest": image(project, "v1"), "version": "v1"}
    cases: dict[str, dict[str, Any]] = {
        "pull": target,
        "prove": target,
        "pin": target,
        "up": {**target, "wait": 20},
        "stop": {"services": ["web"], "grace": 1},
        "start": {"services": ["web"]},
        "restart": {"services": ["worker"]},
        "scale": {"services": ["worker"], "to": 2},
        "exec": {"service": "web", "command": ["true"]},
        "restore": {"services": ["web"]},
        "unpin": {},
    }
    assert list(cases) == [operation.name for operation in OPERATIONS]
    findings = Findings()
    async with operating(project) as room:
        for operation in OPERATIONS:
            await check_operation(
                operation, room.context, Case(operation.name, cases[operation.name]), set(), findings, 60
            )
    assert not findings.found, findings.found


async def test_stopped_started_and_restarted(project: Project) -> None:
    async with operating(project) as room:
        look = await undone(room, "stop", services=["worker", "web"], grace=2)
        assert look.verdict == "not-begun"
        assert states(project, "web") == ["running"]

        await room.done("stop", services=["web"])
        assert states(project, "web") == ["exited"]
        assert states(project, "worker") == ["running"]
        ids = project.containers("web")
        look = await undone(room, "start", services=["web"], after_stop=True)
        assert (look.verdict, states(project, "web")) == ("not-begun", ["exited"]), look
        await room.done("start", services=["web"])
        assert states(project, "web") == ["running"]
        assert project.containers("web") == ids
        _, preview = await room.planned("start", services=["web"])
        assert (preview.inverse, preview.starts) == (None, ()), "it runs"
        _, preview = await room.planned("start", services=["web"], after_stop=True)
        assert (preview.inverse is not None, preview.starts) == (True, ("web",)), "it will not, by then"

        before = started(project, "worker")
        look, _ = await room.done("restart", services=["worker"], grace=1)
        assert "1 of 1 started again" in look.seen
        assert started(project, "worker") != before
        facts, _ = await room.planned("restart", services=["worker"])
        assert (await room.look("restart", facts, services=["worker"])).verdict == "not-begun"


async def test_scaled_and_back(project: Project) -> None:
    async with operating(project) as room:
        first = project.containers("worker")
        facts, preview = await room.planned("scale", services=["worker"], to=3)
        await room.executed(preview.calls)
        assert (await room.look("scale", facts, services=["worker"], to=3)).verdict == "done"
        assert len(project.containers("worker")) == 3
        assert first[0] in project.containers("worker")
        await room.executed(preview.inverse)
        assert project.containers("worker") == first
        _, fewer = await room.planned("scale", services=["worker"], to=0)
        assert fewer.destroys == ("logs",)
        # What the project's files name has changed since: more of it would not be more of the same.
        project.release("v1")
        try:
            with pytest.raises(BadInput, match="not be the same"):
                await room.planned("scale", services=["worker"], to=2)
            _, fewer = await room.planned("scale", services=["worker"], to=0)
            assert fewer.inverse is None
            # Pins that what runs was not made with don't count either.
            await room.done("pin", services=["worker"], digest=image(project, "v1"))
            with pytest.raises(BadInput, match="not be the same"):
                await room.planned("scale", services=["worker"], to=2)
            await room.done("unpin")
        finally:
            project.release("v2")


async def test_a_command_in_a_container(project: Project) -> None:
    async with operating(project) as room:
        facts, _ = await room.planned("exec", service="web", command=["echo", "--detach", "$HOME; id"])
        look, outputs = await room.done("exec", service="web", command=["echo", "--detach", "$HOME; id"])
        assert outputs["output"] == "--detach $HOME; id\n"
        assert "ended with 0" in look.seen

        told = {"service": "web", "command": ["sh", "-c", "exit 7"]}
        facts, preview = await room.planned("exec", **told)
        assert (await room.look("exec", facts, **told)).verdict == "not-begun"
        assert (await room.executed(preview.calls))[0].status == 7
        look = await room.look("exec", facts, **told)
        assert (look.verdict, look.seen) == ("partly", "sh ended with 7 in web")
        with pytest.raises(BadInput, match="option"):
            await room.planned("exec", service="web", command=["--privileged", "sh"])
        with pytest.raises(BadInput, match="does not run"):
            await room.planned("exec", service="gone", command=["true"])


async def test_a_container_is_created_and_never_started(project: Project) -> None:
    starts = project.starts()
    target = {"services": ["web"], "digest": image(project, "v1"), "version": "v1"}
    async with operating(project) as room:
        facts, preview = await room.planned("prove", **target)
        assert (await room.look("prove", facts, **target)).verdict == "not-begun"
        create, remove = preview.calls
        await room.executed((create,))
        assert (await room.look("prove", facts, **target)).verdict == "partly"
        await room.executed((remove,))
        look = await room.look("prove", facts, **target)
        assert look.verdict == "done"
        assert "never started" in look.seen
        assert project.starts() == starts
        assert project.engine.docker("ps", "-aq", "--filter", "name=warroom-proof") == ""


async def test_pinned_by_content_and_unpinned(project: Project) -> None:
    v1, v2 = ({"services": [name], "digest": image(project, "v1")} for name in ("web", "worker"))
    async with operating(project) as room:
        assert room.pins == ""
        await room.done("pin", **v1)
        one = room.pins
        look = await undone(room, "pin", **v2)
        assert look.verdict == "not-begun"
        assert room.pins == one
        await room.done("pin", **v2)
        assert room.pins.count(image(project, "v1")) == 2
        both = room.pins
        look = await undone(room, "unpin")
        assert room.pins == both
        await room.done("unpin")
        assert room.pins == ""
        _, preview = await room.planned("unpin")
        assert preview.no_inverse == "nothing is pinned"


async def test_what_is_brought_up_is_what_was_approved(project: Project) -> None:
    """Without its pins, or with others, it ends before anything is touched."""
    before = project.containers()
    args = {"services": ["web"], "digest": image(project, "v1"), "wait": 5}
    async with operating(project) as room:
        facts, preview = await room.planned("up", **args)
        assert (await room.executed(preview.calls))[0].status != 0
        await room.done("pin", services=["web"], digest=image(project, "v0"))
        results = await room.executed(preview.calls)
        assert len(results) == 1
        assert (await room.look("up", facts, **args)).verdict == "not-begun"
        assert project.containers() == before
        await room.done("unpin")


async def test_probes_see_what_runs(project: Project) -> None:
    async with operating(project, services={"web": {"version_url": f"{project.url}/api/version"}, "db": {}}) as room:
        v2 = image(project, "v2")
        assert (await room.probed("services-running")).verdict == "pass"
        probed = await room.probed("running-digest", services=["web", "worker"], digest=v2, version="v2")
        assert probed.verdict == "pass", probed
        assert "the app says v2" in probed.words
        for other in ({"digest": image(project, "v1")}, {"digest": v2, "version": "v1"}):
            probed = await room.probed("running-digest", services=["web"], **other)
            assert probed.verdict == "fail", probed
        await room.done("stop", services=["web"])
        try:
            probed = await room.probed("services-running", services=["web", "db", "cache"])
            assert probed.verdict == "fail"
            assert "cache has no container" in probed.words
            assert "web-1" in probed.words
            assert probed.numbers == {"web": 0, "db": 1, "cache": 0}
            assert (await room.probed("running-digest", services=["web"], digest=v2)).verdict == "fail"
        finally:
            await room.done("start", services=["web"])


async def test_what_is_not_there_or_not_said_is_refused(project: Project) -> None:
    v1 = image(project, "v1")
    async with operating(project) as room:
        with pytest.raises(WarroomError, match="no such service: ghost"):
            await room.planned("pin", services=["ghost"], digest=v1)
        with pytest.raises(BadInput, match="another image than web"):
            await room.planned("pin", services=["web", "db"], digest=v1)
        _, preview = await room.planned("pin", services=["web", "db"], digest=v1, images={"db": "warroom-sample/db:1"})
        assert any("built on the host" in note for note in preview.notes)
    async with operating(project, files=[str(project.folder / "away.yml")]) as room:
        with pytest.raises(WarroomError, match=r"away\.yml"):
            await room.planned("pin", services=["web"], digest=v1)


async def test_a_host_with_version_one_alone_is_refused(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The docker command without its plugin is what such a host has, and that is what it says."""
    real, script = shutil.which("docker"), tmp_path / "docker"
    refusal = "docker: 'compose' is not a docker command."
    refuse = f'[ "$word" = compose ] && {{ echo "{refusal}" >&2; exit 1; }}'
    script.write_text(f'#!/bin/sh\nfor word; do {refuse}; done\nexec {real} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    v1 = image(project, "v1")
    async with operating(project) as room:
        for name, args in (("stop", {"services": ["web"]}), ("pin", {"services": ["web"], "digest": v1})):
            with pytest.raises(ProgramFailed, match="no Compose v2") as raised:
                await room.planned(name, **args)
            assert refusal in raised.value.cause
