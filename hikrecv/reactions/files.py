"""Plugins that are single files: where they may lie, and how they are imported."""

from __future__ import annotations

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from hikrecv.errors import PluginError


def files_in(folder: Path) -> list[Path]:
    """
    The plugin files of *folder*, in order of their names.

    A file here is code that the receiver runs, so neither the folder nor a file
    may be writable or owned by anybody but this user and root.

    :raises PluginError: when the folder cannot be read, or others may write there.
    """
    try:
        files = sorted(file for file in folder.glob("*.py") if not file.name.startswith(("_", ".")))
        for place in (folder, *files):
            _check_owner(place)
        if not folder.is_dir():
            raise PluginError(f"{folder} is not a folder; correct plugin_dirs")
    except OSError as error:
        raise PluginError(f"cannot read {folder}: {error.strerror}; correct plugin_dirs") from None
    return files


def _check_owner(place: Path) -> None:
    status = place.stat()
    if status.st_mode & 0o022:
        raise PluginError(f"others may write to {place}; chmod go-w {place}")
    if status.st_uid not in (0, os.geteuid()):
        raise PluginError(f"{place} belongs to another user; chown it to the one that runs hikrecv")


def import_file(file: Path) -> ModuleType:
    """
    Run *file* as a module under a name that cannot hide an installed one.

    It is in `sys.modules` while it runs and afterwards: annotations are resolved there.
    """
    name = f"hikrecv_file_{file.stem}"
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"{file} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
