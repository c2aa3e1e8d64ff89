"""Back to an earlier revision: what `kubectl rollout undo` does, but only while the workload is still what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, JsonValue

from warroom.api import BadInput, Context, Facts, WarroomError
from warroom.model.base import canonical
from warroom.model.call import CallResult
from warroom.model.plan import Look, Preview, Risk
from warroom_kubernetes.changes import calls
from warroom_kubernetes.changes.patching import Carries, Op, annotated, put, remove, replaced, template_hash, test
from warroom_kubernetes.objects.controllers import controllers
from warroom_kubernetes.objects.lengths import cut
from warroom_kubernetes.objects.managers import writers
from warroom_kubernetes.objects.revisions import Json, Revision, ended
from warroom_kubernetes.objects.rollouts import rollout
from warroom_kubernetes.objects.templates import images_of, plain, same
from warroom_kubernetes.operations.args import UndoArgs
from warroom_kubernetes.operations.choosing import chosen
from warroom_kubernetes.operations.leaving import notes, plight
from warroom_kubernetes.operations.scaling import stands_still
from warroom_kubernetes.operations.subject import (
    Found,
    find,
    found_of,
    listing,
    mapping,
    may,
    pin,
    pinned,
    scaled_by,
    together,
    tried,
    unseen,
)
from warroom_kubernetes.reach.asking import Cluster, Forbidden, cluster
from warroom_kubernetes.workload.configs import compared, looked, memory, references
from warroom_kubernetes.workload.contenders import acting
from warroom_kubernetes.workload.reading import Standing, around_it, itself, pods_of

EXPECTED_S = 2.0
AT = "/spec/template"
MOST_CONFIGS = 40
"""ConfigMaps and Secrets of one workload that are looked at."""


class Undo:
    name = "undo"
    title = "Roll back to an earlier revision"
    risk: Risk = "disruptive"
    args: type[BaseModel] = UndoArgs

    async def facts(self, ctx: Context, args: UndoArgs) -> Facts:
        async with cluster(ctx) as api:
            # What is only told, or tried, is asked once where the same is looked at again a moment later: what the
            # plan is held to is the object and its revisions, which are read each time, and the patch's own guard.
            thing = await itself(ctx, api, args.workload)
            at = await around_it(
                ctx, api, thing, lambda: api.lately(("pods", thing.path, thing.identity), lambda: pods_of(api, thing))
            )
            one = found_of(api, at)
            target = chosen(one, at.revisions, args)
            same_look = ("undo", one.at.path, one.at.uid, one.object["metadata"].get("generation"), target.identity)
            hpas, configs, others, _ = await api.lately(
                same_look,
                lambda: together(
                    _or_nothing(scaled_by(api, one)),
                    _configs(ctx, api, at, target),
                    _others(api, one),
                    may(api, one.at),
                ),
            )
            already = same(target.template, one.template)
            # One that is held where it should be, with all its pods, is nobody's hindrance.
            resumes = _resumes(one, args) and not (already and rollout(one.object, zero=True).status == "done")
            told = [*_let_go(one, args), *notes(one, at.current, target, hpas, configs), *others]
            told += plight(one, at.pods)
            facts = {**one.facts(), "target": target.identity, "number": target.number, "version": target.version}
            facts |= {**stands_still(one), "resumes": resumes}
            if already and not resumes:
                return {**facts, "already": True, "after": facts["template"], "notes": [_already(one, target)]}
            _not_paused(one, args)
            ops = _ops(ctx, one, target, args, bool(hpas))
            test_run = await api.lately(
                (*same_look, canonical(list(ops))), lambda: tried(api, one.at, ops, f"to change {one.title}")
            )
        back, why = _back(ctx, one, test_run.object, args)
        tested = test_run.why or "it was tried on the server beforehand, which would accept it"
        after = template_hash(target.template if test_run.object is None else test_run.object["spec"]["template"])
        return {
            **facts,
            "already": after == facts["template"] and not resumes,
            "after": after,
            "ops": list(ops),
            "back": list(back),
            "restores": "" if already else at.current.version if at.current is not None else images_of(one.template),
            "brief": f"the template of revision {target.number} ({images_of(target.template)}), "
            f"{'no longer paused, ' if resumes else ''}by one guarded patch",
            "brief_back": f"the template of before ({images_of(one.template)}), "
            f"{'paused again, ' if resumes else ''}by one guarded patch",
            "no_inverse": why,
            "notes": [*told, tested],
        }

    def preview(self, config: Any, args: UndoArgs, facts: Facts) -> Preview:
        at = calls.at(mapping(facts["at"]))
        told = tuple(str(note) for note in listing(facts["notes"]))
        if facts["already"]:
            return Preview(
                calls=(calls.look(at),),
                no_inverse="it asks for that revision already",
                pinned=pinned(facts, "template", "target"),
                notes=told,
                restores="",
                timeout_s=calls.PATCH_S + 30,
            )
        line = at.line("rollout", "undo", at.slashed, f"--to-revision={facts['number']}")
        back = listing(facts["back"])
        return Preview(
            calls=(calls.patch(at, listing(facts["ops"]), "" if facts["resumes"] else line, str(facts["brief"])),),
            inverse=(calls.patch(at, back, brief=str(facts["brief_back"])),) if back else None,
            no_inverse="" if back else str(facts["no_inverse"]),
            pinned=pinned(facts, "template", "target"),
            changes=(pin("template", facts), pin("target", facts)),
            destroys=("logs",),
            notes=told,
            restores=str(facts["restores"]),
            expected_s=EXPECTED_S,
            timeout_s=calls.PATCH_S + 30,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        """``generation``: that of the change, which a rollout is then waited for."""
        data = results[0].data if results else None
        found = data.get("metadata") if isinstance(data, dict) else None
        generation = found.get("generation") if isinstance(found, dict) else None
        return {"generation": str(generation)} if isinstance(generation, int) else {}

    async def check(self, ctx: Context, args: UndoArgs, facts: Facts) -> Look:
        """``done``: the workload asks for that template. Whether its pods are of it is another question: `rollout`."""
        try:
            async with cluster(ctx) as api:
                one = await find(ctx, api, args.workload)
        except WarroomError as error:
            return unseen(error)
        if one.at.uid != mapping(facts["at"])["uid"]:
            return Look(verdict="cannot-tell", seen=f"{one.title} is another one now: it was deleted and made again")
        now = template_hash(one.template)
        if now == facts["after"] and facts.get("resumes") and one.spec.get("paused"):
            as_before = facts["after"] == facts["template"]
            return Look(verdict="not-begun" if as_before else "partly", seen=f"{one.title} is at it, and is paused")
        if now == facts["after"]:
            was = "was at it already" if facts["already"] else "is at it"
            wanted = f"revision {facts['number']} ({facts['version']})"
            how = rollout(one.object, zero=True).words
            return Look(verdict="done", seen=f"{one.title} {was}, {wanted} as the plan called it; {how}")
        if now == facts["template"]:
            return Look(
                verdict="not-begun", seen=f"{one.title} asks for {images_of(one.template)}, as before this step"
            )
        return Look(verdict="partly", seen=f"{one.title} asks for a third template: somebody else has changed it")


async def _others(api: Cluster, one: Found) -> list[str]:
    """Who would put the other version back."""
    found = await acting(api, controllers(one.object))
    suspend = ": suspend it first (suspend-controller)"
    return [f"{each.words}{suspend if each.acts and each.at else ''}" for each in found if each.acts is not False]


async def _or_nothing(asked: Any) -> list[Json]:
    """What is only for notes must not keep anybody from going back."""
    try:
        found: list[Json] = await asked
    except Forbidden:
        return []
    return found


async def _configs(ctx: Context, api: Cluster, at: Standing, target: Revision) -> list[str]:
    """Of the ConfigMaps and Secrets that the target's pods use: whether they are what they were when it ran."""
    all_of_them = list(references(target.template).items())
    needed = dict(all_of_them[:MOST_CONFIGS])
    now = await looked(api, list(needed))
    found = compared(needed, now, memory(ctx).of(at.uid, target.hash), ended(at.revisions, target))[0]
    left = len(all_of_them) - len(needed)
    return [*found, *([f"{left} more ConfigMaps and Secrets that it names were not looked at"] if left else [])]


