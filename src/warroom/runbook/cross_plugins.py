"""What only the plugins know: their configuration, operations, checks and signals, against what the runbook says."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from pydantic import BaseModel, JsonValue, ValidationError

from warroom.api import Plugin, SignalOffer
from warroom.errors import WarroomError
from warroom.runbook.cross import Cross, choices_of, unknown_placeholders
from warroom.runbook.problems import Problem, meant, one_of, plain, quoted
from warroom.runbook.shape import Path, explain

SAMPLES = {
    "${incident}": "inc-20250101-000000",
    "${service}": "service",
    **{f"${{{who}.version}}": "v1.0.0" for who in ("target", "running")},
    **{f"${{{who}.commit}}": "0123456789abcdef0123456789abcdef01234567" for who in ("target", "running")},
    **{f"${{{who}.digest}}": "sha256:" + "0123456789abcdef" * 4 for who in ("target", "running")},
}
"""What stands in for a placeholder while arguments are checked: its real value is known only when a plan is made."""


_CHOICE = re.compile(r"\$\{choice\.[^}\n]*\}")


class Named(Protocol):
    @property
    def name(self) -> str: ...


class PluginSource(Protocol):
    """``warroom.plugins``, or a test's own."""

    def available(self) -> Iterable[Named]: ...

    def load(self, name: str) -> Plugin: ...


def check_plugins(cross: Cross, source: PluginSource) -> None:
    """Loads each plugin that the runbook names, once. One that is broken is told and the rest goes on."""
    if not cross.runbook.platforms:
        return
    installed = sorted({found.name for found in source.available()})
    loaded: dict[str, Plugin] = {}
    broken: set[str] = set()
    platforms: dict[str, tuple[Plugin, BaseModel | None]] = {}
    for platform_id, platform in cross.runbook.platforms.items():
        name, path = platform.plugin, ("platforms", platform_id)
        if name not in installed:
            at = cross.value(*path, "plugin")
            expected = f"a plugin that is installed: {one_of(installed)}"
            cross.wrong(at, f"the plugin {quoted(name)}", expected, meant(name, installed))
            continue
        if name not in loaded and name not in broken:
            try:
                loaded[name] = source.load(name)
            except WarroomError as error:
                broken.add(name)
                at = cross.value(*path, "plugin")
                cross.wrong(at, f"the plugin {quoted(name)}", "one that can be loaded", plain(str(error)))
        if name in loaded:
            platforms[platform_id] = (loaded[name], _config(cross, loaded[name], platform.config, path))
            _fingerprint(cross, platform_id, *platforms[platform_id])
    _operations(cross, platforms)
    _choosers(cross, platforms)
    _checks(cross, platforms)
    _signals(cross, platforms)
    for channel_id, channel in cross.runbook.channels.items():
        plugin = platforms[channel.platform][0] if channel.platform in platforms else None
        if plugin is not None and plugin.notifier is None:
            at = cross.value("channels", channel_id, "platform")
            cross.wrong(at, f"the plugin {quoted(plugin.name)}, which sends no messages", "one that does")


def _fingerprint(cross: Cross, platform_id: str, plugin: Plugin, config: BaseModel | None) -> None:
    environment = cross.runbook.environment
    if environment.kind == "drill" or platform_id in environment.fingerprints:
        return
    # A plugin whose identity is a matter of configuration has none while that is left out.
    if plugin.identity is None or not plugin.identity_lasts or getattr(config, "identity", plugin) is None:
        return
    at = cross.key("platforms", platform_id)
    expected = "one: without it nothing tells this environment apart"
    cross.warnings.append(Problem(at, f"no fingerprint of {platform_id} in environment", expected))


Platforms = Mapping[str, tuple[Plugin, BaseModel | None]]


def _config(cross: Cross, plugin: Plugin, config: Mapping[str, JsonValue], path: Path) -> BaseModel | None:
    return _validated(cross, plugin.config, config, (*path, "config") if config else path, secret=True)


def _validated(
    cross: Cross,
    model: type[BaseModel],
    values: Mapping[str, JsonValue],
    path: Path,
    *,
    secret: bool = False,
    chosen: Collection[str] = (),
) -> BaseModel | None:
    """The values as the plugin's model has them, or None, told. A plugin's own validator may raise anything.

    ``chosen`` are the keys whose values a person gives later: what is wrong with their stand-ins is not told, and
    neither is what is wrong with all values together then.
    """
    from warroom.plugins import called

    def validate() -> BaseModel | ValidationError:
        try:
            return model.model_validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            return error

    try:
        result = called("The plugin", validate)
    except WarroomError as error:
        cross.wrong(cross.key(*path), "values that the plugin fails on", "values that it takes", plain(str(error)))
        return None
    if isinstance(result, ValidationError):
        cross.problems += explain(model, cross.root, result, path, secret=secret, later=chosen)
        return None
    return result


