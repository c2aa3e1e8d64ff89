"""A plugin is told the environment that the runbook names: what it may try hangs on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines import a_running


@pytest.mark.parametrize("kind", ["production", "staging", "drill"])
async def test_each_platform_knows_its_environment(tmp_path: Path, kind: str) -> None:
    async with a_running(tmp_path, kind) as world:
        assert {platform.context.environment for platform in world.core.platforms.values()} == {kind}
