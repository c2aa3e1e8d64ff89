"""What a dump wants of the server that it is restored into, beyond a database of its own: by its statements.

Told before anything is begun. What nobody who restores may do is left out, or keeps it from being restored at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from warroom_postgres.backups.harm import shown, unquoted

_NAME = rb"(?:[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*|\"(?:[^\"]|\"\")+\")"
_TO = re.compile(rb"\b(?:TO|FROM)\s+(%b)(?:\s+WITH GRANT OPTION|\s+CASCADE)?\Z" % _NAME, re.IGNORECASE)
_POLICY = re.compile(
    rb"CREATE POLICY (?:%b) ON (?:(?:%b)\.)?(?:%b)(?: AS \w+)?(?: FOR \w+)? TO ((?:%b)(?:, ?(?:%b))*)" % ((_NAME,) * 5)
)
_EXTENSION = re.compile(rb"CREATE EXTENSION (?:IF NOT EXISTS )?(%b)" % _NAME, re.IGNORECASE)
_EACH = re.compile(_NAME)
_ACTS = re.compile(rb"SET\s+SESSION\s+AUTHORIZATION\s", re.IGNORECASE)
_EVERYBODY = frozenset((b"public", b"current_user", b"session_user", b"current_role"))
_LEFT_OUT = re.compile(rb"CREATE (?:PUBLICATION|SUBSCRIPTION)\b", re.IGNORECASE)
_SUPERUSERS = re.compile(
    rb"CREATE\s+(?:OR\s+REPLACE\s+)?(?:TRUSTED\s+)?(?:EVENT TRIGGER|FOREIGN DATA WRAPPER|OPERATOR CLASS"
    rb"|OPERATOR FAMILY|TRANSFORM|ACCESS METHOD|TEXT SEARCH PARSER|TEXT SEARCH TEMPLATE|(?:PROCEDURAL )?LANGUAGE)\b",
    re.IGNORECASE,
)
_ROUTINE = re.compile(rb"CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\b", re.IGNORECASE)
_NATIVE = re.compile(rb"\sLANGUAGE\s+(?:c|internal)\b|\sLEAKPROOF\b")
_TYPE = re.compile(rb"CREATE TYPE (?:(?:%b)\.)?(?:%b) \(\s*\n?\s*INTERNALLENGTH\b" % (_NAME, _NAME))
_BODY = re.compile(rb"'[^']*'|\"[^\"]*\"")
MOST = 1000


@dataclass(frozen=True)
class Needs:
    """``roles`` are those that its rights and policies name. ``beyond``: what only a superuser can make.

    ``left_out``: publications and subscriptions. ``as_others`` are the numbers, in its table of contents, of rights
    that others than the owner gave: only a superuser can give rights in another's name.
    """

    roles: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()
    as_others: tuple[int, ...] = ()


@dataclass
class Needing:
    """Told one statement after the other. Of each kind at most so many are kept: they are shown to people."""

    roles: dict[str, None] = field(default_factory=dict)
    extensions: dict[str, None] = field(default_factory=dict)
    left_out: dict[str, None] = field(default_factory=dict)
    beyond: dict[str, None] = field(default_factory=dict)
    as_others: dict[int, None] = field(default_factory=dict)

    def look(self, text: bytes, number: int | None = None) -> None:
        """``number`` is the statement's in a table of contents."""
        head = text[:6].upper()
        if head in (b"GRANT ", b"REVOKE"):
            if granted := _TO.search(text):
                self._role(granted[1])
        elif head == b"CREATE":
            self._made(text)
        elif number is not None and head[:3] == b"SET" and _ACTS.match(text):
            self.as_others[number] = None

    def _made(self, text: bytes) -> None:
        if policy := _POLICY.match(text):
            for each in _EACH.finditer(policy[1]):
                self._role(each[0])
        elif extension := _EXTENSION.match(text):
            _keep(self.extensions, unquoted(extension[1]))
        elif _LEFT_OUT.match(text):
            _keep(self.left_out, shown(text))
        elif _SUPERUSERS.match(text) or _TYPE.match(text) or _native(text):
            _keep(self.beyond, shown(text))

    def _role(self, name: bytes) -> None:
        if name.lower() not in _EVERYBODY:
            _keep(self.roles, unquoted(name))

    def told(self) -> Needs:
        return Needs(
            roles=tuple(self.roles),
            extensions=tuple(self.extensions),
            left_out=tuple(self.left_out),
            beyond=tuple(self.beyond),
            as_others=tuple(self.as_others),
        )


def _native(text: bytes) -> bool:
    """A function of the server's own code or of a library, or one that is trusted with rows that it may not show."""
    return _ROUTINE.match(text) is not None and _NATIVE.search(_BODY.sub(b"x", text)) is not None


def _keep(kept: dict[str, None], what: str) -> None:
    if len(kept) < MOST:
        kept[what] = None
