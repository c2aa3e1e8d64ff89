"""The cut-over: services are made anew from their pinned images, or as the project's own files say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, JsonValue

from warroom.api import BadInput, Context, Facts
from warroom.model.base import span_text
from warroom.model.call import Call, CallResult, HttpCall, ProcessCall, Until
from warroom.model.plan import Look, Preview, Risk
from warroom_compose import calls, pins
from warroom_compose.config import Config
from warroom_compose.images import short
from warroom_compose.operations.args import CutOverArgs
from warroom_compose.operations.definition import Definition, Definitions, definitions, in_order
from warroom_compose.operations.downtime import from_lines, outputs_of
from warroom_compose.operations.pinning import replaced, text_in
from warroom_compose.operations.pulling import every, told
from warroom_compose.operations.scene import Scene, name_of, pinned, scene, words
from warroom_compose.operations.seeing import image
from warroom_compose.operations.targets import Target, putting_back, targets
from warroom_compose.operations.verdict import seen_of
from warroom_compose.times import ns_of

EXPECTED_S = 10.0
PINNED = (("image", "ref"), ("definition", "definition"))


class CutOver:
    """What `up` and `restore` have in common: the order, the Calls and what is looked at afterwards."""

    risk: Risk = "disruptive"

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        """``downtime_s`` (the longest, in seconds), ``downtime_s.SERVICE``, ``image.SERVICE``, ``containers.SERVICE``.

        From the engine's own events, which the last Call reads.
        """
        return outputs_of(from_lines(results[-1].text)) if results else {}

    async def check(self, ctx: Context, args: CutOverArgs, facts: Facts) -> Look:
        return await seen_of(ctx, facts, args.version)

    async def _facts(
        self, here: Scene, args: CutOverArgs, defined: Definitions, found: Sequence[Target]
    ) -> dict[str, Any]:
        """One-shots are left out: those that run to their end, for which waiting is an error."""
        ready = [each.service for each in found if not defined.services[each.service].one_shot]
        if not ready:
            raise BadInput("There is nothing to bring up", "every service named runs to its end", "name others")
        running = {one.image_id for one in here.project.of(*ready)}
        local = [one for name in sorted(running) if (one := await image(here.engine, name)) is not None]
        path = str(here.project.pin_file)
        text = pins.text_of(Path(path))
        back = {service: putting_back(here.project, service, local) for service in ready}
        facts = here.facts(ready)
        return {
            **facts,
            "pins": text,
            "pins_back": pins.merged(text, {s: ref for s, ref in back.items() if ref}, path),
            "order": [list(group) for group in in_order(ready, defined.services)],
            "one_shots": [each.service for each in found if defined.services[each.service].one_shot],
            "unset": list(defined.unset),
            "targets": [
                {**told(each), **_service(here, each, defined.services[each.service], back[each.service])}
                for each in found
                if each.service in ready
            ],
        }

    def _preview(self, config: Config, args: CutOverArgs, facts: Facts, begin: tuple[Call, ...], line: str) -> Preview:
        """``begin`` comes before the services are brought up by command lines that begin as ``line`` in the facts."""
        compose, each = words(facts[line]), _targets(facts)
        ups = _ups(compose, facts, args.wait)
        probes = _probes(config, facts, args.wait)
        same = all(_same(target) for target in each.values())
        inverse: tuple[Call, ...] | None = None
        if not same and all(target["back"] for target in each.values()):
            # Whether what ran before is well is another question: it is put back as it was, and looked at.
            restored = _ups(words(facts["compose"]), facts, args.wait, waits=False)
            inverse = (*calls.write(str(facts["pin_file"]), str(facts["pins_back"])), *restored)
        docker, project = words(facts["docker"]), str(facts["project"])
        since, ahead = _number(facts["now"]) / 1e9, _number(facts["ahead_s"])
        made = (*begin, *ups, *probes, calls.moments(docker, project, since, ahead))
        return Preview(
            calls=made,
            inverse=inverse,
            no_inverse=_no_inverse(same, each) if inverse is None else "",
            pinned={
                **pinned(facts),
                **{f"{what} of {name}": t[key] for name, t in each.items() for what, key in PINNED},
            },
            changes=tuple(name_of(service) for service in each),
            destroys=("logs",),
            notes=_notes(facts, each, args.wait),
            expected_s=EXPECTED_S * len(ups),
            timeout_s=sum(call.timeout_s for call in (*ups, *probes)) + 120,
        )


class Up(CutOver):
    name = "up"
    title = "Cut over to the pinned image"
    args: type[BaseModel] = CutOverArgs

    async def facts(self, ctx: Context, args: CutOverArgs) -> Facts:
        async with scene(ctx) as here:
            defined = await definitions(ctx, here.project, args.services)
            found = await targets(ctx, here.engine, here.project, defined.services, args)
            facts = await self._facts(here, args, defined, found)
        path = str(facts["pin_file"])
        images = {str(each["service"]): str(each["ref"]) for each in _targets(facts).values()}
        return {**facts, "wanted": pins.merged(text_in(facts), images, path)}

    def preview(self, config: Config, args: CutOverArgs, facts: Facts) -> Preview:
        # Only what was approved may be brought up: the pins are held against it before anything is stopped.
        same = ProcessCall(argv=("cmp", "--", "-", str(facts["pin_file"])), stdin=str(facts["wanted"]), timeout_s=20)
        return self._preview(config, args, facts, (same,), "compose")


class RestoreArgs(CutOverArgs):
    """``digest`` is not asked for: what the project's files name counts."""

    digest: str = ""


