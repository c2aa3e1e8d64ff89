"""Sends approved requests as they stand, and waits where one names a condition."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

from warroom.api import BadInput, Context, TimedOut, Unreachable, WarroomError
from warroom.model.base import span_text
from warroom.model.call import ApiCall, CallResult
from warroom_kubernetes import calls
from warroom_kubernetes.asking import ApiRefused, Cluster, Gone, NotThere, cluster
from warroom_kubernetes.config import Config
from warroom_kubernetes.finish import Around, Wanted, around, container_of, reasons, settled
from warroom_kubernetes.managers import writers
from warroom_kubernetes.objects import is_ready
from warroom_kubernetes.patching import value_at
from warroom_kubernetes.revisions import Json
from warroom_kubernetes.rollouts import Rollout, rollout
from warroom_kubernetes.stuck import summed, troubles

Say = Callable[[str], None]
WATCH_S = 5
"""How long one watch lasts: what it may have missed, on a connection that has died, is asked for then."""
LOOK_S = 0.3
"""Between two looks at what is still missing once the controller calls it done: endpoints come a moment later."""
TROUBLE_S = 3.0


class KubernetesSender:
    async def send(self, ctx: Context, call: ApiCall, say: Say) -> CallResult:
        async with cluster(ctx) as api:
            if call.until is None:
                result = await api.send(call)
                _said(api, call, result)
                return await _explained(api, call, result)
            if call.until == calls.ROLLED_OUT:
                return await _Waiting(ctx, api, call, say).rolled_out()
            if call.until == calls.REPLACED:
                return await _Waiting(ctx, api, call, say).replaced()
        raise BadInput(f"The condition {call.until} is not known", "this version of the plugin can't wait for it")


def _said(api: Cluster, call: ApiCall, result: CallResult) -> None:
    """A server that fails, or a proxy before it, may do so after the change was taken: its store can time out and
    keep it all the same. Raises ``Unreachable`` then, so that it is looked at what became of it.
    """
    if call.method == "GET" or result.status in call.expect or not (result.status >= 500 or result.status == 408):
        return
    message = result.data.get("message") if isinstance(result.data, dict) else None
    words = " ".join(str(message or result.text).split())[:300] or "it gave no reason"
    title = f"{api.server} answered {result.status}, which leaves open whether the change was made"
    raise Unreachable(title, words)


async def _explained(api: Cluster, call: ApiCall, result: CallResult) -> CallResult:
    """A guard that did not hold, in words: the server itself only says that the patch does not apply."""
    if call.method != "PATCH" or result.status != 422 or not isinstance(call.body, list):
        return result
    try:
        now = await api.get(call.path)
    except WarroomError:
        return result
    moved = [
        str(op["path"])
        for op in call.body
        if isinstance(op, dict) and op["op"] == "test" and value_at(now, str(op["path"])) != op["value"]
    ]
    if not moved:
        return result
    seen = writers(now, ("spec",))
    by = f", last by {seen[0].words}" if seen else ""
    words = f"nothing was changed: somebody changed {', '.join(moved[:3])} since the plan was made{by}"
    return result.model_copy(update={"text": words, "data": None})


class _Waiting:
    def __init__(self, ctx: Context, api: Cluster, call: ApiCall, say: Say) -> None:
        self._ctx = ctx
        self._api = api
        self._call = call
        self._say = say
        self._began = ctx.clock.monotonic()
        self._told = ""
        self._last = "it was not seen yet"
        self._looked = self._began

    @property
    def _left(self) -> float:
        return self._call.timeout_s - (self._ctx.clock.monotonic() - self._began)

    async def rolled_out(self) -> CallResult:
        wanted = Wanted.model_validate(self._call.wanted)
        config: Config = self._ctx.config
        declared = config.workloads.get(wanted.key)
        if declared is None:
            raise BadInput(f"There is no workload {wanted.key}", "it left the runbook", "plan it again")
        while True:
            one = await self._object(wanted.uid)
            if one is not None and (early := self._early(one, wanted)) > 0:
                await self._changed(one, early)
            elif one is not None:
                seen = await around(self._api, declared, one, self._api.namespace)
                how = settled(one, seen, wanted, container_of(config, wanted.key))
                self._tell(how)
                if how.status == "done":
                    return self._answer(one, how.words)
                if how.status == "failed":
                    await self._fail(how.words, one, seen)
                self._trouble(one, seen)
                if self._left <= 0:
                    await self._fail(f"not rolled out in {span_text(self._call.timeout_s)}: {how.words}", one, seen)
                settling = how.wanted == how.updated == how.available and not how.old
                await self._changed(one, LOOK_S if settling else TROUBLE_S)
            elif self._left <= 0:
                raise TimedOut(f"not seen to be rolled out in {span_text(self._call.timeout_s)}", self._last)
            else:
                await self._ctx.clock.sleep(min(1.0, max(0.05, self._left)))

    async def replaced(self) -> CallResult:
        while True:
            try:
                pod = await self._api.get(self._call.path)
            except NotThere:
                self._say("it is gone, and no other of its name is there yet")
            except (Unreachable, TimedOut) as error:
                self._say(f"{error}")
            else:
                name = pod["metadata"]["name"]
                if pod["metadata"].get("uid") != self._call.wanted and is_ready(pod):
                    return self._answer(pod, f"{name} was made again, and is ready")
                ill = summed(troubles({}, [pod], (), self._ctx.clock.now()))
                self._last = f"{name} is not made again and ready{': ' + ill if ill else ''}"
            if self._left <= 0:
                raise WarroomError(f"not replaced in {span_text(self._call.timeout_s)}", self._last)
            await self._ctx.clock.sleep(LOOK_S)

    async def _object(self, uid: str) -> Json | None:
        """As it is now; None where the cluster can't be asked just now. Raises where it is gone, or another."""
        try:
            one = await self._api.get(self._call.path)
        except NotThere as error:
            raise WarroomError("What is waited for is gone", error.cause, "somebody deleted it") from None
        except (Unreachable, TimedOut) as error:
            self._last = str(error)
            self._say(f"the cluster does not answer: {error}")
            return None
        except ApiRefused as error:
            if error.status < 500 and error.status != 429:
                raise
            self._last = str(error)
            return None
        if one["metadata"].get("uid") != uid:
            raise WarroomError("What is waited for was deleted and made again", self._call.path, "plan it again")
        return one

    def _early(self, one: Json, wanted: Wanted) -> float:
        """For how many seconds its own status is enough: its pods are only looked at now and then while it goes on."""
        how = rollout(one, zero=wanted.zero)
        if how.status != "waiting":
            return 0.0
        self._tell(how)
        since = self._ctx.clock.monotonic() - self._looked
        return min(TROUBLE_S - since, self._left)

    async def _changed(self, one: Json, seconds: float) -> None:
        """Returns when the object may have changed, or after ``seconds``."""
        seconds = max(0.05, min(seconds, self._left))
        if seconds <= LOOK_S:
            await self._ctx.clock.sleep(seconds)
            return
        folder, _, name = self._call.path.rpartition("/")
        query = {
            "watch": True,
            "fieldSelector": f"metadata.name={name}",
            "resourceVersion": one["metadata"]["resourceVersion"],
            "timeoutSeconds": WATCH_S,
        }
        stream = self._api.stream(folder, query, silence=seconds)
        try:
            # What does not speak in that time is asked: a connection may be dead without anybody having said so.
            async with contextlib.aclosing(stream) as lines:
                async for line in lines:
                    if json.loads(line).get("type") in ("ADDED", "MODIFIED", "DELETED", "ERROR"):
                        return
        except (TimedOut, Gone):
            return
        except (Unreachable, ApiRefused, ValueError):
            await self._ctx.clock.sleep(min(0.5, seconds))

    def _tell(self, how: Rollout) -> None:
        self._last = how.words
        if how.words != self._told:
            self._told = how.words
            self._say(how.words)

    def _trouble(self, one: Json, seen: Around) -> None:
        """Said at once, and not yet a failure: an image may still come. What no waiting mends ends it."""
        found = troubles(one, list(seen.pods), (), self._ctx.clock.now())
        if hopeless := [each for each in found if each.hopeless]:
            raise WarroomError("The rollout can't come to its end", hopeless[0].words)
        now = self._ctx.clock.monotonic()
        if now - self._looked >= TROUBLE_S:
            self._looked = now
            if found:
                self._say(summed(found))

    async def _fail(self, words: str, one: Json, seen: Around) -> None:
        found = await reasons(self._ctx, self._api, one, seen.pods)
        raise WarroomError(words, "\n".join(found[:12]) or "nothing is seen to be the matter with its pods")

    def _answer(self, one: Json, words: str) -> CallResult:
        seconds = self._ctx.clock.monotonic() - self._began
        head = {key: one["metadata"].get(key) for key in ("name", "uid", "generation", "resourceVersion")}
        return CallResult(status=200, text=words, data={"metadata": head}, seconds=seconds)
