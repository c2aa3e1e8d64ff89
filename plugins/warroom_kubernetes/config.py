"""What a runbook says about workloads in a Kubernetes cluster."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from warroom.model.base import Duration, Fact

LABEL = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
"""A name by DNS-1123 that is one label: namespaces, containers, Services."""
SUBDOMAIN = r"^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
"""A name by DNS-1123 that may have dots: most other objects."""
Kind = Literal["Deployment", "StatefulSet", "DaemonSet", "CronJob"]
LOGIN_PROGRAMS = ("aws", "aws-iam-authenticator", "gke-gcloud-auth-plugin", "kubelogin", "doctl", "oci")
_PROGRAM = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$")


def _subdomain(text: str) -> str:
    if not re.fullmatch(SUBDOMAIN, text):
        raise ValueError("a name as Kubernetes takes it was expected: lower case letters, digits, - and .")
    return text


def _absolute(text: str) -> str:
    if not text.startswith("/") or not text.isprintable() or ".." in Path(text).parts:
        raise ValueError("an absolute path without .. was expected")
    return text


def _http(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("an address such as https://shop.example/api/version was expected")
    return text


def _path(text: str) -> str:
    if not text.startswith("/") or text.startswith("//") or set("?#") & set(text) or ".." in text.split("/"):
        raise ValueError("a path such as /api/version was expected")
    return text


def _context(text: str) -> str:
    """Any name goes in a kubeconfig; cloud providers put ``:``, ``/`` and ``@`` in theirs."""
    if text != text.strip() or not text.isprintable() or text.startswith("-"):
        raise ValueError("the name of a context was expected")
    return text


def _program(text: str) -> str:
    if not _PROGRAM.fullmatch(text):
        _absolute(text)
    return text


Label = Annotated[str, Field(pattern=LABEL)]
Name = Annotated[str, Field(max_length=253), AfterValidator(_subdomain)]
AbsolutePath = Annotated[str, Field(max_length=4000), AfterValidator(_absolute)]
Url = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s\x00-\x1f]+$"), AfterValidator(_http)]
UrlPath = Annotated[str, Field(max_length=1000, pattern=r"^/[^\s\x00-\x1f]*$"), AfterValidator(_path)]
Program = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_program)]


class Workload(Fact):
    """``name`` is the object's, where it is not the key under ``workloads``. ``container`` is the one whose image is
    the release; left out, the first. ``service`` is the Service in front of it.

    ``version_url`` answers with JSON that has a ``version`` or a ``commit``; ``version_path`` is the same as a path
    of the Service, asked through the cluster's own proxy, where no address of it can be reached from here.
    ``writer``: it writes to the database, so that it is stopped where writes are. ``with_release``: the default
    runbook rolls it back together with the released workload; a CronJob keeps no revisions to go back to.
    ``autoscaler``: the file with its autoscaler's manifest, to be applied again where that was changed.
    """

    kind: Kind = "Deployment"
    name: Name | None = None
    container: Label | None = None
    service: Label | None = None
    version_url: Url | None = None
    version_path: UrlPath | None = None
    writer: bool = False
    with_release: bool = False
    autoscaler: AbsolutePath | None = None

    @model_validator(mode="after")
    def _fits(self) -> Workload:
        if self.version_url is not None and self.version_path is not None:
            raise ValueError("version_url or version_path, not both")
        if self.version_path is not None and self.service is None:
            raise ValueError("version_path is a path of the Service: service must name it")
        if self.with_release and self.kind == "CronJob":
            raise ValueError("with_release is for what keeps revisions: a CronJob has none")
        if self.writer and self.kind == "DaemonSet":
            raise ValueError("writer is for what can be stopped: a DaemonSet has a pod on each node that it fits")
        return self


class Config(Fact):
    """``workloads`` are those that matter; the first is the one whose image is the release, unless ``release`` names
    another.

    ``context`` is one of the kubeconfig's; left out, its current one, and where there is no kubeconfig at all, the
    cluster that warroom itself runs in, as kubectl does it. ``kubeconfig`` names one file; left out, those of
    KUBECONFIG or ``~/.kube/config``. ``in_cluster``: no kubeconfig is read. ``namespace`` is the scope of all that is
    asked; left out, the context's.

    ``login_programs`` are those that a kubeconfig may have started for a login: names, which are looked for in PATH,
    or absolute paths. ``request_s`` is the longest that one question may take, ``every`` the pause between two
    measurements, both in seconds.
    """

    workloads: dict[Name, Workload] = Field(min_length=1, max_length=100)
    release: Name | None = None
    context: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_context)] | None = None
    kubeconfig: AbsolutePath | None = None
    in_cluster: bool = False
    namespace: Label | None = None
    login_programs: tuple[Program, ...] = Field(default=LOGIN_PROGRAMS, max_length=50)
    request_s: Annotated[Duration, Field(ge=0.5, le=120)] = 10
    every: Annotated[Duration, Field(ge=0.2, le=60)] = 2

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if self.in_cluster and (self.context is not None or self.kubeconfig is not None):
            raise ValueError("in_cluster, or context and kubeconfig, not both")
        if self.release is not None and self.release not in self.workloads:
            raise ValueError(f"release must be one of workloads: {', '.join(self.workloads)}")
        named = [(one.kind, self.object_name(key)) for key, one in self.workloads.items()]
        if len(set(named)) < len(named):
            raise ValueError("two of workloads are the same object")
        return self

    @property
    def released(self) -> str:
        """The key of the workload whose image is the release."""
        return self.release or next(iter(self.workloads))

    def object_name(self, key: str) -> str:
        """The name that the object of ``workloads[key]`` has in the cluster."""
        return self.workloads[key].name or key

    @property
    def together(self) -> tuple[str, ...]:
        """Those that are rolled back together, the released one first."""
        return tuple(dict.fromkeys([self.released, *(key for key, one in self.workloads.items() if one.with_release)]))

    @property
    def writers(self) -> tuple[str, ...]:
        return tuple(key for key, one in self.workloads.items() if one.writer)