def _operations(cross: Cross, platforms: Platforms) -> None:
    for procedure_id, procedure in cross.runbook.procedures.items():
        for step_id, step in procedure.steps.items():
            path: Path = ("procedures", procedure_id, "steps", step_id)
            platform_id, _, name = (step.op or "").partition(".")
            if platform_id not in platforms:
                continue
            plugin = platforms[platform_id][0]
            operation = plugin.operation(name)
            if operation is not None and step.op is not None:
                cross.risks[step.op] = operation.risk
            if operation is None:
                known = [f"{platform_id}.{each.name}" for each in plugin.operations]
                hint = meant(step.op or "", known)
                cross.wrong(
                    cross.value(*path, "op"), f"the unknown operation {quoted(step.op or '')}", one_of(known), hint
                )
            elif not any(unknown_placeholders(text, choices_of(procedure)) for text in _strings(step.with_)):
                at = (*path, "with") if step.with_ else path
                values = _sampled(step.with_)
                assert isinstance(values, dict)
                chosen = {key for key, value in step.with_.items() if any(map(_CHOICE.search, _strings(value)))}
                _validated(cross, operation.args, values, at, chosen=chosen)


def _choosers(cross: Cross, platforms: Platforms) -> None:
    for procedure_id, procedure in cross.runbook.procedures.items():
        for choice_id, choice in procedure.choices.items():
            platform_id, _, name = choice.use.partition(".")
            if platform_id in platforms and name not in (choosers := platforms[platform_id][0].choosers):
                at = cross.value("procedures", procedure_id, "choices", choice_id, "use")
                known = [f"{platform_id}.{each}" for each in choosers]
                expected = one_of(known) if known else f"a platform that gives a choice: {platform_id} gives none"
                cross.wrong(at, f"the unknown choice {quoted(choice.use)}", expected, meant(choice.use, known))


def _strings(value: JsonValue) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inner for text in _strings(each)]


def _sampled(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        for name, sample in SAMPLES.items():
            value = value.replace(name, sample)
        return value
    if isinstance(value, list):
        return [_sampled(each) for each in value]
    if isinstance(value, dict):
        return {key: _sampled(each) for key, each in value.items()}
    return value


def _checks(cross: Cross, platforms: Platforms) -> None:
    for check_id, check in cross.runbook.verification.items():
        path: Path = ("verification", check_id)
        if "." in check.use:
            _probe(cross, platforms, check.use, (*path, "use"), check.with_, (*path, "with") if check.with_ else path)
        elif check.use == "counts-match" and isinstance(check.with_.get("probe"), str):
            at = (*path, "with", "probe")
            _probe(cross, platforms, str(check.with_["probe"]), at, {}, at)


def _probe(
    cross: Cross, platforms: Platforms, use: str, path: Path, args: Mapping[str, JsonValue], args_path: Path
) -> None:
    platform_id, _, name = use.partition(".")
    if platform_id not in platforms:
        return
    plugin = platforms[platform_id][0]
    probe = plugin.probe(name)
    if probe is None:
        known = [f"{platform_id}.{each.name}" for each in plugin.probes]
        cross.wrong(cross.value(*path), f"the unknown check {quoted(use)}", one_of(known), meant(use, known))
    else:
        _validated(cross, probe.args, args, args_path)


def _signals(cross: Cross, platforms: Platforms) -> None:
    offers: dict[str, Mapping[str, SignalOffer] | None] = {}
    for signal_id, signal in cross.runbook.signals.items():
        if signal.source is None or signal.source.platform not in platforms:
            continue
        platform_id = signal.source.platform
        if platform_id not in offers:
            offers[platform_id] = _offers(cross, platform_id, *platforms[platform_id])
        offered = offers[platform_id]
        if offered is None:
            continue
        name, path = signal.source.signal, ("signals", signal_id)
        offer = offered.get(name)
        if offer is not None:
            cross.offers[signal_id] = offer
        if offer is None:
            at = cross.value(*path, "source", "signal")
            cross.wrong(
                at, f"the unknown signal {quoted(name)} of {platform_id}", one_of(offered), meant(name, offered)
            )
        elif offer.unit != signal.unit:
            at = cross.value(*path, "unit")
            cross.wrong(at, f"the unit {signal.unit}", f"{offer.unit}, in which {platform_id} measures {quoted(name)}")


def _offers(
    cross: Cross, platform_id: str, plugin: Plugin, config: BaseModel | None
) -> Mapping[str, SignalOffer] | None:
    """What the platform measures; None where that can't be known because something is wrong with it already."""
    from warroom.plugins import called

    signals = plugin.signals
    if signals is None:
        return {}
    if config is None:
        return None
    try:
        return called(f"The plugin {plugin.name}", lambda: signals.offers(config))
    except WarroomError as error:
        at = cross.key("platforms", platform_id)
        cross.wrong(at, f"the plugin {quoted(plugin.name)}", "one that can say what it measures", plain(str(error)))
        return None
