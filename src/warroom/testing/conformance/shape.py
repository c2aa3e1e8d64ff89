"""What can be said of a plugin without running it."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema

from warroom.api import API_VERSION, Plugin
from warroom.testing.conformance.findings import Findings

NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_FREE = re.compile(r"[a-z][a-z0-9]*([._-][a-z0-9]+)*")


def check_shape(plugin: Plugin, findings: Findings) -> None:
    findings.hold(
        plugin.api == API_VERSION, f"it must follow version {API_VERSION} of the interface", "plugin", plugin.api
    )
    findings.hold(bool(NAME.fullmatch(plugin.name)), "its name must follow the grammar", "plugin", plugin.name)
    findings.hold(bool(plugin.version.strip()), "it must say its version", "plugin")
    _model("config", plugin.config, findings)
    for kind, parts in (("operation", plugin.operations), ("probe", plugin.probes), ("collector", plugin.collectors)):
        names = [part.name for part in parts]
        findings.hold(len(set(names)) == len(names), f"each {kind} must have a name of its own", kind, names)
        for name in names:
            findings.hold(bool(NAME.fullmatch(name)), "its name must follow the grammar", f"{kind} {name}")
    for name, chooser in plugin.choosers.items():
        findings.hold(bool(NAME.fullmatch(name)), "its name must follow the grammar", f"chooser {name}")
        findings.hold(bool(chooser.title.strip()), "it must have a title", f"chooser {name}")
    for operation in plugin.operations:
        where = f"operation {operation.name}"
        findings.hold(bool(operation.title.strip()), "it must have a title", where)
        findings.hold(operation.risk in ("safe", "disruptive", "destructive"), "its risk must be known", where)
        _model(f"{where}, args", operation.args, findings)
    for probe in plugin.probes:
        _model(f"probe {probe.name}, args", probe.args, findings)
    for collector in plugin.collectors:
        where = f"collector {collector.name}"
        findings.hold(collector.timeout_s > 0, "its timeout must be more than nothing", where)
        findings.hold(
            all(_FREE.fullmatch(kind) for kind in collector.kinds),
            "its kinds must be names",
            where,
            collector.kinds,
        )


def _model(where: str, model: Any, findings: Findings) -> None:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        findings.add("it must be a pydantic model", where, model)
        return
    try:
        schema = model.model_json_schema()
    except PydanticInvalidForJsonSchema as error:
        findings.add("it must have a JSON schema", where, error)
        return
    for name, part in {model.__name__: schema, **schema.get("$defs", {})}.items():
        if "properties" in part or (part.get("type") == "object" and "additionalProperties" not in part):
            closed = part.get("additionalProperties") is False
            findings.hold(closed, "unknown keys must be refused (extra='forbid')", where, name)
