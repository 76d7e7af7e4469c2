"""Where personal data stands in a text: found by the names of keys and elements, without decoding it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from .encodings import to_utf8

CATEGORIES: dict[str, tuple[str, ...]] = {
    "templates": (
        *("modeldata", "facemodeldata", "featuredata", "facefeature", "facetemplate", "templatedata"),
        *("fingerdata", "fingerprintdata", "irisdata", "palmdata", "palmveindata"),
    ),
    "certificates": (
        *("certificatenumber", "certificateno", "certificateid", "certno", "passportno"),
        *("idcard", "idcardno", "idcardnumber", "idnum", "idnumber", "identityno", "identitynumber"),
    ),
    "names": (
        *("name", "personname", "employeename", "visitorname", "ownername", "humanname", "realname"),
        *("chinesename", "englishname", "firstname", "lastname", "cardholdername", "cardholder"),
    ),
    "births": ("borntime", "borndate", "born", "birth", "birthday", "birthdate", "birthtime", "dateofbirth"),
}
"""What each word of ``[privacy] mask`` covers: keys and elements, in lower case."""

# A plain "name" is a person's, but not in these.
_PLACES = frozenset(
    (
        *("extenddata", "region", "regions", "regionlist", "detectionregionentry"),
        *("zone", "zones", "zonelist", "zoneevent", "cidevent"),
    )
)
_PLACE = "not a person's"

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
_TAG = re.compile(rb"<!\[cdata\[(.*?)(?:\]\]>|\Z)|<[^<>]*+>?+", re.DOTALL)
_DOUBLE_BYTES = re.compile(rb"[\x81-\xfe](?:[\x30-\x39][\x81-\xfe][\x30-\x39]|[\x40-\x7e\x80-\xfe])")
_HIDDEN_KEY = re.compile(rb'"[^"\\]*+\\u00[2-7][^"]*+"\s*+:')

MOST_VALUES = 20_000
"""In one text; a device's own has a few dozen."""
MOST_UNCOUNTED = 500_000
"""Bytes; in a longer text it is counted first how much there is to look at."""


class TooManyValues(Exception):
    """A text that is made to be searched for ever."""


Span = tuple[int, int, str]
"""A value: start and end, without its quotes or tags, and its category."""


class Sought:
    """
    The keys and elements that are looked for, compiled once.

    :param names: in lower case, each with its category.
    :param places: leave out a plain "name" where it is that of a place.
    """

    def __init__(self, names: Mapping[str, str], *, places: bool = True) -> None:
        known = dict.fromkeys(_PLACES, _PLACE) if places and "name" in names else {}
        self._categories = {name.encode(): category for name, category in {**known, **names}.items()}
        words = _any_of(self._categories)
        self._json = re.compile(rb'"(' + words + rb')"\s*+:\s*+')
        self._xml = re.compile(
            rb"<(/?+)(?:[\w.-]{1,40}:)?(" + words + rb"|eventnotificationalert|\?xml)(?:\s[^<>]*+)?(?<!/)>"
        )
        self._closing = {
            name: re.compile(rb"</(?:[\w.-]{1,40}:)?" + re.escape(name) + rb"\s*+>")
            for name in self._categories
        }
        self._form = re.compile(rb"(?:^|[&?])(" + words + rb")=([^&]*+)")

    def in_json(self, lower: bytes) -> Iterator[Span]:
        """The values in JSON, also in JSON that is broken or cut.  *lower* is from :func:`readable`."""
        place = done = 0
        for count, found in enumerate(self._json.finditer(lower)):
            name, at = found[1], found.end()
            category = self._categories[name]
            if count > MOST_VALUES:
                raise TooManyValues
            if category == _PLACE:
                place = container_end(lower, at)
            elif at >= done and (at > place or name != b"name"):
                end = _plain_end(lower, at)
                if end:
                    yield at + 1, end, category
                    continue
                for span in _values(lower, at, category):
                    done = span[1]
                    yield span

    def in_xml(self, lower: bytes) -> Iterator[Span]:
        """The texts of elements in XML, also in XML that is broken or cut."""
        places = at = count = 0
        while (found := self._xml.search(lower, at)) is not None:
            closes, name = found.groups()
            category, at = self._categories.get(name), found.end()
            count += 1
            if count > MOST_VALUES:
                raise TooManyValues
            if category is None:
                places = 0  # another document begins
            elif category == _PLACE:
                places = max(0, places + (-1 if closes else 1))
            elif not closes and not (places and name == b"name"):
                closing = self._closing[name].search(lower, at)
                end = len(lower) if closing is None else closing.start()
                yield from _between_tags(lower, at, end, category)
                at = end

    def in_form(self, lower: bytes) -> Iterator[Span]:
        """The values of a form or a query string."""
        for count, found in enumerate(self._form.finditer(lower)):
            if count > MOST_VALUES:
                raise TooManyValues
            if (category := self._categories[found[1]]) != _PLACE:
                yield found.start(2), found.end(2), category


def sought(words: Iterable[str]) -> Sought:
    """What is looked for by words of :data:`CATEGORIES`."""
    return Sought({name: word for word in words for name in CATEGORIES[word]})


def readable(text: bytes) -> bytes:
    """
    *text* in lower case, every byte in its place, fit to be searched.

    The second half of a Chinese character may look like a quote's backslash or a
    brace; in what is returned it does not.

    :raises TooManyValues: for a text that would take long.
    """
    if len(text) > MOST_UNCOUNTED and text.count(b'"') + text.count(b"<") > 10 * MOST_VALUES:
        raise TooManyValues
    if not text.isascii() and to_utf8(text).codec == "gb18030":
        if len(text) > MOST_UNCOUNTED:
            raise TooManyValues
        text = _DOUBLE_BYTES.sub(lambda found: b"x" * len(found[0]), text)
    return text.lower()


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


def hides_keys(lower: bytes) -> bool:
    """Whether a JSON key is written with escapes, or in JSON inside a text: its name cannot be seen."""
    return b"\\" in lower and (b'\\":' in lower or _HIDDEN_KEY.search(lower) is not None)


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


def _plain_end(lower: bytes, at: int) -> int:
    """Where the text at *at* ends when it is one without escapes, as nearly all are; else 0."""
    if lower[at : at + 1] != b'"':
        return 0
    end = lower.find(b'"', at + 1)
    return 0 if end < 0 or lower.find(b"\\", at, end) >= 0 else end


def _values(lower: bytes, at: int, category: str) -> Iterator[Span]:
    """The text or number at *at*, or all texts and numbers of the object or array there, but not its keys."""
    depth = 0
    for count, found in enumerate(_INSIDE.finditer(lower, at)):
        kind = found.lastgroup
        if count > MOST_VALUES:
            raise TooManyValues
        if kind is None:
            depth += 1 if found[0] in b"[{" else -1
        elif kind != "key" and found[0] not in _WORDS:
            yield found.start(kind), found.end(kind), category
        if depth <= 0:
            yield found.end(), found.end(), category  # nothing, but it says how far this was read
            return
    yield len(lower), len(lower), category


def _between_tags(lower: bytes, at: int, end: int, category: str) -> Iterator[Span]:
    for count, tag in enumerate(_TAG.finditer(lower, at, end)):
        if count > MOST_VALUES:
            raise TooManyValues
        if tag.start() > at:
            yield at, tag.start(), category
        if tag[1]:
            yield tag.start(1), tag.end(1), category
        at = tag.end()
    if end > at:
        yield at, end, category
