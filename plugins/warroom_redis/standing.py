"""Which Redis this is, and whether warroom could look into it now."""

from __future__ import annotations

from collections.abc import Sequence

from warroom.api import Context, Ready, WarroomError
from warroom_redis.config import Config
from warroom_redis.info import ask, info, memory, role, why


class RedisIdentity:
    async def fingerprint(self, ctx: Context) -> str:
        """A cluster node's own id, which outlives a restart; else the replication's, where there are replicas, which
        ends with its master; else the server process's. A cache that was started anew is another one: it is empty."""
        said = await info(ctx)
        if said.get("cluster_enabled") == "1":
            return f"redis-node-{await ask(ctx, 'CLUSTER', 'MYID')}"
        replicated = said.get("role") == "slave" or said.get("connected_slaves", "0") != "0"
        found = said.get("master_replid" if replicated else "run_id", "")
        if not found:
            raise WarroomError(
                "the identity of Redis can't be read", "INFO names no run", "let warroom's user ask INFO"
            )
        return f"redis-{'replication' if replicated else 'run'}-{found}"


class RedisReadiness:
    async def ready(self, ctx: Context) -> Sequence[Ready]:
        config: Config = ctx.config
        title = f"{ctx.platform}: the address of Redis"
        try:
            ctx.secret(config.url)
        except WarroomError as error:
            fix = error.hint or f"set {config.url} where warroom runs"
            return [Ready("redis-address", title, "not-ready", why(error, fix=False), fix)]
        rows = [Ready("redis-address", title, "ready", f"{config.url} is there")]
        title = f"{ctx.platform}: Redis answers"
        try:
            said = await info(ctx)
        except WarroomError as error:
            fix = error.hint or "check the address, the network from here, and that the server runs"
            return [*rows, Ready("redis-answers", title, "not-ready", why(error, fix=False), fix)]
        words = f"Redis {said.get('redis_version', 'of an unknown version')}"
        rows.append(Ready("redis-answers", title, "ready", words))
        return [*rows, _role(ctx, said, config), _memory(ctx, said)]


def _role(ctx: Context, said: dict[str, str], config: Config) -> Ready:
    title = f"{ctx.platform}: it is a {config.role}"
    well, _, words = role(said, config.role)
    if well is None:
        return Ready("redis-role", title, "unknown", words)
    fix = "" if well else "see where the master is, and correct the address or role"
    return Ready("redis-role", title, "ready" if well else "not-ready", words, fix)


def _memory(ctx: Context, said: dict[str, str]) -> Ready:
    title = f"{ctx.platform}: its memory has a limit"
    used, _, words = memory(said)
    if used is None:
        return Ready("redis-memory", title, "unknown", words, "set maxmemory, or watch memory-bytes instead")
    return Ready("redis-memory", title, "ready", words)