def _already(one: Found, target: Revision) -> str:
    how = rollout(one.object, zero=True)
    which = f"revision {target.number} ({target.version})"
    return (
        f"there is no change to make: {one.title} asks for {which} already, so that `kubectl rollout undo` would say "
        f"that it skipped it; {how.words}"
    )


def _resumes(one: Found, args: UndoArgs) -> bool:
    return bool(args.resume and one.spec.get("paused"))


def _let_go(one: Found, args: UndoArgs) -> list[str]:
    """That somebody held it back, which the same change ends: resumed before, it would roll out what is left."""
    if not _resumes(one, args):
        return []
    who = writers(one.object, ("spec", "paused"))
    by = f" by {cut(who[0].manager)}" if who else ""
    return [
        f"{one.title} was paused{by}, so that no pod of it is replaced: the same patch lets it go on, at the revision "
        "that is gone back to, and what takes it back pauses it again"
    ]


def _not_paused(one: Found, args: UndoArgs) -> None:
    if one.spec.get("paused") and not args.resume:
        line = one.at.line("rollout", "resume", one.at.slashed)
        raise BadInput(
            f"{one.title} is paused",
            "its controller rolls nothing out before it is resumed, so kubectl refuses this too",
            f"say resume: true in the runbook's step, or resume it first: {line}",
        )


