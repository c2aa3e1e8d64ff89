"""A database of its own to restore into: made from template0, by a role that is no superuser, and dropped again.

What a dump brings along runs while it is restored: functions of indexes, defaults and checks. So whoever restores may
do no more than own that database. Pure, but for the look at what the live database is like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warroom.api import BadInput, Context
from warroom.model.call import ProcessCall, RolePassword, SqlCall
from warroom_postgres.naming import Mark, literal, name_for, quoted
from warroom_postgres.reach.place import Login, Place, asked
from warroom_postgres.reach.tools import Tools

LIVE = """
SELECT d.oid::bigint AS oid, pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collate, d.datctype AS ctype,
  coalesce(to_jsonb(d) ->> 'datlocprovider', '') AS provider,
  coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale,
  to_jsonb(d) ->> 'daticurules' AS rules, pg_database_size(d.oid) AS bytes,
  r.rolname::text AS role, r.rolsuper AS superuser, r.rolcreatedb AS creates,
  concat_ws(', ', CASE WHEN r.rolcreaterole AND current_setting('server_version_num')::int < 160000 THEN 'CREATEROLE'
    END, (SELECT string_agg(m.rolname, ', ' ORDER BY m.rolname) FROM pg_roles m WHERE m.oid <> r.oid
      AND pg_has_role(r.oid, m.oid, 'MEMBER') AND (m.rolsuper OR m.rolname IN ('pg_execute_server_program',
        'pg_read_server_files', 'pg_write_server_files')))) AS mighty
FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = current_user
"""
_PROVIDERS = {"": "", "c": "libc", "i": "icu", "b": "builtin"}
WRITING = "SET default_transaction_read_only = off"
"""Writes may have been stopped by a setting of the live database, which the connection is to."""
NOT_ITS_OWN = ("--no-owner", "--no-privileges", "--no-comments", "--no-tablespaces", "--no-publications")
"""What only others could bring back: left out where a dump is only tried."""


@dataclass(frozen=True)
class Live:
    """The live database as it is, and what the address's role may do. ``mighty``: what would let it reach beyond.

    ``provider`` is of its locale; empty: the server is too old to have more than one.
    """

    oid: int
    bytes: int
    encoding: str
    collate: str
    ctype: str
    provider: str
    locale: str | None
    rules: str | None
    role: str
    superuser: bool
    creates: bool
    mighty: str

    @property
    def like_it(self) -> str:
        """What makes a new database sort and spell as it does."""
        words = f"ENCODING {literal(self.encoding)} LC_COLLATE {literal(self.collate)} LC_CTYPE {literal(self.ctype)}"
        if self.provider:  # always said: template0 may have another one
            words += f" LOCALE_PROVIDER {self.provider}"
        if self.provider in ("icu", "builtin"):
            option = "ICU_LOCALE" if self.provider == "icu" else "BUILTIN_LOCALE"
            words += f" {option} {literal(self.locale)}" if self.locale else ""
            words += f" ICU_RULES {literal(self.rules)}" if self.rules else ""
        return words


def live_from(row: dict[str, Any]) -> Live:
    return Live(**{**row, "provider": _PROVIDERS[row["provider"]]})


async def live(ctx: Context, where: Place) -> Live:
    return live_from((await asked(ctx, where, LIVE)).each()[0])


@dataclass(frozen=True)
class Scratch:
    """``login`` None: the address's own role owns it, being no superuser. Else a role is made for it."""

    name: str
    mark: Mark
    login: Login | None

    @property
    def owner(self) -> str | None:
        return self.login.role if self.login else None


def scratch(of: Live, mark: Mark) -> Scratch:
    """Its name, and who restores into it. Raises BadInput where the role can make no database."""
    if not (of.superuser or of.creates):
        raise BadInput(
            f"{of.role} can make no database",
            "a dump is restored beside the live one",
            f"ALTER ROLE {of.role} CREATEDB",
        )
    role = f"warroom~{mark.id}"
    login = Login(role, f"made:{role}") if of.superuser else None
    return Scratch(name_for(mark.of, mark.what, mark.at, mark.id), mark, login)


