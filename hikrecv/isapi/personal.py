"""
Where personal data stands in a text: found by the names of keys and elements.

It is one thing, search, in the forms that a text may take and that may stand in one another.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

from .budget import Budget
from .document import BEGINNING, after_blanks
from .fields import folded
from .json_balance import rebalancing
from .json_document import read_correct
from .json_repair import repairing
from .steps import Result, Steps
from .xml_document import Refused
from .xml_document import reading as reading_xml

CATEGORIES: dict[str, tuple[str, ...]] = {
    "templates": (
        *("modeldata", "facemodeldata", "featuredata", "facefeature", "facetemplate", "templatedata"),
        *("fingerdata", "fingerprintdata", "irisdata", "palmdata", "palmveindata"),
    ),
    "certificates": (
        *("certificatenumber", "certificateno", "certificateid", "certno", "passportno"),
        *("idcard", "idcardno", "idcardnumber", "idnum", "idnumber", "identityno", "identitynumber"),
        "qrcodeinfo",
    ),
    "names": (
        *("name", "personname", "employeename", "visitorname", "ownername", "humanname", "realname"),
        *("chinesename", "englishname", "firstname", "lastname", "cardholdername", "cardholder"),
        "qrcodeinfo",
    ),
    "births": ("borntime", "borndate", "born", "birth", "birthday", "birthdate", "birthtime", "dateofbirth"),
}
"""What each word of ``[privacy] mask`` covers: keys and elements, in lower case."""

# A plain "name" is a person's, but not in these.
_PLACES = frozenset(
    (
        *("extenddata", "region", "regions", "regionlist", "detectionregionentry"),
        *("zone", "zones", "zonelist", "zoneevent"),
    )
)
_PLACE = "not a person's"

HIDDEN = "hidden"
"""The category of what may hold personal data and cannot be searched: it is wrapped too often."""

_NOTHING = (0, 0, "")
"""No value: after so much was looked at that others may have their turn."""
_MOMENT = 63
"""Fields or escapes that are looked at before that."""
_REMEMBERED = 4_096
_LAYERS = 4
"""How often one document may be wrapped in a text of another."""

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_FLAT = rb'(?:[^\[\]{}"]++|' + _STRING + rb")*+"
_NESTED = rb'(?:[^\[\]{}"]++|' + _STRING + rb"|[\[{]" + _FLAT + rb"[\]}])*+"
_CONTAINER = re.compile(
    rb'[\[{](?:[^\[\]{}"]++|' + _STRING + rb"|[\[{]" + _NESTED + rb"[\]}])*+[\]}]", re.DOTALL
)
_INSIDE = re.compile(
    rb'[\[\]{}]|(?P<key>"(?:[^"\\]++|\\.)*+"\s*+:)|"(?P<text>(?:[^"\\]++|\\.)*+)(?:"|\Z)|(?P<bare>[^\s,:"\[\]{}]++)',
    re.DOTALL,
)
_WORDS = (b"null", b"true", b"false")
_OPENING = re.compile(rb"[{\[<]")
_DOCUMENT = re.compile(rb"[\s\0]*+[{\[<]")
# Up to the next beginning and no further: of thousands that never end each would be searched to the end
# of the text.
_CDATA = rb"<!\[cdata\[(?P<cdata>[^<\]]*+(?:(?:<(?!!\[cdata\[)|\](?!\]>))[^<\]]*+)*+)\]\]>"
_TAG = re.compile(
    rb"<!--.*?(?:-->|\Z)|" + _CDATA + rb"|<\?.*?(?:\?>|\Z)"
    rb"|<(?P<closes>/?+)(?P<name>[a-z_\x80-\xff][^\s<>/!?=\"']*+)[^<>]*+(?:>|(?=<)|\Z)",
    re.DOTALL,
)
_NO_TEXT = re.compile(rb"\]\]>|<!\[cdata\[|<[/!?]")
_NODE = re.compile(rb">\s*+(?=[{\[])([^<]*+)|>([^<&]*+(?:&(?!lt;)[^<&]*+)*+&lt;[^<]*+)")
_JSON_ESCAPE = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_JSON_MEANT = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_XML_ESCAPE = re.compile(rb"&(?:#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6})|(amp|lt|gt|quot|apos));")
_XML_MEANT = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_FIELD = re.compile(rb"([^&=]*+)=([^&]*+)")
_WRAPPED = re.compile(rb"%(?:7b|5b|3c)", re.IGNORECASE)

Meant = Callable[[re.Match[bytes]], bytes]
Span = tuple[int, int, str]
"""A value: start and end, without its quotes or tags, and its category."""


class Sought:
    """
    The keys and elements that are looked for, compiled once.

    What is found is what the decoder would read as a value of these names, and never more than
    that value: JSON by its strings, also where it has to be repaired, XML by its elements, a form
    by its fields, and each of them inside a text of another.

    :param names: in lower case, each with its category.
    :param places: leave out a plain "name" where it is that of a place.
    """

    def __init__(self, names: Mapping[str, str], *, places: bool = True) -> None:
        known = dict.fromkeys(_PLACES, _PLACE) if places and "name" in names else {}
        self.categories = {name.encode(): category for name, category in {**known, **names}.items()}
        words = _any_of(self.categories)
        self.key = re.compile(rb'"(' + words + rb')"\s*+:\s*+')
        self.element = re.compile(
            rb"<!--.*?(?:-->|\Z)|"
            + _CDATA
            + rb"|<(?P<closes>/?+)(?:[^\s<>/:!?]++:)*+(?P<name>"
            + words
            + rb"|eventnotificationalert|\?xml)(?:\s[^<>]*+)?(?<!/)>",
            re.DOTALL,
        )
        self.attribute = re.compile(rb"[\s:](" + words + rb")\s*+=\s*+(?:\"([^\"<>]*+)\"|'([^'<>]*+)')")
        self.closing = {
            name: re.compile(rb"</(?:[^\s<>/:]++:)*+" + re.escape(name) + rb"\s*+>")
            for name in self.categories
        }

    def spans(self, text: bytes, budget: Budget) -> Iterator[Span]:
        """
        The values in *text* (UTF-8): any mix of JSON and XML, whole, broken or cut.

        They come in no order, and some more than once; empty ones mean nothing.

        :raises OverBudget: when searching it costs more than *budget* allows.
        """
        return _Search(self, text, budget).run()

    def in_form(self, text: bytes, budget: Budget) -> Iterator[Span]:
        """
        The values of a form or a query string, also inside documents in its fields.

        :raises OverBudget: when searching it costs more than *budget* allows.
        """
        if _WRAPPED.match(text):
            yield from self._wrapped(text, 0, budget)
            return
        for count, field in enumerate(_FIELD.finditer(text)):
            budget.take(1)
            if not count & _MOMENT:
                yield _NOTHING
            category = self.categories.get(_form_name(field[1]), _PLACE)
            if category != _PLACE:
                yield field.start(2), field.end(2), category
            else:
                yield from self._wrapped(field[2], field.start(2), budget)

    def _wrapped(self, raw: bytes, start: int, budget: Budget) -> Iterator[Span]:
        """What is in *raw*, the value of a field that begins at *start*."""
        if b"%" not in raw and _OPENING.search(raw) is None:
            return
        layer = yield from Layer.of(raw.replace(b"+", b" "), _PERCENT, _percent_meant, budget)
        if _WRAPPED.search(layer.text):
            yield start, start + len(raw), HIDDEN
        for begin, end, category in _Search(self, layer.text, budget, _LAYERS - 1).inside():
            yield start + layer.origin(begin), start + layer.origin(end), category

    def in_json(self, lower: bytes) -> Iterator[Span]:
        """
        The values in plain JSON, by the names of keys alone.

        :param lower: the text in lower case.
        """
        return _Search(self, lower, Budget()).plain(0, len(lower))


def sought(words: Iterable[str]) -> Sought:
    """What is looked for by words of :data:`CATEGORIES`."""
    return Sought({name: word for word in words for name in CATEGORIES[word]})


class Layer:
    """
    What a text with escapes means, and where each byte of it stands.

    :ivar text: without escapes.
    """

    __slots__ = ("_literal", "_raw", "_starts", "text")

    def __init__(self) -> None:
        self._starts, self._raw, self._literal = [0], [0], [True]
        self.text = b""

    @classmethod
    def of(
        cls, raw: bytes, pattern: re.Pattern[bytes], meant: Meant, budget: Budget
    ) -> Generator[Span, None, Layer]:
        """The layer under *raw*, in steps."""
        self = cls()
        pieces: list[bytes] = []
        at = size = 0
        for count, found in enumerate(pattern.finditer(raw)):
            budget.take(1)
            if count & _MOMENT == _MOMENT:
                yield _NOTHING
            before, said = raw[at : found.start()], meant(found)
            pieces += (before, said)
            size += len(before)
            at = found.end()
            self._starts += (size, size + len(said))
            self._raw += (found.start(), at)
            self._literal += (False, True)
            size += len(said)
        pieces.append(raw[at:])
        self.text = b"".join(pieces)
        return self

    def origin(self, at: int) -> int:
        """Where the byte at *at* of :attr:`text` stands in the text with escapes."""
        place = bisect_right(self._starts, at) - 1
        return self._raw[place] + (at - self._starts[place] if self._literal[place] else 0)


class _Switch(Exception):
    """Brackets are wrong where it matters which is which: the text has to be read token by token."""


class _Search:
    """
    One text being searched.

    :param layers: how often a document may be wrapped in it.
    """

    __slots__ = ("_budget", "_free", "_layers", "_lower", "_sought", "_text")

    def __init__(self, wanted: Sought, text: bytes, budget: Budget, layers: int = _LAYERS) -> None:
        self._sought, self._text, self._budget, self._layers = wanted, text, budget, layers
        self._lower = text.lower()
        self._free = False

    def run(self) -> Iterator[Span]:
        """All of it is documents, and perhaps something between them: where the decoder sees them, too."""
        text = self._text
        self._budget.scan(len(text))
        # Tags and escapes are searched in single calls, together with all that stands between values.
        self._budget.expect(max(text.count(b"<") // 2, text.count(b"\\")))
        at = after_blanks(text, 0)
        while at < len(text):
            self._budget.take(1)
            yield _NOTHING
            first = text[at : at + 1]
            end = 0
            if first == b"<":
                end = yield from self._xml(at)
            elif first in (b"{", b"["):
                end = yield from self._json(at)
            if not end:
                found = BEGINNING.search(text, at + 1)
                end = len(text) if found is None else found.start()
                yield from self._between(at, end)
            at = after_blanks(text, end)

    def _between(self, at: int, end: int) -> Iterator[Span]:
        """What is no document: only what is written out in it is found."""
        yield from self.plain(at, end)
        if self._lower.find(b"</", at, end) >= 0:
            yield from self._elements(at, end)

    def inside(self) -> Iterator[Span]:
        """It is a text in a document: one itself, or words in which only what is closed is one."""
        if not (b"<" in self._text or b'"' in self._text or b":" in self._text):
            return
        if _DOCUMENT.match(self._text):
            if self._layers:
                yield from self.run()
            else:
                yield 0, len(self._text), HIDDEN
            return
        self._free = True
        yield from self._between(0, len(self._text))

    def _wrapped(self, start: int, end: int, layer: Layer | None) -> Iterator[Span]:
        text = self._text[start:end] if layer is None else layer.text
        for begin, stop, category in _Search(self._sought, text, self._budget, self._layers - 1).inside():
            if layer is not None:
                begin, stop = layer.origin(begin), layer.origin(stop)
            yield start + begin, start + stop, category

    # -- JSON -------------------------------------------------------------------

    def _json(self, at: int) -> Generator[Span, None, int]:
        """The document at *at*; the place behind it is returned."""
        text, correct = self._text, False
        end, data = 0, None
        try:
            if at == 0:
                data = read_correct(text, self._budget)
                end, correct = len(text), True
        except ValueError:
            pass
        yield _NOTHING
        if not end:
            mended = yield from _stopping(rebalancing(text, at, self._budget))
            if mended is not None:
                end, data = mended.end, mended.data
        if end and self._is_plain(at, end) and _has_plain_names(data):
            try:
                yield from self.plain(at, end, correct=correct)
                return end
            except _Switch:
                pass
        spans: list[Span] = []
        repaired = yield from _stopping(repairing(text, at, self._budget, partial(self._heard, spans)))
        for start, stop, category in spans:
            if category:
                yield start, stop, category
                continue
            raw = text[start:stop]
            layer = None
            if b"\\" in raw:
                layer = yield from Layer.of(raw, _JSON_ESCAPE, _json_meant, self._budget)
            yield from self._wrapped(start, stop, layer)
        return max(at + 1, len(text) if repaired is None else repaired.end)

    def _is_plain(self, at: int, end: int) -> bool:
        """Whether no text holds a document of its own, and no name is written with escapes."""
        find = self._text.find
        return find(b"<", at, end) < 0 and find(b'\\"', at, end) < 0 and find(b"\\u00", at, end) < 0

    def _heard(self, spans: list[Span], keys: list[str | None], start: int, end: int) -> None:
        """A value that the repairing reader has come to, inside of *keys*."""
        category = self._category(keys)
        raw = self._text[start:end]
        if category:
            if raw not in _WORDS or self._text[start - 1 : start] == b'"':
                spans.append((start, end, category))
        elif b"<" in raw or b'"' in raw or b"\\" in raw or b"{" in raw or b"[" in raw:
            spans.append((start, end, ""))

    def _category(self, keys: list[str | None]) -> str:
        place = False
        for key in keys:
            if key is None:
                continue
            name = folded(key).encode("utf-8", "replace")
            category = self._sought.categories.get(name)
            if category == _PLACE:
                place = True
            elif category is not None and not (place and name == b"name"):
                return category
        return ""

    def plain(self, at: int, end: int, *, correct: bool = True) -> Iterator[Span]:
        """Values of JSON in which names look as they are, by these alone."""
        wanted, lower = self._sought, self._lower
        place = done = 0
        for found in wanted.key.finditer(lower, at, end):
            self._budget.take(1)
            name, begin = found[1], found.end()
            category = wanted.categories[name]
            nested = lower[begin : begin + 1] in (b"{", b"[")
            if nested and not correct and not _is_simple(lower, begin):
                raise _Switch
            if category == _PLACE:
                place = max(place, container_end(lower, begin))
            elif begin >= done and (begin > place or name != b"name"):
                stop = _plain_end(lower, begin, end)
                if stop:
                    yield begin + 1, stop, category
                    continue
                for span in self._values(begin, end, category):
                    done = span[1]
                    yield span

    def _values(self, at: int, end: int, category: str) -> Iterator[Span]:
        """The text or number at *at*, or all of the object or array there, but not its keys."""
        depth = 0
        for found in _INSIDE.finditer(self._lower, at, end):
            kind = found.lastgroup
            self._budget.take(1)
            if kind is None:
                depth += 1 if found[0] in b"[{" else -1
            elif kind != "key" and found[0] not in _WORDS:
                yield found.start(kind), found.end(kind), category
            if depth <= 0:
                yield found.end(), found.end(), category  # nothing, but it says how far this was read
                return
        yield end, end, category

    # -- XML --------------------------------------------------------------------

    def _xml(self, at: int) -> Generator[Span, None, int]:
        """The document at *at*, and all that follow when nothing else does; 0 when there is none."""
        text, end = self._text, len(self._text)
        if b"{" in text or b"[" in text:
            try:
                found = yield from _stopping(reading_xml(text, at, self._budget))
            except Refused:
                pass
            else:
                if found is None:
                    return 0
                end = found.end
        yield from self._elements(at, end)
        if b"{" in text or b"[" in text or b"&lt;" in self._lower:
            for node in _NODE.finditer(self._lower, at, end):
                self._budget.take(1)
                yield _NOTHING
                yield from self._node(*node.span(node.lastindex or 0))
        return end

    def _node(self, start: int, end: int) -> Iterator[Span]:
        raw = self._text[start:end]
        layer = None
        if b"&" in raw:
            layer = yield from Layer.of(raw, _XML_ESCAPE, _xml_meant, self._budget)
        yield from self._wrapped(start, end, layer)

    def _elements(self, at: int, end: int) -> Iterator[Span]:
        """The texts of elements between *at* and *end*, and the values of attributes."""
        wanted, lower = self._sought, self._lower
        begin, place = at, 0
        while (found := wanted.element.search(lower, at, end)) is not None:
            closes, name = found["closes"], found["name"]
            at = found.end()
            self._budget.take(1)
            yield _NOTHING
            if name is None:
                if found["cdata"]:
                    yield from self._wrapped(found.start("cdata"), found.end("cdata"), None)
                continue
            category = wanted.categories.get(name)
            if category is None:
                place = 0  # another document begins
            elif category == _PLACE:
                if not closes and at > place:
                    place = self._end_of_element(at, end)
            elif not closes and not (at <= place and name == b"name"):
                at = yield from self._element(at, end, name, category)
        if b"=" in lower:
            yield from self._attributes(begin, end)

    def _element(self, at: int, end: int, name: bytes, category: str) -> Generator[Span, None, int]:
        """The texts of the element whose start tag ends at *at*; the place behind its end is returned."""
        lower = self._lower
        closing = self._sought.closing[name]
        stop = lower.find(b"<", at, end)
        if stop >= 0 and closing.match(lower, stop, end):
            yield from self._texts(at, stop, category)
            return stop
        if self._free and closing.search(lower, at, end) is None:
            return at
        end = self._end_of_element(at, end)
        for tag in _TAG.finditer(lower, at, end):
            yield _NOTHING
            yield from self._texts(at, tag.start(), category)
            at = tag.end()
            if tag["cdata"]:
                yield tag.start("cdata"), tag.end("cdata"), category
        yield from self._texts(at, end, category)
        return end

    def _end_of_element(self, at: int, end: int) -> int:
        """Where the element ends whose start tag ends at *at*: before its end tag, or that of its parent."""
        inner: list[bytes] = []
        for tag in _TAG.finditer(self._lower, at, end):
            self._budget.take(1)
            found = tag["name"]
            if found is None or tag[0][-2:] == b"/>":
                continue
            name = found[found.rfind(b":") + 1 :]
            if not tag["closes"]:
                if len(inner) < self._budget.depth:
                    inner.append(name)
            elif name not in inner:
                return tag.start()
            else:
                while inner.pop() != name:
                    pass
        return end

    def _texts(self, at: int, end: int, category: str) -> Iterator[Span]:
        """Text of an element.  What makes it no XML stays: else it would be read otherwise than it was."""
        for found in _NO_TEXT.finditer(self._lower, at, end):
            if found.start() > at:
                yield at, found.start(), category
            at = found.end()
        if end > at:
            yield at, end, category

    def _attributes(self, at: int, end: int) -> Iterator[Span]:
        lower = self._lower
        for found in self._sought.attribute.finditer(lower, at, end):
            self._budget.take(1)
            yield _NOTHING
            category = self._sought.categories[found[1]]
            tag = lower.rfind(b"<", max(at, found.start() - 4_096), found.start())
            if category == _PLACE or tag < 0 or lower.find(b">", tag, found.start()) >= 0:
                continue
            own = _ROOT_NAME.match(lower, tag)
            if own is not None and self._sought.categories.get(own[1]) != _PLACE:
                yield *found.span(found.lastindex or 0), category


def _stopping(steps: Steps[Result]) -> Generator[Span, None, Result]:
    """The result of *steps*, and nothing between them."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: Result = done.value
            return result
        yield _NOTHING


