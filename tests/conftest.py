"""What holds for every test here."""

from __future__ import annotations

import os

from hypothesis import settings

# How long an example takes says something of the machine, which may be busy, and nothing of the code.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

# A terminal's width is no affair of tests that read what a pipe would get; those of tables say one.
os.environ.pop("COLUMNS", None)
