"""Signals of a Compose project: what is measured, and that what can't be known is not taken for well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.docker_engine import DockerEngine
from tests.plugins.compose_projects import a_project, idle_service, migrate_service, web_service
from tests.plugins.compose_reading import LONG, context_of, reading
from warroom.api import BadInput, Context
from warroom.model.signal import Sample
from warroom.testing.fakes import a_context
from warroom_compose.config import Config, Service
from warroom_compose.deaths import Deaths
from warroom_compose.events import happened
from warroom_compose.measures import Used, Value, of_project, of_service, used, with_own
from warroom_compose.project import Container
from warroom_compose.signals import ComposeSignals, offered

NEEDS = pytest.mark.needs("dockerd", "compose", "docker-registry")
MB = 2**20


def a_container(number: int = 1, **more: Any) -> Container:
    base = Container(f"c{number}", f"shop-web-{number}", "web", number, "web:v1", "sha256:1", "running", None)
    return replace(base, **{"checked": True, "health": "healthy", "memory_limit": 100 * MB, **more})


def told(
    *containers: Container,
    memory: int = 10,
    before: Mapping[str, Used] | None = None,
    cpu: int = 0,
    service: Service | None = None,
) -> dict[str, Value]:
    now = {one.id: Used(memory * MB, cpu, 2 * 10**9) for one in containers if one.running}
    return of_service(containers, service or Service(), now, before or {}, 2)


# ---- one service


def test_memory_is_measured_against_its_limit_and_unknown_without_one() -> None:
    assert told(a_container(), memory=95)["memory-used"] == (0.95, 1, "web-1: 95 MB of 100 MB")
    assert told(a_container(), memory=130)["memory-used"][0] == 1
    value, _, words = told(a_container(memory_limit=0), memory=95)["memory-used"]
    assert (value, "no limit" in words) == (None, True)
    own = told(a_container(memory_limit=0), memory=95, service=Service(memory_limit=190 * MB))["memory-used"]
    assert own == (0.5, 1, "web-1: 95 MB of 190 MB, the runbook's own limit")


def test_of_several_containers_the_fullest_counts_and_none_may_be_unknown() -> None:
    both = [a_container(1), a_container(2, memory_limit=20 * MB)]
    assert told(*both)["memory-used"][0] == 0.5
    assert told(a_container(1), a_container(2, memory_limit=0))["memory-used"][0] is None


def test_what_the_kernel_can_take_back_is_not_in_use() -> None:
    old = {"memory_stats": {"usage": 100, "stats": {"total_inactive_file": 30, "inactive_file": 1}}}
    new = {"memory_stats": {"usage": 100, "stats": {"inactive_file": 30}}}
    assert used(old).memory == used(new).memory == 70
    assert used({}).memory is None
    nothing = of_service([a_container()], Service(), {"c1": Used(None, None, None)}, {}, 2)
    assert nothing["memory-used"][0] is nothing["cpu-used"][0] is None


def test_cpu_is_the_share_of_what_it_may_use_since_the_look_before() -> None:
    before = {"c1": Used(0, 0, 0)}
    assert told(a_container(), cpu=10**9, before=before)["cpu-used"] == (0.5, 1, "web-1: 1.00 of 2 CPUs")
    assert told(a_container(cpus=1), cpu=10**9, before=before)["cpu-used"][0] == 1
    assert told(a_container())["cpu-used"][0] is None
    began_anew = {"c1": Used(0, 10**10, 0)}
    assert told(a_container(), cpu=10**9, before=began_anew)["cpu-used"][0] is None


@pytest.mark.parametrize(
    ("containers", "value", "words"),
    [
        ([a_container(), a_container(2)], 1.0, "healthy: 2 containers"),
        ([a_container(), a_container(2, health="unhealthy")], 0.0, "unhealthy: web-2"),
        ([a_container(health="starting")], None, "still starting: web-1"),
        ([a_container(health="none", checked=False)], None, "running, and nothing checks its health: web-1"),
        ([a_container(), a_container(2, state="exited", exit_code=3)], 0.0, "web-2 ended with exit code 3"),
        ([a_container(state="exited", exit_code=137, oom_killed=True)], 0.0, "web-1 was killed: out of memory"),
        ([a_container(state="restarting")], 0.0, "web-1 is restarting"),
        ([], 0.0, "it has no container"),
    ],
)
def test_health_is_never_taken_for_granted(containers: list[Container], value: float | None, words: str) -> None:
    seen = told(*containers)["health"]
    assert (seen[0], seen[2]) == (value, words)


@pytest.mark.parametrize(
    ("containers", "value"),
    [
        ([a_container(state="exited", health="none")], 1.0),
        ([a_container(state="exited", exit_code=1)], 0.0),
        ([a_container()], None),
        ([], None),
    ],
)
def test_one_that_runs_to_its_end_is_well_once_it_has(containers: list[Container], value: float | None) -> None:
    assert told(*containers, service=Service(one_shot=True))["health"][0] == value


@pytest.mark.parametrize(
    ("engines", "own", "value"),
    [(1.0, None, 1.0), (None, 1.0, 1.0), (None, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)],
)
def test_what_either_check_finds_ill_is(engines: float | None, own: float | None, value: float | None) -> None:
    mine: Value | None = None if own is None else (own, 1, "HTTP 200")
    assert with_own((engines, 1, "x"), mine)[0] == value


# ---- all of them


def project_of(**services: dict[str, Value]) -> dict[str, Value]:
    config = Config.model_validate({"project": "shop", "services": {name: {} for name in services}})
    values = {f"{kind}-{name}": value for name, those in services.items() for kind, value in those.items()}
    for name in services:
        values |= {f"restarts-{name}": (0.0, 1, "none"), f"oom-kills-{name}": (0.0, 1, "none")}
    return of_project(values, config)


def test_all_is_well_only_where_everything_is_known_to_be() -> None:
    well, unchecked = told(a_container()), told(a_container(health="none"))
    ill, stopped = told(a_container(health="unhealthy")), told(a_container(state="exited"))
    assert project_of(web=well, db=well)["services-healthy"][0] == 1
    assert project_of(web=well, db=unchecked)["services-healthy"][0] is None
    assert project_of(web=ill, db=unchecked)["services-healthy"][0] == 0
    assert project_of(web=well, db=unchecked)["services-running"][0] == 1
    assert project_of(web=well, db=stopped)["services-running"] == (
        0.0,
        1,
        "db: 0 of 1 container; web-1 ended with exit code 0",
    )


def test_the_fullest_is_unknown_while_one_is() -> None:
    full, no_limit = told(a_container(), memory=95), told(a_container(memory_limit=0))
    stopped = told(a_container(state="exited"))
    assert project_of(web=full, db=no_limit)["memory-used"][0] is None
    assert project_of(web=full, db=stopped)["memory-used"][0] == 0.95
    assert project_of(web=stopped)["memory-used"][0] is None


# ---- what died


def died(ns: int, action: str, code: str = "", container: str = "c1") -> dict[str, Any]:
    attributes = {"name": "shop-web-1", "com.docker.compose.service": "web", **({"exitCode": code} if code else {})}
    return {"Action": action, "Actor": {"ID": container, "Attributes": attributes}, "timeNano": ns}


def test_only_ends_that_nobody_asked_for_count() -> None:
    ctx = a_context(Config.model_validate({"project": "shop", "services": {"web": {}}}))
    now = int(ctx.clock.now().timestamp() * 10**9)
    deaths = Deaths(ctx, 600)
    assert deaths.of("web")["restarts"][0] is None
    deaths._trouble = ""
    second = 10**9
    for event in (
        died(now - 700 * second, "die", "1"),  # too long ago
        died(now - 50 * second, "kill"),
        died(now - 49 * second, "die", "137"),  # asked for
        died(now - 40 * second, "die", "0"),  # a success
        died(now - 30 * second, "oom"),
        died(now - 29 * second, "die", "137"),
        died(now - 20 * second, "die", "1"),
    ):
        for found in happened(event):
            deaths.add(found)
    assert deaths.of("web")["restarts"][0] == 2
    assert deaths.of("web")["oom-kills"][0] == 1
    assert deaths.of("db")["restarts"][0] == 0


# ---- on a real engine


async def until(ctx: Context, fits: Callable[[dict[str, Sample]], bool]) -> dict[str, Sample]:
    """The newest sample of each signal, once they fit."""
    seen: dict[str, Sample] = {}
    samples = ComposeSignals().samples(ctx, frozenset(offered(ctx.config)))
    try:
        async with asyncio.timeout(LONG):
            async for sample in samples:
                seen[sample.signal] = sample
                if len(seen) == len(offered(ctx.config)) and fits(seen):
                    return seen
    except TimeoutError:
        raise AssertionError({name: (one.value, one.words) for name, one in seen.items()}) from None
    finally:
        await samples.aclose()
    raise AssertionError("samples ended")


SERVICES: dict[str, dict[str, Any]] = {"web": {}, "db": {}, "migrate": {"one_shot": True}}


def shop_with_limits() -> dict[str, Any]:
    return {
        "web": web_service(mem_limit="64m", restart="always"),
        "db": idle_service("db"),
        "migrate": migrate_service(),
    }


@NEEDS
async def test_a_projects_services_are_measured(docker_engine: DockerEngine, tmp_path: Path) -> None:
    with a_project(docker_engine, tmp_path, shop_with_limits()) as sample:
        services = {**SERVICES, "db": {"memory_limit": 128 * MB, "health_url": f"{sample.url}/api/health"}}
        async with reading(sample, services=services, every=0.5) as ctx:
            seen = await until(ctx, lambda s: s["services-healthy"].value == 1 and s["cpu-used"].value is not None)
            assert seen["running-web"].value == 1
            assert 0 < (seen["memory-used"].value or 0) < 1
            assert "of 64 MB" in seen["memory-used-web"].words
            assert "of 128 MB, the runbook's own limit" in seen["memory-used-db"].words
            assert [seen[name].value for name in ("services-running", "restarts", "oom-kills")] == [1, 0, 0]
            assert seen["health-migrate"].value == 1
            assert all(abs((one.at - datetime.now(UTC)).total_seconds()) < LONG for one in seen.values())

            docker_engine.docker("stop", "-t", "1", sample.containers("db")[0])
            seen = await until(ctx, lambda s: s["services-running"].value == 0)
            assert seen["running-db"].value == 0
            assert "db: 0 of 1 container" in seen["services-running"].words
            assert seen["health-db"].value == 0


@NEEDS
async def test_one_that_takes_too_much_memory_is_seen_to(docker_engine: DockerEngine, tmp_path: Path) -> None:
    """Killed by the kernel, and started anew by its restart policy: also by somebody who looks afterwards only."""
    services = {"web": web_service(mem_limit="32m", memswap_limit="32m", restart="always")}
    with a_project(docker_engine, tmp_path, services, mode="eater", after=0.5) as sample:
        async with reading(sample, services={"web": {}}, every=0.3) as ctx:
            seen = await until(ctx, lambda s: (s["restarts-web"].value or 0) > 1)
            later = await until(ctx, lambda s: (s["restarts-web"].value or 0) >= (seen["restarts-web"].value or 0))
        assert "ended" in later["restarts-web"].words
        assert later["restarts"].value == later["restarts-web"].value


@NEEDS
async def test_without_a_project_or_an_engine_nothing_is_well(docker_engine: DockerEngine, tmp_path: Path) -> None:
    base = {"project": "no-such-project", "services": SERVICES, "host": docker_engine.host, "every": 0.3}
    async with context_of(base) as ctx:
        seen = await until(ctx, lambda _: True)
        well = {name for name, one in seen.items() if one.value not in (None, 0.0)}
        assert well == {"reachable"}
        assert [seen[name].value for name in ("services-running", "health-web", "health-migrate")] == [0, 0, None]
    async with context_of({**base, "host": f"unix://{tmp_path}/none"}) as ctx:
        seen = await until(ctx, lambda _: True)
        assert {name for name, one in seen.items() if one.value is not None} == {"reachable"}
        assert seen["reachable"].value == 0
        assert "no such file" in seen["memory-used-web"].words


async def test_a_signal_that_is_not_there_is_refused() -> None:
    ctx = a_context(Config.model_validate({"project": "shop", "services": {"web": {}}}))
    with pytest.raises(BadInput, match="no signal memory"):
        async for _ in ComposeSignals().samples(ctx, frozenset({"memory"})):
            pass


def test_each_service_has_signals_of_its_own() -> None:
    config = Config.model_validate({"project": "shop", "services": {"web": {}, "db": {}}, "every": 3})
    offers = ComposeSignals().offers(config)
    assert {"memory-used", "memory-used-web", "health-db", "services-running", "oom-kills-db"} <= offers.keys()
    assert {offer.every for offer in offers.values()} == {3}
