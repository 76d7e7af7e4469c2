"""
How a request is signed, so that its receiver knows who sent it, and when.

``X-Hikrecv-Signature: t=1767225600,v1=5257a8...`` where ``t`` is the time of sending in
seconds since 1970 and ``v1`` the HMAC-SHA256, in hex, of the ASCII digits of ``t``,
a dot, and the body as it was sent; the key is the UTF-8 text of the secret.
"""

from __future__ import annotations

import hmac

HEADER = "X-Hikrecv-Signature"


def signature(secret: str, body: bytes, when: int) -> str:
    """
    The header's value.

    :param when: seconds since 1970.
    """
    signed = hmac.new(secret.encode(), b"%d." % when + body, "sha256").hexdigest()
    return f"t={when},v1={signed}"
