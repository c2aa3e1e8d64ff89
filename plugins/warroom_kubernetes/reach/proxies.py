"""Which proxy leads to a cluster, as kubectl finds it: the kubeconfig's, else the environment's."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from warroom.api import BadInput
from warroom.model.address import refused_host


def proxy_for(server: str, own: str, env: Mapping[str, str], source: str) -> str:
    """The proxy's address, with its password where it has one; empty for none. ``own`` is the kubeconfig's."""
    if own:
        return _usable(own, f"{source}: proxy-url")
    parts = urlsplit(server)
    name = "HTTPS_PROXY" if parts.scheme == "https" else "HTTP_PROXY"
    found = env.get(name) or env.get(name.lower()) or ""
    if not found or _direct(parts.hostname or "", parts.port or 443, env.get("NO_PROXY") or env.get("no_proxy") or ""):
        return ""
    return _usable(found if "://" in found else f"http://{found}", name)


def _usable(text: str, source: str) -> str:
    hint = "correct the proxy's address"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
        parts = urlsplit("")
    if parts.scheme.startswith("socks"):
        raise BadInput(
            "The proxy can't be used", f"{source}: SOCKS is not spoken here", "use an http:// or https:// one"
        )
    if parts.scheme not in ("http", "https") or not host or not text.isprintable():
        raise BadInput("The proxy can't be used", f"{source}: http://HOST:PORT was expected", hint)
    if refused := refused_host(host):
        raise BadInput("The proxy can't be used", f"{source}: {refused}", hint)
    return text


def _direct(host: str, port: int, exceptions: str) -> bool:
    """As Go reads NO_PROXY: ``*``, addresses, networks, names with what is below them, each with a port or none.
    This machine itself is never asked through a proxy."""
    name = host.rstrip(".").lower()
    address = _address(name)
    if name == "localhost" or (address is not None and address.is_loopback):
        return True
    for part in (one.strip().lower() for one in exceptions.split(",")):
        if part == "*" or (part and _meant(part, name, address, port)):
            return True
    return False


def _meant(part: str, name: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, port: int) -> bool:
    if (network := _network(part)) is not None:
        return address is not None and address in network
    bare, colon, own = part.rpartition(":")
    if colon and own.isdigit() and (":" not in bare or bare.endswith("]")):
        if int(own) != port:
            return False
        part = bare.strip("[]")
        if _address(part) is not None:
            return _address(part) == address
    part = part.removeprefix("*")
    return name.endswith(part) if part.startswith(".") else name == part or name.endswith(f".{part}")


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """None for a name, or for something with a port."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
