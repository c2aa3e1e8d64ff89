"""Starting a lab from another program, and speaking to its control endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warroom import process
from warroom.errors import ProgramFailed, TimedOut, Unreachable, WarroomError

READY_TIMEOUT = 150.0
ERROR = "error: "
"""What the lab's last words begin with when it could not start."""
_STOP_GRACE = 20.0


@dataclass(frozen=True)
class LabHandle:
    """A running lab. ``control_url`` and ``base_url`` are on loopback; ``fingerprint`` is the environment's identity,
    the same for as long as the state folder lives.
    """

    state_dir: Path
    control_url: str
    token: str
    base_url: str
    fingerprint: str
    pid: int
    _child: process.Child

    async def state(self) -> dict[str, Any]:
        return await self.ask("GET", "/state")

    async def deploy(self, ref: str, *, by: str = "the drill", key: str = "") -> dict[str, Any]:
        """Deploy a tag or commit and wait for the end; the deployment's record. Raises WarroomError when it failed.

        ``key`` makes it repeatable: sent again, the first one's outcome is the answer.
        """
        headers = {"Idempotency-Key": key} if key else {}
        done = await self.ask("POST", "/deploy?wait=60", {"ref": ref, "by": by}, headers)
        if done["state"] != "done":
            raise WarroomError(f"{ref} was not deployed", done["error"] or f"the deployment is {done['state']}")
        result: dict[str, Any] = done["result"]
        return result

    async def counters(self) -> dict[str, Any]:
        return await self.ask("GET", "/counters")

    async def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """One request to the control endpoint; its JSON object. Raises Unreachable, or WarroomError when refused."""
        import aiohttp

        whole = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        timeout = aiohttp.ClientTimeout(total=90)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(method, self.control_url + path, json=body, headers=whole) as response,
            ):
                answer: dict[str, Any] = await response.json()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unreachable("The lab does not answer", str(error) or type(error).__name__) from error
        if response.status >= 400:
            raise WarroomError(answer.get("error", ""), answer.get("cause", ""), answer.get("hint", ""))
        return answer

    async def stop(self) -> int:
        """End the lab and everything it started; its exit status, 0 in good order."""
        return await self._child.stop(grace=_STOP_GRACE)


async def start_lab(
    state_dir: Path,
    *,
    fault: str = "locale",
    revert_fault: bool = False,
    fault_in_target: bool = False,
    fresh: bool = False,
    postgres_as: str = "auto",
    ready_timeout: float = READY_TIMEOUT,
) -> LabHandle:
    """Start a lab and wait until it is ready, with traffic. Raises WarroomError with what the lab said.

    A folder that holds a lab comes back as that lab was; ``fresh`` makes all of it anew but its identity.
    ``fault`` is what is wrong with its beta.3, one of ``builder.FAULTS``.
    It ends with this process, whatever happens to it; `LabHandle.stop` ends it in good order.
    """
    argv = [sys.executable, "-m", "warroom.drills.lab", "--state", str(state_dir), "--watch-parent"]
    argv += ["--postgres-as", postgres_as, "--ready-timeout", f"{ready_timeout:g}"]
    argv += ["--fault", fault]
    argv += ["--revert-fault"] if revert_fault else []
    argv += ["--fault-in-target"] if fault_in_target else []
    argv += ["--fresh"] if fresh else []
    return await launch(argv, state_dir, ready_timeout=ready_timeout)


async def launch(
    argv: Sequence[str], state_dir: Path, *, env: Mapping[str, str] | None = None, ready_timeout: float = READY_TIMEOUT
) -> LabHandle:
    """As `start_lab`, by a command line of one's own that runs a lab in ``state_dir``."""
    said: deque[str] = deque(maxlen=20)
    child = await process.start(argv, env=env, on_line=lambda stream, line: said.append(line))
    ended = asyncio.ensure_future(child.wait())
    try:
        async with asyncio.timeout(ready_timeout + _STOP_GRACE):
            while (found := _announced(state_dir, child)) is None:
                if ended.done():
                    raise ProgramFailed("The lab did not start", _last_words(said) or f"status {ended.result()}")
                await asyncio.sleep(0.02)
    except BaseException as error:
        await child.stop(grace=_STOP_GRACE)
        if isinstance(error, TimeoutError):
            raise TimedOut(f"The lab was not ready in {ready_timeout:g} s") from None
        raise
    finally:
        ended.cancel()
    return LabHandle(
        state_dir=state_dir,
        control_url=found["control_url"],
        token=found["token"],
        base_url=found["base_url"],
        fingerprint=found["fingerprint"],
        pid=child.pid,
        _child=child,
    )


def _last_words(said: Iterable[str]) -> str:
    words = [line.removeprefix(ERROR) for line in said if line.startswith(ERROR)]
    return words[-1] if words else " / ".join(said)


def _announced(state_dir: Path, child: process.Child) -> dict[str, Any] | None:
    """What this very lab has announced; an earlier lab's announcement may still lie there."""
    with contextlib.suppress(FileNotFoundError):
        found: dict[str, Any] = json.loads((state_dir / "lab.json").read_text(encoding="utf-8"))
        if (found["pid"], found["start_time"]) == (child.pid, child.start_time):
            return found
    return None


@contextlib.asynccontextmanager
async def running_lab(
    state_dir: Path,
    *,
    fault: str = "locale",
    revert_fault: bool = False,
    fault_in_target: bool = False,
    fresh: bool = False,
    ready_timeout: float = READY_TIMEOUT,
) -> AsyncIterator[LabHandle]:
    """A lab for as long as the block lasts; see `start_lab`."""
    lab = await start_lab(
        state_dir,
        fault=fault,
        revert_fault=revert_fault,
        fault_in_target=fault_in_target,
        fresh=fresh,
        ready_timeout=ready_timeout,
    )
    try:
        yield lab
    finally:
        await lab.stop()
