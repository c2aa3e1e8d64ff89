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


async def rename(connection: Connection, user_id: str, name: str) -> None:
    await connection.execute('UPDATE "User" SET "name" = %s WHERE "id" = %s', (name, user_id))


async def upgrade(connection: Connection, user_id: str, tier: str) -> str | None:
    """The user's e-mail address; None where there is no such user."""
    cursor = await connection.execute(
        'UPDATE "User" SET "tier" = %s WHERE "id" = %s RETURNING "email"', (tier, user_id)
    )
    row = await cursor.fetchone()
    return None if row is None else str(row[0])
