"""``python -m warroom.drills.lab --state DIR``: run a lab until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from warroom.drills.lab.handle import ERROR
from warroom.errors import TimedOut, WarroomError


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m warroom.drills.lab", description="Run a drill lab.")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="the lab's own folder")
    parser.add_argument("--fault", choices=("locale", "retention"), default="locale", help="what is wrong with beta.3")
    parser.add_argument("--revert-fault", action="store_true", help="take the faulty commit back before beta.3")
    parser.add_argument("--fault-in-target", action="store_true", help="give beta.2 a faulty commit of its own")
    parser.add_argument("--fresh", action="store_true", help="make everything anew, whatever the folder holds")
    parser.add_argument("--ready-timeout", type=float, default=150.0, metavar="SECONDS")
    parser.add_argument("--watch-parent", action="store_true", help="end when the starting process has ended")
    parser.add_argument("--postgres-as", choices=("auto", "namespace", "uid", "direct"), default="auto")
    return parser.parse_args()


async def _parent_gone(parent: int) -> None:
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells of this but looking
        await asyncio.sleep(0.25)


async def _run(arguments: argparse.Namespace, parent: int) -> None:
    from warroom.drills.lab.service import Lab, Options

    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(signum, over.set)
    lab = Lab(
        Options(
            state=arguments.state.absolute(),
            fault=arguments.fault,
            revert_fault=arguments.revert_fault,
            fault_in_target=arguments.fault_in_target,
            fresh=arguments.fresh,
            postgres_as=arguments.postgres_as,
        )
    )
    ends = [asyncio.create_task(over.wait())]
    if arguments.watch_parent:
        ends.append(asyncio.create_task(_parent_gone(parent)))  # type: ignore[arg-type]  # only its end matters
    starting = asyncio.create_task(lab.start())
    try:
        await asyncio.wait([starting, *ends], timeout=arguments.ready_timeout, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        elif not any(end.done() for end in ends):
            raise TimedOut(f"The lab was not ready in {arguments.ready_timeout:g} s")
    finally:
        starting.cancel()
        await asyncio.wait([starting])
        await lab.stop()


def main() -> int:
    parent = os.getppid()
    arguments = _arguments()
    failed = False
    try:
        asyncio.run(_run(arguments, parent))
    except* WarroomError as errors:
        for error in _flat(errors):
            print(f"{ERROR}{error}", file=sys.stderr)
        failed = True
    return 1 if failed else 0


def _flat(group: BaseExceptionGroup[WarroomError]) -> list[WarroomError]:
    """The errors in a group and the groups within it."""
    found: list[WarroomError] = []
    for error in group.exceptions:
        found += _flat(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


if __name__ == "__main__":
    sys.exit(main())
