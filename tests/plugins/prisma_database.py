"""A small database as Prisma makes it, for tests: tables with capitals, its table of migrations, a few rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

TABLES = """
CREATE TABLE "User" ("id" text PRIMARY KEY, "email" text, "tier" text NOT NULL DEFAULT 'free');
CREATE TABLE "Conversation" ("id" text PRIMARY KEY, "userId" text);
CREATE TABLE "Payment" ("id" text PRIMARY KEY, "eventId" text, "userId" text, "status" text NOT NULL);
CREATE TABLE "_prisma_migrations" ("id" text PRIMARY KEY, "checksum" text NOT NULL, "finished_at" timestamptz,
  "migration_name" text NOT NULL, "logs" text, "rolled_back_at" timestamptz,
  "started_at" timestamptz NOT NULL DEFAULT now(), "applied_steps_count" int NOT NULL DEFAULT 0);
INSERT INTO "User" SELECT 'u' || n, 'person' || n || '@example.com', 'free' FROM generate_series(1, 20) n;
INSERT INTO "Conversation" SELECT 'c' || n, 'u' || n FROM generate_series(1, 20) n;
INSERT INTO "Payment" VALUES ('p1', 'evt_1', 'u1', 'succeeded');
UPDATE "User" SET "tier" = 'pro' WHERE "id" = 'u1';
INSERT INTO "_prisma_migrations"
  VALUES ('m1', 'x', now(), '20260101000000_init', NULL, NULL, now() - interval '1 d', 1);
"""
INTEGRITY: dict[str, Any] = {
    "integrity-errors": {
        "title": "rows that break an invariant",
        "every": "1s",
        "counts": {
            "null-emails": {"kind": "nulls", "table": "User", "column": "email"},
            "duplicate-emails": {"kind": "duplicates", "table": "User", "columns": ["email"]},
            "conversations-without-user": {"kind": "nulls", "table": "Conversation", "column": "userId"},
        },
    },
    "foreign-key-violations": {
        "every": "1s",
        "counts": {
            "conversations": {"kind": "orphans", "table": "Conversation", "column": "userId", "parent": "User"},
            "payments": {"kind": "orphans", "table": "Payment", "column": "userId", "parent": "User"},
        },
    },
    "payments-duplicate": {
        "every": "1s",
        "counts": {"events": {"kind": "duplicates", "table": "Payment", "columns": ["eventId"]}},
    },
    "payments-without-tier": {
        "every": "1s",
        "counts": {
            "users": {
                "kind": "sql",
                "sql": """SELECT count(*) FROM "User" u WHERE u."tier" = 'free' AND EXISTS (SELECT 1 FROM "Payment" p
                    WHERE p."userId" = u."id" AND p."status" = 'succeeded')""",
            }
        },
    },
}


@contextmanager
def filled(url: str) -> Iterator[psycopg.Connection[Any]]:
    """The tables and rows, and a connection to do more to them, each statement at once."""
    with psycopg.connect(url, autocommit=True, application_name="test") as connection:
        connection.execute(TABLES)
        yield connection