_ROOT_NAME = re.compile(rb"<(?:[^\s<>/:!?]++:)*+([^\s<>/:]++)")


def _percent_meant(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode())


_plain_names: set[str] = set()
"""Names that are looked up as they are, but for their case; bounded, for devices could make up names."""


def _has_plain_names(data: Any) -> bool:
    if type(data) is list:
        return all(_has_plain_names(item) for item in data if type(item) in (dict, list))
    if type(data) is not dict:
        return True
    for name, value in data.items():
        if name not in _plain_names:
            if not name.isascii() or len(name.split()) > 1 or name != name.strip():
                return False
            if len(_plain_names) < _REMEMBERED and len(name) <= 64:
                _plain_names.add(name)
        if type(value) in (dict, list) and not _has_plain_names(value):
            return False
    return True


def _json_meant(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return chr(int(found[1], 16)).encode("utf-8", "surrogatepass")
    return _JSON_MEANT.get(found[2], found[2])


def _xml_meant(found: re.Match[bytes]) -> bytes:
    if found[3]:
        return _XML_MEANT[found[3]]
    code = int(found[1]) if found[1] else int(found[2], 16)
    return chr(code).encode("utf-8", "surrogatepass") if code < 0x110000 else found[0]


def _form_name(raw: bytes) -> bytes:
    """The name of a form's field as it is compared."""
    plain = unquote_to_bytes(raw.replace(b"+", b" ")).lstrip(b"\xef\xbb\xbf\0")
    return folded(plain.decode("utf-8", "replace")).encode("utf-8", "replace")


def container_end(lower: bytes, at: int) -> int:
    """
    The place behind the JSON object or array at *at*; *at* itself when it is none, cut, or nested deep.

    A bracket in a text may end it early, so that what follows is taken for a person's.
    """
    end = lower.find(b"]", at, at + 4096) + 1
    if end and lower.rfind(b"[", at, end) == at:  # a list of plain objects, as nearly all are
        return end
    found = _CONTAINER.match(lower, at)
    return at if found is None else found.end()


def _is_simple(lower: bytes, at: int) -> bool:
    """Whether at *at* is a list of plain objects, or such an object, with all brackets in order."""
    if lower[at : at + 1] == b"[":
        inside = lower[at : lower.find(b"]", at, at + 4096) + 1]
        return inside.count(b"[") == 1 and inside.count(b"{") == inside.count(b"}")
    inside = lower[at : lower.find(b"}", at, at + 4096) + 1]
    return inside.count(b"{") == 1 and b"[" not in inside


def _any_of(words: Iterable[bytes]) -> bytes:
    """A pattern for any of *words*, letter by letter: it fails fast, where a list of words does not."""
    by_letter: dict[bytes, list[bytes]] = {}
    complete = False
    for word in words:
        complete = complete or not word
        if word:
            by_letter.setdefault(word[:1], []).append(word[1:])
    if not by_letter:
        return b""
    branches = b"|".join(re.escape(letter) + _any_of(rest) for letter, rest in sorted(by_letter.items()))
    return b"(?:" + branches + (b")?" if complete else b")")


def _plain_end(lower: bytes, at: int, stop: int) -> int:
    """Where the text at *at* ends when it is one without escapes, as nearly all are; else 0."""
    if lower[at : at + 1] != b'"':
        return 0
    end = lower.find(b'"', at + 1, stop)
    return 0 if end < 0 or lower.find(b"\\", at, end) >= 0 else end
