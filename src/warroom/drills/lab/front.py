"""The lab's front door: one address for as long as the lab lives, whatever release is behind it."""

from __future__ import annotations

from collections import Counter

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from warroom.drills.lab.listening import listen
from warroom.drills.lab.release_process import ReleaseProcess

_SAFE = {"GET", "HEAD", "OPTIONS"}
# What concerns one connection only and is not passed on (RFC 9110, 7.6.1); a length is set anew where there is a body.
_HOP_BY_HOP = {
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


class Front:
    """Passes requests on to the current release. With ``writes_stopped`` it refuses what isn't a read, with 503."""

    def __init__(self) -> None:
        self.port = 0
        self.writes_stopped = False
        self.answers: Counter[int] = Counter()
        """How many answers of each status it has given since the lab began, warroom's own requests among them."""
        self._release: ReleaseProcess | None = None
        self._runner = web.ServerRunner(web.Server(self._handle), access_log=None, shutdown_timeout=1.0)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def point_at(self, release: ReleaseProcess | None) -> None:
        """New requests go there; those under way finish where they are."""
        self._release = release

    async def start(self, port: int = 0) -> None:
        await self._runner.setup()
        self.port = await listen(self._runner, port)

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await self._answer(request)
        self.answers[response.status] += 1
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        release = self._release
        if self.writes_stopped and request.method not in _SAFE:
            return _said(503, "writes are stopped", {"Retry-After": "5"})
        if release is None:
            return _said(503, "no release is running")
        release.in_flight += 1
        try:
            return await self._pass_on(request, release)
        except TimeoutError:
            return _said(504, "the service did not answer in time")
        except (aiohttp.ClientError, OSError):
            return _said(502, "the service can't be reached")
        finally:
            release.in_flight -= 1

    @staticmethod
    async def _pass_on(request: web.BaseRequest, release: ReleaseProcess) -> web.StreamResponse:
        body = await request.read() if request.body_exists else None
        headers = _end_to_end(request.headers)
        headers["Host"] = request.host
        url = f"http://app{request.raw_path}"
        asked = release.upstream.request(request.method, url, headers=headers, data=body, allow_redirects=False)
        async with asked as answer:
            data = await answer.read()
        return web.Response(status=answer.status, body=data, headers=_end_to_end(answer.headers))


def _end_to_end(headers: object) -> CIMultiDict[str]:
    kept: CIMultiDict[str] = CIMultiDict(headers)  # type: ignore[arg-type]  # both kinds of header are multidicts
    for name in _HOP_BY_HOP:
        kept.popall(name, None)
    return kept


def _said(status: int, error: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": error}, status=status, headers=headers)
