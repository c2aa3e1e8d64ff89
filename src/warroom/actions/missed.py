"""Why something could not be reached, by what the transport says: is it the other side, or this machine?

A service that is away has to fire; a laptop without a network, a name written wrongly or a certificate that only this
machine doesn't trust must not. An expired certificate is the service's own: nobody gets in.
"""

from __future__ import annotations

import errno
import os
import ssl
from collections.abc import Iterator

from warroom.errors import CannotLook, Unreachable

_OURS = frozenset({errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.EACCES})
_EXPIRED = 10
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED."""
NO_TRUST = "let this machine trust who signed it (SSL_CERT_FILE), and write the host as its certificate names it"
NO_TLS = "check the address: is that port without TLS, or another program's?"
OWN_NETWORK = "check this machine's own network"


def missed(where: str, error: BaseException) -> Unreachable:
    """``where`` is the host and the port. Looks through what the error was made from."""
    title = f"{where} could not be reached"
    chain = list(_made_from(error))
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            why = f"its certificate is not accepted: {one.verify_message}"
            return Unreachable(title, why) if one.verify_code == _EXPIRED else CannotLook(title, why, NO_TRUST)
        if isinstance(one, ssl.SSLError) and not isinstance(one, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return CannotLook(title, f"what answers does not speak TLS as expected: {one.reason or one}", NO_TLS)
    for one in chain:
        if isinstance(one, OSError) and one.errno in _OURS:
            return CannotLook(title, os.strerror(one.errno).lower(), OWN_NETWORK)
    known = next((one.errno for one in reversed(chain) if isinstance(one, OSError) and one.errno), None)
    return Unreachable(title, os.strerror(known).lower() if known else str(error) or type(error).__name__)


def _made_from(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and every one that it was made from, outermost first."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        waiting.append(one.__cause__ or one.__context__)
