"""Conversations and their messages; a user's list is kept in Redis for a few seconds."""

from __future__ import annotations

import json
import secrets
from typing import Any

from redis.asyncio import Redis

from .database import Connection, Pool

CACHE_SECONDS = 5


class Conversations:
    def __init__(self, pool: Pool, redis: Redis) -> None:
        self._pool = pool
        self._redis = redis

    async def of_user(self, user_id: str) -> list[dict[str, Any]]:
        key = f"cache:conversations:{user_id}"
        cached = await self._redis.get(key)
        if cached is not None:
            listed: list[dict[str, Any]] = json.loads(cached)
            return listed
        async with self._pool.connection() as connection:
            listed = await _select(connection, user_id)
        await self._redis.set(key, json.dumps(listed), ex=CACHE_SECONDS)
        return listed

    async def send(self, user_id: str, conversation_id: str, content: str) -> str | None:
        """The new message's id, or None where the user has no such conversation."""
        message_id = "m" + secrets.token_hex(12)
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                'UPDATE "Conversation" SET "updatedAt" = CURRENT_TIMESTAMP WHERE "id" = %s AND "userId" = %s',
                (conversation_id, user_id),
            )
            if cursor.rowcount == 0:
                return None
            await connection.execute(
                'INSERT INTO "Message" ("id", "conversationId", "role", "content") VALUES (%s, %s, %s, %s)',
                (message_id, conversation_id, "user", content),
            )
        await self._redis.delete(f"cache:conversations:{user_id}")
        return message_id

    async def answer(self, conversation_id: str, content: str) -> None:
        """The assistant's words, after a person's."""
        async with self._pool.connection() as connection:
            await connection.execute(
                'INSERT INTO "Message" ("id", "conversationId", "role", "content") VALUES (%s, %s, %s, %s)',
                ("m" + secrets.token_hex(12), conversation_id, "assistant", content),
            )

    async def export(self, user_id: str, conversation_id: str) -> list[dict[str, Any]]:
        """All that was said in a conversation of the user's, oldest first; nothing where it is not theirs."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                'SELECT m."role", m."content", m."createdAt" FROM "Message" m'
                ' JOIN "Conversation" c ON c."id" = m."conversationId"'
                ' WHERE c."id" = %s AND c."userId" = %s ORDER BY m."createdAt"',
                (conversation_id, user_id),
            )
            return [{"role": row[0], "content": row[1], "at": str(row[2])} for row in await cursor.fetchall()]


async def _select(connection: Connection, user_id: str) -> list[dict[str, Any]]:
    cursor = await connection.execute(
        'SELECT "id", "title", "updatedAt" FROM "Conversation" WHERE "userId" = %s', (user_id,)
    )
    return [{"id": row[0], "title": row[1], "updatedAt": str(row[2])} for row in await cursor.fetchall()]
