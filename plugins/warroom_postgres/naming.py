"""Names as PostgreSQL and its programs take them, and how databases that warroom made are known again. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from warroom.api import BadInput
from warroom.model.base import Fact, Instant

LONGEST = 63
"""Bytes of a name; what is longer would be cut off by the server, silently."""
PREFIX = "warroom:"
"""How the comment on a database begins that warroom made, or moved away."""
_ID = re.compile(r"^[0-9a-f]{8}$")
_MADE = r"~(scratch|proof)~([0-9]{8}T[0-9]{6})~([0-9a-f]{8})$"
"""How the name ends of one that is made by warroom, for Python and for the server alike."""
UNMARKED = f"(d.datname ~ '{_MADE}' AND shobj_description(d.oid, 'pg_database') IS NULL)"
"""Whether ``d`` of pg_database was begun by warroom, which was cut off before it could put a mark on it."""


def quoted(*parts: str) -> str:
    """A name in a statement: ``"a"."b"``. Raises BadInput for what can be no name."""
    for part in parts:
        if not part or "\0" in part or len(part.encode("utf-8", "replace")) > LONGEST:
            raise BadInput("this can be no name in a database", repr(part)[:100], f"1 to {LONGEST} bytes were expected")
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(text: str) -> str:
    """A text in a statement, whatever ``standard_conforming_strings`` says. Raises BadInput for a NUL byte."""
    if "\0" in text:
        raise BadInput("a text may not hold a NUL byte")
    doubled = text.replace("'", "''")
    return f"'{doubled}'" if "\\" not in text else "E'" + doubled.replace("\\", "\\\\") + "'"


def conninfo(database: str) -> str:
    """What ``--dbname`` is given: a bare name with ``=`` or ``://`` in it would be read as an address."""
    quoted(database)
    return "dbname='" + database.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Mark(Fact):
    """The comment on a database that warroom made or moved. The server keeps it; no journal is needed to read it.

    ``of`` is the database that the application uses. ``archive`` is the hash of what it was restored from, ``doubt``
    why that proves nothing of its rows: empty where they are those that were counted when it was dumped. ``data`` is
    the latest moment of that dump's data. ``served``: from when until when it was live, before it was taken back.
    """

    v: Literal[1] = 1
    what: Literal["scratch", "before", "proof"] = Field(alias="is")
    of: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    state: Literal["restoring", "restored", "kept"]
    id: Annotated[str, Field(pattern=_ID.pattern)]
    at: Instant
    incident: Annotated[str, Field(max_length=100)] = ""
    archive: Annotated[str, Field(max_length=100)] = ""
    doubt: Annotated[str, Field(max_length=300)] = ""
    data: Instant | None = None
    served: tuple[Instant, Instant] | None = None

    @property
    def unproven(self) -> str:
        """Why its rows may not be those that were counted; empty where they are."""
        return "; ".join(filter(None, (self.was_live, self.doubt)))

    @property
    def was_live(self) -> str:
        if self.served is None:
            return ""
        begin, end = self.served
        until = f"{end:%H:%M}" if end.date() == begin.date() else f"{end:%Y-%m-%d %H:%M}"
        return f"was live {begin:%Y-%m-%d %H:%M}–{until} UTC, and may have been written to"

    def comment(self) -> str:
        return PREFIX + self.model_dump_json(by_alias=True, exclude_defaults=True)


def marked(comment: str | None) -> Mark | None:
    """What a database's comment says, None where it is none of warroom's."""
    if comment is None or not comment.startswith(PREFIX):
        return None
    try:
        return Mark.model_validate_json(comment.removeprefix(PREFIX))
    except ValidationError:
        return None


def name_for(of: str, what: Literal["scratch", "before", "proof"], at: datetime, mark_id: str) -> str:
    """``ai_saas~before~20261123T140201~ab12cd34``: no longer than a name may be, and never cut within a character."""
    if not _ID.fullmatch(mark_id):
        raise BadInput("eight hexadecimal digits were expected", repr(mark_id)[:40])
    end = f"~{what}~{at.astimezone(UTC):%Y%m%dT%H%M%S}~{mark_id}"
    room = LONGEST - len(end)
    return of.encode()[:room].decode("utf-8", "ignore") + end


def begun(name: str) -> Mark | None:
    """What the name says of a database that warroom was cut off from before it could put a mark on it.

    What was live before is none of these: it gets its mark with its name. ``of`` may be cut: see ``name_for``.
    """
    found = re.search(_MADE, name)
    if found is None or not found.start():
        return None
    try:
        at = datetime.strptime(f"{found[2]}+0000", "%Y%m%dT%H%M%S%z")
    except ValueError:
        return None
    told = {"is": found[1], "of": name[: found.start()], "state": "restoring", "id": found[3], "at": at}
    return Mark.model_validate(told)
