"""Log lines as services really write them, made from a seed: nothing in them is a secret."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

_SAID = """
    cache miss retry upstream request handler queue worker batch index user order
    invoice payload socket timeout schema replica leader lease shard segment flush commit merge branch thread pool
    buffer parser layout widget
"""
_WORDS = _SAID.split()
_TOKEN_FAULTS = ("signature has expired", "not yet valid", "illegal base64 data at input", "malformed payload")
_PATHS = ("/api/conversations", "/api/auth/session", "/healthz", "/v1/tokens/count", "/static/app.js", "/login")


def lines(count: int, seed: int) -> Iterator[str]:
    rng = random.Random(seed)
    for _ in range(count):
        yield rng.choice(_KINDS)(rng)


def _at(r: random.Random) -> str:
    day = f"2026-{r.randint(1, 12):02}-{r.randint(1, 28):02}"
    return f"{day}T{r.randint(0, 23):02}:{r.randint(0, 59):02}:07.{r.randint(0, 999):03}Z"


def _hex(r: random.Random, size: int) -> str:
    return f"{r.getrandbits(size * 4):0{size}x}"


def _uuid(r: random.Random) -> str:
    return f"{_hex(r, 8)}-{_hex(r, 4)}-4{_hex(r, 3)}-a{_hex(r, 3)}-{_hex(r, 12)}"


def _ip(r: random.Random) -> str:
    return ".".join(str(r.randint(1, 254)) for _ in range(4))


def _said(r: random.Random, count: int = 5) -> str:
    return " ".join(r.choices(_WORDS, k=count))


_KINDS: tuple[Callable[[random.Random], str], ...] = (
    lambda r: (
        f'{_ip(r)} - - [02/Mar/2026:03:00:01 +0000] "GET {r.choice(_PATHS)}?page={r.randint(1, 99)} HTTP/1.1" '
        f'{r.choice((200, 304, 404, 500))} {r.randint(100, 99999)} "https://app.example.org{r.choice(_PATHS)}" '
        '"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"'
    ),
    lambda r: (
        f'{{"level":"info","ts":{r.uniform(1.7e9, 1.8e9):.6f},"msg":"{_said(r)}","trace_id":"{_hex(r, 32)}",'
        f'"span_id":"{_hex(r, 16)}","duration_ms":{r.uniform(1, 900):.2f}}}'
    ),
    lambda r: (
        f'{{"next_page_token":"{_hex(r, 24)}","pageToken":"{_hex(r, 8)}","items":{r.randint(0, 50)},'
        f'"nextToken":null,"continuation_token":"{_uuid(r)}","sync_token":"{_hex(r, 12)}"}}'
    ),
    lambda r: (
        f"{_at(r)} INFO llm prompt_tokens={r.randint(10, 4000)} completion_tokens={r.randint(1, 900)} "
        f"max_tokens=4096 time_to_first_token={r.uniform(0.1, 2):.3f} tokens/s={r.uniform(10, 90):.1f}"
    ),
    lambda r: (
        f"{_at(r)} WARN auth Invalid {r.choice(('password', 'token', 'credentials'))} for user {r.randint(1, 999)}"
    ),
    lambda r: f"{_at(r)} ERROR auth token: {r.choice(_TOKEN_FAULTS)}",
    lambda r: f"{_at(r)} DEBUG session: {_said(r, 3)}; cookie: yes; key={r.choice(_WORDS)} keys: {r.randint(1, 9)}",
    lambda r: (
        f'E0302 03:00:01.123456 1 kubelet.go:{r.randint(100, 3000)}] secret "db-creds" not found: '
        f"MountVolume.SetUp failed for volume {_uuid(r)}"
    ),
    lambda r: (
        f"postgres[{r.randint(100, 32000)}]: [{r.randint(1, 9)}-1] LOG:  duration: {r.uniform(1, 5000):.3f} ms  "
        f'statement: SELECT "id", "email" FROM "User" WHERE "id" = {r.randint(1, 99999)}'
    ),
    lambda r: (
        f"{r.randint(100, 999)}:M 02 Mar 2026 03:00:01.{r.randint(0, 999):03} * Background saving started by pid "
        f"{r.randint(1, 32000)}"
    ),
    lambda r: (
        f'  File "/app/{r.choice(_WORDS)}/{r.choice(_WORDS)}.py", line {r.randint(1, 900)}, in {r.choice(_WORDS)}'
    ),
    lambda r: (
        f"    at {r.choice(_WORDS)}.{r.choice(_WORDS)} "
        f"(/app/node_modules/@scope/{r.choice(_WORDS)}/index.js:{r.randint(1, 900)}:{r.randint(1, 80)})"
    ),
    lambda r: f"SyntaxError: Unexpected token: {r.choice('<{},')} in JSON at position {r.randint(0, 999)}",
    lambda r: f"parser.py:{r.randint(1, 900)}: error: unexpected token = after {r.choice(_WORDS)}",
    lambda r: f"{_at(r)} INFO pulled image registry.example.org/app/{r.choice(_WORDS)}@sha256:{_hex(r, 64)}",
    lambda r: (
        f"{_at(r)} INFO order={r.randint(10**7, 10**8)} at {r.randint(17 * 10**14, 18 * 10**14)} us "
        f"took {r.randint(1, 900)} ns"
    ),
    lambda r: f"{_at(r)} INFO deploy {_hex(r, 40)} by bob@example.org --token-file /run/secrets/x --no-verify",
    lambda r: f"PWD=/home/app/{r.choice(_WORDS)} OLDPWD=/ SHLVL=1 password=*** secret=<hidden> token=${{CI_TOKEN}}",
    lambda r: f"    password: str = {r.choice(('None', 'settings.password', 'os.environ.get(name)'))}",
    lambda r: f"{_at(r)} WARN basic usage of Basic AuthenticationEntryPoint; bearer of TokenAuthenticationFilter",
    lambda r: (
        f"{_at(r)} INFO GET https://api.example.org:8443{r.choice(_PATHS)}?email=a@example.org {r.randint(200, 504)}"
    ),
    lambda r: f"{_at(r)} INFO authorization: {r.choice(('required', 'denied', 'ok'))} for role {r.choice(_WORDS)}",
    lambda r: (
        f"{_at(r)} INFO {_said(r, 8)} id={_uuid(r)} cache_key={r.choice(_WORDS)}:{r.randint(1, 999)} primary_key=id"
    ),
    lambda r: (
        f"{_at(r)} INFO gc pause={r.uniform(0, 90):.2f}ms heap={r.randint(10, 900)}MB→{r.randint(1, 90)}MB ✓ größe"
    ),
)
