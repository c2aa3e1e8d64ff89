"""Having the image before anything is stopped: it is pulled, and a container is made from it but never started."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, JsonValue

from warroom.api import Context, Facts, WarroomError
from warroom.model.call import Call, CallResult, ProcessCall
from warroom.model.plan import Look, Preview, Risk
from warroom_compose.config import Config
from warroom_compose.events import REMEMBERED
from warroom_compose.images import VERSION_LABEL, short
from warroom_compose.operations.args import TargetArgs
from warroom_compose.operations.definition import definitions
from warroom_compose.operations.scene import mapping, pinned, scene, unseen, words
from warroom_compose.operations.seeing import image, reaches_back, recorded
from warroom_compose.operations.targets import Target, targets

PULL_S = 900.0
PROVES = "warroom-proof"
_INSPECTED = '{"Id":{{json .Id}},"RepoDigests":{{json .RepoDigests}}}'
"""No more of it: an image's environment may hold secrets, and what a Call gives is kept."""


def told(target: Target) -> dict[str, JsonValue]:
    local = target.image
    return {
        "service": target.service,
        "ref": target.ref,
        "tag": target.tag,
        "tagged": target.tagged,
        "image": local.id if local else "",
        "version": local.labels.get(VERSION_LABEL, "") if local else "",
        "commit": (local.commit or "") if local else "",
        "built_for": local.architecture if local else "",
        "runnable": bool(local.command or local.entrypoint) if local else True,
    }


async def target_facts(ctx: Context, args: TargetArgs, *, tags: bool = False) -> dict[str, Any]:
    async with scene(ctx) as here:
        defined = await definitions(ctx, here.project, args.services)
        found = await targets(ctx, here.engine, here.project, defined.services, args, tags=tags)
        return {
            **here.facts(args.services),
            "targets": [told(each) for each in found],
            "architecture": here.stand.architecture,
        }


def every(facts: Facts) -> list[Mapping[str, Any]]:
    """The targets in the facts, by service."""
    found = facts["targets"]
    return [mapping(each) for each in found] if isinstance(found, list) else []


def distinct(facts: Facts) -> list[Mapping[str, Any]]:
    """One for each image: services that share one need it once."""
    return list({str(each["ref"]): each for each in every(facts)}.values())


def pinned_targets(facts: Facts, *, tags: bool = False) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {f"image of {each['service']}": each["ref"] for each in every(facts)}
    if tags:
        # Nobody can say what the tag stands for: that is no difference.
        found |= {
            f"tag {each['tag']}": each["tagged"] or str(each["ref"]).rpartition("@")[2]
            for each in every(facts)
            if each["tag"]
        }
    return found


