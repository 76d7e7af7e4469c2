"""
`when`: which events a reaction wants, in a small language of our own.

::

    family == "face-match" and match.similarity >= 0.9 and match.library == "staff"
    plate.text in ["B-AB 123", "B-CD 456"] and not (hour >= 8 and hour < 18)
    like(device.id, "gate*") and weekday in ["sat", "sun"] and targets.kind == "human"

Python's parser reads it and a white list of nodes says what may stand there:
names of the event with dots, constants, comparisons, ``in``, ``and or not``,
``like(name, "A*")``.  Everything is checked before the start: names, types, and
words such as families that come from a fixed list.

- What leads through a list means any element.
- A comparison with what the device did not say is false, and ``a != b`` is
  ``not (a == b)``: true when there is no *a*.  ``not in`` likewise.
- A name alone is true when the device said it; a yes-or-no when it said yes.
- ``0.5 <= match.similarity < 0.9`` is one test of one element.
- `hour` (0..23) and `weekday` (``"mon"`` ... ``"sun"``) are those of `occurred`, else of
  `received`, in the zone of the reaction's schedule, else in the system's.
- times compare with ISO 8601 text that has an offset.
- ``like`` knows ``*`` and ``?``, and case matters.
"""

from __future__ import annotations

import ast
import difflib
import operator
import warnings
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any, Final

from hikrecv.errors import RuleError
from hikrecv.isapi.event import Event

from .glob import PATTERN, glob
from .predicates import Match, all_of, any_of, each, guarded, opposite, said, values_of
from .words import UnknownWord, Word, find_word

LENGTH: Final = 4_000
"""Characters of a rule at most."""
FEW: Final = 8
"""So many words are all named in an error, rather than the nearest."""
DEPTH: Final = 20
"""Levels of brackets, `not` and and/or at most."""

_ORDER: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.NotEq: ast.Eq, ast.NotIn: ast.In}


class Rule:
    """
    One `when`, compiled.

    :param zone: for `hour` and `weekday`; None is the system's.
    :param find: gives the words that the rule may use, instead of those of an event.
    :param path: of the key in the configuration, for errors.
    :ivar matches: says of an event whether it is wanted; never raises.
    :ivar names: the names that the rule looks at.
    :ivar constants: each name with what it is compared with.
    :raises RuleError: for anything that the language does not have, with the place and the cure.
    """

    def __init__(
        self,
        text: str,
        *,
        zone: tzinfo | None = None,
        path: str = "",
        find: Callable[[str], Word] | None = None,
    ) -> None:
        compiler = _Compiler(find or (lambda name: find_word(name, zone)), path)
        self.text = text
        self.matches: Callable[[Any], bool] = compiler.compile(_parsed(text, path), 0)
        self.names = frozenset(compiler.names)
        self.constants = tuple(compiler.constants)


def _parsed(text: str, path: str) -> ast.expr:
    if len(text) > LENGTH:
        raise RuleError(f"is longer than {LENGTH} characters; use a list of the plugin instead", path)
    try:
        with warnings.catch_warnings():
            # What the parser thinks of "\d" or `1 is 1` is no matter: neither gets through.
            warnings.simplefilter("ignore")
            return ast.parse(" ".join(text.split("\n")).strip(), mode="eval").body
    except SyntaxError as error:
        hint = _syntax_hint(text)
        raise RuleError(f"cannot be read at column {error.offset or 1}{hint}", path) from None
    except (ValueError, RecursionError, MemoryError):
        raise RuleError("cannot be read: too deep, or not text", path) from None


def _syntax_hint(text: str) -> str:
    if "&&" in text or "||" in text:
        return "; write and, or, not"
    return "; write == to compare" if "=" in text.replace("==", "") else ""


