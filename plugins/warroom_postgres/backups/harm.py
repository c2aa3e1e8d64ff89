"""What a dump would have a server or psql do beyond bringing tables back.

A restore runs what is in the dump. Harm is what no dump of a database does: a command of psql's, a program or a file
on the server, another database, a role. Strange is what pg_dump doesn't write, as far as is known here. Functions that
a restore calls (of an index, a default, a check) can't be judged by looking: so a restore is never a superuser's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from warroom_postgres.backups.lexing import Piece

MOST = 5
_NAME = rb"(?:[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*|\"(?:[^\"]|\"\")+\")"
_COPY_ROWS = re.compile(rb"COPY (?:(%b)\.)?(%b) +(?:\([^()]*\) )?FROM stdin" % (_NAME, _NAME), re.DOTALL)
_SETTINGS = frozenset(
    b"statement_timeout lock_timeout idle_in_transaction_session_timeout transaction_timeout client_encoding"
    b" standard_conforming_strings check_function_bodies xmloption client_min_messages row_security search_path"
    b" default_tablespace default_table_access_method default_with_oids escape_string_warning"
    b" default_toast_compression".split()
)
_SET = re.compile(rb"SET\s+(?:SESSION\s+|LOCAL\s+)?([a-z_]+)\s*(?:=|TO)\s*(.*)", re.IGNORECASE | re.DOTALL)
_WHO = re.compile(rb"(?:SET|RESET)\s+SESSION\s+AUTHORIZATION\b", re.IGNORECASE)
_UNSAFE_ENCODINGS = frozenset({b"sjis", b"big5", b"gbk", b"uhc", b"gb18030", b"johab", b"shiftjis2004"})
"""In which a byte of a character can look like a quote or a backslash."""
_LITERAL = rb"(?:E?'[^']*'|-?[0-9.]+|true|false|NULL)(?:::[a-z_. \[\]]+)?"
_CALLS = re.compile(
    rb"SELECT\s+(?:\*\s+FROM\s+)?pg_catalog\.(?:set_config|setval|lo_create|lo_open|lowrite|lo_close|lo_unlink"
    rb"|lo_from_bytea|lo_put|pg_restore_relation_stats|pg_restore_attribute_stats|pg_extension_config_dump)"
    rb"\(\s*(?:%b(?:\s*,\s*%b)*)?\s*\)" % (_LITERAL, _LITERAL),
    re.IGNORECASE,
)
_SETS = re.compile(rb"SELECT\s+(?:\*\s+FROM\s+)?pg_catalog\.set_config\(\s*E?'([^']*)'", re.IGNORECASE)
_WHO_ACTS = frozenset((b"role", b"session_authorization"))
_UNLINK = re.compile(
    rb"SELECT CASE WHEN EXISTS\(SELECT 1 FROM pg_catalog\.pg_largeobject_metadata WHERE oid = '[0-9]+'\)"
    rb" THEN pg_catalog\.lo_unlink\('[0-9]+'\) END|SELECT pg_catalog\.lo_unlink\(oid\) FROM.*",
    re.DOTALL,
)
_OF_THE_SERVER = (b"DATABASE", b"ROLE", b"USER", b"GROUP", b"TABLESPACE", b"SYSTEM", b"OWNED")
_KNOWN = frozenset(b"CREATE ALTER DROP COMMENT GRANT REVOKE SECURITY REFRESH INSERT".split())
_AT_ONCE = frozenset(b"BEGIN START COMMIT END ROLLBACK ABORT SAVEPOINT RELEASE".split())
"""Around large objects a dump has BEGIN and COMMIT alone. Any other would end what all of it is restored in."""
_ANOTHER = re.compile(rb"(?:SET\s+(?:SESSION\s+|LOCAL\s+)?|RESET\s+)ROLE\b", re.IGNORECASE)
_HARMFUL = {
    b"DO": "runs code of its own (DO)",
    b"CALL": "calls a procedure",
    b"LOAD": "loads a library into the server",
    b"EXECUTE": "runs a statement put together elsewhere",
    b"PREPARE": "prepares a statement to run later",
}


def shown(text: bytes, most: int = 60) -> str:
    """The beginning of what was found, on one line."""
    line = " ".join(text.decode("utf-8", "replace").split())
    line = "".join(c if c.isprintable() else "?" for c in line)
    return line if len(line) <= most else line[: most - 1] + "…"


@dataclass
class Found:
    """What was seen so far: at most MOST words of each, and how many there were."""

    harm: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    harmful: int = 0
    strangers: int = 0

    def harms(self, words: str) -> None:
        self.harmful += 1
        if len(self.harm) < MOST and words not in self.harm:
            self.harm.append(words)

    def is_strange(self, words: str) -> None:
        self.strangers += 1
        if len(self.strange) < MOST and words not in self.strange:
            self.strange.append(words)


def copied(text: bytes) -> tuple[str, str] | None:
    """Schema (or ``""``) and name of the table whose rows follow ``COPY … FROM stdin``; None for any other COPY."""
    found = _COPY_ROWS.fullmatch(text)
    return (unquoted(found[1] or b""), unquoted(found[2])) if found else None


def unquoted(name: bytes) -> str:
    text = name.decode("utf-8", "replace")
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def look(piece: Piece, found: Found) -> None:
    """Looks at one statement."""
    text = piece.text
    words = text[:200].upper().split(None, 3)
    head = words[0] if words else b""
    second = words[1] if len(words) > 1 else b""
    if head == b"COPY":
        if copied(text) is None:
            found.harms(f"reads or writes outside of the database: {shown(text)}")
    elif head in _AT_ONCE:
        if text.upper() not in (b"BEGIN", b"COMMIT"):
            found.harms(f"ends what it is restored in: {shown(text)}")
    elif head in _HARMFUL:
        found.harms(f"{_HARMFUL[head]}: {shown(text)}")
    elif head == b"SET" or head == b"RESET":
        _setting(text, found)
    elif head == b"SELECT":
        if (sets := _SETS.match(text)) and sets[1].lower() in _WHO_ACTS:
            found.harms(f"acts as another role: {shown(text)}")
        elif not _CALLS.fullmatch(text) and not _UNLINK.fullmatch(text) and not _restores_statistics(text):
            found.is_strange(shown(text))
    elif head in (b"CREATE", b"ALTER", b"DROP") and second in _OF_THE_SERVER and words[2:3] != [b"MAPPING"]:
        found.harms(f"reaches beyond this database: {shown(text)}")
    elif head in (b"GRANT", b"REVOKE", b"COMMENT", b"SECURITY"):
        _rights(text, head, found)
    elif head == b"CREATE" and second == b"SUBSCRIPTION" and b"connect = false" not in text:
        found.harms(f"connects to another server: {shown(text)}")
    elif head not in _KNOWN:
        found.is_strange(shown(text))


def _setting(text: bytes, found: Found) -> None:
    if _WHO.match(text):
        return
    if _ANOTHER.match(text):
        found.harms(f"acts as another role: {shown(text)}")
        return
    match = _SET.fullmatch(text)
    name = match[1].lower() if match else b""
    value = match[2].strip().strip(b"'").lower() if match else b""
    if name == b"standard_conforming_strings" and value != b"on":
        found.harms("reads its texts in another way than was looked at here (standard_conforming_strings)")
    elif name == b"client_encoding" and re.sub(rb"[^a-z0-9]", b"", value) in _UNSAFE_ENCODINGS:
        found.harms(
            f"is in {shown(value).upper()}, in which characters can look like quotes: it can't be looked through"
        )
    elif name not in _SETTINGS:
        found.is_strange(shown(text))


_BEYOND = re.compile(rb"\bON\s+(?:DATABASE|TABLESPACE|ROLE)\b", re.IGNORECASE)


def _rights(text: bytes, head: bytes, found: Found) -> None:
    code = re.sub(rb"'[^']*'|\"[^\"]*\"", b"x", text)
    if _BEYOND.search(code):
        found.harms(f"reaches beyond this database: {shown(text)}")
    elif head in (b"GRANT", b"REVOKE") and not re.search(rb"\bON\b", code, re.IGNORECASE):
        found.harms(f"gives or takes a role: {shown(text)}")


_STATISTICS = re.compile(
    rb"SELECT\s+\*\s+FROM\s+pg_catalog\.pg_restore_(?:relation|attribute)_stats\((.*)\)", re.DOTALL
)
_IN_STATISTICS = re.compile(rb"(?:\s|,|E?'[^']*'|[0-9.-]+|::[a-z_. \[\]]+|true|false)*", re.IGNORECASE)


def _restores_statistics(text: bytes) -> bool:
    """Values alone: nothing in it is called."""
    match = _STATISTICS.fullmatch(text)
    return match is not None and _IN_STATISTICS.fullmatch(match[1]) is not None
