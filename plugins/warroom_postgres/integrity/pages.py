"""B-tree indexes read page by page with ``amcheck``, where the database has that extension and the role may use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from warroom.api import StoreRefused, WarroomError
from warroom.model.units import many
from warroom_postgres.asking import why
from warroom_postgres.integrity.checks import CORRUPTED
from warroom_postgres.integrity.finding import Finding, counted, unknown
from warroom_postgres.integrity.looking import Looking
from warroom_postgres.naming import quoted

MOST_INDEXES = 1000
_THERE = """
SELECT n.nspname::text AS schema_name, e.extversion AS version,
  pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_function_privilege(f.oid, 'EXECUTE') AS may
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_depend d ON d.refclassid = 3079::oid AND d.refobjid = e.oid
  AND d.classid = 1255::oid AND d.deptype = 'e'
JOIN pg_catalog.pg_proc f ON f.oid = d.objid JOIN pg_catalog.pg_language l ON l.oid = f.prolang
JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
WHERE e.extname = 'amcheck'::name AND f.proname = 'bt_index_check'::name AND l.lanname = 'c'::name
  AND f.proargtypes::text = '2205 16'::text
"""
"""``bt_index_check(regclass, boolean)`` as the extension brought it. 3079 and 1255: ``pg_extension``, ``pg_proc``."""
_INDEXES = """
SELECT x.oid::bigint AS oid, x.relname::text AS name, n.nspname::text AS schema_name, t.relname::text AS table_name,
  x.relpages::bigint * 8192::bigint AS bytes
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
WHERE x.relam = 403::oid AND x.relkind = 'i' AND i.indisvalid AND i.indisready AND x.relpersistence <> 't'
  AND NOT (x.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery())
  AND n.nspname <> 'information_schema'::name AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_'::text)
ORDER BY x.relpages, n.nspname, x.relname
"""
"""The smallest first, so that most are looked at where the time is too short for all."""


async def pages(look: Looking, *, heap: bool = False) -> tuple[list[Finding], str]:
    """``heap``: also that each row is in its index. Also gives why nothing was looked at, empty where it was."""
    try:
        there = await look.ask(_THERE)
        if not there:
            return [], "amcheck is not installed in this database"
        if not there[0]["may"]:
            return [], "this role may not use amcheck"
        indexes = await look.ask(_INDEXES, at_most=MOST_INDEXES + 1)
    except WarroomError as error:
        return [unknown("pages", "amcheck", why(error, fix=False))], ""
    function = quoted(str(there[0]["schema_name"]), "bt_index_check")
    found = [await _one(look, function, row, heap=heap) for row in indexes[:MOST_INDEXES]]
    if len(indexes) > MOST_INDEXES:
        found.append(unknown("pages", "amcheck", f"there are more than {many(MOST_INDEXES, 'index', 'indexes')}"))
    return found, ""


async def _one(look: Looking, function: str, row: Mapping[str, Any], *, heap: bool) -> Finding:
    table = str(row["table_name"]) if row["schema_name"] == "public" else f"{row['schema_name']}.{row['table_name']}"
    name = f"{row['name']} of {table}"
    try:
        await look.ask(f"SELECT {function}({int(row['oid'])}::oid::regclass, {str(heap).lower()})::text AS checked")
    except StoreRefused as error:
        if error.code in CORRUPTED:
            return counted("pages", name, 1, f"{name} is damaged: REINDEX it, once its table is known to be sound", "")
        return unknown("pages", name, why(error, fix=False))
    except WarroomError as error:
        return unknown("pages", name, why(error, fix=False))
    return counted("pages", name, 0, "", "")
