"""Real dumps of a small database, in every format, made once for each server that a test process has."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import psycopg

from tests.servers import PASSWORD, PostgresServer
from warroom_postgres.backups import manifest as manifests
from warroom_postgres.backups.manifest import Compression, Manifest, TableRows

SCHEMA = r"""
CREATE TABLE "User" (id bigserial PRIMARY KEY, email text UNIQUE, made timestamptz DEFAULT now(),
  domain text GENERATED ALWAYS AS (split_part(email, '@', 2)) STORED);
CREATE TABLE "Message" (id bigserial PRIMARY KEY, "userId" bigint REFERENCES "User", body text);
CREATE TABLE part (a int, b text) PARTITION BY RANGE (a);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (1000);
CREATE TABLE "we""ird; \! name" (a text DEFAULT 'x\', b text DEFAULT E'a\\''b;');
CREATE TABLE nothing_in_it (a int);
CREATE TABLE without_columns ();
CREATE SCHEMA "Other";
CREATE TABLE "Other"."User" (a int);
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN short AS text CHECK (length(VALUE) < 10);
CREATE FUNCTION body(a int) RETURNS int LANGUAGE sql
  BEGIN ATOMIC SELECT CASE WHEN a > 0 THEN 1 ELSE 2 END; SELECT a; END;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $fn$ BEGIN /* ; */ RETURN NEW; END $fn$;
CREATE PROCEDURE nothing_much() LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE TRIGGER stamped BEFORE UPDATE ON "User" FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE VIEW v AS SELECT 1 AS a;
CREATE RULE r AS ON INSERT TO v DO INSTEAD (INSERT INTO "User" (email) VALUES ('a;b'); DELETE FROM part WHERE false);
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM "User";
CREATE STATISTICS both_of ON a, b FROM part_1;
CREATE INDEX by_domain ON "User" (lower(email)) WHERE email <> ';';
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
CREATE COLLATION plain_c (LOCALE = 'C');
CREATE TEXT SEARCH CONFIGURATION words (COPY = pg_catalog.simple);
CREATE PUBLICATION changes FOR TABLE "User";
ALTER TABLE "Message" ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON "Message" USING ("userId" = 1);
ALTER TABLE "Message" ADD CONSTRAINT not_long CHECK (length(body) < 10000) NOT VALID;
COMMENT ON TABLE "User" IS 'it''s; a \! thing';
GRANT SELECT ON "User" TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
INSERT INTO part SELECT n, E'line\nbreak\\.\n\\.\n' FROM generate_series(1, 50) n;
INSERT INTO "we""ird; \! name" VALUES ('\.', ''), ('', NULL), (NULL, E'\t\\');
INSERT INTO without_columns SELECT FROM generate_series(1, 3);
INSERT INTO "Other"."User" VALUES (1);
INSERT INTO "User" (email) SELECT md5(n::text) || '@example.com' FROM generate_series(1, 3000) n;
INSERT INTO "Message" ("userId", body) SELECT 1 + n % 3000, md5(n::text) || md5((n + 1)::text) || repeat('x', n % 50)
  FROM generate_series(1, 9000) n;
SELECT lo_from_bytea(0, decode(repeat('ab', 5000), 'hex')), lo_from_bytea(0, ''::bytea);
"""
ROWS = {
    ("public", "User"): 3000,
    ("public", "Message"): 9000,
    ("public", "part_1"): 50,
    ("public", 'we"ird; \\! name'): 3,
    ("public", "nothing_in_it"): 0,
    ("public", "without_columns"): 3,
    ("Other", "User"): 1,
}
"""What SCHEMA puts into each table. It has one row of ``\\.`` alone, which is written otherwise in a dump."""

Name = Literal["custom", "unpacked", "piped", "plain", "gzipped", "directory", "unpacked-directory", "inserts"]
FORMATS: dict[Name, tuple[tuple[str, ...], manifests.Format, Compression, str]] = {
    "custom": (("-Fc",), "custom", "gzip", ".dump"),
    "unpacked": (("-Fc", "-Z0"), "custom", "none", "-z0.dump"),
    "piped": (("-Fc",), "custom", "gzip", "-piped.dump"),
    "plain": (("-Fp",), "plain", "none", ".sql"),
    "gzipped": (("-Fp", "-Z6"), "plain", "gzip", ".sql.gz"),
    "directory": (("-Fd",), "directory", "gzip", "-dir"),
    "unpacked-directory": (("-Fd", "-j2", "-Z0"), "directory", "none", "-dir-z0"),
    "inserts": (("-Fp", "--inserts", "-t", "part_1"), "plain", "none", "-inserts.sql"),
}
"""pg_dump's words, and what the manifest has to say of it."""


def programs_env() -> dict[str, str]:
    return {**os.environ, "PGPASSWORD": PASSWORD, "TZ": "UTC"}


def dump(server: PostgresServer, url: str, to: Path, *words: str) -> Path:
    """With the server's own pg_dump; the password is in the environment."""
    argv = [str(server.programs / "pg_dump"), "--dbname", url.replace(f":{PASSWORD}@", "@"), *words]
    if to.name.endswith("-piped.dump"):
        done = subprocess.run(argv, env=programs_env(), check=True, capture_output=True, timeout=60)
        to.write_bytes(done.stdout)
    else:
        subprocess.run([*argv, "-f", str(to)], env=programs_env(), check=True, capture_output=True, timeout=60)
    return to


@dataclass
class Dumps:
    """One server's, in ``folder``: never changed, a test takes copies. Made when first asked for."""

    server: PostgresServer
    url: str
    folder: Path
    system: str
    version: str
    made: dict[Name, Path] = field(default_factory=dict)

    @property
    def database(self) -> str:
        return urlsplit(self.url).path[1:]

    def path(self, name: Name) -> Path:
        if name not in self.made:
            words, _, _, ending = FORMATS[name]
            self.made[name] = dump(self.server, self.url, self.folder / f"ai_saas_20251009{ending}", *words)
        return self.made[name]

    def copy(self, name: Name, to: Path, *, manifest: bool = True, called: str = "") -> Path:
        """A copy of its own in ``to``, with the manifest that belongs to it."""
        source = self.path(name)
        target = to / (called or source.name)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
        if manifest:
            manifests.write(self.manifest(name, target), target)
        return target

    def manifest(self, name: Name, path: Path, **other: object) -> Manifest:
        """What whoever made the dump would have written beside it."""
        _, form, compression, _ = FORMATS[name]
        files = manifests.hash_folder(path) if path.is_dir() else ()
        digest, size = (manifests.of_files(files), sum(f.bytes for f in files)) if files else manifests.hash_file(path)
        counts = {t: n for t, n in ROWS.items() if name != "inserts" or t[1] == "part_1"}
        at = datetime.now(UTC)
        told: dict[str, object] = {
            "file": path.name,
            "format": form,
            "compression": compression,
            "sha256": digest,
            "bytes": size,
            "files": files,
            "pg_dump_version": self.version,
            "server_version": self.version,
            "system_identifier": self.system,
            "database": self.database,
            "snapshot_at": at - timedelta(seconds=1),
            "finished_at": at,
            "rows": tuple(TableRows(schema=s, name=n, rows=rows) for (s, n), rows in counts.items()),
        }
        return Manifest.model_validate({**told, **other})


def fill(url: str) -> tuple[str, str]:
    """The tables and rows; the system's identifier and the server's version."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        row = connection.execute(
            "SELECT system_identifier::text, current_setting('server_version') FROM pg_control_system()"
        ).fetchone()
    assert row is not None
    return str(row[0]), str(row[1])
