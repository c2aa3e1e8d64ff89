"""Redaction over many real-looking lines: what is ordinary stays, what is secret goes, wherever it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import loglines
from tests.canaries import CANARIES, known, said
from warroom.redact import ChunkCleaner, LineCleaner, Redactor

SEED = 20260302


def _knowing() -> Redactor:
    redactor = Redactor()
    for canary in CANARIES:
        if known(canary):
            redactor.register(canary.value, "canary")
    return redactor


def test_of_a_thousand_ordinary_lines_at_most_one_is_touched(full: bool) -> None:
    """Of 24 kinds, each some four hundred (four thousand) times: a kind that is touched is far beyond the limit."""
    lines = list(loglines.lines(100_000 if full else 10_000, SEED))
    cleaned = LineCleaner(_knowing()).clean_all(lines)
    touched = [(a, b) for a, b in zip(lines, cleaned, strict=True) if a != b]
    assert len(touched) <= len(lines) // 1000, touched[:5]


def test_sixty_canaries_of_twenty_kinds_leave_no_trace_in_a_flood_of_lines() -> None:
    assert len(CANARIES) == 60
    assert len({canary.kind for canary in CANARIES}) == 20
    redactor = _knowing()
    lines = list(loglines.lines(6_000, SEED + 1))
    for number, canary in enumerate(CANARIES):
        lines[number * 100 + 7] = f"{lines[number * 100 + 7]} {canary.text}"
    cleaned = "\n".join(LineCleaner(redactor).clean_all(lines))
    assert [canary for canary in CANARIES if any(piece in cleaned for piece in said(canary))] == []
    assert sum(redactor.counts.values()) >= 60


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_chunks_give_what_the_whole_would_wherever_they_are_cut(size: int) -> None:
    text = "\n".join(canary.text for canary in CANARIES)
    around = "\n".join(loglines.lines(120, SEED + 2))
    data = f"{around}\n{text}\n{around}".encode()
    chunks = ChunkCleaner(_knowing())
    cleaned = "".join([chunks.feed(data[at : at + size]) for at in range(0, len(data), size)]) + chunks.close()
    assert cleaned == _knowing().clean(data.decode())
    assert [canary for canary in CANARIES if any(piece in cleaned for piece in said(canary))] == []


def test_chunks_hold_no_more_than_they_must() -> None:
    chunks = ChunkCleaner(Redactor())
    line = "an ordinary line of no importance\n" * 30
    given = sum(len(chunks.feed(line)) for _ in range(100))
    assert given > len(line) * 100 - 20_000


def test_one_endless_value_is_hidden_and_what_follows_its_line_is_not() -> None:
    chunks = ChunkCleaner(Redactor())
    given = chunks.feed("Cookie: a=") + "".join(chunks.feed("5ecre7-piece;" * 1000) for _ in range(60))
    given += chunks.feed("more of 5ecre7 it\nnext line") + chunks.close()
    assert "5ecre7" not in given
    assert given.endswith("\nnext line")


def test_a_known_value_cut_by_the_ends_of_lines() -> None:
    redactor = Redactor()
    secret = "k3Y-" + "Zq9x" * 20
    redactor.register(secret, "s")
    for cut in (4, 9, 40, 70):
        lines = LineCleaner(redactor).clean_all(["before", f"x {secret[:cut]}", f"   {secret[cut:]} y", "after"])
        assert lines == ["before", "x ‹redacted: s›", "   ‹redacted: s› y", "after"]
    three = LineCleaner(redactor).clean_all([secret[:20], secret[20:40], secret[40:]])
    assert not any(secret[at : at + 8] in line for line in three for at in range(len(secret) - 8))
    later = LineCleaner(redactor)
    assert later.clean(f"x {secret[:30]}") == f"x {secret[:30]}", "it can't be known yet"
    assert later.clean(secret[30:]) == "‹redacted: s›"


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (["db_password: |", "  hunter2hunter2"], ["db_password: |", "  ‹redacted: password›"]),
        (['"client_secret":', '    "hunter2hunter2",'], ['"client_secret":', '    "‹redacted: password›",']),
        (["Authorization:", "  Bearer hunter2hunter2"], ["Authorization:", "  Bearer ‹redacted: bearer›"]),
        (["Enter password:", "INFO started"], ["Enter password:", "INFO started"]),
        (["Enter password:", "  three words follow"], ["Enter password:", "  three words follow"]),
    ],
)
def test_the_value_of_a_name_that_ends_the_line_before(lines: list[str], kept: list[str]) -> None:
    assert LineCleaner(Redactor()).clean_all(lines) == kept
    cleaner = LineCleaner(Redactor())
    assert [cleaner.clean(line) for line in lines] == kept, "in two calls as well"


def test_what_a_connection_string_holds_is_known_by_itself(tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.register("postgresql://app:p%40ss-w0rd%21@db/app?sslpassword=x9-zzzz-1", "env:DATABASE_URL")
    redactor.register_settings(
        {
            "DSN": "Server=db;Uid=app;Pwd=Zz-9-mssql;",
            "SENTRY": "https://0123456789abcdef@sentry.example.org/1",
            "PWD": "/home/application",
            "MYSQL_PWD": "mYsql-pwd-77",
            "PLAIN": "an ordinary value",
        },
        "web-1",
    )
    text = "p@ss-w0rd! x9-zzzz-1 Zz-9-mssql 0123456789abcdef mYsql-pwd-77 /home/application an ordinary value app"
    assert redactor.clean(text) == (
        "‹redacted: env:DATABASE_URL› ‹redacted: env:DATABASE_URL› ‹redacted: web-1:DSN› ‹redacted: web-1:SENTRY› "
        "‹redacted: web-1:MYSQL_PWD› /home/application an ordinary value app"
    )