class Pull:
    name = "pull"
    title = "Have the image on the host"
    risk: Risk = "safe"
    args: type[BaseModel] = TargetArgs

    async def facts(self, ctx: Context, args: TargetArgs) -> Facts:
        return await target_facts(ctx, args, tags=True)

    def preview(self, config: Config, args: TargetArgs, facts: Facts) -> Preview:
        docker = words(facts["docker"])
        calls: list[Call] = []
        notes = []
        for target in distinct(facts):
            ref = str(target["ref"])
            if target["image"]:
                notes.append(f"{short(ref)} is on the host already: no registry is asked for it")
            else:
                calls.append(ProcessCall(argv=(*docker, "pull", ref), timeout_s=PULL_S))
            calls.append(ProcessCall(argv=(*docker, "image", "inspect", "--format", _INSPECTED, ref), timeout_s=60))
            if ref.startswith("sha256:"):
                notes.append(f"{short(ref)} was built on the host and has no registry's digest: its ID names it")
            if target["tagged"] and target["tagged"] != ref.rpartition("@")[2]:
                notes.append(
                    f"{target['tag']} stands for another image now, {short(str(target['tagged']))}: it is not used"
                )
        return Preview(
            calls=tuple(calls),
            no_inverse="an image on the disk changes nothing that runs",
            pinned={**pinned(facts, containers=False), **pinned_targets(facts, tags=True)},
            notes=tuple(notes),
            expected_s=1 if len(calls) == len(distinct(facts)) else 20,
            timeout_s=PULL_S * max(1, len(calls)),
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        """``image``: the ID of the (first) image, ``digest``: what a registry knows it by."""
        for result in results:
            try:
                found = json.loads(result.text)
                return {"image": str(found["Id"]), "digest": str((found.get("RepoDigests") or [found["Id"]])[0])}
            except (ValueError, KeyError, TypeError):
                continue
        return {}

    async def check(self, ctx: Context, args: TargetArgs, facts: Facts) -> Look:
        try:
            async with scene(ctx) as here:
                found = {str(each["ref"]): await image(here.engine, str(each["ref"])) for each in distinct(facts)}
        except WarroomError as error:
            return unseen(error)
        missing = [ref for ref, local in found.items() if local is None]
        if not missing:
            seen = ", ".join(f"{short(ref)} ({short(local.id)})" for ref, local in found.items() if local is not None)
            return Look(verdict="done", seen=f"on the host: {seen}")
        verdict: Literal["partly", "not-begun"] = "partly" if len(missing) < len(found) else "not-begun"
        return Look(verdict=verdict, seen=f"not on the host: {', '.join(map(short, missing))}; nothing was stopped")


class Prove:
    """An entrypoint may migrate a database: so it is only created, and removed again."""

    name = "prove"
    title = "Prove that a container can be made from the image"
    risk: Risk = "safe"
    args: type[BaseModel] = TargetArgs

    async def facts(self, ctx: Context, args: TargetArgs) -> Facts:
        return {**await target_facts(ctx, args), "name": f"{PROVES}-{secrets.token_hex(4)}"}

    def preview(self, config: Config, args: TargetArgs, facts: Facts) -> Preview:
        docker = words(facts["docker"])
        calls: list[Call] = []
        notes = ["the container is created and removed, never started: an entrypoint may migrate the database"]
        for index, target in enumerate(distinct(facts), 1):
            name, ref = f"{facts['name']}-{index}", str(target["ref"])
            # An image that doesn't say what to run gets a word that is never run: its service says it instead.
            command = () if target["runnable"] else ("never-started",)
            create = ("create", "--name", name, "--network", "none", "--pull", "never", ref, *command)
            calls.append(ProcessCall(argv=(*docker, *create), timeout_s=120))
            calls.append(ProcessCall(argv=(*docker, "rm", "--force", "--volumes", name), timeout_s=60))
            mine, engine = _machine(target["built_for"]), _machine(facts["architecture"])
            if mine and engine and mine != engine:
                notes.append(f"{short(ref)} is for {target['built_for']}, the engine is {facts['architecture']}")
        return Preview(
            calls=tuple(calls),
            no_inverse="what it makes it removes itself",
            pinned={**pinned(facts, containers=False), **pinned_targets(facts)},
            notes=tuple(notes),
            expected_s=1,
            timeout_s=180 * max(1, len(calls)),
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {}

    async def check(self, ctx: Context, args: TargetArgs, facts: Facts) -> Look:
        """By the engine's own record of these containers: created, destroyed, and not started in between."""
        names = [f"{facts['name']}-{index}" for index in range(1, len(distinct(facts)) + 1)]
        try:
            async with scene(ctx) as here:
                filters = {"type": ["container"], "container": names}
                seen = await recorded(here.engine, _since(facts), here.stand.now, filters)
                same = {"name": [f"^/{name}$" for name in names]}
                left = await here.engine.ask(lambda api: api.containers(all=True, filters=same))
                whole = await reaches_back(here.engine, _since(facts), here.stand.now)
        except WarroomError as error:
            return unseen(error)
        actions: dict[str, list[str]] = {name: [] for name in names}
        for event in seen:
            actions.setdefault(str(event["Actor"]["Attributes"].get("name", "")), []).append(str(event["Action"]))
        if started := [name for name in names if "start" in actions[name]]:
            return Look(verdict="partly", seen=f"{started[0]} was started: nobody should have done that")
        if left:
            return Look(verdict="partly", seen=f"{left[0]['Names'][0].lstrip('/')} was created and is still there")
        if all({"create", "destroy"} <= set(actions[name]) for name in names):
            refs = ", ".join(short(str(each["ref"])) for each in distinct(facts))
            return Look(verdict="done", seen=f"a container was made from {refs} and removed, never started")
        begun = any("create" in actions[name] for name in names)
        if not begun and not whole:
            words = f"no such container is left; the engine's record ({REMEMBERED} events) does not reach back so far"
            return Look(verdict="cannot-tell", seen=words)
        return Look(verdict="partly" if begun else "not-begun", seen="the engine's record has no such container")


def _since(facts: Facts) -> int:
    now = facts["now"]
    return int(now) if isinstance(now, int | float) else 0


def _machine(name: object) -> str:
    """Docker's two ways to say it: an image's ``amd64`` is an engine's ``x86_64``."""
    return {"x86_64": "amd64", "aarch64": "arm64", "i386": "386", "armv7l": "arm"}.get(str(name), str(name))
