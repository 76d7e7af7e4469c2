"""What a device says about a call: the ResponseStatus in XML or JSON."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hikrecv.errors import Reject, Retry
from hikrecv.isapi.document import parse

LONGEST: Final = 65_536
"""Bytes of an answer that are looked at."""
OK, BUSY, DEVICE_ERROR, INVALID_OPERATION, INVALID_CONTENT, REBOOT = 1, 2, 3, 4, 6, 7


class Result(msgspec.Struct, frozen=True):
    """
    The answer to one call.

    :param http: the HTTP status; many devices answer 200 whatever happened.
    :param code: the statusCode, or None when the body has none.
    :param text: statusString, subStatusCode and errorMsg, as far as they were said.
    """

    http: int
    code: int | None = None
    text: str = ""

    @property
    def ok(self) -> bool:
        """Was it done?  7 is done, with a restart of the device still to come."""
        return self.http < 300 and self.code in (None, 0, OK, REBOOT)

    @property
    def needs_reboot(self) -> bool:
        """Done, but it counts only after the device was restarted."""
        return self.code == REBOOT

    @property
    def unknown_call(self) -> bool:
        """The device has no such call; certainly nothing was done."""
        return self.http in (404, 405, 501) or self.code == INVALID_OPERATION


def read_status(http: int, body: bytes, content_type: str | None = None) -> Result:
    """The ResponseStatus in *body*; one without code when there is none.  Never raises."""
    documents, _ = parse(body[:LONGEST], content_type)
    found: Any = documents[0].data if documents else None
    if isinstance(found, dict) and isinstance(found.get("ResponseStatus"), dict):
        found = found["ResponseStatus"]
    if not isinstance(found, dict):
        return Result(http)
    said = (found.get(key) for key in ("statusString", "subStatusCode", "errorMsg"))
    words = dict.fromkeys(_printable(each) for each in said if isinstance(each, str) and each.strip())
    return Result(http, _number(found.get("statusCode")), ", ".join(words))


def failure_of(result: Result, device: str) -> Retry | Reject:
    """What a result that is not `ok` means: again later, or never."""
    said = f": {result.text}" if result.text else ""
    code = "" if result.code is None else f", code {result.code}"
    reason = f"device {device} answered {result.http}{code}{said}"
    if 300 <= result.http < 400:
        return Reject(f'{reason}; it redirects, write url = "https://..." in [devices.{device}]')
    if result.http == 403:
        return Reject(f"{reason}; its user lacks the right to do this")
    if result.code == BUSY or result.http in (429, 503):
        return Retry(reason)
    if result.code == DEVICE_ERROR or (result.code is None and result.http >= 500):
        # It began and failed, or never said: nobody knows what the relay did.
        return Retry(reason, certain=False)
    return Reject(reason)


def _number(value: Any) -> int | None:
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _printable(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text[:100]).split())
