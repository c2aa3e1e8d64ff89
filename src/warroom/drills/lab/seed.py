"""The rows a lab begins with: the same ones every time."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from psycopg import sql

SEED = 20250105
USERS = 3000
CONVERSATIONS = 4500
MESSAGES = 12000
PAYMENTS = 800
PASSWORDS = 40
_COST = 64
TEST_EMAIL = "test@example.com"
TEST_PASSWORD = "Test123!"

_BEGIN = datetime(2025, 1, 1)  # noqa: DTZ001 - Prisma's TIMESTAMP(3) columns have no zone; they are UTC
_COUNTRIES = ("AT", "DE", "FR", "GB", "US")
# People are asked for their country when they first pay; most never have.
_SHARE_WITH_COUNTRY = 0.5
PAYERS = range(0, USERS, 7)
"""Who has paid so far, by number: these have the tier they paid for."""
_WORDS = (
    "plan",
    "draft",
    "report",
    "budget",
    "kitchen",
    "garden",
    "Lisbon",
    "taxes",
    "résumé",
    "migration",
    "recipe",
    "syllabus",
)


@dataclass(frozen=True)
class Account:
    """Someone the traffic can sign in as."""

    id: str
    email: str
    password: str


def password_of(number: int) -> str:
    """Seeded people share a few dozen passwords, because a hash for each would make the lab's start longer."""
    return f"Seeded-{number % PASSWORDS:02d}!"


def accounts() -> list[Account]:
    return [Account(f"u{number:07d}", f"person{number}@example.com", password_of(number)) for number in range(USERS)]


def _hash(password: str) -> str:
    """As the app makes them, but cheap to check: these guard nothing, and people sign in all the time."""
    salt = hashlib.sha256(b"seed " + password.encode()).digest()[:16]
    digest = hashlib.scrypt(password.encode(), salt=salt, n=_COST, r=8, p=1, dklen=32)
    return f"scrypt${_COST}$8$1${salt.hex()}${digest.hex()}"


def _users(chance: random.Random) -> Iterator[tuple[object, ...]]:
    hashes = [_hash(password_of(number)) for number in range(PASSWORDS)]
    for number in range(USERS):
        country = chance.choice(_COUNTRIES) if chance.random() < _SHARE_WITH_COUNTRY else None
        tier = "pro" if number in PAYERS else "free"
        yield (
            f"u{number:07d}",
            f"person{number}@example.com",
            f"Person {number}",
            hashes[number % PASSWORDS],
            country,
            tier,
            _BEGIN + timedelta(minutes=73 * number),
        )
    yield "utest", TEST_EMAIL, "Test Account", _hash(TEST_PASSWORD), "US", "free", _BEGIN


def _conversations(chance: random.Random) -> Iterator[tuple[object, ...]]:
    """One for each person, the test account too, and the rest for whoever."""
    for number in range(CONVERSATIONS):
        owner = f"u{number:07d}" if number < USERS else f"u{chance.randrange(USERS):07d}"
        at = _BEGIN + timedelta(days=229, minutes=11 * number)
        title = f"{chance.choice(_WORDS)} {chance.choice(_WORDS)}"
        yield f"c{number:07d}", "utest" if number == CONVERSATIONS - 1 else owner, title, at, at


def _messages(chance: random.Random) -> Iterator[tuple[object, ...]]:
    for number in range(MESSAGES):
        content = " ".join(chance.choices(_WORDS, k=8))
        conversation = f"c{chance.randrange(CONVERSATIONS):07d}"
        at = _BEGIN + timedelta(days=265, minutes=number)
        yield f"m{number:07d}", conversation, ("user", "assistant")[number % 2], content, at


def _payments(chance: random.Random) -> Iterator[tuple[object, ...]]:
    for number in range(PAYMENTS):
        at = _BEGIN + timedelta(days=200, minutes=97 * number)
        payer = f"u{PAYERS[chance.randrange(len(PAYERS))]:07d}"
        yield (
            f"p{number:07d}",
            f"evt_seed_{number:06d}",
            payer,
            chance.choice((900, 1900, 9900)),
            "EUR",
            "succeeded",
            at,
        )


