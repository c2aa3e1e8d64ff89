"""What secrets look like, and the forms in which a known one travels. Data for ``warroom.redact``."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

MARK = re.compile(r"‹(?:redacted|secret): [^‹›\n]{1,80}›")
SHORTEST = 6


def mark(kind: str) -> str:
    return f"‹redacted: {kind}›"


# Values that are set as passwords in every second example, and are words of every second log line.
_ORDINARY_WORDS = """
    postgres postgresql password passwd secret secrets changeme default localhost example admin administrator
    production staging development database redacted warroom docker kubernetes service system public private
    master replica primary backup monitor release version account session request response unknown undefined
    disabled enabled required optional function username hostname
"""
_ORDINARY = frozenset(_ORDINARY_WORDS.split())


def worth_hiding(value: str) -> bool:
    """Long enough, and no ordinary word or number: at least 6 characters, 8 where they are all letters or digits."""
    plain = value.strip()
    if len(plain) < SHORTEST or plain.lower() in _ORDINARY or MARK.search(plain):
        return False
    return len(plain) >= 8 or not (plain.isalpha() or plain.isdigit())


def forms(value: str) -> Iterator[str]:
    """The value as it may stand in text, the longest forms not first. Each line of a longer value counts for itself."""
    plain = value.strip()
    seen = {value, plain}
    for text in (value, plain):
        seen |= _escaped(text)
        seen |= set(_base64(text.encode("utf-8", "surrogatepass")))
    for line in plain.splitlines():
        if len(line.strip()) >= 16 and worth_hiding(line):
            seen |= {line.strip(), *_base64(line.strip().encode("utf-8", "surrogatepass"))}
    yield from sorted(form for form in seen if len(form) >= SHORTEST)


def _escaped(text: str) -> set[str]:
    url = {quote(text, safe="", errors="replace"), quote(text, errors="replace"), quote_plus(text, errors="replace")}
    lower_hex = {re.sub(r"%[0-9A-F]{2}", lambda m: m[0].lower(), form) for form in url}
    one = json.dumps(text)[1:-1]
    escaped = {one, json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(one)[1:-1], repr(text)[1:-1]}
    html = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return {*url, *lower_hex, *escaped, html, shlex.quote(text).strip("'"), text.replace("'", "''")}


def _base64(data: bytes) -> Iterator[str]:
    """The base64 of ``data``, and the characters it always gives within that of something longer (``user:secret``)."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            text = encode(b"\0" * before + data).decode()
            # Characters that mix in a neighbour's bits are not ours.
            inner = text[(0, 2, 3)[before] : len(text) - (0, 3, 2)[(len(data) + before) % 3]]
            if len(inner) >= 8:
                yield inner
        yield encode(data).decode()


def _always(_: str) -> bool:
    return True


@dataclass(frozen=True)
class Pattern:
    """``expression`` is tried where one of ``literals`` (lower case; none: always) stands in the lower-cased text.

    Its group ``value`` is replaced, or all of it where it has none, if ``accept`` says so.
    """

    kind: str
    literals: tuple[str, ...]
    expression: re.Pattern[str]
    accept: Callable[[str], bool] = _always


_NO_SECRET = re.compile(
    r"(?i)\\?[\"']?(?:\*+|x+|\.{2,}|-+|required|missing|invalid|expired|wrong|incorrect|none|null|nil|true|false"
    r"|undefined|empty|not|is|was|has|changed|reset|ok|okay|failed|failure|mismatch|rejected|refused|denied|accepted"
    r"|verified|found|unknown|refreshed|issued|revoked|valid|set|unset|error|and|or|for|from|\{\}|\[\]|<[^<>]*>"
    r"|\$\{?\w+\}?)?\\?[\"']?[,.)}\]:]*"
)
"""What follows a secret's name in ordinary sentences and in configuration that hides it already."""


def _is_value(found: str) -> bool:
    return _NO_SECRET.fullmatch(found) is None and re.fullmatch(rf"{MARK.pattern}[,.)}}\]]*", found) is None


