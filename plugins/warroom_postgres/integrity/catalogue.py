"""What the database itself declares, and tables by their names: the questions to its catalogue.

Whoever looks may be a superuser, and functions and operators in the database may be anybody's. So the server's own are
named in full, and wherever one of those could fit better than the server's, types are too. Keys are compared only by
operators that nobody but a superuser can have made, and shown by their types' own output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from warroom_postgres.naming import literal, quoted

MOST = 5000
"""Of each kind, in one look."""
_OURS = """
  n.nspname <> 'information_schema'::name AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_'::text)
  AND {of}.relpersistence <> 't'"""
_KEY = """
  coalesce((SELECT pg_catalog.jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
    WHERE i.indrelid = {of}.oid AND i.indisprimary), '[]') AS key"""


def _fits(type_: str, wanted: str) -> str:
    """Whether a column's type reaches the server's own operator by none but the server's own casts."""
    return f"""EXISTS (SELECT FROM pg_catalog.pg_type y JOIN pg_catalog.pg_type b
      ON b.oid = CASE WHEN y.typtype = 'd' THEN y.typbasetype ELSE y.oid END
      JOIN pg_catalog.pg_type w ON w.oid = {wanted}
      WHERE y.oid = {type_} AND (b.oid = w.oid OR w.typtype = 'p' OR b.typnamespace = 11::oid))"""


FOREIGN_KEYS = f"""
SELECT k.conname::text AS name, t.oid::bigint AS oid, n.nspname::text AS schema_name, t.relname::text AS table_name,
  t.relkind = 'p' AS parted, p.oid::bigint AS parent_oid, pn.nspname::text AS parent_schema,
  p.relname::text AS parent_name, p.relkind = 'p' AS parent_parted, k.confmatchtype = 'f' AS whole,
  coalesce((pg_catalog.to_jsonb(k) ->> 'conperiod'::text)::boolean, false) AS period,
  pg_catalog.row_security_active(t.oid) OR pg_catalog.row_security_active(p.oid) AS hidden,
  EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgenabled IN ('D', 'R')) AS off,
  {_KEY.format(of="t").strip()},
  (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(ca.attname, pa.attname,
      pg_catalog.format('OPERATOR(%I.%s)', ns.nspname, o.oprname), l.lanname IN ('internal'::name, 'c'::name) AND
      CASE WHEN ns.oid = 11::oid THEN {_fits("pa.atttypid", "o.oprleft")} AND {_fits("ca.atttypid", "o.oprright")}
        ELSE o.oprleft = pa.atttypid AND o.oprright = ca.atttypid END) ORDER BY u.place)
    FROM unnest(k.conkey, k.confkey, k.conpfeqop) WITH ORDINALITY AS u(mine, theirs, op, place)
    JOIN pg_catalog.pg_attribute ca ON ca.attrelid = t.oid AND ca.attnum = u.mine
    JOIN pg_catalog.pg_attribute pa ON pa.attrelid = p.oid AND pa.attnum = u.theirs
    JOIN pg_catalog.pg_operator o ON o.oid = u.op JOIN pg_catalog.pg_namespace ns ON ns.oid = o.oprnamespace
    JOIN pg_catalog.pg_proc f ON f.oid = o.oprcode::oid JOIN pg_catalog.pg_language l ON l.oid = f.prolang) AS pairs
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class t ON t.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0::oid AND {_OURS.format(of="t").strip()}
  AND coalesce((pg_catalog.to_jsonb(k) ->> 'conenforced'::text)::boolean, true)
ORDER BY 3, 4, 1
"""
"""Of partitioned tables the one foreign key that its partitions' are made from. One that is declared NOT ENFORCED, from
PostgreSQL 18 on, is not meant to hold. ``off``: its triggers are switched off, so that nothing holds it. 11 is the
schema ``pg_catalog``."""

UNIQUE_INDEXES = f"""
SELECT x.relname::text AS name, t.oid::bigint AS oid, n.nspname::text AS schema_name, t.relname::text AS table_name,
  t.relkind = 'p' AS parted, pg_catalog.row_security_active(t.oid) AS hidden,
  coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct'::text)::boolean, false) AS nulls_too,
  {_KEY.format(of="t").strip()},
  i.indexprs IS NULL AND i.indpred IS NULL AND coalesce((SELECT pg_catalog.bool_and(oc.opcdefault
      AND (u.sorted = 0::oid OR u.sorted = a.attcollation)) FROM {{keys}}), false) AS plain,
  coalesce((SELECT pg_catalog.jsonb_agg(a.attname ORDER BY u.place) FROM {{keys}}), '[]') AS columns
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE i.indisunique AND NOT (i.indisvalid AND i.indisready) AND {_OURS.format(of="t").strip()}
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index b WHERE b.index_relid = i.indexrelid
    OR b.relid IS NULL AND EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = b.pid AND l.relation = t.oid
      AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted))
ORDER BY 3, 4, 1
""".format(
    keys="""unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[])
      WITH ORDINALITY AS u(number, class, sorted, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = u.number
    JOIN pg_catalog.pg_opclass oc ON oc.oid = u.class WHERE u.place <= i.indnkeyatts::bigint"""
)
"""One that is being made just now is left out."""

