"""What a dump is good for, by what reading it has shown, its manifest, and the database that it should be of. Pure.

``good``: its bytes are those that were written, it is of this database, and it can be restored from.
``scratch-only``: it may be restored beside the database to be looked at; something that should vouch for it is missing.
``refused``: it is not to be used at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from warroom.model.base import Fact
from warroom.model.units import listed, many
from warroom_postgres.backups.contents import Contents, Table
from warroom_postgres.backups.manifest import Manifest
from warroom_postgres.backups.reading import Damaged
from warroom_postgres.backups.times import Made

Verdict = Literal["good", "scratch-only", "refused"]


@dataclass(frozen=True)
class Expected:
    """What the live database is; None where it gives no answer. ``databases`` are names that its dumps may bear."""

    system_identifier: str | None = None
    databases: tuple[str, ...] = ()
    tables: frozenset[Table] | None = None
    server_major: int | None = None


@dataclass(frozen=True)
class Vouching:
    """What lies beside a dump: its manifest or why that can't be used, and the hash that sha256sum wrote."""

    manifest: Manifest | None = None
    problem: str = ""
    checksum: str | None = None


class Judged(Fact):
    """``reasons`` are why it is not good, ``notes`` what else is worth knowing; each follows the dump's name."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def judged(
    name: str, seen: Contents | Damaged, vouching: Vouching, expected: Expected, made: Made | None = None
) -> Judged:
    if isinstance(seen, Damaged):
        return Judged(verdict="refused", reasons=(str(seen),))
    manifest = vouching.manifest
    refused = [*_harmful(seen), *_other_bytes(name, seen, vouching), *_foreign(seen, manifest, expected), *_empty(seen)]
    if manifest is not None and not refused:
        refused += _other_contents(seen, manifest)
    notes = _notes(seen, manifest, made)
    if refused:
        return Judged(verdict="refused", reasons=tuple(refused), notes=notes)
    weak = _unvouched(seen, vouching) + _unsure(seen, manifest, expected)
    return Judged(verdict="scratch-only" if weak else "good", reasons=tuple(weak), notes=notes)


def _harmful(seen: Contents) -> list[str]:
    found = seen.found
    more = found.harmful - len(found.harm)
    return [*found.harm, *([f"… and {more} more of that kind"] if more > 0 and found.harm else [])]


def _other_bytes(name: str, seen: Contents, vouching: Vouching) -> list[str]:
    manifest = vouching.manifest
    if manifest is None:
        if vouching.checksum not in (None, seen.sha256):
            return ["was changed or swapped: its hash is not the one in its .sha256 file"]
        return []
    if manifest.file != name:
        return [f"was renamed or swapped: the manifest beside it is of {manifest.file}"]
    if manifest.bytes != seen.bytes:
        return [f"was changed or swapped: it has {seen.bytes:,} bytes, its manifest was written for {manifest.bytes:,}"]
    if manifest.sha256 != seen.sha256:
        return ["was changed or swapped: its hash is not the one in its manifest"]
    return []


def _other_contents(seen: Contents, manifest: Manifest) -> list[str]:
    """The manifest fits the bytes: then it must fit what is in them as well, or it is none of this dump's."""
    told = (manifest.format, manifest.compression, manifest.database)
    if told != (seen.format, seen.compression, seen.database or manifest.database):
        return ["is not what its manifest says: another format, packing or database"]
    if seen.format != "plain" and manifest.large_objects not in (None, seen.large_objects):
        told_number = f"its manifest counted {manifest.large_objects:,}"
        return [f"is not what its manifest says: {many(seen.large_objects, 'large object')}, {told_number}"]
    counts = manifest.counts
    if counts is None:
        return []
    for table, rows in sorted(seen.rows.items()):
        # An extension's own tables are not counted, and their rows may be in the dump.
        if rows is not None and counts.get(table, rows) != rows:
            told_rows = f"its manifest counted {counts[table]:,}"
            return [f"is not what its manifest says: {many(rows, 'row')} of {table[1]}, {told_rows}"]
    lost = [table[1] for table, rows in sorted(counts.items()) if rows and table not in seen.rows]
    return [f"lacks what its manifest counted: the rows of {listed(lost)}"] if lost else []


def _foreign(seen: Contents, manifest: Manifest | None, expected: Expected) -> list[str]:
    names = {name for name in (seen.database, manifest.database if manifest else None) if name is not None}
    if expected.databases and (others := sorted(names - set(expected.databases))):
        return [f"is of another database: {others[0]}, not {' or '.join(expected.databases)}"]
    if expected.tables and seen.rows and not expected.tables & seen.rows.keys():
        some = listed([table[1] for table in sorted(seen.rows)], 3)
        return [f"is of another database: none of its tables ({some}) is in this one"]
    return []


def _empty(seen: Contents) -> list[str]:
    if not seen.rows:
        return ["holds no rows at all: it is of the schema alone, or of an empty database"]
    if all(rows == 0 for rows in seen.rows.values()):
        return ["holds no rows: every table in it is empty"]
    return []


def _unvouched(seen: Contents, vouching: Vouching) -> list[str]:
    if vouching.manifest is not None:
        return []
    unread = f", and what is packed with {seen.unread} was not unpacked" if seen.unread else ""
    if vouching.problem:
        return [f"has a manifest that can't be used ({vouching.problem}), so nothing vouches for its bytes{unread}"]
    if vouching.checksum is not None:
        return ["has the bytes that its .sha256 file names, but no manifest: where it is from is not told"]
    return [f"has no manifest: nothing says which bytes were written, or where it is from{unread}"]


def _unsure(seen: Contents, manifest: Manifest | None, expected: Expected) -> list[str]:
    reasons = []
    found = seen.found
    if found.strange:
        reasons.append(f"has what pg_dump does not write, as far as is known: {found.strange[0]}")
    if manifest is not None:
        if manifest.label == "forensic":
            reasons.append("is labelled forensic: it was made of the damaged data, to be looked at")
        if expected.system_identifier is None:
            reasons.append("may be of another server: the live one gives no answer that would tell")
        elif manifest.system_identifier != expected.system_identifier:
            reasons.append(f"is from another server: {manifest.system_identifier}, not {expected.system_identifier}")
    major = server_major(seen.server_version)
    if major is not None and expected.server_major is not None and major > expected.server_major:
        reasons.append(f"is from PostgreSQL {major}, and the server here is {expected.server_major}")
    return reasons


def _notes(seen: Contents, manifest: Manifest | None, made: Made | None) -> tuple[str, ...]:
    notes = []
    if manifest is not None and manifest.counts is None:
        notes.append("its manifest has no counts of rows")
    if any(rows is None for rows in seen.rows.values()):
        notes.append("its rows could not be counted by reading it")
    if seen.unread:
        notes.append(f"what is packed with {seen.unread} was not unpacked: its hash alone says that it is whole")
    if made is not None and made.doubt:
        notes.append(made.doubt)
    return tuple(notes)


def server_major(version: str | None) -> int | None:
    """``15.18 (Debian …)`` → 15."""
    match = re.match(r"\d{1,3}", version or "")
    return int(match[0]) if match else None
