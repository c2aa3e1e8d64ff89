"""What must hold in a restored database before it is called restored: rows as they were counted, and sound indexes."""

from __future__ import annotations

from collections.abc import Sequence

from warroom_postgres.backups.manifest import TableRows
from warroom_postgres.integrity.catalogue import TRAPPED
from warroom_postgres.naming import literal, quoted

AT_ONCE = 200
"""Tables in one statement: it is shown to people, and has a largest length."""
INDEXES = """
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indisvalid AND c.relkind = 'i'
"""
CONSTRAINTS = """
SELECT pg_catalog.format('%I of %s', conname, conrelid::regclass) AS name FROM pg_catalog.pg_constraint
WHERE NOT convalidated AND conrelid <> 0::oid
  AND coalesce((pg_catalog.to_jsonb(pg_constraint) ->> 'conenforced'::text)::boolean, true) ORDER BY 1
"""
SEQUENCES = f"""
{TRAPPED}
SELECT pg_catalog.format('%I.%I', n.nspname, s.relname) AS sequence,
  pg_catalog.format('%I.%I', tn.nspname, t.relname) AS name, pg_catalog.format('%I', a.attname) AS column,
  p.seqincrement AS step, p.seqincrement > 0::bigint AS up
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
JOIN pg_catalog.pg_sequence p ON p.seqrelid = s.oid
WHERE d.classid = 'pg_catalog.pg_class'::regclass::oid AND d.refclassid = 'pg_catalog.pg_class'::regclass::oid
  AND d.deptype IN ('a', 'i') AND t.oid NOT IN (SELECT relid FROM trapped) AND t.relkind IN ('r', 'p')
  AND NOT p.seqcycle AND (SELECT y.typoutput FROM pg_catalog.pg_type y WHERE y.oid = a.atttypid)::oid
    IN (39::oid, 43::oid, 461::oid, 1702::oid) ORDER BY 1
"""
"""These are asked of a database whose dump may have brought functions and operators of its own. Wherever one of those
could fit better than the server's, the server's is named: whoever asks may be a superuser. The types are the integers
and numeric, by what writes them: what a column of another one has of its sequence can't be told from its values."""


def counted(rows: Sequence[TableRows]) -> list[str]:
    """Statements that the server refuses where a table does not have its rows. Those that row-level security hides from
    who asks are passed over."""
    return [_counted(rows[start : start + AT_ONCE]) for start in range(0, len(rows), AT_ONCE)]


def _counted(rows: Sequence[TableRows]) -> str:
    names = ", ".join(literal(quoted(each.schema_name, each.name)) for each in rows)
    counts = ", ".join(str(each.rows) for each in rows)
    body = (
        f"DECLARE names text[] := ARRAY[{names}]; counts bigint[] := ARRAY[{counts}]; found bigint; "
        "BEGIN FOR i IN 1 .. array_length(names, 1) LOOP "
        "CONTINUE WHEN row_security_active(names[i]); "
        "EXECUTE 'SELECT count(*) FROM ONLY ' || names[i] INTO found; "
        "IF found <> counts[i] THEN RAISE EXCEPTION '% has % rows, % were counted when the dump was made', "
        "names[i], found, counts[i]; END IF; END LOOP; END"
    )
    return f"DO {literal(body)}"


def sound() -> str:
    """Refused where an index was not made to its end."""
    body = (
        "DECLARE bad text; BEGIN SELECT format('%I.%I', n.nspname, c.relname) INTO bad FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE NOT i.indisvalid AND c.relkind = 'i' LIMIT 1; "
        "IF FOUND THEN RAISE EXCEPTION 'the index % is not valid', bad; END IF; END"
    )
    return f"DO {literal(body)}"
