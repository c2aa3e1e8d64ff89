"""What is handed to a program beside its words: its environment, private files in it, and its input and output."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from warroom.errors import BadInput
from warroom.files import open_private
from warroom.model.call import PgPass, Private


@dataclass
class Handed:
    """``env`` None: this process's own. ``fds`` are descriptors that the program keeps."""

    env: dict[str, str] | None
    fds: tuple[int, ...] = ()


@contextmanager
def handed(
    env: Mapping[str, Private | PgPass], value: Callable[[Private], str], secret: Callable[[str], str]
) -> Iterator[Handed]:
    """The whole environment of a program, with its private files for as long as this lasts.

    Where one of PostgreSQL's variables is given, none is inherited: a PGSERVICE or PGHOSTADDR of warroom's own would
    lead the program somewhere else.
    """
    if not env:
        yield Handed(None)
        return
    ours = any(name.startswith("PG") for name in env)
    whole = {name: text for name, text in os.environ.items() if not (ours and name.startswith("PG"))}
    fds: list[int] = []
    with contextlib.ExitStack() as stack:
        for name, given in env.items():
            if isinstance(given, PgPass):
                path, fd = stack.enter_context(_private_file(pgpass(given, secret).encode()))
                whole[name] = path
                fds += [fd] if fd is not None else []
            else:
                whole[name] = value(given)
        yield Handed(whole, tuple(fds))


def pgpass(named: PgPass, secret: Callable[[str], str]) -> str:
    """Raises BadInput where the secret is no address, or has no password."""
    from warroom.actions.store_urls import postgres_address

    address = postgres_address(named.pgpass, secret(named.pgpass))
    if named.user is not None and named.password is not None:
        other = {**address.conninfo, "user": named.user, "password": secret(named.password)}
        address = replace(address, conninfo=other)
    return address.pgpass()


@contextmanager
def _private_file(data: bytes) -> Iterator[tuple[str, int | None]]:
    """A path under which a program reads ``data``, and the descriptor that it has to keep for that.

    An anonymous file in memory: nobody else can open it, and it is gone with the last that has it open, even when
    warroom was killed. Where the system has none it is a file in a private folder.
    """
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("warroom", os.MFD_CLOEXEC)
        try:
            os.fchmod(fd, 0o600)  # libpq wants it so
            os.write(fd, data)
            yield f"/proc/self/fd/{fd}", fd
        finally:
            os.close(fd)
        return
    with tempfile.TemporaryDirectory(prefix="warroom-") as folder:
        path = os.path.join(folder, "pgpass")
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)
        yield path, None


@contextmanager
def held(data: bytes) -> Iterator[int]:
    """A descriptor that gives ``data``, a few lines, and whose end comes only when this ends, or warroom does."""
    theirs, ours = os.pipe()
    try:
        os.set_blocking(ours, False)
        os.write(ours, data)
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[int]:
    """A descriptor of a plain file. Raises BadInput, or WarroomError for what is none."""
    from pathlib import Path

    try:
        fd = open_private(Path(path), os.O_RDONLY)
    except OSError as error:
        raise BadInput(
            f"{os.fspath(path)} can't be read", error.strerror or str(error), "see that it is there"
        ) from error
    try:
        yield fd
    finally:
        os.close(fd)
