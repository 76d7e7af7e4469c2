"""A group of commands that helps with a misspelt one, and whose help tells all of each."""

from __future__ import annotations

import click

from .similar import similar


class Group(click.Group):
    """As click's, but for what it says of its commands."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that *args* begin with.  :raises UsageError: which names the nearest one, if any."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(f"there is no command {name!r}{similar(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Every command with its whole first sentence, on as many lines as that takes."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, each.get_short_help_str(limit=_UNCUT))
            for name, each in found
            if each is not None and not each.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


_UNCUT = 1_000
"""Click cuts a sentence at what fits into one line."""
