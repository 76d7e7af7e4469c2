"""XML to plain data: element names without prefix as keys, as far as the text goes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, ParseError, XMLParser
from xml.parsers import expat

from .budget import Budget
from .steps import Steps, at_once
from .xml_plain import read_plain

MOST_REPAIRS = 10_000
MOST_TAGS = 4_000
"""Of a document that is read in one go, for which every element is an object for a while."""
_FIRST_LOOK = 4_096
"""Bytes whose tags are counted at first; each look is twice as far, so that little is read in vain."""
_PIECE = 8_192
"""Bytes that the parser is given at once, and as many more as it could do nothing with."""
_SHORT = 4_096
_BYTES_A_VALUE = 16
"""Of a text so short that its values are guessed and not counted."""

_BARE_AMPERSAND = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)")
_BARE_LESS_THAN = re.compile(rb"<(?![A-Za-z_/!?\x80-\xff])")
_CONTROL = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]"
    rb"|&#(?:0*(?:[0-8]|1[1-24-9]|2[0-9]|3[01])|x0*(?:[0-8bBcCeEfF]|1[0-9A-Fa-f]));"
)
_AFTER_NAME = rb"[\s>]"
_DECLARATION = re.compile(rb"<\?xml[^<>]{0,300}>\s*(?=<[^?])")


class Refused(Exception):
    """The document asks for something that we never do; the message is the anomaly's name."""


class Read(NamedTuple):
    """
    What a text gave.

    :param end: the place behind the document.
    :param anomalies: names and details of what was forgiven.
    """

    root: str
    data: dict[str, Any]
    end: int
    anomalies: tuple[tuple[str, str], ...] = ()


def read(text: bytes, at: int = 0, budget: Budget | None = None) -> Read | None:
    """
    The document that begins at *at* of *text* (UTF-8); None when no element begins there.

    A correct document is read as it is.  Otherwise what its generator forgot to
    escape is escaped, and of a document that was cut, what is complete is given.

    :raises Refused: for a document type or an entity.
    :raises OverBudget: when it is nested too deep, or more than *budget* allows.
    """
    return at_once(reading(text, at, budget or Budget()))


