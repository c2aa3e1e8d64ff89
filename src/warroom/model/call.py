"""Calls: what an operation would do to the world, as data.

People are shown these, and the runner executes exactly these.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from warroom.model.base import Fact


class Secret(Fact):
    """A value that is named, never carried: it is resolved inside the door and drawn as ‹secret: name›."""

    secret: str
    prefix: str = ""


class PgPass(Fact):
    """A line of a PostgreSQL password file, made inside the door from the address that a secret names.

    With ``user`` and ``password`` (a secret's name) it is of that role on the same server. As an environment variable's
    value it is the path of a private file with that line, gone with the program; on a program's standard input it is
    the line itself.
    """

    pgpass: str
    user: str | None = None
    password: str | None = None

    @model_validator(mode="after")
    def _of_one_role(self) -> PgPass:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        return self


class Ref(Fact):
    """A value not known yet: an earlier step's output. INTENDED holds the bound value."""

    kind: Literal["ref"] = "ref"
    step: str
    output: str


def _tagged(value: object) -> object:
    """Among plain JSON only an object tagged as a Ref is one: the others would read it as data."""
    if isinstance(value, dict) and value.get("kind") == "ref" and value.keys() == {"kind", "step", "output"}:
        return Ref.model_validate(value)
    return value


Text = str | Ref
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""An environment variable's name: it stands unquoted in what people paste."""
Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\s\x00-\x1f]+$")]
"""Never an option and never a file to curl."""
Private = str | Ref | Secret
BodyValue = Annotated[JsonValue | Ref, BeforeValidator(_tagged)]
"""A field of a request's body: JSON, or a Ref. A Ref stands at the top level only."""


def drawn(value: Private | PgPass) -> str:
    if isinstance(value, PgPass):
        return f"‹password file: {value.password or value.pgpass}›"
    if isinstance(value, Secret):
        return f"{value.prefix}‹secret: {value.secret}›"
    if isinstance(value, Ref):
        return f"‹{value.output} of {value.step}›"
    return value


class Until(Fact):
    """A loop is one Call with a bound: repeat every ``every_s`` until ``field`` of the JSON reply equals ``equals``.

    An empty ``field`` with ``equals`` None: until the answer's status is one that is expected, whatever it says.
    """

    field: str
    equals: JsonValue
    every_s: float = Field(gt=0)
    at_most_s: float = Field(gt=0)


class ProcessCall(Fact):
    """A program and its arguments; never a shell string. Secrets stand in ``env`` and ``stdin``, never in ``argv``.

    ``stdin_file`` is a file that the program reads as its standard input, after ``stdin``. With ``stdin_from``, the
    words of another program, that one reads the file, and its output is what this one reads: this one sees an end only
    once that one has ended well, and is ended before where it has not. Where ``env`` has one of PostgreSQL's variables
    (PGHOST, PGUSER …), none of them is taken from warroom's own environment.
    """

    kind: Literal["process"] = "process"
    argv: tuple[Text, ...] = Field(min_length=1)
    cwd: str | None = None
    env: dict[Name, Private | PgPass] = Field(default_factory=dict)
    stdin: Private | PgPass | tuple[Private | PgPass, ...] | None = None
    stdin_file: str | None = None
    stdin_from: tuple[str, ...] = Field(default=(), exclude_if=lambda words: not words)
    timeout_s: float = Field(default=60, gt=0)
    expect: tuple[int, ...] = (0,)

    @model_validator(mode="after")
    def _a_whole_path(self) -> ProcessCall:
        if self.stdin_file is not None and not self.stdin_file.startswith("/"):
            raise ValueError("stdin_file: an absolute path was expected")
        if self.stdin_from and self.stdin_file is None:
            raise ValueError("stdin_from reads stdin_file, and none is named")
        return self

    @property
    def inputs(self) -> tuple[Private | PgPass, ...]:
        """What stands in ``stdin``, one after the other."""
        if self.stdin is None:
            return ()
        return self.stdin if isinstance(self.stdin, tuple) else (self.stdin,)

    def paste(self) -> str:
        env = [f"{name}={shlex.quote(drawn(value))}" for name, value in self.env.items()]
        line = " ".join([*env, _command(self.argv)])
        before = f"printf %s {' '.join(shlex.quote(drawn(each)) for each in self.inputs)}" if self.inputs else ""
        file = shlex.quote(self.stdin_file) if self.stdin_file is not None else ""
        if file and (self.stdin_from or before):
            fed = f"{_command(self.stdin_from or ('cat',))} < {file}"
            line = f"{{ {before}; {fed}; }} | {line}" if before else f"{fed} | {line}"
        elif file:
            line = f"{line} < {file}"
        elif before:
            line = f"{before} | {line}"
        return f"(cd {shlex.quote(self.cwd)} && {line})" if self.cwd else line


