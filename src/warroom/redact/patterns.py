"""What secrets look like. Data for ``warroom.redact``: one set, in the order in which it is tried."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

MARK = re.compile(r"‹(?:redacted|secret): [^‹›\n]{1,80}›")


def mark(kind: str) -> str:
    return f"‹redacted: {kind}›"


@dataclass(frozen=True)
class Word:
    """A literal in the lower-cased text that counts where ``:`` or ``=`` follows, after the rest of a name."""

    literal: bytes


AFTER = re.compile(rb"[\w-]{0,12}(?:\\?[\"']|\])?\s*[:=]")
Near = bytes | Word | re.Pattern[bytes]
"""A literal, looked for in the lower-cased text, or an expression for the text as it is, beginning with a literal."""
Accept = Callable[[re.Match[str], str], bool]
"""Says of a match and of the value in it whether it is a secret."""


def _always(_match: re.Match[str], _value: str) -> bool:
    return True


@dataclass(frozen=True)
class Pattern:
    """``expression`` is tried where one of ``near`` stands.

    Its group ``value`` is replaced, or all of it where it has none, if ``accept`` says so.
    """

    kind: str
    near: tuple[Near, ...]
    expression: re.Pattern[str]
    accept: Accept = _always


_WORDS = """
    required missing invalid expired wrong incorrect none null nil true false undefined empty not is was has are were
    changed reset ok okay failed failure fails mismatch rejected refused denied accepted verified found unknown
    refreshed issued revoked valid set unset error and or for from present absent provided configured hidden masked
    exists loaded rotated created updated deleted removed added enabled disabled optional unused used using with in at
    on to of by the a an this that your must should cannot could did does do will would be been have had no yes new
    old too length len type format header field value string str int bool bytes expected got received given supplied
    entered matches match unexpected malformed truncated illegal
"""
_NO_SECRET = re.compile(
    rf"(?i)\\?[\"']?(?:\*+|x+|\.{{2,}}|-+|{'|'.join(_WORDS.split())}|n/a|\{{\}}|\[\]|[|>][-+]?|<[^<>]*>|\$\{{?\w+\}}?|\{{\w*\}}"
    r"|optional\[\w+\]|secretstr|(?:os|process|config|settings|self|this|request|req|res|response|options|opts|env"
    r"|params|args|kwargs|ctx|context|user|data|payload|body|credentials|state|props|event)[.\[(]\S*"
    r")?\\?[\"']?[,.)}\]:]*"
)
"""What follows a secret's name in sentences, in source lines, and in configuration that hides it already."""
_SENTENCE = re.compile(r"[a-z]{1,14},?(?= +[a-z]+)")
_FEW_DIGITS = re.compile(r"\\?[\"']?\d{1,5}\\?[\"']?[,.)}\]]*")


def _is_value(match: re.Match[str], found: str) -> bool:
    """No word of an ordinary sentence; what a page of results is continued with, a token's number, are no secrets."""
    if _NO_SECRET.fullmatch(found) or re.fullmatch(rf"{MARK.pattern}[,.)}}\]]*", found):
        return False
    name = match.groupdict().get("name")
    if name is None or name.lower().startswith("passw"):
        return True
    if _FEW_DIGITS.fullmatch(found):
        return False
    said = match.string[match.start("value") - 2 : match.start("value")] == ": "
    return not (said and _SENTENCE.match(match.string, match.start("value")))


