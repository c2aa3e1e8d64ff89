"""What evidence costs: twelve sources beside each other, and sealing a large file against reading it once."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
import time
from pathlib import Path

import pytest

from tests.engines import a_running
from tests.world import PLUGIN, Dump, until
from warroom.actions.evidence import Bundle
from warroom.api import Collector, Context, Folder
from warroom.model import intent as it
from warroom.redact import Redactor
from warroom.testing.clock import VirtualClock

MB = 1024 * 1024


class Slow(Dump):
    def __init__(self, number: int, seconds: float) -> None:
        self.name = f"slow-{number}"
        self.kinds = (self.name,)
        self.seconds = seconds

    async def collect(self, ctx: Context, folder: Folder) -> None:
        await asyncio.sleep(self.seconds)
        await folder.write("x.txt", b"x", kind=self.name)


async def test_twelve_sources_take_little_longer_than_the_slowest(
    tmp_path: Path, full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    slowest = 6.0 if full else 2.0
    collectors: tuple[Collector, ...] = tuple(Slow(n, slowest * (n + 1) / 12) for n in range(12))
    async with a_running(tmp_path, plugin=dataclasses.replace(PLUGIN, collectors=collectors)) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        began = time.monotonic()
        await world.ok(it.CaptureEvidence())
        await until(lambda: world.state.evidence.status == "sealed", seconds=60)
        ratio = (time.monotonic() - began) / slowest
    with capsys.disabled():
        print(f"\n12 sources: {ratio:.2f} times the slowest (goal 1.2)")
    assert ratio < (3 if full else 5), "they are collected one after the other"


async def test_sealing_costs_little_more_than_a_checksum(
    tmp_path: Path, full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    size = 1024 if full else 64
    clock = time.monotonic if full else time.process_time  # beside other tests, of the processor's time
    bundle = Bundle(tmp_path / "evidence", "evidence-1", "INC-0001", VirtualClock(), Redactor())
    folder = bundle.for_collector("dump")
    async with folder.file("x.dump", kind="dump") as part:
        with part.open("wb") as out:
            for _ in range(size):
                out.write(os.urandom(MB))
            out.flush()
            os.fsync(out.fileno())
        began = clock()
    bundle.seal({}, {})
    sealed = clock() - began
    began = clock()
    with (bundle.path / "dump" / "x.dump").open("rb") as file:
        hashlib.file_digest(file, "sha256")
    ratio = sealed / (clock() - began)
    with capsys.disabled():
        print(f"\nsealing {size} MB: {ratio:.2f} times its checksum (goal 1.2)")
    assert ratio < 5
