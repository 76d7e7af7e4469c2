"""Whether a request that broke off still holds a whole message."""

from __future__ import annotations

from typing import Any

from hikrecv.push import Anomaly, Push

from .budget import Budget, Clock, OverBudget
from .contents import Contents, is_binary
from .document import Document, begins_later, kind_of, parsing
from .multipart import Part, looks_multipart, split
from .steps import Steps, at_once

_CUT = "document-cut"
_DEPTH = 4
"""How deep in lists an object may stand that is a message."""


def holds_document(push: Push, clock: Clock | None = None) -> bool:
    """
    Does *push* hold at least one document that is not cut?

    Terminals cut the picture, which comes last, and never the message before it:
    such a push is acknowledged, and the device need not send it again.  What costs too
    much to read counts as cut.

    :param clock: see :class:`~hikrecv.isapi.budget.Budget`.
    """
    return at_once(judging(push, clock))


def judging(push: Push, clock: Clock | None = None) -> Steps[bool]:
    """The same in steps; only an event in a query, which is short, is judged in one."""
    budget = Budget(clock=clock)
    budget.on_time()
    try:
        if not push.body:
            return any(found.doc is not None for found in Contents(push, budget=budget).documents)
        for part in _parts(push):
            yield
            budget.on_time()
            view = memoryview(push.body)[part.start : part.end]
            kind = kind_of(view)
            if kind not in ("xml", "json", "form", "other") or len(view) > budget.scanned:
                continue
            if kind == "other" and (is_binary(part, view) or not begins_later(view)):
                continue
            yield
            documents, odd = yield from parsing(bytes(view), part.content_type, budget)
            if _is_whole(documents, odd):
                return True
    except OverBudget:
        pass
    return False


def _parts(push: Push) -> tuple[Part, ...]:
    content_type = push.header(b"content-type")
    if looks_multipart(push.body, content_type):
        return split(push.body, content_type)[0]
    declared = None if content_type is None else content_type.decode("latin-1")
    return (Part(None, None, None, declared, 0, len(push.body), ()),)


def _is_whole(documents: tuple[Document, ...], odd: tuple[Anomaly, ...]) -> bool:
    if any(anomaly.name == _CUT for anomaly in odd):
        return False
    return any(_holds_object(found.data, _DEPTH) for found in documents)


def _holds_object(data: Any, depth: int) -> bool:
    """Whether *data* is a message, or a list with one."""
    if type(data) is list and depth:
        return any(_holds_object(item, depth - 1) for item in data)
    return type(data) is dict