def _command(argv: tuple[Text, ...]) -> str:
    program, *rest = (shlex.quote(drawn(part)) for part in argv)
    if "=" in program and not program.startswith("'"):
        program = f"'{program}'"  # or a shell would take it for an assignment
    return " ".join([program, *rest])


class HttpCall(Fact):
    kind: Literal["http"] = "http"
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    url: Url | Ref
    headers: dict[Header, Private] = Field(default_factory=dict)
    body: dict[str, BodyValue] | None = None
    timeout_s: float = Field(default=30, gt=0)
    expect: tuple[int, ...] = (200, 201, 202, 204)
    until: Until | None = None

    @model_validator(mode="after")
    def _only_reads_repeat(self) -> HttpCall:
        if self.until is not None and self.method not in ("GET", "HEAD"):
            raise ValueError("only a GET or HEAD may be repeated until a field has a value")
        return self

    def paste(self) -> str:
        parts = ["curl", "-fsS", "-X", self.method]
        for name, value in self.headers.items():
            parts += ["-H", f"{name}: {drawn(value)}"]
        if self.body is not None:
            body = {k: drawn(v) if isinstance(v, Ref) else v for k, v in self.body.items()}
            parts += ["-H", "Content-Type: application/json", "-d", json.dumps(body, ensure_ascii=False)]
        url = drawn(self.url)
        parts += ["-g", url] if any(c in url for c in "[]{}") else [url]
        line = " ".join(shlex.quote(part) for part in parts)
        if self.until is not None:
            until = self.until
            field = json.dumps(until.field)[1:-1]
            sought = f"{field} = {json.dumps(until.equals)}" if field else "it answers as it should"
            line += f"  # every {until.every_s:g} s until {sought}"
            line += f", at most {until.at_most_s:g} s"
        return line


_QUOTE = "'\"'\"'"
_WORD = re.compile(rf"[\w@%+=:,./-]+|'[^']*(?:{_QUOTE}[^']*)*'", re.ASCII)
"""As ``shlex.join`` writes one. ``shlex.split`` reads them all, but takes seconds for a line of a megabyte."""


def _one_command(line: str) -> str:
    """Words of one command, each quoted as ``shlex.join`` does: nothing in a name is more than a word to a shell."""
    words = [word[1:-1].replace(_QUOTE, "'") if word[0] == "'" else word for word in _WORD.findall(line)]
    if not words or shlex.join(words) != line:
        raise ValueError("one command of quoted words was expected, as shlex.join writes it")
    return line


ApiPath = Annotated[str, Field(pattern=r"^(?:/[A-Za-z0-9_~:@-][A-Za-z0-9._~:@-]*)+$", max_length=2000)]
"""No query, nothing escaped, and no segment that leads elsewhere: names are checked before they stand in one."""
API_BODY_LIMIT = 1024 * 1024
"""Bytes of a request's body as JSON."""


class ApiCall(Fact):
    """One request to the API of a platform, over the connection and with the login that its plugin has.

    ``path`` is below the server's address. Nothing in it stands for something else: no Ref, and no secret, named or
    written out. ``line`` is what people would paste to do the same: one command, as ``shlex.join`` quotes it.

    ``until`` names a condition that the plugin knows, ``wanted`` is what it is held against: only a GET waits, for at
    most ``timeout_s``.

    ``brief`` says in a few words what it does, for where a long ``line`` would hide the rest of what is read.
    """

    kind: Literal["api"] = "api"
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: ApiPath
    query: dict[str, str] = Field(default_factory=dict)
    content_type: Annotated[str, Field(pattern=r"^[a-z]+/[a-z0-9.+-]+$")] = "application/json"
    body: JsonValue = None
    expect: tuple[int, ...] = (200, 201, 202)
    timeout_s: float = Field(default=30, gt=0)
    line: Annotated[str, Field(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]+$"), AfterValidator(_one_command)]
    brief: Annotated[str, Field(max_length=200)] = ""
    until: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")] | None = None
    wanted: JsonValue = None

    @model_validator(mode="after")
    def _holds_together(self) -> ApiCall:
        if self.until is not None and self.method != "GET":
            raise ValueError("only a GET may wait until a condition holds")
        if self.until is None and self.wanted is not None:
            raise ValueError("something is wanted, and no condition is named")
        if self.method == "GET" and self.body is not None:
            raise ValueError("a GET has no body")
        if len(json.dumps(self.body, ensure_ascii=False).encode("utf-8", "replace")) > API_BODY_LIMIT:
            raise ValueError(f"a body has at most {API_BODY_LIMIT:,} bytes")
        return self

    def paste(self) -> str:
        return self.line


Statement = Annotated[str, Field(min_length=1, max_length=100_000, pattern=r"^[^\x00\\][^\x00]*$")]
"""What the server is sent, as it stands. Psql would take one that begins with a backslash for its own."""


class RolePassword(Fact):
    """Gives a role the password that a secret holds. The server is sent its hash, made here, as psql does it.

    ``made:NAME`` is a password that warroom makes up, and that nobody ever sees.
    """

    role: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00]+$")]
    password: str


