"""Makes `journal_stores` and `journal_kit` importable for the tests of this room."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

for name in ("stores", "kit"):
    spec = spec_from_file_location(f"journal_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