def _luhn(_match: re.Match[str], found: str) -> bool:
    digits = [int(c) for c in found if c.isdigit()]
    doubled = [d * 2 - 9 * (d > 4) for d in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _user_and_password(_match: re.Match[str], found: str) -> bool:
    """Basic credentials have a colon within, once they are decoded; a word after ``basic`` has none."""
    try:
        return b":" in base64.b64decode(found + "=" * (-len(found) % 4))
    except (binascii.Error, ValueError):
        return False


def _a_scheme(match: re.Match[str], found: str) -> bool:
    return _is_value(match, found) and found.lower() not in _SCHEMES


_NAMES = (
    r"passw(?:or)?d|passphrase|passwd|secret|credential|api[_-]?key|access[_-]?key(?:[_-]?id)?|private[_-]?key"
    r"|secret[_-]?key|signing[_-]?key|encryption[_-]?key|account[_-]?key|session[_-]?(?:id|key)|sessionid|signature"
    # A token, unless it is what the next page of a list is asked for with, or a piece of a text.
    r"|(?=token)(?<!page)(?<!page[_ -])"
    r"(?<!paging)(?<!paging[_ -])(?<!pagination)(?<!pagination[_ -])"
    r"(?<!next)(?<!next[_ -])(?<!prev[_ -])(?<!previous[_ -])(?<!continuation)(?<!continuation[_ -])"
    r"(?<!continue[_ -])(?<!resume[_ -])"
    r"(?<!sync)(?<!sync[_ -])(?<!cursor[_ -])(?<!unexpected )(?<!first )(?<!first_)(?<!last )(?<!per )(?<!per_)"
    r"(?<!eos_)(?<!bos_)(?<!pad_)(?<!end_)(?<!start_)(?<!stop_)token"
)
SECRET_KEY = re.compile(rf"(?i)(?:{_NAMES}|authorization|cookie|\bpwd)$")
"""A JSON key that ends like this names a secret."""
_SECRET_NAME = re.compile(rf"(?i)(?:{_NAMES}|authorization|cookie|(?:^|[ _-])pwd)$")


def names_a_secret(name: str) -> bool:
    """Of a variable or a setting. A shell's ``PWD`` is a folder."""
    return name not in ("PWD", "OLDPWD") and _SECRET_NAME.search(name) is not None


_QUOTED = (
    r"(?:\\\"(?:[^\"\\\n]|\\(?!\"))*|\"(?:\\.|[^\"\\\n])*"  # the first kind is escaped, as JSON within JSON is
    r"|\\'(?:[^'\\\n]|\\(?!'))*|'(?:\\.|[^'\\\n])*)"
)
_BARE = rf"(?:{MARK.pattern}|[^\s;&\"'])+"
_SCHEMES = ("basic", "bearer", "token", "negotiate", "apikey", "digest", "aws4-hmac-sha256")
_B64URL = r"[A-Za-z0-9_-]"
_NAMED = tuple(
    Word(literal)
    for literal in (
        *(b"passw", b"passphrase", b"secret", b"token", b"credential", b"signature", b"key"),
        *(b"sessionid", b"session_id", b"session-id"),
    )
)
_TOKEN = re.compile(
    rb"_(?:(?<=gh[pousr]_)|(?<=_pat_)|(?<=npm_)|(?<=whsec_)|(?<=_live_)|(?<=_test_)|(?<=dop_v1_)|(?<=shpat_)|(?<=hf_))"
)
_AWS = re.compile(rb"A(?:KIA|SIA|ROA|IDA|GPA|NPA)")
CARD: Near = re.compile(rb"\d")
"""Stands for fourteen digits in a row, which ``prefilter`` has a way of its own to find."""

PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "private-key",
        (b"private key",),
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:(?!-----(?:BEGIN|END))[\s\S])*(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
        ),
    ),
    Pattern("private-key", (b"age-secret-key-",), re.compile(r"(?i)\bAGE-SECRET-KEY-1[0-9a-z]{20,}")),
    Pattern("webhook", (b"slack.com/",), re.compile(r"(?i)hooks\.slack\.com/(?P<value>[a-z]+/[\w/-]+)")),
    Pattern(
        "webhook",
        (b"/webhooks/",),
        re.compile(r"(?i)discord(?:app)?\.com/api/(?:v\d+/)?webhooks/(?P<value>\d+/[\w-]+)"),
    ),
    Pattern("jwt", (b"eyj",), re.compile(rf"(?<!{_B64URL})eyJ{_B64URL}{{8,}}(?:\.{_B64URL}*){{1,4}}")),
    Pattern("github-token", (_TOKEN,), re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{16,255}|github_pat_\w{20,255})")),
    Pattern("gitlab-token", (b"glpat-",), re.compile(rf"\bglpat-{_B64URL}{{16,}}")),
    Pattern("slack-token", (b"xox", b"xapp-"), re.compile(r"\bx(?:ox[a-z]|app)-[A-Za-z0-9-]{10,}")),
    Pattern("stripe-key", (_TOKEN,), re.compile(r"\b(?:[rsp]k_(?:live|test)|whsec)_\w{8,}")),
    Pattern(
        "api-key",
        (_TOKEN, b"sk-", b"aiza", b"ya29.", b"hvs.", b"pypi-"),
        re.compile(
            r"\b(?:sk-(?=[\w-]{0,100}\d)[\w-]{20,}|AIza[\w-]{35}|npm_[A-Za-z0-9]{30,}|ya29\.[\w-]{20,}|hvs\.[\w-]{20,}"
            r"|pypi-[\w-]{30,}|dop_v1_[0-9a-f]{32,}|shpat_[0-9a-fA-F]{20,}|hf_[A-Za-z]{30,})"
        ),
    ),
    Pattern("api-key", (re.compile(rb"SG\."),), re.compile(r"\bSG\.[\w-]{16,}\.[\w-]{16,}")),
    Pattern("aws-key", (_AWS,), re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{16}\b")),
    Pattern(
        "password-hash",
        (b"$2", b"$argon2", b"$scrypt", b"pbkdf2", b"scram-sha"),
        re.compile(
            r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}|\$(?:argon2id?|argon2d|scrypt)\$[\w$=,+/.-]{20,}"
            r"|\bpbkdf2[\w:-]*\$[\w$=+/.-]{20,}|\bSCRAM-SHA-\d+\$[\w$=+/:]{20,}"
        ),
    ),
    Pattern(
        "cookie",
        (Word(b"cookie"),),
        re.compile(r"(?i)cookie2?\\?[\"']?\s*[:=]\s*\\?\"(?P<value>[^\"\\\n=]{1,200}=(?:\\.|[^\"\\\n])*)"),
    ),
    Pattern("cookie", (Word(b"cookie"),), re.compile(r"(?i)cookie2?'?\s*[:=]\s*'(?P<value>[^'\n=]{1,200}=[^'\n]*)")),
    Pattern(
        "cookie",
        (Word(b"cookie"),),
        re.compile(r"(?i)cookie2?\s*[:=]\s*(?P<value>[^\s\"'=][^\s=]{0,200}=[^\n]*)"),
    ),
    Pattern(
        "authorization",
        (Word(b"authorization"),),
        re.compile(r"(?i)authorization\\?[\"']?\s*[:=]\s*\\?[\"']?(?:digest|aws4-hmac-sha256)\s+(?P<value>[^\n]+)"),
    ),
    Pattern(
        "authorization",
        (Word(b"authorization"),),
        re.compile(
            r"(?i)authorization\\?[\"']?\s*[:=]\s*\\?[\"']?(?:(?:basic|bearer|token|negotiate|apikey)\s+)?"
            rf"(?P<value>{_BARE})"
        ),
        _a_scheme,
    ),
    Pattern(
        "bearer",
        (b"bearer",),
        re.compile(r"(?i)\bbearer\s+(?P<value>(?=\S*\d)[A-Za-z0-9._~+/=-]{8,}|[A-Za-z0-9._~+/=-]{24,})"),
    ),
    Pattern(
        "basic",
        (b"basic ",),
        re.compile(r"(?i)\bbasic\s+(?P<value>[A-Za-z0-9+/]{6,}={0,2})(?![A-Za-z0-9+/])"),
        _user_and_password,
    ),
    Pattern(
        "url-password",
        (b"://",),
        re.compile(
            r"(?i)\b(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql|clickhouse)(?:\+\w+)?://"
            r"[^\s:/@\"'<>]{0,100}:(?P<value>[^\s\"'<>]{1,300})@"
        ),
    ),
    Pattern(
        "url-password",
        (b"://",),
        re.compile(r"(?i)[a-z0-9+.-]://[^\s:/?#@\"'<>]{0,100}:(?P<value>[^\s/?#\"'<>]{1,300})@"),
    ),
    Pattern("url-password", (b"://",), re.compile(r"(?i)[a-z0-9+.-]://(?P<value>[^\s:/?#@\"'<>]{16,300})@")),
    Pattern(
        "password",
        (b"password", b"identified"),
        re.compile(r"(?i)\b(?:password|identified\s+by)\s+'(?P<value>(?:''|[^'\n])+)"),
    ),
    Pattern(
        "password",
        (b"--",),
        re.compile(rf"(?i)(?<!-)--[\w-]{{0,40}}(?:{_NAMES})\s+(?P<value>{_QUOTED}|(?!-){_BARE})"),
        _is_value,
    ),
    Pattern(
        "password",
        _NAMED,
        re.compile(
            rf"(?i)(?=[acepst])(?P<name>{_NAMES})(?:\\?[\"']|\])?\s*(?:=>|:=|==|=|:)\s*(?P<value>{_QUOTED}|{_BARE})"
        ),
        _is_value,
    ),
    Pattern(
        "password",
        (Word(b"pwd"),),
        re.compile(rf"(?:(?<![A-Za-z])[pP]wd|_PWD)\\?[\"']?\s*[:=]\s*(?P<value>{_QUOTED}|(?!/){_BARE})"),
        _is_value,
    ),
    Pattern(
        "card",
        (CARD,),
        re.compile(
            # The first digit comes first: an expression is fast where it says what it begins with.
            r"[2-6](?<![\w.-][2-6])(?:(?<=4)\d{3}([ -]?)\d{4}\1\d{4}\1\d{4}"
            r"|(?:(?<=5)[1-5]|(?<=2)[2-7])\d\d([ -]?)\d{4}\2\d{4}\2\d{4}"
            r"|(?:(?<=6)(?:011|5\d\d|4[4-9]\d)|(?<=3)5\d\d)([ -]?)\d{4}\3\d{4}\3\d{4}"
            r"|(?<=3)[47]\d\d([ -]?)\d{6}\4\d{5}|(?<=3)(?:0[0-5]|[68]\d)\d([ -]?)\d{6}\5\d{4})(?![\w-]|\.\d)"
        ),
        _luhn,
    ),
)