SEQUENCES = f"""
SELECT s.relname::text AS name, sn.nspname::text AS sequence_schema, q.seqincrement AS step, t.oid::bigint AS oid,
  n.nspname::text AS schema_name, t.relname::text AS table_name, a.attname::text AS column_name,
  pg_catalog.row_security_active(t.oid) AS hidden, EXISTS (SELECT FROM pg_catalog.pg_index i
    WHERE i.indrelid = t.oid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = a.attnum) AS indexed
FROM pg_catalog.pg_sequence q JOIN pg_catalog.pg_class s ON s.oid = q.seqrelid
JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
JOIN (SELECT objid AS sequence, refobjid AS of_table, refobjsubid AS number FROM pg_catalog.pg_depend
    WHERE classid = 1259::oid AND refclassid = 1259::oid AND deptype IN ('a', 'i') AND refobjsubid > 0
  UNION SELECT d.refobjid, v.adrelid, v.adnum::int4 FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_attrdef v ON v.oid = d.objid WHERE d.classid = 2604::oid AND d.refclassid = 1259::oid) AS used
  ON used.sequence = s.oid
JOIN pg_catalog.pg_class t ON t.oid = used.of_table JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum::int4 = used.number
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
WHERE t.relkind IN ('r', 'p') AND NOT t.relispartition AND NOT q.seqcycle AND {_OURS.format(of="t").strip()}
  AND y.typoutput::oid IN (39::oid, 43::oid, 461::oid, 1702::oid)
ORDER BY 2, 1, 5, 6
"""
"""Those that a column owns, as serial and identity columns do, or takes its default from. One that begins anew at its
end is never behind. 1259 and 2604 are ``pg_class`` and ``pg_attrdef``; the types are the integers and numeric, and
domains over them, however deep: their values are written by the same functions."""

_TABLES = f"""
SELECT w.name AS wanted, c.oid::bigint AS oid, n.nspname::text AS schema_name, c.relname::text AS table_name,
  pg_catalog.row_security_active(c.oid) AS hidden, {_KEY.format(of="c").strip()},
  coalesce((SELECT pg_catalog.jsonb_object_agg(a.attname, coalesce((
      SELECT pg_catalog.format('OPERATOR(%I.%s)', ns.nspname, o.oprname) FROM pg_catalog.pg_opclass oc
      JOIN pg_catalog.pg_amop m ON m.amopfamily = oc.opcfamily AND m.amoplefttype = oc.opcintype
        AND m.amoprighttype = oc.opcintype AND m.amopstrategy = 3::int2
      JOIN pg_catalog.pg_operator o ON o.oid = m.amopopr JOIN pg_catalog.pg_namespace ns ON ns.oid = o.oprnamespace
      WHERE oc.opcmethod = 403::oid AND oc.opcdefault AND oc.opcintype = a.atttypid LIMIT 1),
      'OPERATOR(pg_catalog.=)')) FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0::int2 AND NOT a.attisdropped), '{{}}') AS columns
FROM (VALUES NAMES) AS w(name) LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(w.name)::oid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
"""
"""Each column with the operator that its type's values are equal by. 403 is the B-tree."""

_SIZES = """
WITH RECURSIVE parts AS (
  SELECT c.oid AS whole, c.oid AS part FROM pg_catalog.pg_class c WHERE c.oid = ANY ('{OIDS}'::oid[])
  UNION ALL SELECT p.whole, i.inhrelid FROM parts p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.part)
SELECT p.whole::bigint AS oid, pg_catalog.sum(CASE
    WHEN c.reltuples::float8 > 0::float8 OR pg_catalog.pg_stat_get_live_tuples(c.oid) > 0::bigint
      THEN GREATEST(c.reltuples::float8, pg_catalog.pg_stat_get_live_tuples(c.oid)::float8)
    WHEN c.relkind = 'r' THEN (pg_catalog.pg_relation_size(c.oid) / 8192::bigint * 100::bigint)::float8
    ELSE 0::float8 END)::bigint AS rows
FROM parts p JOIN pg_catalog.pg_class c ON c.oid = p.part GROUP BY 1
"""
"""As the server estimates them. Of a table that it knows nothing of, as many as could well be in its pages."""

