"""Addresses of databases and caches, as applications write them, made into what their clients understand.

No error here repeats any part of an address: a password may stand anywhere in one that is not well formed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from warroom.errors import BadInput

POSTGRES_OPTIONS = frozenset(
    {"host", "hostaddr", "port", "dbname", "user", "password", "options", "target_session_attrs", "channel_binding"}
    | {"sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslsni", "sslnegotiation"}
    | {"ssl_min_protocol_version", "ssl_max_protocol_version", "gssencmode", "require_auth", "requirepeer"}
)
"""What libpq is given. Prisma's own options (``schema``, ``connection_limit``, ``pgbouncer`` …) are refused by it."""
_REDIS_OPTIONS = frozenset({"ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})


@dataclass(frozen=True)
class PostgresAddress:
    """``conninfo`` is what libpq takes; ``schema`` is Prisma's, "" where the address names none."""

    conninfo: Mapping[str, str] = field(repr=False)
    schema: str = ""
    pooled: bool = False

    @property
    def password(self) -> str:
        return self.conninfo.get("password", "")

    def of(self, database: str) -> PostgresAddress:
        """Another database of the same server. The schema is the application's, and means nothing there."""
        return replace(self, conninfo={**self.conninfo, "dbname": database}, schema="")

    def pgpass(self) -> str:
        """A line of a password file that fits wherever a program connects to as this user.

        Raises BadInput where the address has no password, or one that such a file can't hold.
        """
        user, password = self.conninfo.get("user", "*"), self.password
        if not password or set(password + user) & set("\n\r\0"):
            raise BadInput(
                "the database's password can't be handed on",
                "the address has none" if not password else "it has the end of a line in it",
                "put it into the address" if not password else "change it",
            )
        escaped = [part.replace("\\", "\\\\").replace(":", "\\:") for part in (user, password)]
        return ":".join(("*", "*", "*", *escaped)) + "\n"

    @property
    def where(self) -> str:
        """``db.example.com:5432/app``: enough for a person, nothing secret."""
        host, port = self.conninfo.get("host", "localhost"), self.conninfo.get("port", "")
        place = host if host.startswith("/") or not port else f"{host}:{port}"
        return f"{place}/{self.conninfo.get('dbname', '')}"


def postgres_address(name: str, url: str) -> PostgresAddress:
    """``name`` is the secret's. Raises BadInput for what is no address of a PostgreSQL server."""
    import psycopg.conninfo

    scheme, _, rest = url.partition("://")
    if scheme.lower() not in ("postgres", "postgresql") or not rest:
        raise _no_address(name, "postgresql://USER:PASSWORD@HOST:PORT/DATABASE was expected", scheme)
    place, _, query = rest.partition("?")
    try:
        known = {k: str(v) for k, v in psycopg.conninfo.conninfo_to_dict(f"postgresql://{place}").items()}
        asked = dict(parse_qsl(query.partition("#")[0], keep_blank_values=True, strict_parsing=bool(query)))
    except (psycopg.Error, ValueError):
        raise _no_address(name, "it can't be read; special characters in a password are written as %xx") from None
    kept = {k: v for k, v in asked.items() if k in POSTGRES_OPTIONS and v}
    if "sslkey" not in kept:
        kept.pop("sslcert", None)  # Prisma means the server's certificate by it, libpq the client's
    pooled = asked.get("pgbouncer", "").lower() == "true"
    return PostgresAddress({**known, **kept}, schema=asked.get("schema", ""), pooled=pooled)


def _no_address(name: str, cause: str, scheme: str = "") -> BadInput:
    if scheme.startswith("prisma"):
        cause = "it leads to Prisma's own proxy; the database's direct address was expected"
    return BadInput(f"the secret {name} is no address of a PostgreSQL server", cause, "correct its value")


@dataclass(frozen=True)
class RedisAddress:
    """``host`` and ``port``, or ``path`` of a socket; ``options`` are the client's further ones."""

    host: str = ""
    port: int = 6379
    path: str = ""
    db: int = 0
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return self.path or f"{self.host}:{self.port}"


def redis_address(name: str, url: str) -> RedisAddress:
    """``redis://``, ``rediss://`` or ``unix://``. Raises BadInput for what is no address of a Redis server."""
    try:
        parts = urlsplit(url)
        asked = dict(parse_qsl(parts.query))
        database = asked.get("db") or ("" if parts.scheme == "unix" else parts.path.strip("/"))
        address = RedisAddress(
            host=parts.hostname or ("" if parts.scheme == "unix" else "localhost"),
            port=parts.port or 6379,
            path=unquote(parts.path) if parts.scheme == "unix" else "",
            db=int(database or 0),
            tls=parts.scheme == "rediss",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            options={k: v for k, v in asked.items() if k in _REDIS_OPTIONS} if parts.scheme == "rediss" else {},
        )
    except ValueError:
        address = RedisAddress()
        parts = urlsplit("")
    if parts.scheme not in ("redis", "rediss", "unix") or not (address.host or address.path):
        raise BadInput(
            f"the secret {name} is no address of a Redis server",
            "redis://USER:PASSWORD@HOST:PORT/NUMBER, rediss://… or unix:///PATH was expected",
            "correct its value",
        )
    return address