class _Compiler:
    """From nodes to closures; remembers the names that were used."""

    def __init__(self, find: Callable[[str], Word], path: str) -> None:
        self.find = find
        self.path = path
        self.names: set[str] = set()
        self.constants: list[tuple[str, Any]] = []

    def compile(self, node: ast.expr, depth: int) -> Match:
        if depth > DEPTH:
            raise RuleError(f"is nested deeper than {DEPTH} levels; make it simpler", self.path)
        if isinstance(node, ast.BoolOp):
            parts = [self.compile(value, depth + 1) for value in node.values]
            return all_of(parts) if isinstance(node.op, ast.And) else any_of(parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return opposite(self.compile(node.operand, depth + 1))
        if isinstance(node, ast.Compare):
            return self.compare(node)
        if isinstance(node, ast.Call):
            return self.like(node)
        if isinstance(node, ast.Name | ast.Attribute):
            return each(self.word(node), said)
        raise self.error(node, _unusable(node))

    def compare(self, node: ast.Compare) -> Match:
        if len(node.ops) == 2:
            return self.between(node)
        if len(node.ops) > 2:
            raise self.error(node, "compare at most three things in a row")
        left, right, kind = node.left, node.comparators[0], type(node.ops[0])
        if kind in _OPPOSITE:
            return opposite(self.one(left, _OPPOSITE[kind], right, node))
        return self.one(left, kind, right, node)

    def one(self, left: ast.expr, kind: type[ast.cmpop], right: ast.expr, node: ast.expr) -> Match:
        if kind is ast.In:
            return self.within(left, right)
        if kind not in _ORDER:
            raise self.error(node, "write == or != instead of is")
        if _is_name(left) and _is_name(right):
            return self.two_names(self.word(left), kind, self.word(right), node)
        if _is_name(right):
            left, kind, right = right, _TURNED.get(kind, kind), left
        if not _is_name(left):
            raise self.error(node, "one side must be a name of the event")
        word = self.word(left)
        return self.against(word, kind, self.constant(word, kind, right))

    def against(self, word: Word, kind: type[ast.cmpop], value: Any) -> Match:
        if kind is ast.Eq and not word.many and word.kind != "any":
            read = word.read
            return guarded(lambda event: bool(read(event) == value))
        compare = _ORDER[kind]
        return each(word, lambda found: compare(found, value))

    def between(self, node: ast.Compare) -> Match:
        low, word_node, high = node.left, *node.comparators
        first, second = type(node.ops[0]), type(node.ops[1])
        if not _is_name(word_node) or first not in _TURNED or second not in _TURNED:
            raise self.error(
                node, "in a row of three the name stands in the middle: 0.5 <= match.similarity < 0.9"
            )
        word = self.word(word_node)
        above, below = _ORDER[_TURNED[first]], _ORDER[second]
        least, most = self.constant(word, first, low), self.constant(word, second, high)
        return each(word, lambda found: above(found, least) and below(found, most))

    def within(self, left: ast.expr, right: ast.expr) -> Match:
        if _is_name(right) and not _is_name(left):
            word = self.word(right)
            if not word.many and word.kind != "any":
                raise self.error(right, f'{word.name} is no list; write like({word.name}, "*text*")')
            return self.against(word, ast.Eq, self.constant(word, ast.Eq, left))
        if not isinstance(right, ast.List | ast.Tuple | ast.Set):
            raise self.error(right, 'after in stands a list of constants, such as ["a", "b"]')
        if not _is_name(left):
            raise self.error(left, "one side must be a name of the event")
        word = self.word(left)
        values = frozenset(self.constant(word, ast.Eq, element) for element in right.elts)
        return each(word, lambda found: found in values)

    def two_names(self, left: Word, kind: type[ast.cmpop], right: Word, node: ast.expr) -> Match:
        if left.kind != right.kind and "any" not in (left.kind, right.kind):
            raise self.error(node, f"{left.name} is {_a(left)} and {right.name} is {_a(right)}")
        if left.many and right.many:
            raise self.error(node, f"{left.name} and {right.name} are both lists; only one of them may be")
        for word in (left, right):
            self.check_order(word, kind, node)
        if left.many:
            left, right, kind = right, left, _TURNED.get(kind, kind)
        compare, read = _ORDER[kind], left.read

        def match(event: Event) -> bool:
            mine = read(event)
            return mine is not None and any(compare(mine, other) for other in values_of(right, event))

        return guarded(match)

    def like(self, node: ast.Call) -> Match:
        if not isinstance(node.func, ast.Name) or node.func.id != "like":
            raise self.error(node, 'only like(name, "A*") can be called')
        if len(node.args) != 2 or node.keywords or not _is_name(node.args[0]):
            raise self.error(node, 'like takes a name and a pattern: like(device.id, "gate*")')
        word, pattern = self.word(node.args[0]), node.args[1]
        if word.kind not in ("text", "any"):
            raise self.error(node, f"{word.name} is {_a(word)}, and like compares text")
        if not isinstance(pattern, ast.Constant) or not isinstance(pattern.value, str):
            raise self.error(pattern, 'the pattern of like must be text, such as "gate*"')
        if len(pattern.value) > PATTERN:
            raise self.error(pattern, f"the pattern of like has at most {PATTERN} characters")
        return each(word, glob(pattern.value))

    def word(self, node: ast.expr) -> Word:
        parts: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            raise self.error(node, _unusable(inner))
        name = ".".join([inner.id, *reversed(parts)])
        if name in ("true", "false"):
            raise self.error(node, f"write {name.title()}")
        if len(parts) > DEPTH:
            raise self.error(node, f"a name has at most {DEPTH} parts")
        try:
            word = self.find(name)
        except UnknownWord as error:
            raise self.error(node, str(error)) from None
        self.names.add(name)
        return word

    def constant(self, word: Word, kind: type[ast.cmpop], node: ast.expr) -> Any:
        """The constant *node*, when *word* can be compared with it."""
        self.check_order(word, kind, node)
        value = _value(node)
        self.constants.append((word.name, value))
        if value is None:
            raise self.error(node, "expected a constant: text, a number, True or False; absence is: not name")
        if word.kind == "any":
            return value
        if word.kind == "table":
            names = ", ".join(f"{word.name}.{field}" for field in word.fields[:4])
            raise self.error(node, f"{word.name} has several fields; compare one of them: {names} ...")
        if word.kind == "time":
            return self.moment(word, value, node)
        if not _fits(word, value):
            raise self.error(node, f"{word.name} is {_a(word)}, and {value!r} is not")
        if isinstance(value, str) and word.choices and value not in word.choices:
            raise self.error(node, f"{word.name} is never {value!r}{_nearest(value, word.choices)}")
        if isinstance(value, int | float) and not word.least <= value <= word.most:
            raise self.error(node, f"{word.name} is in {word.least}..{word.most}, and {value!r} is not")
        return value

    def check_order(self, word: Word, kind: type[ast.cmpop], node: ast.expr) -> None:
        if kind is not ast.Eq and (word.choices or word.kind in ("yes or no", "table")):
            raise self.error(node, f"{word.name} has no order; write == or in")

    def moment(self, word: Word, value: Any, node: ast.expr) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            moment = None
        if moment is None or moment.tzinfo is None:
            raise self.error(node, f'{word.name} is a time; write "2026-01-31T08:00:00+01:00"')
        return moment

    def error(self, node: ast.expr, message: str) -> RuleError:
        return RuleError(f"at column {node.col_offset + 1}: {message}", self.path)


def _fits(word: Word, value: str | int | float | bool) -> bool:
    if word.kind == "text":
        return isinstance(value, str)
    return isinstance(value, bool) if word.kind == "yes or no" else type(value) in (int, float)


def _is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute)


def _value(node: ast.expr) -> str | int | float | bool | None:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1, node.operand
    if not isinstance(node, ast.Constant):
        return None
    value = node.value
    if sign == -1:
        return -value if isinstance(value, int | float) and not isinstance(value, bool) else None
    return value if isinstance(value, str | int | float) else None


def _a(word: Word) -> str:
    return {"number": "a number", "time": "a time", "table": "a table"}.get(word.kind, word.kind)


def _nearest(value: str, choices: frozenset[str]) -> str:
    near = difflib.get_close_matches(value, choices, n=1) if len(choices) > FEW else []
    return f"; did you mean {near[0]!r}?" if near else f"; it is one of {', '.join(sorted(choices))}"


def _unusable(node: ast.AST) -> str:
    if isinstance(node, ast.Subscript):
        return "no [n] here; a list means any element, as in faces.age >= 18"
    if isinstance(node, ast.BinOp):
        return "nothing can be calculated in a rule"
    if isinstance(node, ast.Constant):
        return "a constant alone decides nothing; compare it with a name"
    return (
        f"a rule has no {type(node).__name__}; it has names, constants, comparisons, in, and, or, not, like()"
    )
