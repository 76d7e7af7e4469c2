from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from hikrecv.config import Seconds, Secret
from hikrecv.reactions.settings import check, describe, split


class Tls(msgspec.Struct, frozen=True):
    verify: bool = True
    """Check the server's certificate."""


class Settings(msgspec.Struct, frozen=True):
    """
    Where events go.

    :param url: the address of the
        server.
    """

    url: str
    method: Literal["POST", "PUT"] = "POST"
    "How it is sent."
    token: Secret | None = None
    password: Secret = Secret("hunter2")
    wait: Annotated[Seconds, msgspec.Meta(description="Between two tries.")] = Seconds(90)
    headers: dict[str, str] = {}
    tls: Tls = Tls()
    to: tuple[str, ...] = ()


def test_right_settings_are_typed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")

    settings, errors = check(
        {"url": "http://hq", "wait": "5m", "token": "file:token", "to": ["a"]},
        Settings,
        path="reactions.hq",
        folder=tmp_path,
    )

    assert errors == []
    assert settings is not None
    assert (settings.wait, settings.to, settings.token) == (300.0, ("a",), "s3cret")
    assert "s3cret" not in repr(settings)


def test_every_error_of_a_table_is_found_at_once_with_its_path() -> None:
    settings, errors = check(
        {"metod": "POST", "wait": "soon", "tls": {"verify": "yes"}, "token": "env:NOT_SET_ANYWHERE", "x": 1},
        Settings,
        path="reactions.hq",
    )

    assert settings is None
    assert sorted(error.path for error in errors) == [
        "reactions.hq.metod",
        "reactions.hq.tls.verify",
        "reactions.hq.token",
        "reactions.hq.url",
        "reactions.hq.wait",
        "reactions.hq.x",
    ]
    assert any("did you mean method?" in str(error) for error in errors)


def test_settings_may_compare_their_fields() -> None:
    class Range(msgspec.Struct, frozen=True):
        low: int
        high: int

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError("low is above high")

    _, errors = check({"low": 2, "high": 1}, Range, path="reactions.hq")

    assert [str(error) for error in errors] == ["reactions.hq: low is above high"]


def test_an_unknown_key_near_a_common_one_names_it() -> None:
    _, errors = check({"url": "x", "familes": ["plate"]}, Settings, path="reactions.hq")

    assert "did you mean families?" in str(errors[0])


def test_a_table_is_split_into_what_is_common_and_what_is_the_plugins() -> None:
    common, own = split({"plugin": "forward", "from": "now", "url": "x", "when": "faces"})

    assert (common, own) == ({"plugin": "forward", "from": "now", "when": "faces"}, {"url": "x"})


def test_settings_are_described_with_type_default_and_meaning() -> None:
    rows = {row.key: row for row in describe(Settings)}

    assert rows["url"] == ("url", "text", None, "the address of the server.")
    assert rows["method"] == ("method", "POST | PUT", '"POST"', "How it is sent.")
    assert rows["token"][1:3] == ("secret", "")
    assert rows["wait"] == ("wait", "span of time", '"90s"', "Between two tries.")
    assert rows["headers"][1:3] == ("table of text", "{}")
    assert rows["to"][1:3] == ("list of text", "[]")
    assert rows["tls.verify"] == ("tls.verify", "true or false", "true", "Check the server's certificate.")


def test_a_description_shows_no_secret() -> None:
    assert "hunter2" not in repr(describe(Settings))


@pytest.mark.parametrize("shape", [None, msgspec.defstruct("Bare", [("a", int, 1)], frozen=True)])
def test_settings_without_source_or_words_are_described_too(shape: type[msgspec.Struct] | None) -> None:
    assert [row.key for row in describe(shape)] == ([] if shape is None else ["a"])