_TABLES = {
    "User": (("id", "email", "name", "passwordHash", "country", "tier", "createdAt"), _users),
    "Conversation": (("id", "userId", "title", "createdAt", "updatedAt"), _conversations),
    "Message": (("id", "conversationId", "role", "content", "createdAt"), _messages),
    "Payment": (("id", "eventId", "userId", "amountCents", "currency", "status", "createdAt"), _payments),
}
_CHANGES = {"tier", "updatedAt"}
"""What the app changes in a row as it is used."""


def seeded() -> dict[str, tuple[tuple[str, ...], list[tuple[object, ...]]]]:
    """By table, the columns that nothing changes in ordinary use, and their values in each row of the beginning."""
    chance = random.Random(SEED)
    found = {}
    for table, (columns, rows) in _TABLES.items():
        places = [place for place, column in enumerate(columns) if column not in _CHANGES]
        every = [tuple(row[place] for place in places) for row in rows(chance)]
        found[table] = (tuple(columns[place] for place in places), every)
    return found


async def seed(url: str) -> None:
    """Fill the empty tables, all in one transaction."""
    chance = random.Random(SEED)
    async with await psycopg.AsyncConnection.connect(url) as connection:
        for table, (columns, rows) in _TABLES.items():
            names = ", ".join(f'"{column}"' for column in columns)
            async with connection.cursor().copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
                for row in rows(chance):
                    await copy.write_row(row)
        await connection.commit()
        await connection.set_autocommit(True)
        await connection.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(map(sql.Identifier, _TABLES))))


async def counts(url: str) -> dict[str, int]:
    """How many rows each of the app's tables has, all at one moment."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute(
            'SELECT (SELECT count(*) FROM "User"), (SELECT count(*) FROM "Conversation"),'
            ' (SELECT count(*) FROM "Message"), (SELECT count(*) FROM "Payment")'
        )
        row = await cursor.fetchone()
    assert row is not None
    return dict(zip(("User", "Conversation", "Message", "Payment"), row, strict=True))


# What must never be so in the app's data, each as a query that counts the cases.
_INVARIANTS = {
    "migrations_failed": """SELECT count(*) FROM "_prisma_migrations"
        WHERE "finished_at" IS NULL AND "rolled_back_at" IS NULL""",
    "integrity_errors": """SELECT (SELECT count(*) FROM "User" WHERE "email" IS NULL)
        + (SELECT count(*) FROM "Conversation" WHERE "userId" IS NULL)
        + (SELECT count(*) FROM (SELECT 1 FROM "User" GROUP BY lower("email") HAVING count(*) > 1) AS twice)""",
    "foreign_key_violations": """SELECT (SELECT count(*) FROM "Conversation" c
            WHERE NOT EXISTS (SELECT 1 FROM "User" u WHERE u."id" = c."userId"))
        + (SELECT count(*) FROM "Message" m
            WHERE NOT EXISTS (SELECT 1 FROM "Conversation" c WHERE c."id" = m."conversationId"))
        + (SELECT count(*) FROM "Payment" p WHERE NOT EXISTS (SELECT 1 FROM "User" u WHERE u."id" = p."userId"))""",
    "payments_without_tier": """SELECT count(*) FROM "User" u WHERE u."tier" = 'free'
        AND EXISTS (SELECT 1 FROM "Payment" p WHERE p."userId" = u."id" AND p."status" = 'succeeded')""",
    "payments_duplicate": """SELECT count(*) FROM
        (SELECT 1 FROM "Payment" GROUP BY "eventId" HAVING count(*) > 1) AS twice""",
}


async def broken_invariants(url: str) -> dict[str, int]:
    """How often each rule of the app's data is broken now, all at one moment. Raises psycopg.Error."""
    columns = ", ".join(f"({query}) AS {name}" for name, query in _INVARIANTS.items())
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=30) as connection:
        cursor = await connection.execute(f"SELECT {columns}")
        row = await cursor.fetchone()
    assert row is not None
    return dict(zip(_INVARIANTS, map(int, row), strict=True))
