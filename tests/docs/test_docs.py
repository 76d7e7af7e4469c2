"""The pages say what the code does: neither can change without the other."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from datetime import datetime
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import click
import docs_blocks
import msgspec
import pytest
from docs_pages import DOCS, ROOT, Block, blocks, names, page, pages, rows

from hikrecv.cli.main import COMMANDS
from hikrecv.cli.main import command as hikrecv
from hikrecv.config import Common
from hikrecv.isapi import event as events
from hikrecv.push import Peer
from hikrecv.reactions.hookspecs import Hooks
from hikrecv.reactions.rule import Rule
from hikrecv.reactions.words import SHARES, find_word

LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?!https?:|mailto:|#)([^)#\s]+)")


# -- what is made from the code ---------------------------------------------------


@pytest.mark.parametrize("path", list(docs_blocks.pages()), ids=lambda path: path.stem)
def test_what_is_made_from_the_code_is_up_to_date(path: Path) -> None:
    text = path.read_text("utf-8")

    assert docs_blocks.current(text) == text, "run: python docs/blocks.py"


def test_the_pages_have_all_that_can_be_made() -> None:
    found = re.findall(
        r"<!-- begin: ([a-z-]+) -->", "".join(p.read_text("utf-8") for p in docs_blocks.pages())
    )

    assert sorted(found) == sorted(docs_blocks.BLOCKS)


# -- links, commands, code ----------------------------------------------------------


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    missing = [link for link in LINK.findall(path.read_text("utf-8")) if not (path.parent / link).exists()]

    assert missing == []


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = re.findall(
        r"^((?:tutorial|how-to|reference|explanation)/[\w-]+)$", page("index.md"), re.MULTILINE
    )

    assert sorted(listed) == sorted(
        str(path.relative_to(DOCS).with_suffix(""))
        for path in pages()
        if path.is_relative_to(DOCS)
        if path.parent != DOCS
    )


def lines_of_shell() -> list[Any]:
    found = []
    for block in blocks("sh"):
        for line in re.findall(r"^hikrecv (.*)$", block.text.replace("\\\n", " "), re.MULTILINE):
            words = shlex.split(line.partition(" > ")[0], comments=True)
            found.append(pytest.param(words, id=f"{block.place} {' '.join(words)}"))
    return found


@pytest.mark.parametrize("words", lines_of_shell())
def test_every_command_line_can_be_typed(words: list[str], tmp_path: Path) -> None:
    name, *rest = words
    command = hikrecv.get_command(click.Context(hikrecv), name)
    assert command is not None, f"there is no command {name}"
    while isinstance(command, click.Group) and rest and rest[0] in command.commands:
        name, *rest = rest
        command = command.commands[name]

    command.make_context(name, rest, parent=click.Context(hikrecv))


def options() -> list[Any]:
    found: list[Any] = []

    def look(path: str, command: click.Command) -> None:
        found.extend(
            pytest.param(option, id=f"{path} {option.opts[-1]}")
            for option in command.params
            if isinstance(option, click.Option)
        )
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                look(f"{path} {name}", inner)

    for name in COMMANDS:
        command = hikrecv.get_command(click.Context(hikrecv), name)
        assert command is not None
        look(name, command)
    return found


@pytest.mark.parametrize("option", options())
def test_every_option_says_what_it_is_for(option: click.Option) -> None:
    assert option.help


@pytest.mark.parametrize("block", list(blocks("python")), ids=lambda block: block.place)
def test_every_piece_of_python_can_be_read(block: Block) -> None:
    compile(block.text, block.place, "exec", ast.PyCF_ONLY_AST)


# -- hooks ----------------------------------------------------------------------------


def test_every_hook_is_documented_with_its_exact_signature() -> None:
    documented = re.findall(r"^### (hikrecv_\w+)\((.*)\)$", page("reference/hooks.md"), re.MULTILINE)
    specified = {name: hook for name, hook in vars(Hooks).items() if name.startswith("hikrecv_")}

    assert dict(documented) == {
        name: ", ".join(list(inspect.signature(hook).parameters)[1:]) for name, hook in specified.items()
    }
    assert len(documented) == len(specified)


def test_every_member_of_the_context_is_documented(context: Any) -> None:
    table = page("reference/hooks.md").partition("<!-- members: Context -->")[2]

    assert sorted(names(table)) == sorted(name for name in dir(context) if not name.startswith("_"))


def test_documented_arguments_of_the_context_exist(context: Any) -> None:
    table = page("reference/hooks.md").partition("<!-- members: Context -->")[2]

    for cells in rows(table):
        for name, arguments in re.findall(r"`(\w+)\(([\w, ]+)\)`", cells[0]):
            known = inspect.signature(getattr(context, name)).parameters
            assert set(arguments.split(", ")) <= set(known), name


def test_every_fixture_is_documented() -> None:
    source = (ROOT / "hikrecv/testing/fixtures.py").read_text("utf-8")
    fixtures = [
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
        and any("fixture" in ast.dump(each) for each in node.decorator_list)
    ]
    table = page("reference/hooks.md").partition("<!-- fixtures -->")[2]

    assert sorted(names(table)) == sorted(fixtures)


def test_every_call_to_a_device_is_documented() -> None:
    from hikrecv.device.isapi import DeviceClient

    documented = re.findall(r"`await device\.(\w+)\(|await device\.(\w+)\(", page("reference/hooks.md"))
    calls = {name for name, member in vars(DeviceClient).items() if inspect.iscoroutinefunction(member)}

    assert {first or second for first, second in documented} == {
        name for name in calls if not name.startswith("_")
    }


# -- the event ---------------------------------------------------------------------------


KINDS = {str: "text", bool: "yes or no", int: "number", float: "number", datetime: "time"}


def shapes() -> dict[str, type[msgspec.Struct]]:
    """Every value that an event is made of, by name."""
    known = [getattr(events, name) for name in events.__all__]
    found = [each for each in known if isinstance(each, type) and issubclass(each, msgspec.Struct)]
    return {each.__name__: each for each in (*found, Peer)}


def kind_of(name: str, declared: Any) -> str:
    """What a field is, in the words of the page."""
    if get_origin(declared) in (Union, UnionType):
        return kind_of(name, get_args(declared)[0])
    if get_origin(declared) is tuple:
        return f"list of {kind_of(name, get_args(declared)[0])}"
    if name in SHARES and declared is float:
        return "share"
    if declared in (events.Box, events.Point):
        return declared.__name__.lower()
    if isinstance(declared, type) and issubclass(declared, msgspec.Struct):
        return "table"
    return "text" if get_origin(declared) is Literal else KINDS.get(declared, "anything")


@pytest.mark.parametrize("name", sorted(shapes()))
def test_every_field_of_an_event_is_documented(name: str) -> None:
    _, mark, table = page("reference/event.md").partition(f"<!-- fields: {name} -->")
    assert mark, f"no table of the fields of {name}"

    documented = [(cells[0].strip("`"), cells[1]) for cells in rows(table)]

    fields = msgspec.structs.fields(shapes()[name])
    assert documented == [(field.name, kind_of(field.name, field.type)) for field in fields]


def test_every_family_is_documented() -> None:
    table = page("reference/families-and-types.md").partition("| family |")
    assert names(table[1] + table[2]) == list(get_args(events.Family))


# -- configuration and rules -----------------------------------------------------------------


def test_every_common_key_is_documented() -> None:
    table = page("reference/configuration.md").partition("## The keys that every reaction has")[2]
    keys = {field.encode_name for field in msgspec.structs.fields(Common)}

    assert set(names(table)) == keys - {"plugin", "enabled"}


def rules() -> list[str]:
    text = page("reference/rules.md")
    written = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    recipes = [cells[1].strip("`") for cells in rows(text.partition("## Recipes")[2])]
    said = [rule for path in pages() for rule in re.findall(r"when = '([^']*)'", path.read_text("utf-8"))]
    return [*written, *recipes, *(rule for rule in said if "..." not in rule)]


@pytest.mark.parametrize("rule", rules())
def test_every_rule_in_the_pages_is_one(rule: str) -> None:
    assert Rule(rule).names


def test_names_in_the_page_of_rules_are_those_of_an_event() -> None:
    for name in re.findall(r"`([a-z]+(?:\.[a-z_]+)+)`", page("reference/rules.md")):
        assert find_word(name, None).kind