class Restore(CutOver):
    name = "restore"
    title = "Back to the project's own definition"
    args: type[BaseModel] = RestoreArgs

    async def facts(self, ctx: Context, args: RestoreArgs) -> Facts:
        async with scene(ctx) as here:
            defined = await definitions(ctx, here.project, args.services)
            found = []
            for service in args.services:
                name = defined.services[service].image or f"{here.project.name}-{service}"
                local = await image(here.engine, name)
                if local is None:
                    raise BadInput(
                        f"The image {name} is not on the host",
                        f"the project's own files name it for {service}",
                        "pull it first",
                    )
                found.append(Target(service, local.id, local, name))
            facts = await self._facts(here, args, defined, found)
        path, text = str(facts["pin_file"]), text_in(facts)
        held = pins.parsed(text, path) if text else {}
        left = {name: ref for name, ref in held.items() if name not in args.services}
        return {**facts, "wanted": pins.rendered(left) if left else None}

    def preview(self, config: Config, args: RestoreArgs, facts: Facts) -> Preview:
        left = text_in(facts, "wanted")
        begin = replaced(str(facts["pin_file"]), left)
        return self._preview(config, args, facts, begin, "bare" if left is None else "compose")


def _service(here: Scene, target: Target, defined: Definition, back: str) -> dict[str, JsonValue]:
    containers = here.project.of(target.service)
    local = target.image
    by_image = local.checked if local is not None else any(one.checked for one in containers)
    ended = [ns_of(one.finished_at) for one in containers if not one.running]
    return {
        "replicas": len({one.number for one in containers}) or defined.replicas,
        "declared": defined.replicas,
        "checked": defined.check == "own" or (defined.check == "image" and by_image),
        "disabled": defined.check == "disabled",
        "definition": defined.digest,
        "before": [*sorted({one.image_id for one in containers})],
        "stopped_at": max(ended) if ended and len(ended) == len(containers) else 0,
        "back": back,
    }


def _targets(facts: Facts) -> dict[str, Mapping[str, Any]]:
    """By service."""
    return {str(each["service"]): each for each in every(facts)}


def _same(target: Mapping[str, Any]) -> bool:
    return bool(target["image"]) and target["before"] == [target["image"]]


def _ups(compose: tuple[str, ...], facts: Facts, wait_s: float, *, waits: bool = True) -> tuple[Call, ...]:
    """One command line for each group of services that need nothing of one another; those that Compose would not wait
    for, since their health check is disabled, have one of their own."""
    each, order = _targets(facts), facts["order"]
    made = []
    for group in map(words, order) if isinstance(order, list) else ():
        for disabled in (False, True):
            names = [name for name in group if bool(each[name]["disabled"]) == disabled]
            if names:
                scale = {name: int(each[name]["replicas"]) for name in names}
                kept = {name: count for name, count in scale.items() if count != each[name]["declared"]}
                made.append(calls.up(compose, names, wait_s=wait_s, waits=waits and not disabled, replicas=kept))
    return tuple(made)


def _probes(config: Config, facts: Facts, wait_s: float) -> tuple[HttpCall, ...]:
    """A service without a health check is asked by us, until it answers."""
    asked = []
    for name, target in _targets(facts).items():
        service = config.services.get(name)
        url = (service.health_url or service.version_url) if service is not None else None
        if url is not None and not target["checked"]:
            until = Until(field="", equals=None, every_s=0.3, at_most_s=wait_s)
            asked.append(HttpCall(method="GET", url=url, expect=(200, 201, 202, 204), until=until, timeout_s=5))
    return tuple(asked)


def _notes(facts: Facts, each: Mapping[str, Mapping[str, Any]], wait_s: float) -> tuple[str, ...]:
    notes = [
        f"nothing is pulled or built; it has {span_text(wait_s)} to become well, and nothing is put back by itself"
    ]
    for name, target in each.items():
        runs = ", ".join(short(str(digest)) for digest in target["before"])
        notes.append(f"{name}: from {runs or 'nothing'} to {short(str(target['ref']))}")
        if not target["checked"]:
            notes.append(f"{name} has no health check: Compose only sees that it runs, so warroom looks itself")
        if target["replicas"] != target["declared"]:
            notes.append(f"{name} stays at {target['replicas']} containers; its files say {target['declared']}")
    if shots := words(facts["one_shots"]):
        notes.append(f"{', '.join(shots)} runs to its end and is left out: started again, it would do its work again")
    if unset := words(facts["unset"]):
        notes.append(
            f"not set here, so empty in the new containers: {', '.join(unset)}; name env_files, or export them"
        )
    return tuple(notes)


def _no_inverse(same: bool, each: Mapping[str, Mapping[str, Any]]) -> str:
    if same:
        return "it runs this very image already"
    without = [name for name, target in each.items() if not target["back"]]
    return f"no image of {', '.join(without)} is known that ran before"


def _number(value: JsonValue) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
