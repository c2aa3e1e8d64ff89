"""A server in a container of a Compose project: how programs are started within it, and a connection made to it. Pure.

Whoever starts a program in a container does not end it by going away: the engine lets it go on, with nobody to read
what it writes. So a program that would not miss its input watches that for the end of whoever started it.

The first process of such a container is mostly the server itself. A child that somebody leaves behind becomes the
server's, and one of those that a signal ended is a crash to it: it ends all sessions and starts anew. So whatever is
started here is waited for by who started it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, model_validator

from warroom.model.base import Fact


def _one_line(script: str) -> str:
    """What people paste may stand in a comment, which ends with its line."""
    return " ".join(line.strip() for line in script.splitlines()).strip()


CONNECT = _one_line("""
    if command -v bash >/dev/null 2>&1; then
      exec bash -c '
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1;
        exec 4<&0;
        dd bs=65536 <&3 2>/dev/null & dd bs=65536 <&4 >&3 2>/dev/null & wait -n;
        kill $(jobs -p) 2>/dev/null;
        wait' "$0" "$1";
    elif command -v nc >/dev/null 2>&1; then
      exec nc 127.0.0.1 "$1";
    fi;
    echo "neither bash nor nc is in the container, and one of them has to carry the connection" >&2;
    echo "HINT: put one of them into its image, or publish its port on 127.0.0.1 and name no through" >&2;
    exit 127
""")
"""Its standard input and output become a connection to a port: the end of either is the end of both.

Not by ``cat``: busybox has the kernel copy from a socket to a pipe, which holds on to what came until there is more."""

PROGRAM = _one_line(r"""
    pass=$1 list=$2 watch=$3; shift 3; umask 077;
    kept() {
      kept=$(mktemp /dev/shm/warroom.XXXXXX 2>/dev/null || mktemp) || exit 1;
      n=$1; while [ "$n" -gt 0 ]; do IFS= read -r line || exit 1; printf "%s\n" "$line"; n=$((n - 1)); done >"$kept";
    };
    if [ "$pass" -gt 0 ]; then kept "$pass"; exec 8<"$kept"; rm -f "$kept"; export PGPASSFILE=/proc/self/fd/8; fi;
    if [ "$list" -gt 0 ]; then kept "$list"; exec 9<"$kept"; rm -f "$kept"; fi;
    if [ "$watch" = 0 ]; then exec "$@"; fi;
    exec 7<&0 </dev/null;
    "$@" 7<&- & started=$!;
    { while read -r _; do :; done; kill "$started"; } <&7 >/dev/null 2>&1 & watching=$!;
    exec 7<&-;
    wait "$started"; status=$?;
    kill "$watching" 2>/dev/null;
    wait "$watching";
    exit "$status"
""")
"""Its first lines are a password file's and a list's, kept in files without a name, which are gone with the program:
no password is in its words or its environment, and nothing is left of it whatever is killed."""
LIST = "/proc/self/fd/9"


class Through(Fact):
    """The server runs in a container of a Compose project, and is reached within it: ``service`` of ``project``.

    ``port`` is the one within the container. ``context`` or ``host`` names the engine, as ``docker`` takes it.
    """

    project: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    service: str = Field(default="db", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    port: int = Field(default=5432, ge=1, le=65535)
    context: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$")
    host: str | None = Field(default=None, pattern=r"^(?:unix:///|tcp://|ssh://)[A-Za-z0-9._/@:\[\]-]{1,300}$")

    @model_validator(mode="after")
    def _one_engine(self) -> Through:
        if self.context is not None and self.host is not None:
            raise ValueError("context or host, not both")
        return self

    def exec(self, env: Mapping[str, str], *words: str) -> tuple[str, ...]:
        """The words that run a program in the container, its input and output being ours."""
        engine = ("--context", self.context) if self.context else ("--host", self.host) if self.host else ()
        given = [word for name, value in env.items() for word in ("-e", f"{name}={value}")]
        return ("docker", *engine, "compose", "-p", self.project, "exec", "-T", *given, "--", self.service, *words)

    def program(
        self, env: Mapping[str, str], *words: str, password: bool, listed: int = 0, watched: bool = False
    ) -> tuple[str, ...]:
        """As ``exec``. Its input begins with a line of a password file (``password``) and ``listed`` lines of a list,
        which it finds under ``LIST``. ``watched``: it reads none beyond, and is ended with its input.
        """
        if not (password or listed or watched):
            return self.exec(env, *words)
        how = (str(int(password)), str(listed), str(int(watched)))
        return self.exec(env, "sh", "-c", PROGRAM, "program", *how, *words)

    @property
    def relay(self) -> tuple[str, ...]:
        """The words of a program that is a connection to the server."""
        return self.exec({}, "sh", "-c", CONNECT, "relay", str(self.port))
