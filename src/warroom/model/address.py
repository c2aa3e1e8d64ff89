"""Which network addresses warroom never asks: link-local ones and cloud metadata services, however they are written.

A name can resolve to one of these, so whoever connects checks the resolved address too.
"""

from __future__ import annotations

import ipaddress
import re

HOST = re.compile(
    r"^(?=.{1,253}$)(?!-)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$"
)
"""A host name: labels of letters, digits, ``-`` and ``_``, never beginning with ``-``."""

_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254")
)
_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NUMERIC = re.compile(r"^(?:0[xX][0-9A-Fa-f]*|[0-9]+)$")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def refused_host(host: str) -> str:
    """Why a host as written (name or literal address, without brackets) must not be asked; empty when it may be.

    Forms that only a lenient resolver takes for an address (``2852039166``, ``0xa9fea9fe``, ``127.1``) are refused:
    nobody writes them by accident.
    """
    bare = host.removeprefix("[").removesuffix("]")
    literal = _literal(bare.split("%", 1)[0])
    if literal is not None:
        return refused_address(literal)
    name = bare.rstrip(".").lower()
    if name in _NAMES:
        return f"{name} is a cloud metadata service"
    if not HOST.fullmatch(bare):
        return f"{host!r} is not a host name"
    if _NUMERIC.fullmatch(name.rsplit(".", 1)[-1]):
        return f"{host!r} is neither a host name nor an address in its usual form"
    return ""


def refused_address(address: str | Address) -> str:
    """Why an address must not be connected to; empty when it may be. What is not an address at all is refused too."""
    found = _literal(address.split("%", 1)[0]) if isinstance(address, str) else address
    if found is None:
        return f"{address!r} is not an address"
    for inner in (found, *_carried(found)):
        if inner in _METADATA:
            return f"{found} is a cloud metadata service"
        if inner.is_link_local:
            return f"{found} is a link-local address"
        if inner.is_multicast:
            return f"{found} is a multicast address"
        if inner.is_unspecified:
            return f"{found} is no address of a host"
    return ""


def _literal(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _carried(address: Address) -> list[Address]:
    """IPv4 addresses that an IPv6 address carries: mapped, 6to4, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    inner: list[Address] = [found for found in (address.ipv4_mapped, address.sixtofour) if found is not None]
    if address in _NAT64:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return inner
