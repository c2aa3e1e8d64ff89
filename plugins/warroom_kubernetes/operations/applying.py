"""An autoscaler's own manifest applied again: what it would change is told before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from warroom.api import BadInput, Context, Facts
from warroom.model.plan import Preview, Risk
from warroom_kubernetes.config import AbsolutePath, Config
from warroom_kubernetes.objects.controllers import AUTOSCALERS
from warroom_kubernetes.operations.args import WorkloadArgs
from warroom_kubernetes.operations.autoscalers import KEPT, at_of
from warroom_kubernetes.operations.setting import Setting, Settings, facts_of, preview_of
from warroom_kubernetes.operations.subject import Json, find, may, scaled_by
from warroom_kubernetes.reach.asking import cluster
from warroom_kubernetes.reach.paths import VERSIONS
from warroom_kubernetes.reach.plainly import Odd, documents

LONGEST = 256 * 1024
"""Bytes of a manifest."""
KIND = "HorizontalPodAutoscaler"


class HpaApplyArgs(WorkloadArgs):
    """``manifest``: a file with the autoscaler in it, beside whatever else; left out, the one that the workload's
    configuration names as ``autoscaler``."""

    manifest: AbsolutePath | None = None


class HpaApply(Settings):
    """Its specification becomes that of the manifest; labels and annotations stay as they are."""

    name = "hpa-apply"
    title = "Restore the autoscaler from its manifest"
    risk: Risk = "disruptive"
    args: type[BaseModel] = HpaApplyArgs

    async def facts(self, ctx: Context, args: HpaApplyArgs) -> Facts:
        manifest = _manifest(ctx.config, args)
        declared = await asyncio.to_thread(_autoscalers, manifest)
        async with cluster(ctx) as api:
            one = await find(ctx, api, args.workload)
            hpas = {str(hpa["metadata"]["name"]): hpa for hpa in await scaled_by(api, one)}
            named = [name for name in declared if name in hpas]
            if not named:
                raise BadInput(
                    f"{manifest} has no autoscaler of {one.title}",
                    f"it has: {', '.join(declared) or 'none'}; {one.title} has: {', '.join(hpas) or 'none'}",
                    "correct the path, or apply the manifest by hand",
                )
            hpa = hpas[named[0]]
            at, was, becomes = at_of(one.at, hpa), hpa.get("spec") or {}, declared[named[0]]
            await may(api, at)
            setting = Setting(at, f"{KIND} {at.name}", "spec", "/spec", was, becomes)
            notes = [f"{at.name}: {words}" for words in differences(was, becomes)]
            if KEPT in (hpa["metadata"].get("annotations") or {}):
                notes.append("warroom holds it still just now: this lets it go on as the manifest says")
            return await facts_of(api, [setting], notes or ["the manifest says what there is"])

    def preview(self, config: Config, args: HpaApplyArgs, facts: Facts) -> Preview:
        return preview_of(facts)


def _manifest(config: Config, args: HpaApplyArgs) -> str:
    declared = config.workloads.get(args.workload)
    found = args.manifest or (declared.autoscaler if declared is not None else None)
    if found is None:
        hint = f"workloads: {{{args.workload}: {{autoscaler: /PATH/hpa.yaml}}}}"
        raise BadInput(f"No manifest of an autoscaler of {args.workload} is named", "the step names none either", hint)
    return found


def differences(was: Any, now: Any, at: str = "") -> Iterator[str]:
    """``minReplicas: 2 becomes 3``; lists are told as a whole. What the manifest leaves out, the server fills in."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in sorted({*was, *now}):
            yield from differences(was.get(key), now.get(key), f"{at}.{key}" if at else str(key))
    elif was != now:
        told = ("nothing" if value is None else str(value)[:120] for value in (was, now))
        yield f"{at}: {' becomes '.join(told)}"


def _autoscalers(path: str) -> dict[str, Json]:
    """Their specifications, by name. Raises BadInput for what can't be read. Blocks."""
    import yaml

    try:
        with Path(path).open("rb") as file:
            raw = file.read(LONGEST + 1)
        if len(raw) > LONGEST:
            raise BadInput(f"{path} is too long", f"a manifest has at most {LONGEST // 1024} kB")
        found = [one for one in documents(raw.decode()) if isinstance(one, dict) and one.get("kind") == KIND]
    except (OSError, yaml.YAMLError, ValueError, TypeError, RecursionError, Odd) as error:
        raise BadInput(f"{path} can't be read", str(error)[:300], "name the manifest of the autoscaler") from None
    for one in found:
        if one.get("apiVersion") not in VERSIONS[AUTOSCALERS]:
            said, known = str(one.get("apiVersion"))[:60], " or ".join(VERSIONS[AUTOSCALERS])
            raise BadInput(f"{path} has an autoscaler of {said}", f"{known} was expected", "convert it first")
    return {str((one.get("metadata") or {}).get("name")): dict(one.get("spec") or {}) for one in found}
