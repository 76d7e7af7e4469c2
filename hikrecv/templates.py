"""
Small templates over an event, for plugins: jinja2 in its sandbox, bounded in size and time.

The names are those of a ``when``: ``{{ match.person }}``, ``{{ device.id }}``; what the
device did not say is empty.  Beside them stand ``words`` (what happened, in words),
``time`` (when, by the device's clock), and ``event`` itself, for its methods and for times
that are more than text: ``{{ event.received.hour }}``.  A plugin that uses this module
brings jinja2.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Any, Final

from jinja2 import ChainableUndefined, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from hikrecv.errors import ConfigError, Reject
from hikrecv.isapi.event import Event
from hikrecv.isapi.words import describe
from hikrecv.reactions.words import UnknownWord, find_word

LONGEST: Final = 20_000
"""Characters of a template."""
LARGEST: Final = 1_000_000
"""Characters of what it makes."""
TIME: Final = 0.05
"""Seconds of the processor that it may take; the reactor waits for it."""
TURNS: Final = 1_000
"""Numbers that ``range`` gives."""

MORE: Final = frozenset({"words", "time", "event", "count", "events", "pictures", "picture"})
"""Names beside those of the event; the last four not in every template."""

_LONE = re.compile(r"\s*\{\{-?((?:(?!\{\{|\}\}|\{%).)*?)-?\}\}\s*", re.DOTALL)
_REFUSED = (nodes.Macro, nodes.CallBlock, nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
_FAILS = (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Template:
    """
    A text with places for what an event says.

    :param path: of the key in the configuration, for errors.
    :param html: escape what the event says for HTML.
    :param escape: makes what an expression gives fit for its place: one level of a topic, say.
    :param more: further names that :meth:`render` will be given; any other that no event has is an error.
    :param seconds: the time that it has taken of the processor.
    :raises ConfigError: when it cannot be used.
    """

    def __init__(
        self,
        text: str,
        path: str = "",
        *,
        html: bool = False,
        escape: Callable[[str], str] | None = None,
        more: Collection[str] = (),
        seconds: Callable[[], float] = time.thread_time,
    ) -> None:
        self._seconds = seconds
        lone = _LONE.fullmatch(text)
        environment = _environment(html, escape)
        try:
            parsed = environment.parse(text)
            _check(parsed, len(text))
            _check_names(parsed, MORE.union(more))
            self._template = environment.from_string(text)
            self._expression = environment.compile_expression(lone[1]) if lone else None
        except (TemplateError, UnknownWord) as error:
            raise ConfigError(f"not a template that can be used: {error}", path) from None

    def render(self, event: Event, **more: Any) -> str:
        """
        The text for *event*; *more* are further names.

        :raises Reject: when it fails at this event, or becomes too large or takes too long.
        """
        try:
            return "".join(self._pieces(names_of(event) | more))
        except _FAILS as error:
            raise Reject(f"a template fails at event {event.id}: {error}") from None

    def value(self, event: Event, **more: Any) -> Any:
        """
        The same, but of a text that is one expression, as ``{{ access.door }}``, what it stands for.

        So a number stays a number, and what the device did not say is None.
        """
        if self._expression is None:
            return self.render(event, **more)
        try:
            return self._expression(names_of(event) | more)
        except _FAILS as error:
            raise Reject(f"a template fails at event {event.id}: {error}") from None

    def _pieces(self, names: dict[str, Any]) -> Iterator[str]:
        end = self._seconds() + TIME
        left = LARGEST
        for piece in self._template.generate(names):
            left -= len(piece)
            if left < 0:
                raise ValueError(f"it makes more than {LARGEST} characters")
            if self._seconds() > end:
                raise ValueError(f"it takes longer than {TIME:g} s")
            yield piece


def names_of(event: Event) -> dict[str, Any]:
    """What a template knows: the event's own names, as plain data, and `words`, `time` and `event`."""
    when = event.occurred or event.received
    more = {"words": describe(event), "time": when.strftime("%Y-%m-%d %H:%M:%S %z"), "event": event}
    return event.to_dict() | more


class _Environment(ImmutableSandboxedEnvironment):
    """Without what would make much of little: repeated text, powers, long ranges."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise SecurityError(f"templates have {operator} for numbers only" if operator == "*" else "no **")
        return left * right


@cache
def _environment(html: bool, escape: Callable[[str], str] | None) -> _Environment:
    environment = _Environment(
        autoescape=html,
        undefined=ChainableUndefined,
        keep_trailing_newline=True,
        finalize=None if escape is None else lambda value: _escaped(value, escape),
    )
    environment.globals = {"range": _short_range}
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "default": _unsaid}
    return environment


def _escaped(value: Any, escape: Callable[[str], str]) -> Any:
    """What a template itself calls ``safe`` stays as it is."""
    return value if isinstance(value, Markup) else escape(str(value))


def _unsaid(value: Any) -> None:
    """What the device did not say is null in JSON."""
    if not isinstance(value, ChainableUndefined):
        raise TypeError(f"JSON has no word for a {type(value).__name__}")


def _short_range(*arguments: int) -> range:
    numbers = range(*arguments)
    if len(numbers) > TURNS:
        raise SecurityError(f"range gives at most {TURNS} numbers")
    return numbers


def _check_names(template: nodes.Template, more: frozenset[str]) -> None:
    """
    Every name of an event that nobody has is refused: it would be empty for ever, and nobody would notice.

    What a template sets itself, and what lies below it, is its own business.
    """
    free = find_undeclared_variables(template)
    for word in sorted(free - more - {"range"}):
        if word in ("hour", "weekday"):
            raise UnknownWord(f"only a `when` has {word}; write event.received.{word}")
        find_word(word, None)
    inner = {id(found.node) for found in template.find_all(nodes.Getattr)}
    for found in template.find_all(nodes.Getattr):
        if id(found) not in inner and (names := _dotted(found)) and names[0] in free - more:
            _check_path(names)


def _dotted(node: nodes.Node) -> list[str]:
    """``match.person`` as its names; empty when it does not begin with a name."""
    names: list[str] = []
    while isinstance(node, nodes.Getattr):
        names.append(node.attr)
        node = node.node
    return [node.name, *reversed(names)] if isinstance(node, nodes.Name) else []


def _check_path(names: list[str]) -> None:
    """Below a text or a number stand its own methods, and those of a dictionary below a table."""
    for size in range(1, len(names)):
        above, name = find_word(".".join(names[:size]), None), names[size]
        if above.many:
            if not hasattr(list, name):
                raise UnknownWord(f"{above.name} is a list; write {above.name}[0].{name}, or a loop")
            return
        if above.kind != "table":
            return
        if name not in above.fields and hasattr(dict, name):
            return
        find_word(".".join(names[: size + 1]), None)


def _check(template: nodes.Template, length: int) -> None:
    """What costs too much or too long is refused before anything listens."""
    if length > LONGEST:
        raise TemplateError(f"it is longer than {LONGEST} characters")
    for found in template.find_all(_REFUSED):
        raise TemplateError(f"it uses {type(found).__name__.lower()}")
    for loop in template.find_all(nodes.For):
        if loop.recursive or any(inner.find(nodes.For) for inner in loop.find_all(nodes.For)):
            raise TemplateError("its loops are more than two deep")
