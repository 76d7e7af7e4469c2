"""The plugins of `plugins/` in one configuration: every reaction has the common keys, by config alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hikrecv.reactions.plugins import find
from hikrecv.reactions.settings import COMMON_KEYS, describe
from hikrecv.testing.bench import Bench

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # apprise

PLUGINS = Path(__file__).parents[1] / "plugins"
OWN: dict[str, dict[str, Any]] = {
    "access": {"unknown": "allow"},
    "email": {"host": "mail.example.org", "sender": "a@example.org", "to": "b@example.org"},
    "exec": {"command": ["/bin/true"]},
    "forward": {"url": "https://hq.example.org/"},
    "lines": {},
    "mirror": {"url": "http://hq.example.org/"},
    "mqtt": {"host": "mqtt.example.org"},
    "notify": {"urls": ["json://127.0.0.1/"]},
}
COMMON: dict[str, Any] = {
    "enabled": True,
    "when": 'family == "plate" and hour >= 8',
    "families": ["plate"],
    "hold": "always",
    "schedule": [{"days": ["mon"], "times": ["22:00-06:00"], "zone": "Europe/Berlin"}],
    "cooldown": {"every": "30s", "per": "plate"},
    "max_age": "1h",
    "delivery": "at-most-once",
    "duplicates": "skip",
    "repeats": "first",
    "retry": 3,
    "timeout": "10s",
    "concurrency": 2,
    "isolate": True,
    "include": ["templates"],
    "from": "beginning",
}


def test_the_table_above_has_all_of_them() -> None:
    assert sorted(OWN) == sorted(folder.name.removeprefix("hikrecv-") for folder in PLUGINS.glob("hikrecv-*"))
    assert set(COMMON) | {"plugin", "batch"} == COMMON_KEYS


@pytest.mark.parametrize("name", OWN)
def test_every_reaction_has_the_common_keys(bench: Bench, name: str) -> None:
    hooks = find(only=[name]).get(name).hooks
    batch = {"batch": {"most": 50, "wait": "5m"}} if "hikrecv_events" in hooks else {}

    reactions, errors = bench.build({"mine": {"plugin": name, **OWN[name], **COMMON, **batch}})

    assert errors == []
    assert reactions["mine"].delivery == "at-most-once"
    assert reactions["mine"].cooldown is not None


@pytest.mark.parametrize("name", OWN)
def test_every_setting_has_a_meaning(name: str) -> None:
    rows = describe(find(only=[name]).get(name).settings)

    assert [row.key for row in rows if not row.meaning] == []
