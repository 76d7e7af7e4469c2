"""Receivers that end with their test; `functional_harness` is importable for the tests of this folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from functional_harness import Receiver

spec = spec_from_file_location("functional_harness", Path(__file__).with_name("harness.py"))
assert spec is not None
assert spec.loader is not None
harness = sys.modules[spec.name] = module_from_spec(spec)
spec.loader.exec_module(harness)

NewReceiver = Callable[..., "Receiver"]


@pytest.fixture
def new_receiver(tmp_path: Path) -> Iterator[NewReceiver]:
    """Makes receivers, each in a folder of its own; none outlives the test, nor do their gigabytes."""
    made: list[Receiver] = []

    def make(tables: str = "", **more: object) -> Receiver:
        made.append(harness.Receiver(tmp_path / f"receiver-{len(made)}", tables, **more))
        return made[-1]

    yield make
    for each in made:
        each.end()
        shutil.rmtree(each.folder, ignore_errors=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64M,mode=0755", "hikrecv-test", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this container may not mount a file system")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)
