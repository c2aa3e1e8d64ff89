"""Database and cache servers that this process's tests share, and doors to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.servers import PostgresServer, RedisServer, in_memory, running_postgres, running_redis, system_binaries
from tests.stores import Door, a_door


@pytest.fixture(scope="session")
def newest_postgres() -> Iterator[PostgresServer]:
    """The wheel's. A test that uses it needs "userns"."""
    with running_postgres(within=in_memory()) as server:
        yield server


@pytest.fixture(scope="session")
def system_postgres() -> Iterator[PostgresServer]:
    """The machine's. A test that uses it needs "userns" and "postgres"."""
    with running_postgres(system_binaries(), within=in_memory()) as server:
        yield server


@pytest.fixture(
    params=[
        pytest.param("newest_postgres", marks=pytest.mark.needs("userns"), id="wheel"),
        pytest.param("system_postgres", marks=pytest.mark.needs("userns", "postgres"), id="system"),
    ]
)
def postgres(request: pytest.FixtureRequest) -> PostgresServer:
    """Each version in turn."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, PostgresServer)
    return server


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """The address of a database of the test's own."""
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    with running_redis("--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru") as server:
        yield server


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with a_door() as made:
        yield made
