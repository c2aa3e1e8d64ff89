"""Outside text is data: nothing a terminal obeys survives, nothing is markup, and a cut is as wide as asked for."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.content import Content

from warroom.console.log_keys import as_text
from warroom.console.picture import plain_svg
from warroom.console.text import apart, clean, cut, fit, fit_name, line, pasteable, right, spread, wrapped
from warroom.console.words import age_text, bar, size_text, sparkline, value_text
from warroom.model.signal import LogLine

HOSTILE = (
    "\x1b]0;owned\x07",
    "\x1b]52;c;cm0gLXJmIC8=\x07",
    "\x9b31m\x90q\x9c",
    "[@click=app.quit]run[/]",
    "[/bin/bash -c]",
    "[red]" * 40,
    "a\rb\x00c\x08d\x7f",
    "\u202egnp.exe\u2066",
    "\ud800 half",
    "国" * 90,
    "👩‍👩‍👧‍👦" * 20,
    "e\u0301\u0301\u0301" * 30,
    "x" * 100_000,
    "",
)


def test_what_is_cut_does_not_read_alike_for_what_it_begins_with() -> None:
    rows = ("rows that break an invariant", "rows that break a foreign key")
    assert apart((*rows, "p95", "failed migrations"), 9) == {
        rows[0]: "…invaria…",
        rows[1]: "…foreign…",
        "p95": "p95",
        "failed migrations": "failed m…",
    }
    assert set(apart(rows, 18).values()) == {"…invariant", "…foreign key"}
    assert set(apart(("rows that have a key", "rows that have an key"), 9).values()) == {"…a key", "…an key"}
    assert apart((*rows, "rows that vanish"), 9)["rows that vanish"] == "…vanish"
    assert apart(rows, 30) == {row: row for row in rows}
    assert apart(("database", "database pool in use"), 12) == {
        "database": "database",
        "database pool in use": "database po…",
    }


@given(st.lists(st.text("ab …国\x1b", max_size=20), max_size=6), st.integers(-1, 12))
def test_what_is_told_apart_keeps_to_its_room(texts: list[str], cells: int) -> None:
    told = apart(tuple(texts), cells)
    assert set(told) == set(texts)
    assert all(cell_len(each) <= max(0, cells) for each in told.values())


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_a_terminal_obeys_survives(text: str) -> None:
    for char in clean(text):
        assert unicodedata.category(char) not in ("Cc", "Cs")
        assert unicodedata.bidirectional(char) not in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI")
    assert line(text).plain == clean(text)
    assert line(text, (text, "bold")).plain == clean(text) * 2


@given(text=st.text(max_size=60), cells=st.integers(0, 40))
def test_a_cut_is_as_wide_as_asked_for(text: str, cells: int) -> None:
    assert cell_len(cut(text, cells)) <= cells
    assert cell_len(fit(text, cells)) == cells
    assert cell_len(fit_name(text, cells)) == cells
    assert cell_len(fit_name(f"{text}/{text}", cells)) == cells
    assert cell_len(right(text, cells)) == cells


@pytest.mark.parametrize(
    ("name", "cells", "shown"),
    [
        ("web-7d9f8c6b5-x2x4z/app", 14, "web…-x2x4z/app"),
        ("web-7d9f8c6b5-x2x4z/web-container", 14, "w…x2x4z/web-c…"),
        ("web-7d9f8c6b5-x2x4z/app", 28, "web-7d9f8c6b5-x2x4z/app     "),
        ("checkout-service-7d9f8c6b5-x2x4z/app", 28, "checkou…-7d9f8c6b5-x2x4z/app"),
        ("db-0/postgres-exporter", 14, "db-0/postgres…"),
        ("shop-frontend-web-2", 14, "shop…end-web-2"),
        ("web", 4, "web "),
        ("frontend", 4, "fro…"),
    ],
)
def test_of_names_that_begin_alike_the_end_is_kept(name: str, cells: int, shown: str) -> None:
    assert fit_name(name, cells) == shown


@given(text=st.text(max_size=200), cells=st.integers(8, 60))
def test_wrapping_keeps_every_word_within_its_width(text: str, cells: int) -> None:
    lines = wrapped(text, cells, "bold", "- ")
    assert all(row.cell_length <= max(cells, 10) for row in lines)
    kept = "".join("".join(row.plain[2:].split()) for row in lines)
    assert kept == "".join(clean(text.replace("\r\n", "\n").replace("\n", "")).split())


@given(left=st.text(max_size=60), end=st.text(max_size=10), cells=st.integers(1, 50))
def test_two_edges_never_pass_the_line(left: str, end: str, cells: int) -> None:
    assert spread(Content(clean(left)), Content(clean(end)), cells).cell_length <= cells


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.124, "ratio", "12.4 %"),
        (3120.0, "ms", "3,120 ms"),
        (None, "ratio", "unknown"),
        (0.0, "ratio", "0.0 %"),
        (1.0, "state", "well"),
        (0.4, "state", "not well"),
        (42.0, "count", "42"),
        (7.5, "per-minute", "7.5/min"),
        (1_204_331.0, "bytes", "1.2 MB"),
    ],
)
def test_values_are_said_in_their_unit(value: float | None, unit: str, said: str) -> None:
    assert value_text(value, unit) == said


def test_a_gap_in_a_sparkline_is_a_blank_and_never_a_low() -> None:
    assert sparkline((0.0, None, 1.0), 3) == "▁ █"
    assert sparkline((), 3) == "   "
    assert sparkline((1.0, 2.0), 1) == "█"
    assert sparkline((1.0, 2.0), 0) == ""


def test_small_words() -> None:
    assert (age_text(None), age_text(4), age_text(120), age_text(7300)) == ("", "4 s", "2 m", "2 h")
    assert (bar(0.5, 4), bar(9, 4), bar(-1, 4)) == ("━━╌╌", "━━━━", "╌╌╌╌")
    assert size_text(12) == "12 B"


def test_the_picture_fetches_nothing() -> None:
    face = '@font-face { font-family: "Fira Code"; src: url("https://cdn.example/x.woff2"); }'
    svg = f'<svg class="a"><style>{face} rect {{ fill: url(https://cdn.example/y) }}</style>'
    assert "http" not in plain_svg(svg)
    assert "url(" not in plain_svg(svg)
    assert plain_svg('<rect fill="url(#a)"/>') == '<rect fill="url(#a)"/>'


def test_what_is_copied_can_end_no_paste_and_press_no_key() -> None:
    row = LogLine(source="web\x1b", text="\x1b[201~; reboot\r\n\x9b201~\tok\x00", index=1)
    copied = as_text(row)
    assert "\t" in copied
    assert all(char == "\t" or char.isprintable() for char in copied), ascii(copied)
    assert pasteable("one \\\n\ttwo 'ä'\n") == "one \\\n\ttwo 'ä'\n"
    assert pasteable("\x1b[201~\r\n") == "␛[201~␍\n"


def test_a_file_that_is_shown_keeps_its_indentation() -> None:
    text = "$ printf %s 'services:\n  web:\n    image: name@sha256:0123456789abcdef' | install"
    shown = [row.plain for row in wrapped(text, 30)]
    assert shown[1:3] == ["  web:", "    image:"]
    assert all(len(row) <= 30 for row in shown)
    assert shown[3].startswith("    name@"), "what goes on in the next line is as far in"