class SqlCall(Fact):
    """Statements on one connection to a PostgreSQL server, one after the other, exactly as they stand.

    ``secret`` names the address; ``database`` is another one of the same server. ``through`` are the words of a program
    that carries the connection. ``together``: all of them in one transaction. ``meanwhile`` is repeated on a second
    connection while they are executed, such as what ends the sessions that would hold them up.

    No secret may stand in a statement. Status 0: all were done, ``data`` has what they gave; 1: the server refused one,
    and ``data`` says which and with what code. After a refusal nothing of what belongs together was done.

    ``brief`` says in a few words what it does.
    """

    kind: Literal["sql"] = "sql"
    secret: Annotated[str, Field(pattern=r"^[a-z]+:[^\x00-\x1f]+$")]
    database: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00]+$")] | None = None
    through: tuple[str, ...] = ()
    statements: tuple[Statement | RolePassword, ...] = Field(min_length=1, max_length=1000)
    together: bool = True
    meanwhile: Statement | None = None
    expect: tuple[int, ...] = (0,)
    timeout_s: float = Field(default=30, gt=0)
    brief: Annotated[str, Field(max_length=200)] = ""

    def paste(self) -> str:
        """As psql is told. Prisma's own options in an address would be refused by it, so they are cut off."""
        each = tuple(_password(one) if isinstance(one, RolePassword) else one for one in self.statements)
        commands = ("BEGIN", *each, "COMMIT") if self.together else each
        if self.database is not None:
            commands = (_connect(self.database), *commands)
        words = " ".join(f"-c {shlex.quote(command)}" for command in commands)
        line = f"psql -X -v ON_ERROR_STOP=1 -d {address_word(self.secret)} {words}"
        line += f"  # over {shlex.join(self.through)}" if self.through else ""
        if self.meanwhile is not None:
            line += f"  # meanwhile, again and again: {' '.join(self.meanwhile.split())}"
        return line


def _connect(database: str) -> str:
    """Psql's own command that goes to another database of the server: a name, in an address, in psql's quotes."""
    address = "dbname='" + database.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return f"\\connect -reuse-previous=on {_psql_word(address)}"


def _password(of: RolePassword) -> str:
    """Psql asks for it."""
    return f"\\password {_psql_word(of.role)}"


def _psql_word(text: str) -> str:
    """Psql takes double quotes for those around a name, and four of them for one that is meant."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''").replace('"', '""""') + "'"


def as_sent(call: ApiCall | SqlCall) -> JsonValue:
    """All of it that goes to the other side as it stands, and that no secret may stand in."""
    if isinstance(call, ApiCall):
        return [call.path, dict(call.query), call.body, call.wanted, call.line]
    return [*(one for one in call.statements if isinstance(one, str)), call.meanwhile, call.database, *call.through]


def address_word(secret: str) -> str:
    """The address that a secret names as a shell gets it, without what follows a question mark in it."""
    kind, _, where = secret.partition(":")
    if kind == "env" and where.isidentifier() and where.isascii():
        return f'"${{{where}%%\\?*}}"'
    return f'"$(cut -d? -f1 {shlex.quote(where)})"' if kind == "file" else "'‹secret›'"


class ManualCall(Fact):
    """What a person does elsewhere: a sentence, and command lines to paste where there are any."""

    kind: Literal["manual"] = "manual"
    text: str
    commands: tuple[str, ...] = ()
    timeout_s: float = Field(default=3600, gt=0)

    def paste(self) -> str:
        return "\n".join([*(f"# {line}" for line in self.text.splitlines() or [""]), *self.commands])


Call = Annotated[ProcessCall | HttpCall | ApiCall | SqlCall | ManualCall, Field(discriminator="kind")]


class CallResult(Fact):
    """What came back: an exit status or an HTTP status, the reply's JSON where it is JSON, and the text.

    ``text`` is bounded. ``cookies`` are those the reply set, ``location`` is where a redirect points, ``retry_after_s``
    what the other side asked us to wait, ``headers`` a few others by lower-case name: ``content-type``, ``link``,
    ``date``, ``etag`` and rate limits. ``whole`` False: the body was longer than is read, and was cut. Only the read
    door gives these, nothing keeps them.
    """

    status: int
    text: str = ""
    data: JsonValue = None
    seconds: float = 0
    cookies: dict[str, str] = Field(default_factory=dict)
    location: str = ""
    retry_after_s: float | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    whole: bool = True

    @model_validator(mode="after")
    def _bounded(self) -> CallResult:
        if len(self.text) > 65536:
            raise ValueError("a call's text is kept to 65,536 characters")
        return self