def reading(text: bytes, at: int, budget: Budget) -> Steps[Read | None]:
    """The same in steps."""
    if at == 0 and is_small(text) and not (b"<!DOCTYPE" in text or b"<!ENTITY" in text):
        budget.take(len(text) // _BYTES_A_VALUE if len(text) <= _SHORT else MOST_TAGS)
        plain = read_plain(text)
        if plain is not None:
            return Read(*plain, len(text))
        try:
            return _read_correct(text, budget)
        except ParseError:
            yield
    return (yield from _read_carefully(text, at, budget))


def is_small(text: bytes) -> bool:
    """Whether *text* has so few tags and attributes that it may be read in one go."""
    return len(text) <= _SHORT or text.count(b"<") + text.count(b"=") <= MOST_TAGS


# -- a correct document: the tree of the standard library is the fastest way ----


def _read_correct(text: bytes, budget: Budget) -> Read:
    # The encoding is given, so that a lying declaration in the text is not obeyed.
    # There is no document type in it: `read` has looked.
    parser = XMLParser(encoding="utf-8")  # noqa: S314
    parser.feed(text)
    root = parser.close()
    return Read(_local(root.tag), _document(_content(root, budget, 1)), len(text))


def _content(element: Element, budget: Budget, depth: int) -> Any:
    if depth >= budget.depth and len(element):
        raise budget.too_deep()
    children: dict[str, Any] = _attributes(element.items())
    text, mixed = element.text or "", False
    for child in element:
        key = child.tag
        if key[0] == "{":
            key = key[key.index("}") + 1 :]
        if len(child) or child.keys():
            value = _content(child, budget, depth + 1)
        else:
            inner = child.text
            value = inner.strip() if inner else ""
        if key in children:
            _repeat(children, key, value)
        else:
            children[key] = value
        if child.tail and not child.tail.isspace():
            mixed = True
    if mixed:
        text += "".join(child.tail or "" for child in element)
    return _joined(children, text.strip())


# -- any other document: event by event, so that nothing complete is lost --------


def _read_carefully(text: bytes, at: int, budget: Budget) -> Steps[Read | None]:
    builder = _Builder(text, at, budget)
    yield from builder.build()
    if builder.root is None:
        declaration = _DECLARATION.match(text, at)
        found = None if declaration is None else (yield from _read_carefully(text, declaration.end(), budget))
        return found and found._replace(anomalies=(("xml-declaration", builder.error), *found.anomalies))
    if not builder.error:
        return Read(builder.root, builder.data(), builder.end)
    # Another document may follow this one, and is not to suffer from it.
    end = _end_of_broken(text, at, builder.qualified_root)
    budget.scan(3 * (end - at))
    yield
    broken = text[at:end]
    if b"<!DOCTYPE" in broken or b"<!ENTITY" in broken:
        raise Refused("doctype-refused")
    better, done = _repaired(broken)
    yield
    builder = _Builder(better, 0, budget)
    yield from builder.build()
    if builder.error:
        done.append(("document-cut", builder.error))
    return Read(builder.root or "", builder.data(), end, tuple(done))


def _end_of_broken(text: bytes, at: int, root: bytes) -> int:
    """Behind the root's end tag, or where another document begins before it."""
    closing = text.find(b"</" + root + b">", at)
    stop = len(text) if closing < 0 else closing
    inside = text.find(b"<" + root, at, stop) + 1
    following = text.find(b"<?xml", inside, stop)
    stop_again = stop if following < 0 else following
    again = re.compile(b"<" + re.escape(root) + _AFTER_NAME).search(text, inside, stop_again)
    if again is not None:
        return again.start()
    if following >= 0:
        return following
    return len(text) if closing < 0 else closing + len(root) + 3


def _repaired(text: bytes) -> tuple[bytes, list[tuple[str, str]]]:
    done = []
    for name, pattern, instead in (
        ("bare-ampersand", _BARE_AMPERSAND, b"&amp;"),
        ("bare-less-than", _BARE_LESS_THAN, b"&lt;"),
        ("control-character", _CONTROL, "\ufffd".encode()),
    ):
        text, times = pattern.subn(instead, text, MOST_REPAIRS)
        if times:
            done.append((name, f"{times} times"))
    return text, done


class _Frame:
    """An open element, and what it has so far."""

    __slots__ = ("children", "key", "text")

    def __init__(self, key: str, children: dict[str, Any]) -> None:
        self.key = key
        self.children = children
        self.text: list[str] = []

    def value(self) -> Any:
        return _joined(self.children, "".join(self.text).strip())


class _Builder:
    """
    Expat's events to nested dicts, once it was built.

    :ivar root: the root's name, None when no element began.
    :ivar end: the place behind the root's end; 0 when it never ended.
    :ivar error: why it stopped before the root's end; empty when it did not.
    """

    def __init__(self, text: bytes, at: int, budget: Budget) -> None:
        self.root: str | None = None
        self.qualified_root = b""
        self.error = ""
        self._text, self._at, self._budget = text, at, budget
        self.end = 0
        self._frames: list[_Frame] = []
        self._tree: Any = None
        self._elements = 0
        self._parser: expat.XMLParserType | None = None

    def build(self) -> Steps[None]:
        """Up to the root's end, or as far as it goes."""
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._close
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._doctype
        try:
            yield from self._parse(parser)
        except expat.ExpatError as problem:
            if not self.end:
                self.error = expat.ErrorString(problem.code)
        finally:
            # The parser knows this object and this object the parser: a circle would keep what
            # Expat has set aside, a megabyte for each document, until the next collection.
            parser.StartElementHandler = parser.EndElementHandler = None
            parser.CharacterDataHandler = parser.StartDoctypeDeclHandler = None
            self._parser = None

    def _parse(self, parser: expat.XMLParserType) -> Steps[None]:
        """
        Piece by piece.

        Expat copies what it is given, and a text of many documents would be copied for each.
        And it begins a tag that is cut again from its start: so a piece is as long as that at least.
        """
        text, at, size = memoryview(self._text), self._at, _PIECE
        asked, more = at, _FIRST_LOOK
        while not self.end:
            while asked < min(at + size, len(text)):
                self._budget.scan(min(more, len(text) - asked))
                tags = self._text.count(b"<", asked, asked + more)
                self._budget.take(tags + self._text.count(b"=", asked, asked + more))
                asked, more = asked + more, 2 * more
            piece = text[at : at + size]
            at += size
            parser.Parse(piece, at >= len(text))
            if at >= len(text):
                return
            size = max(_PIECE, at - self._at - parser.CurrentByteIndex)
            self._budget.on_time()
            yield

    def data(self) -> dict[str, Any]:
        """What is complete of the tree: an element that is still open counts by its children alone."""
        while self._frames:
            self._frames[-1].text.clear()
            if len(self._frames) > 1 and not self._frames[-1].children:
                self._frames.pop()
            else:
                self._close("")
        return _document(self._tree)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if len(self._frames) >= self._budget.depth:
            raise self._budget.too_deep()
        if self.root is None:
            self.root, self.qualified_root = _local(name), name.encode()
        self._frames.append(_Frame(_local(name), _attributes(attributes.items())))

    def _characters(self, text: str) -> None:
        self._frames[-1].text.append(text)

    def _close(self, _: str) -> None:
        frame = self._frames.pop()
        if not self._frames:
            self._tree = frame.value()
            if self._parser is not None:
                self.end = self._end_of_root(self._parser, frame)
            return
        parent = self._frames[-1].children
        if frame.key in parent:
            _repeat(parent, frame.key, frame.value())
        else:
            parent[frame.key] = frame.value()

    def _end_of_root(self, parser: expat.XMLParserType, root: _Frame) -> int:
        # Expat tells where an end tag begins, but where an empty element's tag ends.
        place = self._at + parser.CurrentByteIndex
        if self._elements == 1 and not root.text and self._text[place - 2 : place] == b"/>":
            return place
        return place + self._text[place : place + 4096].find(b">") + 1

    def _doctype(self, *_: object) -> None:
        raise Refused("doctype-refused")


# -- what both have in common -----------------------------------------------------


def _local(name: str) -> str:
    return name[name.rfind("}") + 1 :].rpartition(":")[2]


def _attributes(items: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """What a device says in attributes; namespaces and versions of the schema are not of them."""
    told = {}
    for name, value in items:
        if name != "version" and not name.startswith("xmlns"):
            told[f"@{_local(name)}"] = value
    return told


def _joined(children: dict[str, Any], text: str) -> Any:
    if not children:
        return text
    if text:
        children["#text"] = text
    return children


def _repeat(children: dict[str, Any], key: str, value: Any) -> None:
    # A value is never a list by itself, so that a list is always our own.
    before = children[key]
    if isinstance(before, list):
        before.append(value)
    else:
        children[key] = [before, value]


def _document(tree: Any) -> dict[str, Any]:
    if isinstance(tree, dict):
        return tree
    return {"#text": tree} if tree else {}
