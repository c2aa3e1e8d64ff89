"""Accounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .database import Connection


@dataclass(frozen=True)
class User:
    id: str
    email: str
    name: str
    password_hash: str
    country: str | None
    tier: str
    created_at: datetime
    last_sign_in_at: datetime | None


async def find_by_email(connection: Connection, email: str) -> User | None:
    cursor = await connection.execute(
        'SELECT "id", "email", "name", "passwordHash", "country", "tier", "createdAt", "lastSignInAt"'
        ' FROM "User" WHERE "email" = %s',
        (email,),
    )
    row = await cursor.fetchone()
    return None if row is None else User(*row)  # type: ignore[arg-type]  # a row's columns are not typed


async def record_sign_in(connection: Connection, user_id: str) -> None:
    await connection.execute('UPDATE "User" SET "lastSignInAt" = CURRENT_TIMESTAMP WHERE "id" = %s', (user_id,))


async def upgrade(connection: Connection, user_id: str, tier: str) -> None:
    await connection.execute('UPDATE "User" SET "tier" = %s WHERE "id" = %s', (tier, user_id))
