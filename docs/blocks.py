"""
The parts of the pages that are made from the code.

``python docs/blocks.py`` writes them between ``<!-- begin: NAME -->`` and ``<!-- end -->``;
a test fails when a page is behind the code.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from hikrecv.cli.main import COMMANDS
from hikrecv.cli.main import command as hikrecv
from hikrecv.isapi import catalogue
from hikrecv.testing.samples import FAMILIES
from hikrecv.wire.anomalies import AMBIGUOUS, HARMLESS, INVALID

DOCS = Path(__file__).parent
_OPTION = re.compile(r"(?<![\w-])(--[a-z-]+)")
_VALUES = {click.IntRange: "N", click.types.IntParamType: "N", click.FloatRange: "X"}
_EVERYWHERE = ("state_dir", "config_file")
_BLOCK = re.compile(r"(<!-- begin: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


# -- tables ---------------------------------------------------------------------


def table(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`"


# -- commands -------------------------------------------------------------------


def commands() -> str:
    """Every command with its arguments and options."""
    context = click.Context(hikrecv, info_name="hikrecv")
    known = ((name, hikrecv.get_command(context, name)) for name in COMMANDS)
    return "\n".join(_described(f"hikrecv {name}", found) for name, found in known if found is not None)


def _described(path: str, command: click.Command, depth: int = 2) -> str:
    context = click.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    help = "\n\n".join(map(_wrapped, _paragraphs(command.help or "").split("\n\n")))
    text = [f"{'#' * depth} {path}\n", f"```text\n{usage}\n```\n", f"{help}\n"]
    options = [each for each in command.params if isinstance(each, click.Option)]
    own = [each for each in options if not _is_everywhere(options) or each.name not in _EVERYWHERE]
    if own:
        text.append(table(("option", "meaning"), ((_names(each), _meaning(each)) for each in own)))
    if own != options:
        text.append("Also `--state-dir` and `--config`.\n")
    if isinstance(command, click.Group):
        text += [_described(f"{path} {name}", found, depth + 1) for name, found in command.commands.items()]
    return "\n".join(text)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _is_everywhere(options: list[click.Option]) -> bool:
    return {each.name for each in options}.issuperset(_EVERYWHERE)


def _paragraphs(said: str) -> str:
    """Names in capitals are arguments, and words that begin with dashes options."""
    text = "\n\n".join(" ".join(part.split()) for part in said.split("\n\n"))
    pieces = text.split("`")
    pieces[::2] = [_OPTION.sub(r"`\1`", piece).replace("<", "\\<") for piece in pieces[::2]]
    return "`".join(pieces)


def _names(option: click.Option) -> str:
    names = ", ".join(_code(name) for name in (*option.opts, *option.secondary_opts))
    if option.is_flag or option.count:
        return names
    choices = option.type.get_metavar(option, click.Context(hikrecv)) or ""
    value = option.metavar or choices.strip("[]") or _VALUES.get(type(option.type), "TEXT")
    return f"{names} `{value}`"


def _meaning(option: click.Option) -> str:
    more = ["required"] if option.required else []
    if option.show_default and option.default is not None and not option.is_flag:
        more.append(f"default `{option.default}`")
    if option.multiple:
        more.append("repeatable")
    if isinstance(option.envvar, str):
        more.append(f"also `${option.envvar}`")
    said = _paragraphs(option.help or "")
    added = [each for each in more if each not in said]
    return " ".join([said, *([f"({', '.join(added)})"] if added else [])]).strip()


# -- what devices say ---------------------------------------------------------------


def types() -> str:
    """Every type that is known, by family."""
    known = catalogue.types()
    parts = []
    for family in FAMILIES:
        rows = [(_code(kind.type), kind.words) for kind in known if kind.family == family]
        if rows:
            parts.append(f"### {family}\n\n" + table(("type", "meaning"), iter(rows)))
    return "\n".join(parts)


def access_codes() -> str:
    """Every documented code of an access control event."""
    known = sorted(catalogue.access_codes().items())
    parts = []
    for major, title in (
        (5, "Major 5: events"),
        (1, "Major 1: alarms"),
        (2, "Major 2: exceptions"),
        (3, "Major 3: operations"),
    ):
        rows = ((str(minor), code.name, code.outcome) for (at, minor), code in known if at == major)
        parts.append(f"## {title}\n\n" + table(("minor", "`access.name`", "`access.outcome`"), rows))
    return "\n".join(parts)


def harmless() -> str:
    """Oddities of HTTP that leave no doubt."""
    return table(("name", "meaning"), ((_code(name), words) for name, words in HARMLESS.items()))


def invalid() -> str:
    """What strict refuses because the RFC does."""
    return table(("name", "meaning"), ((_code(name), words) for name, words in INVALID.items()))


def ambiguous() -> str:
    """Oddities of HTTP that strict mode refuses."""
    return table(("name", "meaning"), ((_code(name), words) for name, words in AMBIGUOUS.items()))


BLOCKS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "types": types,
    "access-codes": access_codes,
    "harmless": harmless,
    "invalid": invalid,
    "ambiguous": ambiguous,
}


def current(text: str) -> str:
    """A page's *text* with its blocks as they should be now."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]]()}\n{found[3]}", text)


def pages() -> Iterator[Path]:
    """The pages that have such blocks."""
    return (
        path for path in sorted((DOCS / "reference").glob("*.md")) if _BLOCK.search(path.read_text("utf-8"))
    )


def main() -> None:
    for path in pages():
        before = path.read_text("utf-8")
        after = current(before)
        if after != before:
            path.write_text(after, "utf-8")
            sys.stdout.write(f"{path} is written anew\n")


if __name__ == "__main__":
    main()
