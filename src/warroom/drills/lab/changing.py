"""What the control endpoint may change: each is work that goes on under an operation's key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from warroom.drills.lab.deployer import Deployer
from warroom.drills.lab.front import Front
from warroom.drills.lab.layout import Layout, read_json, write_json
from warroom.drills.lab.migrations import Note
from warroom.drills.lab.neighbour import Neighbour
from warroom.drills.lab.operations import Step, Work
from warroom.drills.lab.postgres import Postgres
from warroom.drills.lab.redis_server import RedisServer
from warroom.errors import WarroomError


def own_settings(layout: Layout) -> dict[str, str]:
    """The app's settings as somebody has set them; what is not here has the release's own default."""
    found: dict[str, str] = read_json(layout.state / "settings.json") or {}
    return found


@dataclass(frozen=True)
class Changes:
    layout: Layout
    deployer: Deployer
    front: Front
    redis: RedisServer
    servers: dict[str, Postgres | RedisServer | Neighbour]
    note: Note

    def deploying(self, commit: str, by: str, key: str) -> Work:
        return lambda step: self.deployer.deploy(commit, by, key, step)

    def restarting(self, component: str) -> Work:
        async def work(step: Step) -> dict[str, Any]:
            if component == "app":
                return await self.deployer.restart(step)
            server = self.servers[component]
            step("stop")
            await server.stop()
            step("start")
            await server.start()
            return {}

        return work

    def stopping_app(self) -> Work:
        """Nothing of the app runs then, its own jobs neither; it comes back by being started, or by a deployment."""
        return self.deployer.halt

    def starting_app(self) -> Work:
        """The release that was deployed last, where it does not run."""

        async def work(step: Step) -> dict[str, Any]:
            running = self.deployer.running
            if running is not None and running.running:
                return dict(running.identity)
            return await self.deployer.restart(step)

        return work

    def configuring(self, settings: dict[str, str]) -> Work:
        """Set these of the app's settings, an empty one back to its default, and start the app again with them.

        Where it does not start with them, they are as before, and so is what serves.
        """

        async def work(step: Step) -> dict[str, Any]:
            step("settings")
            before = own_settings(self.layout)
            kept = {name: value for name, value in (before | settings).items() if value}
            write_json(self.layout.state / "settings.json", kept)
            try:
                await self.deployer.restart(step)
            except BaseException:
                write_json(self.layout.state / "settings.json", before)
                raise
            self.note("settings changed", **settings)
            return {"settings": kept}

        return work

    def stopping_writes(self, stopped: bool) -> Work:
        async def work(step: Step) -> dict[str, Any]:
            step("front")
            write_json(self.layout.state / "front.json", {"writes_stopped": stopped})
            self.front.writes_stopped = stopped
            self.note("writes stopped" if stopped else "writes resumed")
            return {"writes_stopped": stopped}

        return work

    def clearing_cache(self) -> Work:
        async def work(step: Step) -> dict[str, Any]:
            step("delete")
            try:
                return {"deleted": await self.redis.clear_cache()}
            except (RedisError, OSError) as error:
                raise WarroomError("The cache can't be cleared", str(error)) from error

        return work
