"""Tie the pictures of a push to what refers to them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote, urlsplit

from .catalogue import picture_words
from .event import Picture

_EXTENSION = re.compile(r"\.(?:jpe?g|pjpeg|png|bmp|gif|webp)$")
_FOLDER = re.compile(r".*[/\\]", re.DOTALL)
# Whatever lets somebody in does not travel with an event.
_SECRET = re.compile(
    r"token|passw|pwd|secret|session|sign|auth|credential|api_?key|access_?key|user|(?:key|ak|sk|sid|pass|pw)$",
    re.IGNORECASE,
)
_SCHEMES = ("http", "https", "ftp", "rtsp")
LONGEST_LINK = 2048
LONGEST_LABEL = 1024
"""Characters of a part's name; what names are compared by is remembered, and must be short."""
MOST_LINKS = 64
"""Links that are followed in one push; a document of a hostile sender could be full of them."""

Login = Literal["none", "digest"] | None


@lru_cache(maxsize=1024)
def label(name: str) -> str:
    """A name as it is compared: no folder, no extension, no case, no ``<>``, misprints put right."""
    plain = name.strip().strip("<>").lower()
    if "/" in plain or "\\" in plain:
        plain = _FOLDER.sub("", plain)
    if "." in plain:
        plain = _EXTENSION.sub("", plain)
    return picture_words().misprints.get(plain, plain)


@lru_cache(maxsize=1024)
def role_of(name: str) -> str | None:
    """What a picture with this name shows, or None."""
    words = picture_words()
    plain = label(name)
    return words.roles.get(plain) or next((role for part, role in words.parts.items() if part in plain), None)


def safe_link(link: str) -> str | None:
    """
    A link without user, password and whatever in its query may be a secret; None when it is none.

    The size and the name that a recorder puts into the query stay: without them
    the picture cannot be fetched.
    """
    if len(link) > LONGEST_LINK or not link.isprintable() or " " in link.strip():
        return None
    link = link.strip()
    try:
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in _SCHEMES or not host:
        return link if link.startswith("/") and not link.startswith("//") and "?" not in link else None
    where = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=where, query=_without_secrets(parts.query), fragment="").geturl()


def _without_secrets(query: str) -> str:
    said = (each for each in re.split("[&;]", query) if each)
    return "&".join(each for each in said if not _SECRET.search(unquote(each.partition("=")[0])))


class Shot:
    """One picture of the push, before it is known whose it is."""

    __slots__ = ("content_type", "labels", "link", "login", "n", "names", "owners", "role", "view")

    def __init__(
        self, n: int, names: tuple[str, ...], content_type: str | None, view: memoryview | None
    ) -> None:
        self.n = n
        self.names = names
        self.content_type = content_type
        self.view = view
        self.labels = frozenset(map(label, names))
        self.owners: list[int] = []
        self.role: str | None = None
        self.link: str | None = None
        self.login: Login = None

    def picture(self, role: str) -> Picture:
        """It as part of an event; *role* is used when neither its referrer nor its name says one."""
        picture = Picture(
            n=self.n,
            role=self.role or self._named_role() or role,
            name=self.names[0] if self.names else None,
            content_type=self.content_type,
            size=None if self.view is None else len(self.view),
            url=self.link,
            url_login=self.login,
        )
        if self.view is not None:
            picture.__dict__["_view"] = self.view
        return picture

    def _named_role(self) -> str | None:
        for name in self.names:
            said = role_of(name)
            if said:
                return said
        return None


class Gallery:
    """
    The pictures of one push.

    Names are no keys: two parts may have the same, and cameras swap what the
    standard calls the name with what it calls the content id.  So each id of a
    document is compared with each label of a part; what is unique (`pId`)
    before what is not (`contentID`).

    Source: the manufacturer's guides name `pId` = name, `contentID` = Content-ID;
    DeepinView sends `contentID` = name, `pId` = Content-ID and filename.
    """

    __slots__ = ("labels", "links", "shots")

    def __init__(self) -> None:
        self.shots: list[Shot] = []
        self.labels: set[str] = set()
        self.links: dict[str, Shot] = {}

    def add(self, names: Iterable[str | None], content_type: str | None, view: memoryview) -> None:
        """Hang up a picture that came as a part; *names* are its name, filename and Content-ID."""
        known = tuple([name[:LONGEST_LABEL] for name in names if name])
        shot = Shot(len(self.shots), known, content_type, view)
        self.shots.append(shot)
        self.labels |= shot.labels

    def refer(
        self, owner: int, unique: str | None, shared: Iterable[str | None], role: str | None
    ) -> tuple[int, ...]:
        """
        What event *owner* means by these ids: the picture's number.

        :param unique: the id of one picture, such as `pId`.
        :param shared: names that several pictures of the push may have, such as `contentID`.
        """
        if not self.shots:
            return ()
        found = None if unique is None else self._by_id(unique)
        if found is None:
            found = self._by_name(owner, [label(each) for each in shared if each], sharable=unique is None)
        return () if found is None else (self._take(found, owner, role),)

    def _by_id(self, unique: str) -> Shot | None:
        for shot in self.shots:
            if unique in shot.names:
                return shot
        plain = label(unique)
        if plain in self.labels:
            for shot in self.shots:
                if plain in shot.labels:
                    return shot
        return None

    def _by_name(self, owner: int, names: list[str], *, sharable: bool) -> Shot | None:
        if self.labels.isdisjoint(names):
            return None
        shared = None
        for shot in self.shots:
            if shot.labels.isdisjoint(names):
                continue
            if not shot.owners:
                return shot
            if shared is None and owner in shot.owners:
                shared = shot
        # Two targets of one event share a background; two events never share a face.
        return shared if sharable else None

    def link(self, owner: int, link: str, role: str | None, login: Login) -> tuple[int, ...]:
        """A picture that the device keeps; the same link twice is the same picture."""
        shot = self.links.get(link)
        if shot is None:
            if len(self.links) >= MOST_LINKS:
                return ()
            shot = self.links[link] = Shot(len(self.shots), (), None, None)
            shot.link, shot.login = link, login
            self.shots.append(shot)
        return (self._take(shot, owner, role),)

    def _take(self, shot: Shot, owner: int, role: str | None) -> int:
        if owner not in shot.owners:
            shot.owners.append(owner)
        shot.role = shot.role or role
        return shot.n

    def leave_to(self, owner: int) -> None:
        """Whatever nobody referred to belongs to event *owner*."""
        for shot in self.shots:
            if not shot.owners:
                shot.owners.append(owner)

    def of(self, owner: int, role: str) -> tuple[Picture, ...]:
        """The pictures of event *owner*, in the order of the push."""
        return tuple([shot.picture(role) for shot in self.shots if owner in shot.owners])
