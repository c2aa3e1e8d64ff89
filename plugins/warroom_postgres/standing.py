"""Which database this is, and whether warroom could look into it now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from warroom.api import Context, Ready, StoreRefused, WarroomError
from warroom.model.units import many
from warroom_postgres import statements
from warroom_postgres.asking import ask, why
from warroom_postgres.backups.readiness import backup_rows
from warroom_postgres.config import Config
from warroom_postgres.needs import rights_row, space_row, tools_row
from warroom_postgres.swapping.kept import kept_row
from warroom_postgres.swapping.looking import NO_SUCH_DATABASE
from warroom_postgres.vitals import failed_migrations


class PostgresIdentity:
    async def fingerprint(self, ctx: Context) -> str:
        """The cluster's identifier, which a restored copy elsewhere does not share, and the database's name."""
        try:
            (found,) = (await ask(ctx, statements.SYSTEM)).each()
        except StoreRefused as error:
            raise WarroomError(
                "the database's identity can't be read",
                why(error, fix=False),
                "GRANT EXECUTE ON FUNCTION pg_control_system() TO warroom's role",
            ) from error
        return f"postgresql-{found['id']}/{found['database']}"


class PostgresReadiness:
    async def ready(self, ctx: Context) -> Sequence[Ready]:
        """The rows of backups come also of a database that gives no answer: that is when they are wanted."""
        config: Config = ctx.config
        database, backups = await asyncio.gather(self._database(ctx), backup_rows(ctx, config.backups))
        return [*database, *backups]

    async def _database(self, ctx: Context) -> Sequence[Ready]:
        config: Config = ctx.config
        title = f"{ctx.platform}: the address of the database"
        try:
            ctx.secret(config.url)
        except WarroomError as error:
            fix = error.hint or f"set {config.url} where warroom runs"
            return [Ready("postgres-address", title, "not-ready", why(error, fix=False), fix)]
        rows = [Ready("postgres-address", title, "ready", f"{config.url} is there")]
        title = f"{ctx.platform}: the database answers"
        try:
            found = await ask(ctx, statements.ABOUT)
        except WarroomError as error:
            fix = error.hint or "check the address, the network from here, and that the server runs"
            rows.append(Ready("postgres-answers", title, "not-ready", why(error, fix=False), fix))
            missing = isinstance(error, StoreRefused) and error.code == NO_SUCH_DATABASE
            return [*rows, await kept_row(ctx)] if missing else rows
        about = found.each()[0]
        rows.append(Ready("postgres-answers", title, "ready", _answers(about, found.pooled)))
        rows += [_sessions(ctx, about), _tables(ctx, about)]
        looks = (_identity(ctx), _migrations(ctx), kept_row(ctx), tools_row(ctx), space_row(ctx), rights_row(ctx))
        return [*rows, *await asyncio.gather(*looks)]


def _answers(about: Mapping[str, Any], pooled: bool) -> str:
    words = f"PostgreSQL {about['version']}, database {about['database']}"
    if about["standby"]:
        words += ", a standby"
    return words + (", behind a connection pooler" if pooled else "")


def _sessions(ctx: Context, about: Mapping[str, Any]) -> Ready:
    row, title, role = "postgres-sessions", f"{ctx.platform}: warroom sees every session", about["role"]
    if about["superuser"]:
        return Ready(row, title, "ready", f"{role} is a superuser, which is more than warroom needs")
    if about["monitors"]:
        return Ready(row, title, "ready", f"{role} is a member of pg_monitor")
    return Ready(row, title, "unknown", f"{role} sees only its own sessions", f"GRANT pg_monitor TO {role}")


def _tables(ctx: Context, about: Mapping[str, Any]) -> Ready:
    row, title, role = "postgres-tables", f"{ctx.platform}: the tables can be read", about["role"]
    words = many(about["tables"], "table")
    if about["unreadable"]:
        fix = f"GRANT SELECT ON ALL TABLES IN SCHEMA … TO {role}"
        return Ready(row, title, "not-ready", f"{about['unreadable']} of {words} can't be read by {role}", fix)
    if not about["tables"]:
        return Ready(row, title, "unknown", "there are none in this schema", "check schema in the address")
    return Ready(row, title, "ready", words)


async def _identity(ctx: Context) -> Ready:
    row, title = "postgres-identity", f"{ctx.platform}: the database has an identity"
    try:
        return Ready(row, title, "ready", await PostgresIdentity().fingerprint(ctx))
    except WarroomError as error:
        return Ready(row, title, "not-ready", why(error, fix=False), error.hint or "see that the database answers")


async def _migrations(ctx: Context) -> Ready:
    config: Config = ctx.config
    row, title = "postgres-migrations", f"{ctx.platform}: no migration has failed"
    try:
        found = await ask(ctx, statements.MIGRATIONS, names={"table": config.migrations})
    except WarroomError as error:
        return Ready(row, title, "unknown", why(error, fix=False), "name the table of migrations under migrations")
    number, _, words = failed_migrations(found.each())
    if number:
        return Ready(row, title, "not-ready", words, "resolve it before anything is deployed on top of it")
    return Ready(row, title, "ready", words or "none")
