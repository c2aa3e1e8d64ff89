"""Calls: what an operation would do to the world, as data.

People are shown these, and the runner executes exactly these.
"""

from __future__ import annotations

import json
import shlex
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from warroom.model.base import Fact


class Secret(Fact):
    """A value that is named, never carried: it is resolved inside the door and drawn as ‹secret: name›."""

    secret: str
    prefix: str = ""


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


def drawn(value: Private) -> str:
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
    """A program and its arguments; never a shell string. Secrets stand in ``env`` and ``stdin``, never in ``argv``."""

    kind: Literal["process"] = "process"
    argv: tuple[Text, ...] = Field(min_length=1)
    cwd: str | None = None
    env: dict[Name, Private] = Field(default_factory=dict)
    stdin: Private | None = None
    timeout_s: float = Field(default=60, gt=0)
    expect: tuple[int, ...] = (0,)

    def paste(self) -> str:
        env = [f"{name}={shlex.quote(drawn(value))}" for name, value in self.env.items()]
        program, *rest = (shlex.quote(drawn(part)) for part in self.argv)
        if "=" in program and not program.startswith("'"):
            program = f"'{program}'"  # or a shell would take it for an assignment
        line = " ".join([*env, program, *rest])
        if self.stdin is not None:
            line = f"printf %s {shlex.quote(drawn(self.stdin))} | {line}"
        return f"(cd {shlex.quote(self.cwd)} && {line})" if self.cwd else line


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


def _one_command(line: str) -> str:
    """Words of one command, each quoted as ``shlex.join`` does: nothing in a name is more than a word to a shell."""
    try:
        words = shlex.split(line)
    except ValueError:
        words = []
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


class ManualCall(Fact):
    """What a person does elsewhere: a sentence, and command lines to paste where there are any."""

    kind: Literal["manual"] = "manual"
    text: str
    commands: tuple[str, ...] = ()
    timeout_s: float = Field(default=3600, gt=0)

    def paste(self) -> str:
        return "\n".join([*(f"# {line}" for line in self.text.splitlines() or [""]), *self.commands])


Call = Annotated[ProcessCall | HttpCall | ApiCall | ManualCall, Field(discriminator="kind")]


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
