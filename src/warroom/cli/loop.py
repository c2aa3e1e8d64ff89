"""What runs on a loop of its own: to its end, or until a signal ends it in order."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

THREADS = 32
"""For what waits outside the loop: dumps are hashed, logs are searched, and on a small machine there would be six."""


class Ended(BaseException):
    """A signal asked us to end, and everything that had been started has been ended."""

    def __init__(self, signum: int) -> None:
        self.status = 128 + signum


class Loop(asyncio.SelectorEventLoop):
    """Looks each name up on a thread of its own.

    A name server that is down holds a look-up for half a minute, and nothing ends that. It must hold up neither what
    else waits outside the loop, which is the log and the evidence, nor the end of the program.
    """

    async def getaddrinfo(self, host: Any, port: Any, **how: int) -> Any:
        found = self.create_future()

        def give(finish: Callable[[Any], None], what: Any) -> None:
            if not found.done():
                finish(what)

        def look() -> None:
            with suppress(RuntimeError):  # nobody is there to hear it any more
                try:
                    addresses = socket.getaddrinfo(host, port, **how)
                except Exception as error:  # noqa: BLE001 - whoever asked is told, whatever it is
                    self.call_soon_threadsafe(give, found.set_exception, error)
                else:
                    self.call_soon_threadsafe(give, found.set_result, addresses)

        threading.Thread(target=look, name="look-up", daemon=True).start()
        return await found


def settle() -> None:
    """For a program that stays up from here on: what it has loaded is never looked through again for garbage.

    Such a look takes longer than a frame, on the thread that answers keys. What is new is looked through less often:
    drawing makes many objects, and few of them need it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def run(work: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """An async function to its end, on a loop of its own.

    SIGTERM and SIGHUP end it as Ctrl+C does: by cancelling it, so that whatever it started is ended in order. Raises
    Ended after any of them.
    """
    came: list[int] = []

    async def run() -> Any:
        task = asyncio.current_task()
        assert task is not None

        def end(signum: int) -> None:
            if not came:
                task.cancel()
            came.append(signum)

        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="warroom"))
        for signum in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(signum, end, signum)
        return await work(*args, **options)

    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            done = runner.run(run())
        if came:  # the console takes a cancelling for its end, and ends well
            raise Ended(came[0])
        return done
    except KeyboardInterrupt:
        raise Ended(signal.SIGINT) from None
    except asyncio.CancelledError:
        if came:
            raise Ended(came[0]) from None
        raise
