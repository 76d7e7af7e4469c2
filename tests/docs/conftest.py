"""The pages as text, and what stands in them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def pages() -> list[Path]:
    """What is written for people: README, CONTRIBUTING, the pages and the examples' list."""
    written = [path for path in sorted(DOCS.rglob("*.md")) if "_build" not in path.parts]
    own = [path for path in written if "plugin" not in path.relative_to(DOCS).parts[:-1]]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "conf/examples/README.md", *own]


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


class Block(NamedTuple):
    """A block of code in a page."""

    place: str
    language: str
    text: str


def blocks(*languages: str) -> Iterator[Block]:
    """Every block of these languages in every page."""
    for path in pages():
        text = path.read_text("utf-8")
        for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if found[1] in languages:
                line = text.count("\n", 0, found.start()) + 1
                yield Block(f"{path.relative_to(ROOT)}:{line}", found[1], found[2])


def rows(text: str) -> list[list[str]]:
    """The cells of the first table in *text*, without its head."""
    table = re.search(r"^\|.*\|\n\|[-|]+\|\n((?:\|.*\|\n)*)", text, re.MULTILINE)
    assert table is not None
    lines = table[1].splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def names(text: str) -> list[str]:
    """The names in the first column of the first table in *text*."""
    return [name for cells in rows(text) for name in re.findall(r"`([\w.-]+)", cells[0])]


spec = spec_from_file_location("docs_blocks", DOCS / "blocks.py")
assert spec is not None
assert spec.loader is not None
made = sys.modules[spec.name] = module_from_spec(spec)
spec.loader.exec_module(made)

this = spec_from_file_location("docs_pages", __file__)
assert this is not None
sys.modules["docs_pages"] = sys.modules[__name__]
