"""Makes `fuzz_accounting`, `fuzz_mutation` and `fuzz_targets` importable for its tests; registers `long`."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from hypothesis import HealthCheck, settings

LONG = 10_000
"""Examples of each target with `make fuzz`: some minutes each, against a second in the usual run."""

for name in ("accounting", "mutation", "targets"):
    spec = spec_from_file_location(f"fuzz_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])

# What is found becomes a file of the corpus, and so a test.
settings.register_profile(
    "long", max_examples=LONG, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck)
)
