"""Where the database is, for queries and for programs. Nobody here ever sees a password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from warroom.api import Address, BadInput, Context, Rows, StoreRefused
from warroom.model.call import PgPass
from warroom_postgres.config import Config
from warroom_postgres.container import LIST, Through
from warroom_postgres.naming import conninfo, quoted

CONNECT_S = 10
_VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "sslsni": "PGSSLSNI",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "gssencmode": "PGGSSENCMODE",
    "require_auth": "PGREQUIREAUTH",
    "requirepeer": "PGREQUIREPEER",
    "channel_binding": "PGCHANNELBINDING",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
_OURS = {"PGAPPNAME": "warroom", "PGCONNECT_TIMEOUT": str(CONNECT_S), "LC_ALL": "C"}
"""Programs are to speak English: what they say is shown, and progress is read from it."""


@dataclass(frozen=True)
class Login:
    """Another role of that server. ``password`` is a secret's name, such as one that was made up for it."""

    role: str
    password: str


@dataclass(frozen=True)
class Program:
    """``stdin`` is what it reads before anything else. Within a container a password goes there."""

    argv: tuple[str, ...]
    env: dict[str, str | PgPass]
    stdin: tuple[str | PgPass, ...] = ()


@dataclass(frozen=True)
class Place:
    """``secret`` names the address that is used; ``database`` is the application's. ``through``: the container."""

    secret: str
    address: Address
    database: str
    through: Through | None = None

    @property
    def relay(self) -> tuple[str, ...]:
        return self.through.relay if self.through else ()

    @property
    def where(self) -> str:
        return self.address.where + (f" in {self.through.service}" if self.through else "")

    def program(
        self,
        argv: tuple[str, ...],
        *,
        database: str | None = None,
        login: Login | None = None,
        listed: str = "",
        watched: bool = False,
    ) -> Program:
        """What starts one of PostgreSQL's programs on a database of this server.

        ``login`` is another role than the address's. ``listed`` is what pg_restore is to restore, line by line.
        ``watched``: it reads no input of its own, and within a container it ends with whoever started it.
        """
        words = (*argv, "--no-password", f"--dbname={conninfo(database or self.database)}")
        password = PgPass(pgpass=self.secret) if self.address.password else None
        if login is not None:
            password = PgPass(pgpass=self.secret, user=login.role, password=login.password)
        user = login.role if login else self.address.parameters.get("user")
        named = {"PGUSER": user} if user else {}
        if self.through is not None:
            env = {**_OURS, "PGHOST": "127.0.0.1", "PGPORT": str(self.through.port), **named}
            words += (f"--use-list={LIST}",) if listed else ()
            lines = listed.count("\n")
            started = self.through.program(env, *words, password=password is not None, listed=lines, watched=watched)
            return Program(started, {}, (*((password,) if password else ()), *((listed,) if listed else ())))
        words += ("--use-list=/dev/stdin",) if listed else ()
        passed = {"PGPASSFILE": password} if password else {}
        return Program(words, {**self._variables(), **_OURS, **named, **passed}, (listed,) if listed else ())

    def _variables(self) -> Mapping[str, str]:
        unknown = [name for name in self.address.parameters if name not in _VARIABLES and name != "dbname"]
        if unknown:
            raise BadInput(
                "the address can't be handed to PostgreSQL's programs",
                f"they take no {unknown[0]} but in an address",
                "name another address as direct",
            )
        return {_VARIABLES[name]: value for name, value in self.address.parameters.items() if name != "dbname"}


def place(ctx: Context, secret: str | None = None) -> Place:
    """By the configuration alone, and as the role of the address that ``secret`` names, or else of the usual one.

    Raises WarroomError where the secret is not set, or is no address.
    """
    config: Config = ctx.config
    secret = secret or config.direct or config.url
    address = ctx.read.address(secret)
    database = address.parameters.get("dbname") or address.parameters.get("user", "")
    return Place(secret, address, database, config.through)


async def asked(
    ctx: Context,
    where: Place,
    statement: str,
    *,
    timeout: float = CONNECT_S,
    database: str | None = None,
    most: int = 1000,
) -> Rows:
    """One query there. Raises WarroomError; see ``warroom.api.ReadDoor.sql``."""
    return await ctx.read.sql(
        where.secret, statement, timeout=timeout, database=database, through=where.relay, at_most=most
    )


async def itself(ctx: Context, where: Place) -> Rows:
    """What the server says of itself, past any pooler. Raises StoreRefused where one stands between all the same."""
    try:
        found = await asked(ctx, where, SERVER)
    except StoreRefused as error:
        if "pg_control_system" not in error.cause:
            raise
        role = quoted(where.address.parameters.get("user", "") or "warroom")
        hint = f"GRANT EXECUTE ON FUNCTION pg_control_system() TO {role}: it tells one server from another"
        raise StoreRefused(error.title, error.cause, hint, code=error.code) from error
    if found.pooled or where.address.pooled:
        row = found.each()[0]
        known = f"the server itself is at {row['host']}:{row['port']}" if row["host"] else "ask for the server's own"
        raise StoreRefused(
            f"{where.address.where} is a connection pooler",
            "dumps, restores and swaps need the server itself",
            f"name its address as direct, as in Prisma's directUrl; {known}",
        )
    return found


SERVER = """
SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
  current_database()::text AS database, (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS oid,
  host(inet_server_addr()) AS host, inet_server_port() AS port, session_user::text AS role,
  pg_is_in_recovery() AS standby, pg_database_size(current_database()) AS bytes,
  (SELECT system_identifier::text FROM pg_control_system()) AS system
"""
