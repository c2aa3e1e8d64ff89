"""Deploying a release in the lab: what a rollback there is made of."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field, JsonValue

from warroom.api import Context, Facts, WarroomError
from warroom.model.base import Fact
from warroom.model.call import CallResult
from warroom.model.plan import Look, Preview, Risk
from warroom_lab.calls import change, until
from warroom_lab.config import Config
from warroom_lab.control import ask, lab_of
from warroom_lab.looking import record_of, told, unseen

REF = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$"


class DeployArgs(Fact):
    """``ref`` is a tag or a commit of the lab's repository.

    ``after_restore``: another database is put in place before this begins, so the migrations that are seen when it is
    planned are not those that it will meet.
    """

    ref: str = Field(pattern=REF)
    after_restore: bool = False


class Deploy:
    name = "deploy"
    title = "Deploy a release in the lab"
    risk: Risk = "disruptive"
    args: type[BaseModel] = DeployArgs

    async def facts(self, ctx: Context, args: DeployArgs) -> Facts:
        lab = lab_of(ctx.config)
        target = await ask(ctx, "/resolve", ref=args.ref)
        state = await ask(ctx, "/state")
        running = state["release"] or {}
        before = state["deployed"] or {}
        changes: dict[str, Any] = {}
        if running:
            changes = await ask(ctx, "/diff", **{"from": running["commit"], "to": target["commit"]})
        return {
            "key": f"deploy-{secrets.token_hex(8)}",
            "control_url": lab.control_url,
            "base_url": lab.base_url,
            "target": {name: str(target[name]) for name in ("version", "commit", "digest")},
            "running": {name: str(running.get(name, "")) for name in ("version", "commit", "digest")},
            "deployed_commit": str(before.get("commit", "")),
            "migrations": state["migrations"],
            "ahead": changes.get("migrations_removed", []),
            "to_apply": changes.get("migrations_added", []),
        }

    def preview(self, config: Config, args: DeployArgs, facts: Facts) -> Preview:
        target, running = _release(facts["target"]), _release(facts["running"])
        key, control_url = str(facts["key"]), str(facts["control_url"])
        version_url = f"{facts['base_url']}/api/version"
        # What ran before is named by its commit: its process may be gone by the time this is taken back.
        before = running["commit"] or str(facts["deployed_commit"])
        back = f"{key}-undo"
        inverse = (
            *change(config, control_url, "/deploy", back, {"ref": before, "by": "warroom"}),
            until(version_url, "commit", before, 20),
        )
        pinned = {
            "target-release": target["digest"],
            "running-release": running["digest"],
            "migrations": facts["migrations"],
        }
        if args.after_restore:
            del pinned["migrations"]
        changed = ["running-release"]
        if facts["to_apply"] and not args.after_restore:
            changed.append("migrations")
        return Preview(
            calls=(
                *change(config, control_url, "/deploy", key, {"ref": target["commit"], "by": "warroom"}),
                until(version_url, "commit", target["commit"], 20),
            ),
            inverse=inverse if before else None,
            no_inverse="" if before else "nothing was deployed before",
            restores=running["version"] or (before[:12] if before else None),
            pinned=pinned,
            changes=tuple(changed),
            notes=_notes(facts, target["version"], after_restore=args.after_restore),
            expected_s=4,
            timeout_s=120,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        """``version``, ``commit`` and ``digest`` as the running app said them."""
        said = results[-1].data if results else None
        if not isinstance(said, dict):
            return {}
        return {name: str(said[name]) for name in ("version", "commit", "digest") if name in said}

    async def check(self, ctx: Context, args: DeployArgs, facts: Facts) -> Look:
        target, before = _release(facts["target"]), _release(facts["running"])
        try:
            record = await record_of(ctx, str(facts["key"]))
            running = (await ask(ctx, "/state"))["release"] or {}
        except WarroomError as error:
            return unseen(error)
        name = f"{running.get('version', 'nothing')} ({str(running.get('commit', ''))[:12]}) runs"
        begun = told(record) if record else "the lab has no record of it"
        if record is not None and record["state"] == "running":
            return Look(verdict="partly", seen=f"{name}; {begun}")
        if running.get("digest") == target["digest"] and (record or target != before):
            return Look(verdict="done", seen=f"{name}, as asked; {begun}")
        if not running:
            return Look(verdict="partly" if record else "cannot-tell", seen=f"no release answers; {begun}")
        if record is None or record["state"] == "done":
            return Look(verdict="not-begun", seen=f"{name}; {begun}")
        reached = {str(step["name"]) for step in record["steps"]}
        touched = reached & {"migrate", "start", "switch", "stop old"}
        return Look(verdict="partly" if touched else "not-begun", seen=f"{name}; {begun}")


def _release(value: JsonValue) -> dict[str, str]:
    return {name: str(text) for name, text in value.items()} if isinstance(value, dict) else {}


def _notes(facts: Facts, version: str, *, after_restore: bool) -> tuple[str, ...]:
    if after_restore:
        return (f"the restored database keeps its own migrations; those of {version} that it lacks are applied",)
    notes = []
    for names, words in (("ahead", f"stay in the database; {version} does not have them"), ("to_apply", "are applied")):
        listed = facts[names]
        if isinstance(listed, list) and listed:
            notes.append(f"migrations {', '.join(map(str, listed))} {words}")
    return tuple(notes)