TRAPPED = """
WITH code AS (
  SELECT 'pg_catalog.pg_proc'::regclass::oid AS class, p.oid FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE l.lanname NOT IN ('internal'::name, 'c'::name)
  UNION ALL SELECT 'pg_catalog.pg_operator'::regclass::oid, o.oid FROM pg_catalog.pg_operator o
    JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode::oid JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE l.lanname NOT IN ('internal'::name, 'c'::name)
  UNION ALL SELECT 'pg_catalog.pg_type'::regclass::oid, contypid FROM pg_catalog.pg_constraint WHERE contypid <> 0::oid
), used AS (
  SELECT d.classid, d.objid FROM pg_catalog.pg_depend d JOIN code ON d.refclassid = code.class
    AND d.refobjid = code.oid WHERE d.objsubid = 0
), planned AS (
  SELECT coalesce(i.indrelid, used.objid) AS relid FROM used LEFT JOIN pg_catalog.pg_index i
    ON i.indexrelid = used.objid WHERE used.classid = 'pg_catalog.pg_class'::regclass::oid
  UNION SELECT s.stxrelid FROM used JOIN pg_catalog.pg_statistic_ext s ON s.oid = used.objid
    AND used.classid = 'pg_catalog.pg_statistic_ext'::regclass::oid
  UNION SELECT c.conrelid FROM used JOIN pg_catalog.pg_constraint c ON c.oid = used.objid
    AND used.classid = 'pg_catalog.pg_constraint'::regclass::oid
  UNION SELECT f.adrelid FROM used JOIN pg_catalog.pg_attrdef f ON f.oid = used.objid
    AND used.classid = 'pg_catalog.pg_attrdef'::regclass::oid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum AND a.attgenerated <> ''::"char"
), mine AS (
  SELECT relid FROM planned
  WHERE (SELECT r.rolsuper OR pg_catalog.pg_has_role(r.oid, 'pg_execute_server_program'::name, 'MEMBER'::text)
    FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
), trapped AS (
  SELECT relid FROM mine UNION SELECT above.relid::oid FROM mine, pg_catalog.pg_partition_ancestors(mine.relid)
    AS above (relid) UNION SELECT below.relid::oid FROM mine, pg_catalog.pg_partition_tree(mine.relid) AS below
)
"""
"""The tables that one who may do anything on the server's machine is not to ask: already to plan a query of them runs
functions that came with the data (of an index, a statistic, a check, a generated column)."""


@dataclass(frozen=True)
class Relation:
    """``key``: the columns of its primary key. ``hidden``: row-level security hides rows of it from who asks.

    ``columns``: what its columns' values are equal by, as an operator is written.
    """

    oid: int
    schema: str
    name: str
    key: tuple[str, ...] = ()
    hidden: bool = False
    parted: bool = True
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """A foreign key holds for its own table, not for those that inherit from it."""
        return ("" if self.parted else "ONLY ") + quoted(self.schema, self.name)

    @property
    def words(self) -> str:
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"


def relation(row: Mapping[str, Any]) -> Relation:
    return Relation(
        int(row["oid"]),
        str(row["schema_name"]),
        str(row["table_name"]),
        tuple(map(str, row.get("key") or ())),
        bool(row["hidden"]),
        bool(row.get("parted", True)),
        row["columns"] if isinstance(row.get("columns"), dict) else {},
    )


@dataclass(frozen=True)
class ForeignKey:
    """``pairs``: its column, the one that it names, and the operator between. ``strange``: that can't be trusted."""

    name: str
    child: Relation
    parent: Relation
    pairs: tuple[tuple[str, str, str], ...]
    whole: bool
    off: bool
    strange: str = ""

    @property
    def words(self) -> str:
        return f"{self.name} of {self.child.words}"


def foreign_key(row: Mapping[str, Any]) -> ForeignKey:
    pairs = row["pairs"] or []
    strange = "it compares by what somebody made" if not pairs or not all(pair[3] for pair in pairs) else ""
    parent = {"oid": row["parent_oid"], "schema_name": row["parent_schema"], "table_name": row["parent_name"]}
    return ForeignKey(
        str(row["name"]),
        relation(row),
        relation({**parent, "parted": row["parent_parted"], "hidden": False}),
        tuple((str(mine), str(theirs), str(operator)) for mine, theirs, operator, _ in pairs),
        bool(row["whole"]),
        bool(row["off"]),
        "it is of spans of time" if row["period"] else strange,
    )


def tables(names: Sequence[str]) -> str:
    """``User`` or ``app.User``: what these are. Raises BadInput for what can be no name."""
    written = ", ".join(f"({literal(quoted(*name.split('.')))})" for name in names)
    return _TABLES.replace("NAMES", written)


def sizes(oids: Sequence[int]) -> str:
    return _SIZES.replace("OIDS", ",".join(str(int(oid)) for oid in oids))
