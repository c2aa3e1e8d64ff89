"""What ran in the lab, what runs, and what lies between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from warroom.api import Context
from warroom.model.release import Release, ReleaseDiff
from warroom_lab.control import ask


class LabReleases:
    async def running(self, ctx: Context) -> Release | None:
        """By the running process's own word: its version, commit and the digest of the files it runs from."""
        state = await ask(ctx, "/state")
        said, deployed = state["release"], state["deployed"]
        if said is None:
            return None
        known = deployed is not None and deployed["digest"] == said["digest"]
        return Release(
            version=said["version"],
            commit=said["commit"],
            digest=said["digest"],
            created_at=await _created(ctx, said["commit"]),
            deployed_at=deployed["at"] if known else None,
            deployed_by=deployed["by"] if known else "",
            note="by the app's own word",
        )

    async def history(self, ctx: Context) -> Sequence[Release]:
        """What came into service, newest first. How it ran the lab doesn't know: that is the journal's to say."""
        found = await ask(ctx, "/releases")
        created = {release["commit"]: release["created"] for release in found["releases"]}
        return [
            Release(
                version=record["version"],
                commit=record["commit"],
                digest=record["digest"],
                created_at=created.get(record["commit"]),
                deployed_at=record["at"],
                deployed_by=record["by"],
            )
            for record in reversed(found["deployments"])
            if record["outcome"] == "deployed"
        ]

    async def resolve(self, ctx: Context, text: str) -> Release:
        found = await _tagged(ctx, text) if text.startswith("sha256:") else None
        if found is None:
            found = await ask(ctx, "/resolve", ref=text)
        return Release(
            version=found["version"], commit=found["commit"], digest=found["digest"], created_at=found["created"]
        )

    async def diff(self, ctx: Context, older: Release, newer: Release) -> ReleaseDiff:
        """What ``newer`` has and ``older`` has not; what ``older`` alone has is told in the notes."""
        refs = {"from": older.commit or older.version, "to": newer.commit or newer.version}
        found = await ask(ctx, "/diff", **refs)
        missing = [f"only in {older.name}: {commit['subject']}" for commit in found["missing_commits"]]
        gone = [f"migration only in {older.name}: {name}" for name in found["migrations_removed"]]
        return ReleaseDiff(
            older=older.name,
            newer=newer.name,
            commits=tuple(f"{each['commit'][:7]} {each['subject']} ({each['author']})" for each in found["commits"]),
            files=tuple(f"{file['status']} {file['path']}" for file in found["files"]),
            migrations=tuple(found["migrations_added"]),
            config_keys=tuple(
                f"{how} {name}" for how in ("added", "removed", "changed") for name in found[f"config_{how}"]
            ),
            notes=(*missing, *gone),
        )


async def _tagged(ctx: Context, digest: str) -> dict[str, Any] | None:
    releases = (await ask(ctx, "/releases"))["releases"]
    return next((release for release in releases if release["digest"] == digest), None)


async def _created(ctx: Context, commit: str) -> datetime | None:
    """A release's own date tells newer from older, wherever a rollback has put it in the history."""
    releases = (await ask(ctx, "/releases"))["releases"]
    found = next((release["created"] for release in releases if release["commit"] == commit), None)
    return datetime.fromisoformat(found) if found else None
