"""Whether a request that broke off still holds a whole message."""

from __future__ import annotations

from hikrecv.push import Push

from .budget import Budget, Clock, OverBudget
from .contents import Contents

_CUT = "document-cut"


def holds_document(push: Push, clock: Clock | None = None) -> bool:
    """
    Does *push* hold at least one document that is not cut?

    Terminals cut the picture, which comes last, and never the message before it:
    such a push is acknowledged, and the device need not send it again.  What costs too
    much to read counts as cut.

    :param clock: see :class:`~hikrecv.isapi.budget.Budget`.
    """
    try:
        documents = Contents(push, budget=Budget(clock=clock)).documents
    except OverBudget:
        return False
    return any(
        found.doc is not None and all(anomaly.name != _CUT for anomaly in found.anomalies)
        for found in documents
    )
