"""One notification service, by its URL, which is a secret; apprise does the talking."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import unquote

from hikrecv_notify_text import Format

from hikrecv.config import Secret

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase

Kind = Literal["info", "success", "warning", "failure"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,19})://")
# Shorter pieces of an URL are no secrets, and are in every sentence.
_PIECES = re.compile(r"[^/:@?&=,\s]{4,}")


class Note(NamedTuple):
    """What is sent."""

    title: str
    body: str
    files: Sequence[Path]


class Service:
    """
    Sends to where an URL leads.

    :param url: as in apprise's documentation: ``tgram://TOKEN/CHAT``, ``ntfy://TOPIC`` ...
    :ivar apart: seconds that apprise leaves between two messages; `send` sleeps for them.
    :raises ValueError: when apprise does not take it; the message does not show it.
    """

    def __init__(self, url: Secret) -> None:
        self._url = url
        self._service = _instance(url)
        self.name = str(self._service.service_name)
        self.apart = float(self._service.request_rate_per_sec or 0.0)

    def send(self, note: Note, kind: Kind, format: Format) -> str | None:
        """Send the *note*, which takes a while; what went wrong, or None when the service took it."""
        from apprise import Apprise, NotifyFormat, NotifyType

        caller = Apprise(asset=_asset())
        caller.add(self._service)
        result: Any = caller.notify(
            body=note.body,
            title=note.title,
            notify_type=NotifyType(kind),
            body_format=NotifyFormat(format),
            attach=_attached(note.files) or None,
        )
        if result:
            return None
        said = [entry.message for each in result for entry in each.logs()]
        return self._without_secrets(" ".join(said)) or "it did not say why"

    def _without_secrets(self, text: str) -> str:
        """*text* on one bounded line, without any piece of the URL."""
        _, _, rest = self._url.partition("://")
        for piece in sorted({*_PIECES.findall(rest), *_PIECES.findall(unquote(rest))}, key=len, reverse=True):
            text = text.replace(piece, "***")
        return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:300]


def _instance(url: Secret) -> NotifyBase:
    from apprise import Apprise

    try:
        found = Apprise.instantiate(str(url), asset=_asset(), suppress_exceptions=False)
    except Exception:  # whatever a service's own check raises; its text may show the URL
        found = None
    if found is None:
        scheme = _SCHEME.match(url)
        which = (
            f"this {scheme[1]}:// address"
            if scheme
            else "it: it does not begin with a service such as ntfy://"
        )
        raise ValueError(f"apprise does not take {which}; see https://appriseit.com/services/") from None
    return found


@cache
def _asset() -> AppriseAsset:
    """As what we appear; apprise keeps nothing on the disk, and leaves time and threads to us."""
    from apprise import AppriseAsset, PersistentStoreMode

    # What it says is in its results; in a log it would show parts of the URL.
    logging.getLogger("apprise").propagate = False
    return AppriseAsset(
        app_id="hikrecv",
        app_desc="hikrecv",
        app_url="https://pypi.org/project/hikrecv/",
        async_mode=False,
        pem_autogen=False,
        pgp_autogen=False,
        service_timeout=0,
        storage_mode=PersistentStoreMode.MEMORY,
    )


def _attached(files: Sequence[Path]) -> list[Any]:
    from apprise.attachment.file import AttachFile

    return [AttachFile(str(file), name=file.name) for file in files]  # type: ignore[no-untyped-call]
