"""How often somebody may try to sign in and fail, counted in Redis for all copies of the service."""

from __future__ import annotations

import hashlib

from redis.asyncio import Redis

MINUTE = 60


class Attempts:
    """``limit`` failed attempts a minute for each account, 0 for no limit."""

    def __init__(self, redis: Redis, limit: int) -> None:
        self._redis = redis
        self._limit = limit

    async def over(self, email: str) -> bool:
        if self._limit == 0:
            return False
        return int(await self._redis.get(_key(email)) or 0) >= self._limit

    async def failed(self, email: str) -> None:
        if self._limit == 0:
            return
        async with self._redis.pipeline() as pipeline:
            pipeline.set(_key(email), 0, ex=MINUTE, nx=True)
            pipeline.incr(_key(email))
            await pipeline.execute()


def _key(email: str) -> str:
    return f"attempts:{hashlib.sha256(email.encode()).hexdigest()}"