def _luhn(found: str) -> bool:
    digits = [int(c) for c in found if c.isdigit()]
    doubled = [d * 2 - 9 * (d > 4) for d in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


_NAMES = (
    r"passw(?:or)?d|passphrase|passwd|secret|token|credential|api[_-]?key|access[_-]?key(?:[_-]?id)?|private[_-]?key"
    r"|secret[_-]?key|signing[_-]?key|encryption[_-]?key|account[_-]?key|session[_-]?(?:id|key)|sessionid|signature"
)
SECRET_KEY = re.compile(rf"(?i)(?:{_NAMES}|authorization|cookie|\bpwd)$")
"""A JSON key or a variable's name that ends like this names a secret."""

_KEYS = ("_key", "-key", "apikey", "accesskey", "privatekey", "secretkey", "signingkey", "encryptionkey", "accountkey")
_LITERALS = (
    *("passw", "passphrase", "secret", "token", "credential", "signature", *_KEYS),
    *("sessionid", "session_id", "session-id", "sessionkey"),
)
_QUOTED = (
    r"(?:\\\"(?:[^\"\\\n]|\\(?!\"))*|\"(?:\\.|[^\"\\\n])*"  # the first kind is escaped, as JSON within JSON is
    r"|\\'(?:[^'\\\n]|\\(?!'))*|'(?:\\.|[^'\\\n])*)"
)
_BARE = rf"(?:{MARK.pattern}|[^\s;&\"'])+"
_SCHEMES = ("basic", "bearer", "token", "negotiate", "apikey", "digest", "aws4-hmac-sha256")
_B64URL = r"[A-Za-z0-9_-]"

PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "private-key",
        ("private key",),
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:(?!-----(?:BEGIN|END))[\s\S])*(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
        ),
    ),
    Pattern("webhook", ("hooks.slack.com",), re.compile(r"(?i)hooks\.slack\.com/(?P<value>[a-z]+/[\w/-]+)")),
    Pattern(
        "webhook",
        ("/webhooks/",),
        re.compile(r"(?i)discord(?:app)?\.com/api/(?:v\d+/)?webhooks/(?P<value>\d+/[\w-]+)"),
    ),
    Pattern("jwt", ("eyj",), re.compile(rf"(?<!{_B64URL})eyJ{_B64URL}{{8,}}(?:\.{_B64URL}*){{1,4}}")),
    Pattern(
        "github-token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{16,255}|github_pat_\w{20,255})"),
    ),
    Pattern("gitlab-token", ("glpat-",), re.compile(rf"\bglpat-{_B64URL}{{16,}}")),
    Pattern("slack-token", ("xox", "xapp-"), re.compile(r"\bx(?:ox[a-z]|app)-[A-Za-z0-9-]{10,}")),
    Pattern("stripe-key", ("_live_", "_test_", "whsec_"), re.compile(r"\b(?:[rsp]k_(?:live|test)|whsec)_\w{8,}")),
    Pattern("api-key", ("sk-", "aiza", "npm_"), re.compile(r"\b(?:sk-[\w-]{20,}|AIza[\w-]{35}|npm_[A-Za-z0-9]{30,})")),
    Pattern(
        "aws-key",
        ("akia", "asia", "aroa", "aida", "agpa", "anpa"),
        re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{16}\b"),
    ),
    Pattern(
        "password-hash",
        ("$2", "$argon2", "$scrypt", "pbkdf2", "scram-sha"),
        re.compile(
            r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}|\$(?:argon2id?|argon2d|scrypt)\$[\w$=,+/.-]{20,}"
            r"|\bpbkdf2[\w:-]*\$[\w$=+/.-]{20,}|\bSCRAM-SHA-\d+\$[\w$=+/:]{20,}"
        ),
    ),
    Pattern(
        "cookie",
        ("cookie",),
        re.compile(r"(?i)cookie2?\\?[\"']?\s*[:=]\s*\\?\"(?P<value>[^\"\\\n=]{1,200}=(?:\\.|[^\"\\\n])*)"),
    ),
    Pattern("cookie", ("cookie",), re.compile(r"(?i)cookie2?'?\s*[:=]\s*'(?P<value>[^'\n=]{1,200}=[^'\n]*)")),
    Pattern(
        "cookie",
        ("cookie",),
        re.compile(r"(?i)cookie2?\s*[:=]\s*(?P<value>[^\s\"'=][^\s=]{0,200}=[^\n]*)"),
    ),
    Pattern(
        "authorization",
        ("authorization",),
        re.compile(r"(?i)authorization\\?[\"']?\s*[:=]\s*\\?[\"']?(?:digest|aws4-hmac-sha256)\s+(?P<value>[^\n]+)"),
    ),
    Pattern(
        "authorization",
        ("authorization",),
        re.compile(
            r"(?i)authorization\\?[\"']?\s*[:=]\s*\\?[\"']?(?:(?:basic|bearer|token|negotiate|apikey)\s+)?"
            rf"(?P<value>{_BARE})"
        ),
        lambda found: _is_value(found) and found.lower() not in _SCHEMES,
    ),
    Pattern(
        "bearer",
        ("bearer",),
        re.compile(r"(?i)\bbearer\s+(?P<value>(?=\S*\d)[A-Za-z0-9._~+/=-]{8,}|[A-Za-z0-9._~+/=-]{16,})"),
    ),
    Pattern(
        "basic",
        ("basic ",),
        re.compile(r"(?i)\bbasic\s+(?P<value>[A-Za-z0-9+/]{12,}={0,2})(?![A-Za-z0-9+/])"),
        lambda found: any(c.isupper() for c in found) and any(c.islower() for c in found),
    ),
    Pattern(
        "url-password",
        ("://",),
        re.compile(
            r"(?i)\b(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql|clickhouse)(?:\+\w+)?://"
            r"[^\s:/@\"'<>]{0,100}:(?P<value>[^\s\"'<>]{1,300})@"
        ),
    ),
    Pattern(
        "url-password",
        ("://",),
        re.compile(r"(?i)[a-z0-9+.-]://[^\s:/?#@\"'<>]{0,100}:(?P<value>[^\s/?#\"'<>]{1,300})@"),
    ),
    Pattern("url-password", ("://",), re.compile(r"(?i)[a-z0-9+.-]://(?P<value>[^\s:/?#@\"'<>]{16,300})@")),
    Pattern(
        "password",
        ("password", "identified"),
        re.compile(r"(?i)\b(?:password|identified\s+by)\s+'(?P<value>(?:''|[^'\n])+)"),
    ),
    Pattern(
        "password",
        ("--",),
        re.compile(rf"(?i)--[\w-]*(?:{_NAMES})\s+(?P<value>{_QUOTED}|(?!-){_BARE})"),
        _is_value,
    ),
    Pattern(
        "password",
        _LITERALS,
        re.compile(rf"(?i)(?:{_NAMES})(?:\\?[\"']|\])?\s*(?:=>|:=|==|=|:)\s*(?P<value>{_QUOTED}|{_BARE})"),
        _is_value,
    ),
    Pattern(
        "password",
        ("pwd",),
        re.compile(rf"(?:(?<![A-Za-z])[pP]wd|_PWD)\\?[\"']?\s*[:=]\s*(?P<value>{_QUOTED}|(?!/){_BARE})"),
        _is_value,
    ),
    Pattern(
        "card",
        (),
        re.compile(
            r"(?<![\w.-])(?:4\d{3}([ -]?)\d{4}\1\d{4}\1\d{4}|(?:5[1-5]|2[2-7])\d\d([ -]?)\d{4}\2\d{4}\2\d{4}"
            r"|(?:6011|65\d\d|64[4-9]\d|35\d\d)([ -]?)\d{4}\3\d{4}\3\d{4}|3[47]\d\d([ -]?)\d{6}\4\d{5}"
            r"|3(?:0[0-5]|[68]\d)\d([ -]?)\d{6}\5\d{4})(?![\w-]|\.\d)"
        ),
        _luhn,
    ),
)

LITERALS = tuple(sorted({literal for pattern in PATTERNS for literal in pattern.literals}))


def worth_trying(text: str) -> list[Pattern]:
    """The patterns whose literals stand in ``text``, and those that have none and match."""
    lower = text.lower()
    near = {literal for literal in LITERALS if literal in lower}
    return [p for p in PATTERNS if (not near.isdisjoint(p.literals) if p.literals else p.expression.search(text))]
