"""The API over HTTP: paths, verbs, subresources, content types; the errors as a Status."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.kube import discovery
from tests.kube.access import Access
from tests.kube.api import Api, Write
from tests.kube.errors import ApiError, no_such_path
from tests.kube.kubelet import Kubelet
from tests.kube.levers import Levers
from tests.kube.lists import Scope, Watches, page
from tests.kube.patches import oddly_written
from tests.kube.resources import BY_PATH, METRICS, REVIEWS, Resource
from tests.kube.scales import scale_of, scaled
from tests.kube.steering import Seen
from tests.kube.store import Obj
from tests.kube.usage import usage_of

BOOKMARK_S = 60.0
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
BODIES = (
    "application/json",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
"""No protobuf, no YAML: what is sent must be JSON."""

OPEN = ("/version", "/healthz", "/readyz", "/livez")


@dataclass(frozen=True)
class Target:
    """What a path names."""

    of: Resource
    namespace: str
    name: str
    sub: str

    @property
    def resource(self) -> str:
        return f"{self.of.plural}/{self.sub}" if self.sub else self.of.plural


def target_of(path: str) -> Target:
    words = path.strip("/").split("/")
    if words[0] == "api" and len(words) > 2:
        group, version, rest = "", words[1], words[2:]
    elif words[0] == "apis" and len(words) > 3:
        group, version, rest = words[1], words[2], words[3:]
    else:
        raise no_such_path()
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and (group, rest[2]) not in (("", "status"), ("", "finalize")):
        namespace, rest = rest[1], rest[2:]
    of = BY_PATH.get((group, version, rest[0]))
    for one in (*REVIEWS, *METRICS):
        if (one.group, one.version, one.plural) == (group, version, rest[0]):
            of = one
    if of is None or len(rest) > 3 or (namespace and not of.namespaced):
        raise no_such_path()
    target = Target(of, namespace, rest[1] if len(rest) > 1 else "", rest[2] if len(rest) > 2 else "")
    if (target.sub and target.sub not in of.subresources) or (of.namespaced and target.name and not namespace):
        raise no_such_path()
    return target


def manager_of(request: web.BaseRequest) -> str:
    """As the server names a writer that gives no name: its user agent up to the slash."""
    given = request.query.get("fieldManager", "")
    return given or request.headers.get("User-Agent", "unknown").partition("/")[0][:128]


class Server:
    def __init__(self, api: Api, levers: Levers, access: Access, watches: Watches, kubelet: Kubelet) -> None:
        self.api, self.levers, self.access, self.watches, self.kubelet = api, levers, access, watches, kubelet
        self.seen: list[dict[str, Any]] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        seen = self._note(request, body)
        try:
            answer = await self._answer(request, body, seen)
        except ApiError as error:
            answer = web.json_response(error.status(), status=error.code)
        await self.levers.speaking.wait()
        if not seen["status"]:
            seen["status"] = answer.status
            whole = answer.body if isinstance(answer, web.Response) else b""
            seen["sent"] += len(whole) if isinstance(whole, bytes) else 0
        return answer

    def _note(self, request: web.BaseRequest, body: bytes) -> dict[str, Any]:
        seen = Seen(
            request.method,
            request.path,
            dict(request.query),
            request.content_type if body else "",
            "",
            request.headers.get("User-Agent", ""),
            0,
            len(body),
            0,
        )
        self.seen.append(dict(seen.__dict__))
        return self.seen[-1]

    async def _answer(self, request: web.BaseRequest, body: bytes, seen: dict[str, Any]) -> web.StreamResponse:
        await self.levers.speaking.wait()
        if seconds := self.levers.wait(request.path):
            await asyncio.sleep(seconds)
        if failing := self.levers.failure(request.method, request.path):
            error = ApiError(failing.status, "steered: this request fails", failing.reason)
            headers = {"Retry-After": str(failing.wait_s)} if failing.wait_s else {}
            return web.json_response(error.status(), status=failing.status, headers=headers)
        seen["user"] = user = self.access.user(request.headers.get("Authorization", ""), _common_name(request))
        if request.path in OPEN or request.path.strip("/").count("/") < 3:
            found = discovery.answer(request.path, self.levers.metrics)
            if found is not None:
                if isinstance(found, str):
                    return web.Response(text=found)
                return web.json_response(found)
        target = target_of(request.path)
        return await self._resource(request, target, user, body, seen)

    async def _resource(
        self, request: web.BaseRequest, target: Target, user: str, body: bytes, seen: dict[str, Any]
    ) -> web.StreamResponse:
        of, query = target.of, request.query
        watching = query.get("watch") in ("true", "1")
        if of in METRICS and not self.levers.metrics:
            raise no_such_path()
        verb = VERBS.get(request.method, "get")
        if request.method == "GET" and not target.name:
            verb = "watch" if watching else "list"
        if verb == "delete" and not target.name:
            verb = "deletecollection"
        if verb not in of.verbs or (verb == "create" and target.name and target.sub != "eviction"):
            raise ApiError(405, "the server does not allow this method on the requested resource")
        if of not in REVIEWS:
            self.access.check(user, verb, of.group, target.resource, target.namespace, target.name)
        if target.sub == "log":
            return await self._log(request, target, seen)
        if verb == "watch":
            scope = Scope.of_query(of, target.namespace, target.name, query)
            scope.test()
            lines = self.watches.lines(scope, query, lambda: BOOKMARK_S)
            return await self._stream(request, lines, seen, "application/json")
        if verb == "list":
            if of in METRICS:
                return web.json_response(usage_of(self.api, self.levers, of, target.namespace, "", query))
            text = page(self.api.store, Scope.of_query(of, target.namespace, "", query), query)
            return web.Response(body=text, content_type="application/json")
        if verb == "get":
            return web.json_response(self._get(target, query))
        return self._write(request, verb, target, user, body)

    def _get(self, target: Target, query: Any) -> Any:
        if target.of in METRICS:
            return usage_of(self.api, self.levers, target.of, target.namespace, target.name, query)
        obj = self.api.read(target.of, target.namespace, target.name)
        return scale_of(target.of, obj) if target.sub == "scale" else obj

    def _write(self, request: web.BaseRequest, verb: str, target: Target, user: str, body: bytes) -> web.Response:
        if body and request.content_type not in BODIES:
            kind = request.content_type
            raise ApiError(415, f"the body of the request was in an unknown format - accepted media types: not {kind}")
        try:
            data = json.loads(body) if body else None
        except ValueError as error:
            raise ApiError(400, f"error decoding the body: {error}") from None
        dry = request.query.getall("dryRun", [])
        if any(one != "All" for one in dry):
            raise ApiError(422, f'dryRun: Unsupported value: "{dry[0]}": supported values: "All"', "Invalid")
        if isinstance(data, dict) and verb in ("delete", "deletecollection"):
            dry = dry or data.get("dryRun") or []
        odd = oddly_written(body) if request.content_type.endswith("json-patch+json") else frozenset[str]()
        how = Write(manager_of(request), bool(dry), odd, target.sub == "status")
        api, of, space, name = self.api, target.of, target.namespace, target.name
        if of in REVIEWS:
            return web.json_response(self.access.review(of.plural, data, user), status=201)
        if verb == "create" and target.sub == "eviction":
            self.kubelet.evict(of, space, name, data, how)
            return web.json_response({"kind": "Status", "apiVersion": "v1", "status": "Success"}, status=201)
        if verb == "create":
            return web.json_response(api.create(of, space, data, how), status=201)
        if target.sub == "scale":
            kind = request.content_type if verb == "patch" else ""
            return web.json_response(scaled(api, of, space, name, kind, data, how))
        if verb == "update":
            return web.json_response(api.update(of, space, name, data, how))
        if verb == "patch":
            return web.json_response(api.patch(of, space, name, request.content_type, data, how))
        options = {**(data or {}), **{key: value for key, value in request.query.items() if key == "propagationPolicy"}}
        if (grace := request.query.get("gracePeriodSeconds")) is not None:
            options["gracePeriodSeconds"] = int(grace)
        if verb == "delete":
            return web.json_response(_deleted(api, of, api.delete(of, space, name, options, how)))
        scope = Scope.of_query(of, space, "", request.query)
        test = scope.test()
        for obj in [one for one in api.store.all(of.key, space) if test(one)]:
            api.delete(of, obj["metadata"].get("namespace", ""), obj["metadata"]["name"], options, how)
        return web.json_response({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    async def _log(self, request: web.BaseRequest, target: Target, seen: dict[str, Any]) -> web.StreamResponse:
        pod = self.api.read(target.of, target.namespace, target.name)
        lines = self.kubelet.logs.read(pod, request.query)
        return await self._stream(request, lines, seen, "text/plain")

    async def _stream(
        self, request: web.BaseRequest, lines: AsyncIterator[bytes], seen: dict[str, Any], kind: str
    ) -> web.StreamResponse:
        """As it comes; what was refused before the first line is an answer of its own."""
        answer = web.StreamResponse(headers={"Content-Type": kind})
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        try:
            async for line in lines:
                await self.levers.speaking.wait()
                await answer.write(line)
                seen["sent"] += len(line)
            await answer.write_eof()
        except ConnectionError:
            pass  # The client has gone: nobody is left to tell.
        finally:
            seen["status"] = answer.status
        return answer


def _deleted(api: Api, of: Resource, obj: Obj) -> Obj:
    """A pod, and what waits for somebody, is given as it stands; of what is gone there is only a Status."""
    meta = obj["metadata"]
    now = api.store.get(of.key, meta.get("namespace", ""), meta["name"])
    if of.plural in ("pods", "namespaces") or (now and now["metadata"]["uid"] == meta["uid"]):
        return obj
    details = {"name": meta["name"], "group": of.group, "kind": of.plural, "uid": meta["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _common_name(request: web.BaseRequest) -> str:
    transport = request.transport
    peer = transport.get_extra_info("peercert") if transport else None
    names: dict[str, str] = {name: value for part in (peer or {}).get("subject", ()) for name, value in part}
    return names.get("commonName", "")
