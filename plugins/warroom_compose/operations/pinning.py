"""Which image a service is made from, by an override of warroom's own: written, or taken away. No container changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from warroom.api import Context, Facts, WarroomError
from warroom.model.base import Fact
from warroom.model.call import Call, CallResult
from warroom.model.plan import Look, Preview, Risk
from warroom_compose import calls, pins
from warroom_compose.config import Config
from warroom_compose.images import short
from warroom_compose.operations.args import TargetArgs
from warroom_compose.operations.pulling import every, pinned_targets, target_facts
from warroom_compose.operations.scene import pinned, scene, words


def replaced(path: str, text: str | None) -> tuple[Call, ...]:
    """Makes the file what it was: its text, or no file at all."""
    return calls.remove(path) if text is None else calls.write(path, text)


def text_in(facts: Facts, name: str = "pins") -> str | None:
    value = facts[name]
    return value if isinstance(value, str) else None


class Pin:
    name = "pin"
    title = "Pin the image by its digest"
    risk: Risk = "safe"
    args: type[BaseModel] = TargetArgs

    async def facts(self, ctx: Context, args: TargetArgs) -> Facts:
        facts: dict[str, Any] = await target_facts(ctx, args)
        path = str(facts["pin_file"])
        text = pins.text_of(Path(path))
        images = {str(each["service"]): str(each["ref"]) for each in every(facts)}
        return {**facts, "pins": text, "wanted": pins.merged(text, images, path)}

    def preview(self, config: Config, args: TargetArgs, facts: Facts) -> Preview:
        path, before = str(facts["pin_file"]), text_in(facts)
        notes = [f"it lies outside the project: {path}; no file of the project is changed"]
        for target in every(facts):
            if str(target["ref"]).startswith("sha256:"):
                built = f"the image of {target['service']} was built on the host and has no registry's digest"
                notes.append(f"{built}: it is pinned by its ID")
        plain = " ".join(words(facts["bare"])[:2])
        notes.append(
            f"a plain `{plain} up` in the project's folder brings back what its own files name: change it there too"
        )
        return Preview(
            calls=calls.write(path, str(facts["wanted"])),
            inverse=replaced(path, before),
            pinned={**pinned(facts, containers=False), **pinned_targets(facts)},
            notes=tuple(notes),
            expected_s=1,
            timeout_s=60,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {}

    async def check(self, ctx: Context, args: TargetArgs, facts: Facts) -> Look:
        path = str(facts["pin_file"])
        try:
            text = pins.text_of(Path(path))
            found = pins.parsed(text, path) if text is not None else {}
        except WarroomError as error:
            return Look(verdict="cannot-tell", seen=str(error))
        wanted = {str(each["service"]): str(each["ref"]) for each in every(facts)}
        held = {service: found.get(service) == ref for service, ref in wanted.items()}
        if all(held.values()):
            named = ", ".join(f"{service} to {short(ref)}" for service, ref in wanted.items())
            return Look(verdict="done", seen=f"{path} pins {named}")
        if text == text_in(facts) or not any(held.values()):
            return Look(verdict="not-begun", seen=_seen(path, found))
        return Look(verdict="partly", seen=_seen(path, found))


class NoArgs(Fact):
    pass


class Unpin:
    name = "unpin"
    title = "Take the pinned images away"
    risk: Risk = "safe"
    args: type[BaseModel] = NoArgs

    async def facts(self, ctx: Context, args: NoArgs) -> Facts:
        async with scene(ctx) as here:
            facts = here.facts(())
        return {**facts, "pins": pins.text_of(Path(str(facts["pin_file"])))}

    def preview(self, config: Config, args: NoArgs, facts: Facts) -> Preview:
        path, before = str(facts["pin_file"]), text_in(facts)
        return Preview(
            calls=calls.remove(path),
            inverse=None if before is None else calls.write(path, before),
            no_inverse="nothing is pinned" if before is None else "",
            pinned=pinned(facts, containers=False, definition=False),
            notes=("the containers stay as they are; the next time they are made, the project's own files count",),
            expected_s=1,
            timeout_s=60,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {}

    async def check(self, ctx: Context, args: NoArgs, facts: Facts) -> Look:
        path = str(facts["pin_file"])
        try:
            text = pins.text_of(Path(path))
        except WarroomError as error:
            return Look(verdict="cannot-tell", seen=str(error))
        if text is None:
            return Look(verdict="done", seen=f"nothing is pinned: there is no {path}")
        return Look(verdict="not-begun", seen=f"{path} is there")


def _seen(path: str, found: Mapping[str, str]) -> str:
    if not found:
        return f"{path} pins nothing"
    return f"{path} pins " + ", ".join(f"{service} to {short(ref)}" for service, ref in found.items())
