from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hikrecv_yours
import pytest

from hikrecv.testing.contract import PluginContract


class TestContract(PluginContract):
    """Inherited: repeats, failures, time-outs, late and odd events, restarts, wrong settings."""

    plugin = hikrecv_yours
    wrong = (({"url": "ftp://example.org"}, "url"),)

    @pytest.fixture
    def table(self, recording_server: Any) -> dict[str, Any]:
        return {"url": recording_server.url}

    @pytest.fixture
    def seen(self, recording_server: Any) -> Callable[[], list[str]]:
        return lambda: [asked.json()["key"] for asked in recording_server.accepted]

    @pytest.fixture
    def trouble(self, recording_server: Any) -> Any:
        return recording_server


def test_the_server_is_told_who_it_was(bench: Any, make_event: Any, recording_server: Any) -> None:
    context = bench.context(hikrecv_yours, url=recording_server.url)
    plugin = hikrecv_yours.Plugin(context)

    bench.call(plugin.hikrecv_event, make_event("face-match", match={"person": "Ada"}), context)

    assert recording_server.accepted[0].json()["match"]["person"] == "Ada"
