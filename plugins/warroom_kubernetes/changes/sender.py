"""Sends approved requests as they stand, and waits where one names a condition."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from warroom.api import BadInput, Context, TimedOut, Unreachable, WarroomError
from warroom.model.base import span_text
from warroom.model.call import ApiCall, CallResult
from warroom_kubernetes.changes import calls
from warroom_kubernetes.changes.following import Followed, followed
from warroom_kubernetes.changes.patching import value_at
from warroom_kubernetes.config import Config, Workload
from warroom_kubernetes.objects.fields import is_ready
from warroom_kubernetes.objects.lengths import SENTENCE, cut
from warroom_kubernetes.objects.managers import writers
from warroom_kubernetes.objects.revisions import Json
from warroom_kubernetes.objects.rollouts import Rollout, deadline_of, rollout
from warroom_kubernetes.objects.stuck import summed, troubles
from warroom_kubernetes.reach.asking import ApiRefused, Cluster, NotThere, cluster, server_now
from warroom_kubernetes.workload.completion import (
    Around,
    Wanted,
    around,
    beyond_waiting,
    container_of,
    reasons,
    settled,
)
from warroom_kubernetes.workload.version import word_of

Say = Callable[[str], None]
T = TypeVar("T")
LOOK_S = 0.3
"""Between two looks at what is still missing once the controller calls it done: endpoints come a moment later."""
TROUBLE_S = 3.0
"""Without any news for so long, its pods are looked at."""
SILENT_S = 5.0
"""And for so long, it is asked for itself: its watch may have died without anybody having said so."""
SELDOM_S = 15.0
"""How often they are while it gets on."""
WORD_S = 15.0
"""For so long after a rollout the app may still call itself something else, or nothing."""
LATE_S = 5.0
"""For so long a deadline that has passed may be that of the template before: the first pod that comes or goes ends it.
"""
UID = "/metadata/uid"


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
    """Why it was refused, in words: of a guard that did not hold the server only says that the patch does not apply."""
    if result.status in call.expect:
        return result
    message = result.data.get("message") if isinstance(result.data, dict) else None
    if isinstance(message, str) and message:
        words = f"nothing was changed: {cut(' '.join(message.split()), SENTENCE)}"
        result = result.model_copy(update={"text": words, "data": None})
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
    if UID in moved:
        words = (
            f"nothing was changed: {call.path.rpartition('/')[2]} was deleted and made again since the plan was made"
        )
        return result.model_copy(update={"text": words, "data": None})
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
        self._told = self._ill = ""
        self._last = "it was not seen yet"
        self._looked = self._moved = self._began
        self._word: bool | None = True
        """What the app last said of itself, and since when."""
        self._since = self._began
        self._deadline: str | None = None
        """Since when its deadline had passed as it was first looked at; empty where it had not."""

    @property
    def _left(self) -> float:
        return self._call.timeout_s - (self._ctx.clock.monotonic() - self._began)

    async def rolled_out(self) -> CallResult:
        wanted = Wanted.model_validate(self._call.wanted)
        config: Config = self._ctx.config
        declared = config.workloads.get(wanted.key)
        if declared is None:
            raise BadInput(f"There is no workload {wanted.key}", "it left the runbook", "plan it again")
        async with followed(self._api, self._call.path, self._ctx.clock) as thing:
            one = await self._object(thing, wanted.uid)
            while True:
                if one is None and self._left <= 0:
                    raise TimedOut(f"not seen to be rolled out in {span_text(self._call.timeout_s)}", self._last)
                if one is None:
                    await self._ctx.clock.sleep(min(1.0, max(0.05, self._left)))
                    one = await self._object(thing, wanted.uid)
                    continue
                pause = self._early(one, wanted)
                if pause <= 0:
                    seen = await self._asked(around(self._api, declared, one, self._api.namespace))
                    if seen is None:
                        one = None
                        continue
                    how = settled(one, seen, wanted, container_of(config, wanted.key))
                    if self._may_be_of_before(one, wanted, how):
                        how = replace(how, status="waiting")
                    if how.status == "done":
                        how = await self._by_its_word(how, wanted, declared)
                    self._tell(how)
                    if how.status == "done":
                        return self._answer(one, how.words)
                    await self._not_done(one, seen, how)
                    settling = how.wanted == how.updated == how.available and not how.old
                    pause = LOOK_S if settling else TROUBLE_S
                one = await self._newer(thing, one, wanted.uid, pause)

    def _may_be_of_before(self, one: Json, wanted: Wanted, how: Rollout) -> bool:
        """A deadline that had passed when it was first looked at. ``late`` goes by who wrote the template when, and of
        a rollback that only takes fields away nobody is the writer.
        """
        if self._deadline is None:
            self._deadline = deadline_of(one)
        same = bool(self._deadline) and deadline_of(one) == self._deadline
        young = self._ctx.clock.monotonic() - self._began < LATE_S
        return same and young and how.status == "failed" and how == rollout(one, zero=wanted.zero)

    async def _by_its_word(self, how: Rollout, wanted: Wanted, declared: Workload) -> Rollout:
        """Where the app is asked what it is, it must say so too. An old pod may still answer for a moment. Raises
        ``TimedOut`` where it does not say: then nobody knows.
        """
        word = await word_of(self._ctx, self._api, declared, wanted.version)
        if word is None:
            return how
        if word.same:
            return replace(how, words=f"{how.words}; {word.words}")
        now = self._ctx.clock.monotonic()
        if word.same is not self._word:
            self._word, self._since = word.same, now
        words = f"{how.words}; yet {word.words}"
        if now - self._since < WORD_S:
            return replace(how, status="waiting", words=words)
        if word.same is None:
            raise TimedOut(words, "whether that is what was meant can't be told", "look at what the app runs")
        return replace(how, status="failed", words=words)

    async def _not_done(self, one: Json, seen: Around, how: Rollout) -> None:
        """Raises where it won't be any more."""
        if how.status == "failed":
            await self._fail(how.words, one, seen)
        await self._trouble(one, seen)
        if self._left <= 0:
            await self._fail(f"not rolled out in {span_text(self._call.timeout_s)}: {how.words}", one, seen)

    async def _newer(self, thing: Followed, one: Json, uid: str, seconds: float) -> Json | None:
        """As soon as it changes; after ``seconds`` the same, asked for where nothing was heard of it for a while."""
        now = await thing.news(max(0.05, min(seconds, self._left)))
        if now is not None:
            return self._same(now, uid)
        silent = self._ctx.clock.monotonic() - thing.heard
        return one if thing.watches and silent < SILENT_S else await self._object(thing, uid)

    async def replaced(self) -> CallResult:
        while True:
            pod = None
            try:
                pod = await self._asked(self._api.get(self._call.path))
            except NotThere:
                self._say("it is gone, and no other of its name is there yet")
            if pod is not None:
                name = pod["metadata"]["name"]
                if pod["metadata"].get("uid") != self._call.wanted and is_ready(pod):
                    return self._answer(pod, f"{name} was made again, and is ready")
                ill = summed(troubles({}, [pod], (), server_now(self._ctx)))
                self._last = f"{name} is not made again and ready{': ' + ill if ill else ''}"
            if self._left <= 0:
                raise WarroomError(f"not replaced in {span_text(self._call.timeout_s)}", self._last)
            await self._ctx.clock.sleep(LOOK_S)

    async def _object(self, thing: Followed, uid: str) -> Json | None:
        """As it is now; None where the cluster can't be asked just now. Raises where it is gone, or another."""
        try:
            one = await self._asked(thing.ask())
        except NotThere as error:
            raise WarroomError("What is waited for is gone", error.cause, "somebody deleted it") from None
        return None if one is None else self._same(one, uid)

    def _same(self, one: Json, uid: str) -> Json:
        if one["metadata"].get("uid") != uid:
            raise WarroomError("What is waited for was deleted and made again", self._call.path, "plan it again")
        return one

    async def _asked(self, question: Awaitable[T]) -> T | None:
        """None where the cluster does not answer just now, fails, or has too much to do: it is asked again."""
        try:
            return await question
        except (Unreachable, TimedOut) as error:
            self._last = str(error)
            self._say(f"the cluster does not answer: {error}")
        except ApiRefused as error:
            if error.status < 500 and error.status != 429:
                raise
            self._last = str(error)
        return None

    def _early(self, one: Json, wanted: Wanted) -> float:
        """For how many seconds its own status is enough: its pods are only looked at now and then while it gets on."""
        how = rollout(one, zero=wanted.zero)
        if how.status != "waiting":
            return 0.0
        now = self._ctx.clock.monotonic()
        if how.words != self._told:
            self._moved = now
        self._tell(how)
        due = min(max(self._looked, self._moved) + TROUBLE_S, self._looked + SELDOM_S)
        return min(due - now, self._left)

    def _tell(self, how: Rollout) -> None:
        self._last = how.words
        if how.words != self._told:
            self._told = how.words
            self._say(how.words)

    async def _trouble(self, one: Json, seen: Around) -> None:
        """Said at once, and not yet a failure: an image may still come. What no waiting mends ends it."""
        found = troubles(one, list(seen.pods), (), server_now(self._ctx))
        if beyond_waiting(one, seen, found):
            await self._fail("The rollout can't come to its end", one, seen)
        now = self._ctx.clock.monotonic()
        if now - self._looked >= TROUBLE_S:
            self._looked = now
            if found and (words := summed(found)) != self._ill:
                self._ill = words
                self._say(words)

    async def _fail(self, words: str, one: Json, seen: Around) -> None:
        found = await reasons(self._ctx, self._api, one, seen.pods)
        raise WarroomError(words, "\n".join(found[:12]) or "nothing is seen to be the matter with its pods")

    def _answer(self, one: Json, words: str) -> CallResult:
        seconds = self._ctx.clock.monotonic() - self._began
        head = {key: one["metadata"].get(key) for key in ("name", "uid", "generation", "resourceVersion")}
        return CallResult(status=200, text=words, data={"metadata": head}, seconds=seconds)
