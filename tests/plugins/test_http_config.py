"""What a runbook may say about an HTTP service, and what it may not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from warroom.model.address import refused_address, refused_host
from warroom_http.config import Config
from warroom_http.documents import MISSING, lacking, number, pick
from warroom_http.standing import secret_names

GOOD = "https://app.example.com"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "https://app.example.com/prefix/",
        "http://[::1]:80",
        "http://web",
        "http://localhost:1",
        "http://10.0.0.7",
    ],
)
def test_addresses_that_are_taken(url: str) -> None:
    assert Config(base_url=url).base_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://app.example.com",
        "app.example.com",
        "https://",
        "https://user:pass@app.example.com",
        "https://user@app.example.com",
        "https://app.example.com?x=1",
        "https://app.example.com#x",
        "https://app.example.com:0",
        "https://app.example.com:99999",
        "https://app.example.com:",
        "https://-oProxyCommand=x",
        "https://app example.com",
        "https://app\n.example.com",
        "https://app.example.com/../x",
        "http://169.254.169.254",
        "http://169.254.1.1",
        "http://[fd00:ec2::254]",
        "http://[fe80::1]",
        "http://[::ffff:169.254.169.254]",
        "http://[64:ff9b::a9fe:a9fe]",
        "http://2852039166",
        "http://0xa9fea9fe",
        "http://0251.0376.0251.0376",
        "http://169.254.43518",
        "http://metadata.google.internal",
        "http://METADATA.google.internal.",
        "http://0.0.0.0",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Config(base_url=url)


def test_only_literal_addresses_reach_the_resolver_check() -> None:
    assert refused_address("169.254.169.254")
    assert refused_address("not an address")
    assert not refused_address("192.168.1.4")
    assert not refused_host("app.example.com")


@pytest.mark.parametrize(
    "path", ["api/health", "//evil.example.com/x", "/a/../b", "/a b", "/a\nb", "/${x}", "/a\\b", ""]
)
def test_paths_that_leave_the_host_or_the_line_are_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        Config(base_url=GOOD, health=path)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"signals": {"a": {"path": "/x", "feild": "y"}}}, "feild"),
        ({"signals": {"a": {"kind": "gauge", "path": "/x"}}}, "kind is one of health"),
        ({"signals": {"a": {"kind": "flow", "flow": "auth"}}}, "there is no flow auth"),
        (
            {
                "signals": {"a": {"kind": "flow", "flow": "f", "step": "z"}},
                "flows": {"f": {"steps": {"s": {"path": "/"}}}},
            },
            "no step z",
        ),
        ({"flows": {"f": {"steps": {"s": {"path": "/${token}"}}}}}, "uses ${token}"),
        ({"flows": {"f": {"steps": {"s": {"path": "/", "body": {"a": 1}}}}}}, "a body needs"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers"),
        ({"headers": {"X A": "a"}}, "headers"),
        ({"flows": {"f": {"steps": {}}}}, "at least 1"),
        ({"signals": {"a": {"path": "/x", "below": 1}}}, "need a field"),
        ({"signals": {"a": {"path": "/x", "field": "f", "length": True}}}, "length needs above or below"),
        ({"signals": {"a": {"path": "/x", "field": "f", "equals": 1, "below": 2}}}, "one of equals"),
        ({"signals": {"a": {"kind": "csrf-protection", "request": {"path": "/x"}}}}, "needs method: POST"),
        ({"signals": {"a": {"kind": "auth-enforced", "flow": "f", "request": {"path": "/x"}}}}, "no flow f"),
        ({"signals": {"a": {"kind": "auth-enforced", "request": {"path": "/${x}"}}}}, "uses ${x}"),
        (
            {"signals": {"a": {"kind": "auth-enforced", "request": {"path": "/", "headers": {"Cookie": "a=b"}}}}},
            "may not have the header Cookie",
        ),
        ({"active": {"in_production": True}}, "needs an every of its own"),
        ({"active": {"in_production": True, "every": "5s"}}, "10s or more"),
        (
            {"signals": {"a": {"kind": "rate-limiting", "attempts": 90, "request": {"path": "/x"}}}},
            "would send 90 requests a minute, active allows 60",
        ),
        ({"timeout": "0s"}, "timeout"),
        ({"every": "10ms"}, "every"),
    ],
)
def test_mistakes_are_named(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"base_url": GOOD, **config})
    assert words in str(caught.value)


def test_the_short_form_of_a_health_signal() -> None:
    config = Config.model_validate(
        {"base_url": GOOD, "signals": {"health-web": {"path": "/api/health", "field": "status", "equals": "ok"}}}
    )
    assert config.signals["health-web"].kind == "health"


def test_secrets_are_named_wherever_they_stand() -> None:
    config = Config.model_validate(
        {
            "base_url": GOOD,
            "headers": {"Authorization": {"secret": "env:TOKEN", "prefix": "Bearer "}},
            "flows": {
                "f": {
                    "steps": {
                        "s": {"method": "POST", "path": "/", "body": {"a": {"b": [{"secret": "env:PASSWORD"}]}}},
                    }
                }
            },
        }
    )
    assert secret_names(config) == ["env:TOKEN", "env:PASSWORD"]


DOCUMENT: Any = {"a": {"b": [10, {"c": "x"}]}, "a/b": 1, "t": True, "n": None, "big": float("inf")}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b.0", 10),
        ("a.b.1.c", "x"),
        ("/a/b/1/c", "x"),
        ("/a~1b", 1),
        ("n", None),
        ("a.b.2", MISSING),
        ("a.b.-1", MISSING),
        ("a.b.01", MISSING),
        ("t.x", MISSING),
    ],
)
def test_picking(path: str, found: object) -> None:
    assert pick(DOCUMENT, path) == found


@pytest.mark.parametrize("path", ["t", "n", "a", "big", "zz", "a.b.1.c"])
def test_what_is_no_number(path: str) -> None:
    value, words = number(DOCUMENT, path)
    assert value is None
    assert words


@pytest.mark.parametrize(
    ("expected", "found", "good"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 2, "d": 3}]}}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": None}, {}, False),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": {}}, {"a": 1}, False),
        ("ok", "ok", True),
    ],
)
def test_a_part_of_a_document(expected: Any, found: Any, good: bool) -> None:
    assert (lacking(expected, found) == "") is good
