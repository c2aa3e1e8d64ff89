"""The emulator's levers: what no client of a real cluster can do. Each is one POST to /emulator/WORD."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Does = Literal["runs", "crashes", "never-ready", "no-such-image", "slow"]


@dataclass(frozen=True)
class Seen:
    """A request as the server met it."""

    method: str
    path: str
    query: dict[str, str]
    content_type: str
    user: str
    agent: str
    status: int
    """0 while it is being answered (a watch, a followed log)."""

    received: int
    sent: int
    """Bytes of bodies, not of headers."""


class Steering:
    def __init__(self, post: Callable[[str, bytes], tuple[int, bytes]]) -> None:
        self._post = post

    def _do(self, word: str, **values: Any) -> Any:
        status, raw = self._post(f"/emulator/{word}", json.dumps(values).encode())
        if status != 200:
            raise AssertionError(f"steering {word}: {status} {raw.decode(errors='replace')}")
        return json.loads(raw)

    def reset(self) -> None:
        """Every lever back; objects stay."""
        self._do("reset")

    # ---- containers

    def image(self, image: str, does: Does, digest: str = "", lines: list[str] | None = None) -> None:
        """What a container of this image does from its next start; its log's first lines."""
        self._do("image", image=image, does=does, digest=digest, lines=lines)

    def say(self, namespace: str, pod: str, *lines: str, container: str = "") -> None:
        """Lines to a running container's log."""
        self._do("say", namespace=namespace, pod=pod, container=container, lines=list(lines))

    def crash(self, namespace: str, pod: str, container: str = "", code: int = 1) -> None:
        """The container ends now, and is started again as the kubelet does."""
        self._do("crash", namespace=namespace, pod=pod, container=container, code=code)

    def usage(self, namespace: str, pod: str, cpu_m: int, memory_mi: int) -> None:
        """What metrics.k8s.io says of each of its containers."""
        self._do("usage", namespace=namespace, pod=pod, cpu_m=cpu_m, memory_mi=memory_mi)

    def metrics(self, on: bool) -> None:
        """Whether there is a metrics.k8s.io at all."""
        self._do("metrics", on=on)

    def hold(self, *what: str) -> None:
        """These controllers do nothing from now: deployments, replicasets, statefulsets, daemonsets, kubelet,
        endpoints, autoscaling, garbage. None: all go on.
        """
        self._do("hold", what=list(what))

    # ---- who may do what

    def deny(self, verb: str, resource: str, namespace: str = "*") -> None:
        """As RBAC would; "*" is any. A subresource is "deployments/scale"."""
        self._do("deny", verb=verb, resource=resource, namespace=namespace)

    def tokens(self, *valid: str) -> None:
        """From now on these alone: any other is answered 401."""
        self._do("tokens", valid=list(valid))

    # ---- the line

    def fail(self, path: str, status: int, times: int = 1, method: str = "", reason: str = "", wait_s: int = 0) -> None:
        """The next requests whose path this regular expression finds; ``wait_s`` is their Retry-After."""
        self._do("fail", path=path, status=status, times=times, method=method, reason=reason, wait_s=wait_s)

    def slow(self, seconds: float, path: str = "") -> None:
        """Before each answer whose path this finds; 0 ends it."""
        self._do("slow", seconds=seconds, path=path)

    def compact(self) -> None:
        """No watch or continue from an older version any more: 410."""
        self._do("compact")

    def end_watches(self) -> None:
        """As the server does at the end of its own time: closed without an error."""
        self._do("end-watches")

    def bookmark(self) -> None:
        """A bookmark to each watch that allows them, now."""
        self._do("bookmark")

    def mute(self, on: bool = True) -> None:
        """Half open: connections stand and are taken, and nothing is answered or sent on them."""
        self._do("mute", on=on)

    def restart(self, down_s: float = 0.5) -> None:
        """All connections are cut, none is taken for so long; objects stay, the watch cache is empty."""
        self._do("restart", down_s=down_s)

    # ---- looking

    def requests(self) -> list[Seen]:
        """Since the start or ``forget``, oldest first; /emulator is not among them."""
        return [Seen(**one) for one in self._do("requests")]

    def forget(self) -> None:
        """The requests seen until now."""
        self._do("forget")

    def populate(self, namespace: str, deployments: int, pods: int) -> None:
        """So many ready pods, spread over so many Deployments, at once; their controllers leave them alone until one
        of them changes.
        """
        self._do("populate", namespace=namespace, deployments=deployments, pods=pods)


def plain(seen: Seen) -> dict[str, Any]:
    return asdict(seen)
