"""Why no answer came, in this house's words."""

from __future__ import annotations

import os
import ssl
from urllib.parse import urlsplit

from warroom.api import CannotLook, TimedOut, Unreachable
from warroom_kubernetes.reach.kubeconfig import Reach


def missed(reach: Reach, error: Exception) -> Unreachable | TimedOut:
    """``CannotLook`` for what says nothing of the cluster: a name, a certificate or a proxy that stands in the way."""
    import aiohttp

    title = f"{reach.server} could not be reached"
    if isinstance(error, aiohttp.ServerTimeoutError):
        return TimedOut(f"{reach.server} did not answer", "no connection was made", "is the way to it open?")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return CannotLook(title, f"the proxy {_proxy(reach)} answered {error.status}", "is it the right proxy?")
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return CannotLook(title, f"the proxy {_proxy(reach)}: {_why(error)}", "is it the right proxy?")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        host = _proxy(reach) if reach.proxy else urlsplit(reach.server).hostname
        return CannotLook(title, f"{host} can't be resolved", "check the name, and this machine's own network")
    if (trust := _certificate(error)) is not None:
        hint = f"check certificate-authority and tls-server-name in {reach.source}"
        return CannotLook(title, f"its certificate is not trusted: {trust}", hint)
    if "ALERT" in str(error).upper() and isinstance(error, ssl.SSLError | aiohttp.ClientError):
        hint = f"check client-certificate in {reach.source}"
        return CannotLook(title, f"it refused the client certificate: {_why(error)}", hint)
    return Unreachable(title, _why(error), "is the way to it open, and the context the right one?")


def _certificate(error: BaseException) -> str | None:
    """Why OpenSSL does not trust it; None where something else is wrong."""
    inner = error.__cause__ or error.__context__
    own = getattr(error, "certificate_error", None)
    for one in (own, error, inner):
        if isinstance(one, ssl.SSLCertVerificationError):
            return one.verify_message or str(one)
    return None


def _why(error: BaseException) -> str:
    import aiohttp

    if isinstance(error, aiohttp.ClientPayloadError):
        return "the connection ended in the middle of an answer"
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number > 0 and not isinstance(error, ssl.SSLError):
        return os.strerror(number).lower()
    return str(error)[:300] or type(error).__name__


def _proxy(reach: Reach) -> str:
    parts = urlsplit(reach.proxy)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
