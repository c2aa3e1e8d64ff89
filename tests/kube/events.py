"""Events, with counts for what repeats; the scheduler's in the newer form, without first and last time stamps."""

from __future__ import annotations

from tests.kube import clock
from tests.kube.api import Api, Write, suffix
from tests.kube.resources import resource
from tests.kube.store import Obj

EVENTS = resource("", "events")


class Events:
    def __init__(self, api: Api) -> None:
        self.api = api
        self._known: dict[tuple[str, str, str], str] = {}

    def say(self, about: Obj, reason: str, message: str, source: str, warning: bool = False) -> None:
        meta = about["metadata"]
        space = meta.get("namespace", "default")
        home = self.api.store.get(("", "namespaces"), "", space)
        if home is None or home["metadata"].get("deletionTimestamp"):
            return
        known = (meta["uid"], reason, message)
        if (name := self._known.get(known)) and (old := self.api.store.get(EVENTS.key, space, name)):
            body = {**old, "metadata": dict(old["metadata"]), "count": (old.get("count") or 1) + 1}
            body["lastTimestamp"] = clock.seconds()
            self.api.update(EVENTS, space, name, body, Write(source))
            return
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{meta['name']}.{suffix(16)}", "namespace": space},
            "involvedObject": {
                "kind": about["kind"],
                "namespace": space,
                "name": meta["name"],
                "uid": meta["uid"],
                "apiVersion": about["apiVersion"],
                "resourceVersion": meta["resourceVersion"],
            },
            "reason": reason,
            "message": message,
            "type": "Warning" if warning else "Normal",
        }
        if source == "default-scheduler":
            body |= {"source": {}, "firstTimestamp": None, "lastTimestamp": None, "eventTime": clock.micros()}
            body |= {"action": "Binding", "reportingComponent": source, "reportingInstance": f"{source}-emulator"}
        else:
            body |= {
                "source": {"component": source},
                "firstTimestamp": clock.seconds(),
                "lastTimestamp": clock.seconds(),
            }
            body |= {"count": 1, "eventTime": None, "reportingComponent": source, "reportingInstance": ""}
        self._known[known] = self.api.create(EVENTS, space, body, Write(source))["metadata"]["name"]
