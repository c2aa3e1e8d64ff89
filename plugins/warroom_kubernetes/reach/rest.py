"""``kubernetes.aio``'s own REST client, held to what this house allows: no redirect, no ``.netrc``, no cookie, and no
address that ``warroom.model.address`` refuses. Imported late, in a thread: it takes half a second."""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject, RESTResponse

from warroom.api import DoorRefused
from warroom.model.address import refused_address
from warroom_kubernetes.reach import tls
from warroom_kubernetes.reach.gojson import go_json
from warroom_kubernetes.reach.kubeconfig import Reach
from warroom_kubernetes.reach.login import Login

if TYPE_CHECKING:
    from multidict import CIMultiDict

_PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=30)
"""How long a question may take is held around it."""
BUFFER = 2**18
IDLE_S = 20.0
"""How long a connection is kept that nobody uses: less than what lies between usually does."""
SILENT_S = 15
"""How long nothing may come over a connection before the machine itself asks whether the other end is there: what lies
between forgets one that is quiet, and says so to nobody. Three questions go unanswered until it counts as ended."""
ASKED_S, ASKED_TIMES = 5, 3


def _connection(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", SILENT_S), ("TCP_KEEPINTVL", ASKED_S), ("TCP_KEEPCNT", ASKED_TIMES)):
        if (option := getattr(socket, name, None)) is not None:  # macOS has no TCP_KEEPIDLE of this name
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made


class Checked(AbstractResolver):
    """Resolves a name, and refuses it if any of its addresses is refused."""

    def __init__(self) -> None:
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for one in found:
            if reason := refused_address(one["host"]):
                raise DoorRefused(f"{host} was not asked", f"it resolves to {one['host']}: {reason}")
        return found

    async def close(self) -> None:
        await self._inner.close()


async def _unrepeated(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """aiohttp would send a PUT or a DELETE again whose connection ended without an answer: it may have been done."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error) or "the connection ended without an answer") from error


class _Session:
    """What the REST client needs of one."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(self, **args: Any) -> aiohttp.ClientResponse:
        if isinstance(args.get("data"), str):
            args["data"] = go_json(json.loads(args["data"]))
        return await self._session.request(**{**args, "allow_redirects": False})

    async def close(self) -> None:
        await self._session.close()


class Rest(RESTClientObject):
    def __init__(self, reach: Reach, login: Login, once: bool = False) -> None:
        """``once``: a connection is used for one request alone, and that is sent no second time."""
        self._once = once
        configuration = Configuration(host=reach.server)
        configuration.proxy = reach.proxy or None
        configuration.tls_server_name = reach.tls_server_name or None
        super().__init__(configuration)
        self.ssl_context = tls.context(reach.ca, reach.insecure, login.certificate, login.key, reach.source)

    def _create_pool_manager(self) -> Any:
        kept = {"force_close": True} if self._once else {"keepalive_timeout": IDLE_S}
        connector = aiohttp.TCPConnector(
            limit=0, ssl=self.ssl_context, resolver=Checked(), socket_factory=_connection, **kept
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            read_bufsize=BUFFER,
            middlewares=(_unrepeated,) if self._once else (),
        )
        return _Session(session)

    async def sent(self, method: str, url: str, headers: CIMultiDict[str], body: Any) -> aiohttp.ClientResponse:
        """Its answer, whose body is still to be read."""
        request: Callable[..., Awaitable[RESTResponse]] = super().request
        answer = await request(method, url, headers=headers, body=body, _request_timeout=_PATIENCE)
        return cast(aiohttp.ClientResponse, answer.response)
