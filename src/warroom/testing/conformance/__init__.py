"""The plugin conformance suite: plain functions over a plugin and a platform to try it on. No pytest needed.

    await check_plugin(plugin, ctx, cases=[Case("restart", {"component": "app"})], probes={"get": [{"path": "/"}]},
                       folder=tmp_path)

raises ``NonConformance``, which lists everything found. Nothing is changed: of operations, ``facts``, ``preview`` and
``check`` are run. Run an operation's Calls yourself through a door that records them, and compare with
``check_executed``. A notifier is not tried: that would send.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from warroom.api import Backer, Context, Plugin, SecretResolver
from warroom.model.call import Call
from warroom.testing.conformance import capabilities
from warroom.testing.conformance.backing import check_backer
from warroom.testing.conformance.findings import Finding, Findings, NonConformance
from warroom.testing.conformance.guard import WitnessedDoor
from warroom.testing.conformance.operations import Case, check_operation
from warroom.testing.conformance.operations import check_executed as _check_executed
from warroom.testing.conformance.shape import check_shape

__all__ = ["Case", "Finding", "NonConformance", "assert_executed", "assert_shape", "check_plugin"]


def assert_shape(plugin: Plugin) -> None:
    """Names, models and schemas: what can be said without running anything."""
    findings = Findings()
    check_shape(plugin, findings)
    findings.settle()


def assert_executed(previewed: Sequence[Call], executed: Sequence[Call]) -> None:
    """What went through a change door is what was previewed, with Refs bound at most."""
    findings = Findings()
    _check_executed(previewed, executed, findings)
    findings.settle()


async def check_plugin(
    plugin: Plugin,
    ctx: Context,
    *,
    cases: Sequence[Case] = (),
    probes: Mapping[str, Sequence[Mapping[str, JsonValue]]] | None = None,
    folder: Path | None = None,
    items: int = 20,
    patience: float = 10,
) -> None:
    """Everything the plugin offers, tried on the platform that ``ctx`` reaches.

    Each operation needs a case, each probe its arguments, collectors and a backer a ``folder`` to write below: what is
    not tried is a finding too. ``items`` of each stream are looked at, and nothing is waited for longer than
    ``patience`` seconds.
    """
    findings = Findings()
    check_shape(plugin, findings)
    findings.settle()
    witness = _Witness(ctx.secret)
    seen = replace(ctx, read=WitnessedDoor(ctx.read), secret=witness)
    for operation in plugin.operations:
        tried = [case for case in cases if case.operation == operation.name]
        findings.hold(bool(tried), "it must be tried: give a case", f"operation {operation.name}")
        for case in tried:
            sends = plugin.sender is not None
            await check_operation(operation, seen, case, witness.values, findings, patience, sends=sends)
    for probe in plugin.probes:
        given = (probes or {}).get(probe.name, ())
        findings.hold(bool(given), "it must be tried: give its arguments", f"probe {probe.name}")
        for raw in given:
            await capabilities.check_probe(probe, seen, raw, findings, patience)
    for collector in plugin.collectors:
        if folder is None:
            findings.add("it must be tried: give a folder", f"collector {collector.name}")
            continue
        root = folder / f"evidence-{collector.name}"
        root.mkdir(mode=0o700)
        await capabilities.check_collector(collector, seen, root, findings)
    for name, chooser in plugin.choosers.items():
        await capabilities.check_chooser(name, chooser, seen, findings, patience)
    if plugin.backer is not None:
        await _backing_up(plugin.backer, seen, folder, findings)
    await _reading(plugin, seen, findings, items, patience)
    findings.settle()


async def _backing_up(backer: Backer, ctx: Context, folder: Path | None, findings: Findings) -> None:
    if folder is None:
        findings.add("it must be tried: give a folder", "backer")
        return
    root = folder / "backed-up"
    root.mkdir(mode=0o700)
    await check_backer(backer, ctx, root, findings)


async def _reading(plugin: Plugin, ctx: Context, findings: Findings, items: int, patience: float) -> None:
    if plugin.signals is not None:
        await capabilities.check_signals(plugin.signals, ctx, findings, items, patience)
    if plugin.logs is not None:
        await capabilities.check_logs(plugin.logs, ctx, findings, items, patience)
    if plugin.releases is not None:
        await capabilities.check_releases(plugin.releases, ctx, findings, patience)
    if plugin.deploying is not None:
        await capabilities.check_deploying(plugin.deploying, ctx, findings, patience)
    if plugin.readiness is not None:
        await capabilities.check_readiness(plugin.readiness, ctx, findings, patience)
    if plugin.identity is not None:
        await capabilities.check_identity(plugin.identity, ctx, findings, patience)


class _Witness:
    """Remembers the values of secrets, to look for them where they must not be."""

    def __init__(self, resolve: SecretResolver) -> None:
        self._resolve = resolve
        self.values: set[str] = set()

    def __call__(self, name: str) -> str:
        value = self._resolve(name)
        self.values.add(value)
        return value