def _ops(ctx: Context, one: Found, target: Revision, args: UndoArgs, scaled: bool) -> list[Op]:
    ops = [test("/metadata/uid", one.at.uid)]
    wanted: Any = plain(target.template)
    secret = ctx.hidden(one.template) or ctx.hidden(wanted)
    if secret and not scaled:
        # What is secret can't be tested; a change of the specification shows here all the same.
        ops.append(test("/metadata/generation", one.object["metadata"]["generation"]))
    try:
        ops += replaced(AT, one.template, wanted, ctx.hidden)
    except Carries as carried:
        raise BadInput(
            f"{one.title} can't be taken back without a secret in the plan",
            f"between the two revisions a value differs that is secret: {carried.path}",
            f"do it by hand: {one.at.line('rollout', 'undo', one.at.slashed, f'--to-revision={target.number}')}",
        ) from None
    if one.kind == "Deployment":
        ops += annotated(one.object["metadata"].get("annotations"), target.annotations, ctx.hidden)
    if _resumes(one, args):
        ops += [test("/spec/paused", True), remove("/spec/paused")]
    return ops


def _back(ctx: Context, one: Found, after: Json | None, args: UndoArgs) -> tuple[list[Op], str]:
    """By what the server would make of the change, its own defaults in it."""
    if after is None:
        return [], "what the server makes of the change could not be tried, so it can't be recognised later"
    old: Any = plain(one.template)
    ops = [test("/metadata/uid", one.at.uid)]
    try:
        ops += replaced(AT, after["spec"]["template"], old, ctx.hidden)
    except Carries as carried:
        return [], f"a secret would stand in it: {carried.path}"
    if one.kind == "Deployment":
        ops += annotated(after["metadata"].get("annotations"), one.notes, ctx.hidden)
    if _resumes(one, args):
        paused: JsonValue = True
        ops += [test("/spec/paused", None), put("/spec/paused", paused)]
    return ops, ""
