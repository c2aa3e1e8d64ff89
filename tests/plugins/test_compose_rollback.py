"""A service brought back to an earlier image by its digest, on a real Docker engine: what runs then, what was said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docker_engine import DockerEngine
from tests.plugins.compose_images import Mode
from tests.plugins.compose_operating import operating
from tests.plugins.compose_projects import a_project, idle_service, migrate_service, web_service, worker_service

pytestmark = [pytest.mark.needs("dockerd", "compose", "docker-registry"), pytest.mark.asyncio]


async def test_back_by_digest_and_forth_again(docker_engine: DockerEngine, tmp_path: Path) -> None:
    with a_project(docker_engine, tmp_path, {"web": web_service()}, version="v2") as project:
        good = project.digest()
        bad = project.publish("v3", "broken")
        project.release("v3")
        project.up(wait=False)
        files = {path: path.read_bytes() for path in project.folder.iterdir() if path.is_file()}
        async with operating(project) as room:
            target = {"services": ["web"], "digest": good, "version": "v2"}
            _, outputs = await room.done("pull", **target)
            assert outputs["digest"].endswith(good)
            for name in ("prove", "pin"):
                await room.done(name, **target)
            assert good in room.pins
            # So far nothing was started or stopped.
            assert project.version() == "v3"
            assert project.starts() == ["v2", "v3"]

            facts, preview = await room.planned("up", **target, wait=120)
            look, outputs = await room.done("up", **target, wait=120)
            assert (project.digest(), project.version()) == (good, "v2")
            assert project.starts() == ["v2", "v3", "v2"]
            for words in (good[:19], "healthy", "the app says v2", "web was down"):
                assert words in look.seen
            assert 0 < float(outputs["downtime_s.web"]) < 60
            assert outputs["image.web"] == project.image_id()

            await room.executed(preview.inverse)
            look = await room.look("up", facts, **target)
            assert look.verdict == "not-begun", look
            assert project.digest() == bad
        assert files == {path: path.read_bytes() for path in project.folder.iterdir() if path.is_file()}


async def test_one_that_does_not_become_well_is_said_plainly_and_left(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    services = {"web": web_service(), "worker": worker_service()}
    with a_project(docker_engine, tmp_path, services, version="v3") as project:
        worker = project.containers("worker")
        states: dict[Mode, tuple[str, str]] = {
            "broken": ("is running and unhealthy", "its last health check exited 1"),
            "crash": ("is exited with 3", "fatal: the schema is newer than this release"),
        }
        async with operating(project) as room:
            for mode, told in states.items():
                bad = project.publish("v1", mode)
                target = {"services": ["web", "worker"], "digest": bad, "version": "v1"}
                await room.done("pin", **target)
                facts, preview = await room.planned("up", **target, wait=60)
                results = await room.executed(preview.calls)
                look = await room.look("up", facts, **target)
                assert results[-1].status == 1
                assert look.verdict == "partly"
                assert look.seen.startswith("FAIL: web runs")
                assert all(words in look.seen for words in (*told, bad[:19])), look.seen
                # The worker comes after web: it was not touched, and nothing was put back.
                assert project.containers("worker") == worker
                assert project.digest() == bad
                assert preview.inverse is not None


async def test_two_services_in_their_order_as_many_as_there_were(docker_engine: DockerEngine, tmp_path: Path) -> None:
    """worker needs web: it is cut over once web is well, and stays at three; a one-shot is left out."""
    services = {
        "web": web_service(depends_on={"migrate": {"condition": "service_completed_successfully"}}),
        "worker": worker_service(),
        "migrate": migrate_service(),
    }
    with a_project(docker_engine, tmp_path, services, version="v2", healthcheck="fast") as project:
        good = project.digest()
        project.publish("v3")
        project.release("v3")
        project.up("--scale", "worker=3", wait=False)
        ended = project.containers("migrate")
        async with operating(project) as room:
            target = {
                "services": ["worker", "migrate", "web"],
                "digest": good,
                "images": {"migrate": "warroom-sample/migrate:1"},
            }
            await room.done("pin", **target)
            _, preview = await room.planned("up", **target)
            ups = [call.paste() for call in preview.calls if " up " in call.paste()]
            assert [line.rpartition(" ")[2] for line in ups] == ["web", "worker"]
            assert ["--scale worker=3" in line for line in ups] == [False, True]
            assert any("migrate runs to its end" in note for note in preview.notes)
            _, outputs = await room.done("up", **target)
            assert len(project.containers("worker")) == 3
            assert {docker_engine.inspect(each)["Image"] for each in project.containers("worker")} == {
                project.image_id("web")
            }
            assert project.digest("web") == good
            assert project.containers("migrate") == ended
            assert {"downtime_s.web", "downtime_s.worker"} <= outputs.keys()


async def test_without_a_health_check_it_must_last_and_answer(docker_engine: DockerEngine, tmp_path: Path) -> None:
    """Compose takes "it runs" for well, and calls waiting an error where the check is disabled."""
    services = {
        "web": web_service(restart="always"),
        "quiet": web_service(healthcheck={"disable": True}, ports=[], volumes=[]),
    }
    with a_project(docker_engine, tmp_path, services, version="v1", healthcheck="none", started=False) as project:
        project.publish("v2", healthcheck="none")
        project.release("v2")
        project.up(wait=False)
        good = docker_engine.inspect(f"{project.repository}:v1")["RepoDigests"][0].partition("@")[2]
        asked = {"web": {"health_url": f"{project.url}/api/health"}, "quiet": {}}
        async with operating(project, services=asked) as room:
            target = {"services": ["web", "quiet"], "digest": good, "version": "v1"}
            await room.done("pin", **target)
            _, preview = await room.planned("up", **target, wait=120)
            assert any(call.paste().startswith("curl") for call in preview.calls)
            assert [" --wait " in call.paste() for call in preview.calls if " up " in call.paste()] == [True, False]
            look, _ = await room.done("up", **target, wait=120)
            assert "its health address answers 200" in look.seen
            assert "has run for 3 s" in look.seen

            crash = {"services": ["web"], "digest": project.publish("v0", "crash", healthcheck="none"), "version": "v0"}
            await room.done("pin", **crash)
            facts, preview = await room.planned("up", **crash, wait=2)
            await room.executed(preview.calls[:2])
            look = await room.look("up", facts, **crash)
            assert look.verdict == "partly"
            assert "FAIL" in look.seen
            assert "fatal: the schema is newer" in look.seen


async def test_built_here_and_known_to_no_registry(docker_engine: DockerEngine, tmp_path: Path) -> None:
    """Named by its ID; several files, env files and a profile, and the project's folder has moved since."""
    services = {"web": web_service(), "tools": idle_service("db", profiles=["tools"])}
    with a_project(docker_engine, tmp_path, services, local=True, profiles=["tools"], started=False) as project:
        project.add_file("docker-compose.prod.yml", {"web": {"labels": {"stage": "${STAGE}"}}})
        (project.folder / "prod.env").write_text("STAGE=prod\n")
        project.env_files = [project.folder / ".env", project.folder / "prod.env"]
        project.up()
        image = project.image_id()
        project.build("v2")
        project.release("v2")
        project.up()
        moved = project.folder.rename(project.folder.with_name(f"{project.name}-moved"))
        asked = {"directory": str(moved), "profiles": ["tools"]}
        services_asked = {"web": {"version_url": f"{project.url}/api/version"}}
        async with operating(project, services=services_asked, **asked) as room:
            target = {"services": ["web"], "digest": image, "version": "v1"}
            _, preview = await room.planned("pull", **target)
            assert any("its ID names it" in note for note in preview.notes)
            for name in ("pull", "prove", "pin"):
                await room.done(name, **target)
            assert f'image: "{image}"' in room.pins
            look, _ = await room.done("up", **target)
            assert "the app says v1" in look.seen
            labels = project.container()["Config"]["Labels"]
            assert labels["stage"] == "prod"
            assert labels["com.docker.compose.project.working_dir"] == str(moved)

            # The project's own definition again: what its files name now.
            look, _ = await room.done("restore", services=["web"])
            assert project.version() == "v2"
            assert room.pins == ""
