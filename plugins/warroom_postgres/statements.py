"""What PostgreSQL is asked. Nothing here is put together from names or values: those go beside the text."""

from __future__ import annotations

VITALS = """
WITH s AS (
  SELECT *, backend_type IS NULL AND datname IS NOT NULL AS hidden,
    coalesce(datname = current_database(), false) AND coalesce(application_name, '') <> 'warroom' AS here,
    CASE WHEN %s::text IS NULL THEN usename = session_user ELSE application_name = %s::text END AS app
  FROM pg_stat_activity WHERE backend_type = 'client backend' OR (backend_type IS NULL AND datname IS NOT NULL)
)
SELECT count(*) AS used,
  current_setting('max_connections')::int AS most,
  current_setting('superuser_reserved_connections')::int
    + coalesce(current_setting('reserved_connections', true)::int, 0) AS kept,
  count(*) FILTER (WHERE datname = current_database()) AS in_database,
  (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database_limit,
  count(*) FILTER (WHERE usename = session_user) AS of_role,
  (SELECT rolconnlimit FROM pg_roles WHERE rolname = session_user) AS role_limit,
  count(*) FILTER (WHERE here AND hidden) AS hidden,
  count(*) FILTER (WHERE here AND NOT hidden) AS seen,
  count(*) FILTER (WHERE here AND state = 'active') AS active,
  count(*) FILTER (WHERE here AND state = 'idle') AS idle,
  count(*) FILTER (WHERE here AND state LIKE 'idle in transaction%%') AS idle_in_transaction,
  count(*) FILTER (WHERE here AND wait_event_type = 'Lock') AS waiting,
  count(*) FILTER (WHERE here AND app AND state <> 'idle') AS busy,
  extract(epoch FROM clock_timestamp() - min(xact_start) FILTER (WHERE here)) AS longest,
  (array_agg(concat_ws(', ', 'pid ' || pid, nullif(left(application_name, 40), ''), state) ORDER BY xact_start)
    FILTER (WHERE here AND xact_start IS NOT NULL))[1] AS longest_is,
  (SELECT count(*) FROM pg_locks WHERE NOT granted) AS locks
FROM s
"""

MIGRATIONS = """
SELECT migration_name, started_at, logs IS NOT NULL AS logged,
  EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = 72707369
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS migrating
FROM {table} WHERE finished_at IS NULL AND rolled_back_at IS NULL ORDER BY started_at
"""
"""72707369 is the advisory lock that Prisma holds while it migrates."""

CONSTRAINTS = """
SELECT c.conname::text AS name, c.conrelid::regclass::text AS of_table FROM pg_constraint c
JOIN pg_namespace n ON n.oid = c.connamespace
WHERE NOT c.convalidated AND c.conrelid <> 0::oid AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND coalesce((pg_catalog.to_jsonb(c) ->> 'conenforced'::text)::boolean, true)
ORDER BY 2, 1
"""
"""A constraint that is declared NOT ENFORCED, from PostgreSQL 18 on, is not meant to be valid."""

INDEXES = """
SELECT i.indexrelid::regclass::text AS name, i.indrelid::regclass::text AS of_table FROM pg_index i
WHERE NOT (i.indisvalid AND i.indisready)
  AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid OR p.relid IS NULL
    AND EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = p.pid AND l.relation = i.indrelid
      AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted))
ORDER BY 2, 1
"""
"""One that is being built just now is not valid yet either. Whose build this role may not look into is known by its
lock on the table."""

SIZE = "SELECT pg_database_size(current_database()) AS bytes"

ABOUT = """
SELECT current_setting('server_version') AS version, current_database() AS database, session_user::text AS role,
  pg_is_in_recovery() AS standby, (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) AS superuser,
  pg_has_role(session_user, 'pg_monitor', 'member') AS monitors,
  (SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = to_regnamespace(current_schema()))
    AS tables,
  (SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = to_regnamespace(current_schema())
    AND NOT has_table_privilege(oid, 'SELECT')) AS unreadable
"""

SYSTEM = "SELECT system_identifier::text AS id, current_database() AS database FROM pg_control_system()"

ACTIVITY = """
SELECT pid, datname, usename, application_name, client_addr::text, backend_type, state, wait_event_type, wait_event,
  backend_start, xact_start, query_start, state_change, backend_xid::text, backend_xmin::text,
  pg_blocking_pids(pid) AS blocked_by, left(query, 2000) AS query
FROM pg_stat_activity ORDER BY xact_start NULLS LAST, pid
"""

LOCKS = """
SELECT l.pid, l.locktype, l.mode, l.granted, l.relation::regclass::text AS relation, l.virtualxid,
  l.transactionid::text, to_jsonb(l) ->> 'waitstart' AS waitstart
FROM pg_locks l LEFT JOIN pg_database d ON d.oid = l.database
WHERE l.database IS NULL OR l.database = 0 OR d.datname = current_database()
ORDER BY l.granted, l.pid
"""

SETTINGS = """
SELECT name, setting, unit, source, context, pending_restart FROM pg_settings
WHERE source NOT IN ('default', 'override', 'client', 'session')
  AND name !~ '(conninfo|password|passphrase|command|secret|krb_|ldap|radius)'
ORDER BY name
"""

MIGRATION_TABLE = """
SELECT migration_name, checksum, started_at, finished_at, rolled_back_at, applied_steps_count, left(logs, 4000) AS logs
FROM {table} ORDER BY started_at DESC
"""

TABLES = """
SELECT n.nspname::text AS schema, c.relname::text AS name, c.reltuples::bigint AS estimated_rows,
  s.n_live_tup AS live_rows, s.n_dead_tup AS dead_rows, pg_total_relation_size(c.oid) AS bytes,
  s.n_tup_ins AS inserted, s.n_tup_upd AS updated, s.n_tup_del AS deleted, s.last_autovacuum, s.last_autoanalyze
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg_toast%'
ORDER BY pg_total_relation_size(c.oid) DESC
"""

DATABASE = """
SELECT numbackends, xact_commit, xact_rollback, deadlocks, conflicts, temp_bytes, stats_reset
FROM pg_stat_database WHERE datname = current_database()
"""
