"""Questions to one engine: Docker's SDK in threads, each with its time, its errors in this house's words."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from warroom.api import Connection, TimedOut, Unreachable, WarroomError
from warroom_compose.endpoint import Endpoint

if TYPE_CHECKING:
    from warroom_compose.sdk import Api, Asking, Carrier, Opened
    from warroom_compose.wire import Dialing

T = TypeVar("T")
AT_ONCE = 16
"""Questions under way; the others wait."""
AT_ONCE_STARTED = 3
"""The same where each connection is a program of its own, which takes longer to start than to ask."""


class EngineRefused(WarroomError):
    """The engine answered, and said no. ``status`` is its HTTP status."""

    def __init__(self, title: str, cause: str = "", hint: str = "", *, status: int = 0) -> None:
        super().__init__(title, cause, hint)
        self.status = status


class NotThere(EngineRefused):
    """There is no such container or image (404)."""


def refusal(path: str, message: str, status: int) -> EngineRefused:
    kind = NotThere if status == 404 else EngineRefused
    return kind(f"The Docker engine refused {path}", message[:500], status=status)


class Questions:
    """Threads and connections are made as they are needed, and all of them end with ``close``."""

    def __init__(self, at: Endpoint, dialing: Dialing) -> None:
        at_once = AT_ONCE if isinstance(at.to, str) else AT_ONCE_STARTED
        self._at = at
        self._dialing = dialing
        self._loop = asyncio.get_running_loop()
        self._few = asyncio.Semaphore(at_once)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="docker")
        self._making = threading.Lock()
        self._carrier: Carrier | None = None
        self._apis: dict[str, Api] = {}
        self._dials: set[Future[Connection]] = set()
        self._carried: set[Connection] = set()
        self._ending: set[asyncio.Task[None]] = set()

    async def ask(self, question: Callable[[Api], T], version: str, seconds: float) -> T:
        """``seconds`` for each part of the answer; half of that again for it as a whole, and what a connection takes.

        Raises ``NotThere``, ``EngineRefused``, ``Unreachable`` or ``TimedOut``.
        """
        patience = seconds + self._at.slow_s
        under_way: list[Asking] = []

        def work() -> T:
            from warroom_compose.sdk import Asking

            api, carrier = self._api(version)
            under_way.append(Asking())
            with carrier.patient(patience, seconds, under_way[0]):
                return question(api)

        async with self._few:
            try:
                async with asyncio.timeout(patience + seconds / 2):
                    return await self._loop.run_in_executor(self._threads, _plain(work))
            except asyncio.CancelledError:
                _end(under_way)
                raise
            except (TimeoutError, TimedOut) as error:
                _end(under_way)
                raise self._dialing.late(seconds) from error
            except Unreachable as error:
                raise await self._dialing.lost(error) from error

    async def close(self) -> None:
        for dialed in tuple(self._dials):
            dialed.cancel()
        if self._carrier is not None:
            self._carrier.close()
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        await asyncio.gather(*(self._end(each) for each in tuple(self._carried)), *self._ending)

    def _api(self, version: str) -> tuple[Api, Carrier]:
        """In a thread: the SDK takes its time to be imported."""
        from warroom_compose.sdk import Api, Carrier

        with self._making:
            if self._carrier is None:
                self._carrier = Carrier(self._connect, self._at.tls, self._at.hostname)
            if version not in self._apis:
                self._apis[version] = _made(Api, self._carrier, version)
            return self._apis[version], self._carrier

    def _connect(self, seconds: float) -> Opened:
        """In a thread."""
        from warroom_compose.sdk import Opened

        dialed = asyncio.run_coroutine_threadsafe(self._dial(seconds), self._loop)
        self._dials.add(dialed)
        try:
            connection = dialed.result()
        finally:
            self._dials.discard(dialed)
        return Opened(connection.socket, lambda: self._let_go(connection))

    async def _dial(self, seconds: float) -> Connection:
        connection = await self._dialing.dialed(seconds)
        self._carried.add(connection)
        return connection

    def _let_go(self, connection: Connection) -> None:
        """From any thread. A loop that is closed has no more programs to end."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._begin_to_end, connection)

    def _begin_to_end(self, connection: Connection) -> None:
        ending = self._loop.create_task(self._end(connection))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _end(self, connection: Connection) -> None:
        if connection in self._carried:
            self._carried.discard(connection)
            await connection.close()


def _end(under_way: list[Asking]) -> None:
    """Nobody waits for it any more: its thread must not go on reading whatever an engine sends."""
    for each in under_way:
        each.end()


def _made(kind: type[Api], carrier: Carrier, version: str) -> Api:
    """The SDK reads the docker command's own configuration, which people write."""
    import docker.errors

    try:
        return kind(carrier, version)
    except (docker.errors.DockerException, AttributeError, TypeError, ValueError) as error:
        raise WarroomError(
            "Docker's own configuration can't be read",
            str(error)[:300],
            "mend config.json in ~/.docker or DOCKER_CONFIG",
        ) from error


def _plain(work: Callable[[], T]) -> Callable[[], T]:
    """``work``, whose errors are this house's: the SDK's and those of what is under it are known here alone."""

    def asked() -> T:
        import docker.errors
        import requests
        import urllib3

        try:
            return work()
        except docker.errors.APIError as error:
            path = (
                (str(error.response.url) if error.response is not None else "")
                .partition("?")[0]
                .partition("://")[2]
                .partition("/")[2]
            )
            raise refusal(f"/{path}", str(error.explanation or error), error.status_code or 0) from error
        except requests.exceptions.JSONDecodeError as error:
            raise WarroomError("The Docker engine's answer can't be read", "it gave no JSON") from error
        except requests.exceptions.ContentDecodingError as error:
            raise WarroomError("The Docker engine's answer can't be read", _innermost(error)) from error
        except requests.RequestException as error:
            cause = error.args[0] if error.args else error
            if isinstance(error, requests.Timeout) or isinstance(cause, urllib3.exceptions.ReadTimeoutError):
                raise TimedOut("no answer", str(error)) from error
            raise Unreachable("no answer", _innermost(error)) from error
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise Unreachable("no answer", str(error) or type(error).__name__) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            # The SDK takes answers for what they should be; another program may stand in the engine's place.
            cause = f"it is not what an engine gives ({type(error).__name__})"
            raise WarroomError("The Docker engine's answer can't be read", cause) from error

    return asked


def _innermost(error: BaseException) -> str:
    """What happened, without what each layer put around it."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    return str(error) or type(error).__name__