def created(where: Place, of: Live, made: Scratch, *, tablespace: str = "") -> SqlCall:
    """Statement by statement: a database can't be made within a transaction. ``tablespace`` empty: the usual one."""
    statements: list[str | RolePassword] = [WRITING]
    owner = ""
    if made.login is not None:
        role = quoted(made.login.role)
        statements += [
            # What is filled from a table whose rows are hidden from its very owner could not be filled otherwise.
            f"CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION BYPASSRLS",
            RolePassword(role=made.login.role, password=made.login.password),
        ]
        owner = f" OWNER {role}"
    name = quoted(made.name)
    place = f" TABLESPACE {quoted(tablespace)}" if tablespace else ""
    statements += [
        f"CREATE DATABASE {name}{owner} TEMPLATE template0 {of.like_it}{place}",
        f"COMMENT ON DATABASE {name} IS {literal(made.mark.comment())}",
        f"REVOKE ALL ON DATABASE {name} FROM PUBLIC",
    ]
    return SqlCall(
        secret=where.secret,
        through=where.relay,
        statements=tuple(statements),
        together=False,
        timeout_s=120,
        brief=f"make the database {made.name}"[:200],
    )


def restored(
    where: Place,
    tools: Tools,
    made: Scratch,
    dump: Path,
    *,
    jobs: int,
    timeout_s: float,
    leave_out: tuple[str, ...] = (),
    entries: str = "",
) -> ProcessCall:
    """The first error ends it. Into a container the dump goes as its input, which only one connection can read.

    ``entries`` is a list of what is to be restored.
    """
    argv = (tools.path("pg_restore"), "--exit-on-error", *leave_out)
    if where.through is not None:
        there = where.program(argv, database=made.name, login=made.login, listed=entries)
        return ProcessCall(argv=there.argv, stdin=there.stdin or None, stdin_file=str(dump), timeout_s=timeout_s)
    here = where.program((*argv, f"--jobs={jobs}"), database=made.name, login=made.login, listed=entries)
    stdin = here.stdin or None
    return ProcessCall(argv=(*here.argv, str(dump)), env=dict(here.env), stdin=stdin, timeout_s=timeout_s)


def read_in(
    where: Place, tools: Tools, made: Scratch, dump: Path, *, feeding: tuple[str, ...], timeout_s: float
) -> ProcessCall:
    """A plain dump, packed or not, by psql. ``feeding`` writes what of it is restored, in one transaction."""
    argv = (tools.path("psql"), "--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1")
    psql = where.program(argv, database=made.name, login=made.login)
    return ProcessCall(
        argv=psql.argv,
        env=dict(psql.env),
        stdin=psql.stdin or None,
        stdin_file=str(dump),
        stdin_from=feeding,
        timeout_s=timeout_s,
    )


def asked_as(where: Place, tools: Tools, made: Scratch, statements: Sequence[str], *, timeout_s: float) -> ProcessCall:
    """Statements by whom it was restored by, in one transaction. Whoever reads a table may run what its dump brought:
    a table can be a view by now, and what an index calls with constants is called to plan a query. A role that was
    only put on is no wall against that: what is called can take it off again."""
    words = (
        "--no-psqlrc",
        "--quiet",
        "--output=/dev/null",
        "--set=ON_ERROR_STOP=1",
        "--single-transaction",
        "--file=-",
    )
    psql = where.program((tools.path("psql"), *words), database=made.name, login=made.login)
    text = "".join(f"{statement};\n" for statement in statements)
    return ProcessCall(argv=psql.argv, env=dict(psql.env), stdin=(*psql.stdin, text), timeout_s=timeout_s)


def dropped(where: Place, made: Scratch) -> SqlCall:
    """What has that name and that mark, and nothing else: one that says it is another is left alone.

    A database without a comment was cut off while it was made.
    """
    known = literal(f'%"id":"{made.mark.id}"%')
    body = (
        "BEGIN IF EXISTS (SELECT 1 FROM pg_database d WHERE datname = "
        f"{literal(made.name)} AND coalesce(shobj_description(d.oid, 'pg_database') NOT LIKE {known}, false)) "
        "THEN RAISE EXCEPTION 'the database of that name is another one'; END IF; END"
    )
    statements = [WRITING, f"DO {literal(body)}", f"DROP DATABASE IF EXISTS {quoted(made.name)} WITH (FORCE)"]
    if made.login is not None:
        statements.append(f"DROP ROLE IF EXISTS {quoted(made.login.role)}")
    return SqlCall(
        secret=where.secret,
        through=where.relay,
        statements=tuple(statements),
        together=False,
        timeout_s=120,
        brief=f"drop the database {made.name}"[:200],
    )
