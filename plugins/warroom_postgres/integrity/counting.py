"""Statements that count cases and name some of them by their keys. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from warroom_postgres.integrity.catalogue import ForeignKey, Relation
from warroom_postgres.integrity.finding import MOST_CASES, MOST_KEYS
from warroom_postgres.naming import quoted
from warroom_postgres.rules import Duplicates, Nulls, Orphans, Rule


def broken(key: ForeignKey) -> str:
    """Rows that name nothing; of a MATCH FULL one also those that name it only by halves."""
    mine = [f"c.{quoted(column)}" for column, _, _ in key.pairs]
    named = " AND ".join(f"p.{quoted(theirs)} {operator} c.{quoted(column)}" for column, theirs, operator in key.pairs)
    whole = " AND ".join(f"{column} IS NOT NULL" for column in mine)
    from_ = f"SELECT {_key(key.child, 'c')} AS key FROM {key.child.source} AS c WHERE"
    rows = f"{from_} {whole} AND NOT EXISTS (SELECT FROM {key.parent.source} AS p WHERE {named})"
    if key.whole and len(mine) > 1:
        some, lacking = (" OR ".join(f"{column} IS {no}NULL" for column in mine) for no in ("NOT ", ""))
        rows = f"{rows} UNION ALL {from_} ({some}) AND ({lacking})"
    return cases(rows)


def ruled(rule: Rule, of: Relation, parent: Relation | None) -> str:
    """``parent`` is that of orphans."""
    source = quoted(of.schema, of.name)
    match rule:
        case Nulls():
            return cases(f"SELECT {_key(of, 'c')} AS key FROM {source} AS c WHERE c.{quoted(rule.column)} IS NULL")
        case Orphans():
            assert parent is not None
            column, theirs = f"c.{quoted(rule.column)}", f"p.{quoted(rule.key)}"
            equal = parent.columns.get(rule.key, "OPERATOR(pg_catalog.=)")
            none = f"NOT EXISTS (SELECT FROM {quoted(parent.schema, parent.name)} AS p WHERE {theirs} {equal} {column})"
            named = "" if rule.or_null else f"{column} IS NOT NULL AND "
            return cases(f"SELECT {_key(of, 'c')} AS key FROM {source} AS c WHERE {named}{none}")
        case Duplicates():
            return twice(source, rule.columns)


def twice(source: str, columns: Sequence[str], *, nulls_too: bool = False) -> str:
    """How many values of these columns together stand in several rows."""
    of = ", ".join(quoted(column) for column in columns)
    where = "" if nulls_too else f" WHERE {_there(columns)}"
    group = f"SELECT 1 FROM {source}{where} GROUP BY {of} HAVING pg_catalog.count(*) > 1::bigint LIMIT {MOST_CASES + 1}"
    return f"SELECT pg_catalog.count(*) AS cases, NULL AS keys FROM ({group}) AS groups"


def twice_keys(of: Relation, source: str, columns: Sequence[str], *, nulls_too: bool = False) -> str:
    """Keys of rows whose values stand in an earlier one too. It sorts: only asked where there are some."""
    by, where = ", ".join(f"c.{quoted(column)}" for column in columns), _there(columns, "c.")
    numbered = (
        f"SELECT {_key(of, 'c')} AS key, pg_catalog.row_number() OVER (PARTITION BY {by}) AS n FROM {source} AS c"
        + ("" if nulls_too else f" WHERE {where}")
    )
    return f"SELECT key FROM ({numbered}) AS rows WHERE n = 2::bigint ORDER BY key LIMIT {MOST_KEYS}"


def cases(rows: str) -> str:
    """How many rows there are, counted only so far, and the keys of some."""
    return (
        f"WITH found AS MATERIALIZED ({rows} LIMIT {MOST_CASES + 1}) SELECT (SELECT pg_catalog.count(*) FROM found) "
        f"AS cases, ARRAY(SELECT key FROM found WHERE key IS NOT NULL ORDER BY key LIMIT {MOST_KEYS}) AS keys"
    )


def _key(of: Relation, alias: str) -> str:
    return f"ROW({', '.join(f'{alias}.{quoted(column)}' for column in of.key)})::text" if of.key else "NULL::text"


def _there(columns: Sequence[str], prefix: str = "") -> str:
    return " AND ".join(f"{prefix}{quoted(column)} IS NOT NULL" for column in columns)
