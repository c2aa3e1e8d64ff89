"""Connections to databases and caches, made on first use, kept, and closed together."""

from __future__ import annotations

from warroom.actions.redis_reading import RedisClients
from warroom.actions.sql_reading import SqlClients


class Stores:
    def __init__(self) -> None:
        self.sql = SqlClients()
        self.redis = RedisClients()

    async def close(self) -> None:
        await self.sql.close()
        await self.redis.close()
