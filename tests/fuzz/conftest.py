from __future__ import annotations

from hypothesis import settings

# `make fuzz`; what it finds becomes a test of its own.
settings.register_profile("long", max_examples=200_000, deadline=None, print_blob=True)
