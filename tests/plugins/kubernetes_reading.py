"""The Kubernetes plugin's context on a cluster of the tests, with the product's own doors and redactor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from tests.kube.cluster import Cluster
from tests.kube.workloads import Namespace, Workload
from warroom.actions.changing import Changing
from warroom.actions.commands import CommandLog
from warroom.actions.doors import HttpClient, Reading
from warroom.api import Context
from warroom.engine.core import SystemClock
from warroom.engine.secrets import Secrets
from warroom.model.call import Call
from warroom.redact import Redactor
from warroom_kubernetes import plugin
from warroom_kubernetes.config import Config

LONG = 60.0
"""Seconds; a bound for what is broken, not for what is slow."""


@dataclass(frozen=True)
class Doors:
    """A context, and what its read door was made of. ``log`` has every command line that went through a door."""

    context: Context
    http: HttpClient
    log: CommandLog
    redactor: Redactor

    def lines(self) -> list[str]:
        return [one.text for one in self.log.newest(2000)]

    def changing(self, calls: tuple[Call, ...]) -> Changing:
        """The change door, for these calls alone."""
        context, sender = self.context, plugin.sender
        return Changing(
            calls,
            http=self.http,
            log=self.log,
            clock=context.clock,
            cleaner=self.redactor,
            secret=context.secret,
            send=None if sender is None else lambda call, say: sender.send(context, call, say),
        )


@asynccontextmanager
async def doors_of(
    config: Mapping[str, Any],
    redactor: Redactor | None = None,
    environment: Literal["production", "staging", "drill"] = "production",
) -> AsyncIterator[Doors]:
    """``config`` as a runbook's file writes it."""
    http, log, clock, cleaner = HttpClient(), CommandLog(), SystemClock(), redactor or Redactor()

    def hide(settings: Mapping[str, str]) -> None:
        cleaner.register_settings(settings, "kubernetes")

    context = Context(
        platform="kubernetes",
        config=Config.model_validate(dict(config)),
        read=Reading(http, log, clock, cleaner),
        clock=clock,
        secret=Secrets(cleaner),
        environment=environment,
        hide=hide,
        hidden=cleaner.holds_secret,
    )
    try:
        yield Doors(context, http, log, cleaner)
    finally:
        await http.close()


def config_of(cluster: Cluster, namespace: str = "default", **more: Any) -> dict[str, Any]:
    """``more`` of the plugin's configuration, or other than here: the Deployment web alone."""
    return {
        "kubeconfig": str(cluster.kubeconfig),
        "context": cluster.context,
        "namespace": namespace,
        "workloads": {"web": {}},
        "request_s": 30,
        **more,
    }


@asynccontextmanager
async def reading(namespace: Namespace, redactor: Redactor | None = None, **config: Any) -> AsyncIterator[Context]:
    """``config`` as in ``config_of``."""
    async with doors_of(config_of(namespace.cluster, namespace.name, **config), redactor) as doors:
        yield doors.context


def with_configs(namespace: Namespace, **secret: str) -> Workload:
    """A workload that takes its settings from a ConfigMap and a Secret, at its second revision."""
    namespace.create("v1", "configmaps", "ConfigMap", "settings", data={"LEVEL": "info", "MODE": "calm"})
    namespace.create("v1", "secrets", "Secret", "login", stringData=secret)
    source = [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "login"}}]
    web = namespace.workload(replicas=1)
    web.patch({"spec": {"template": {"spec": {"containers": [{"name": "app", "envFrom": source}]}}}})
    web.wait_rolled_out()
    return web
