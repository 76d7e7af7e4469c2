"""Which setting of a device is wrong, when what it sends is not HTTP."""

from __future__ import annotations

from .messages import Kind

_WRONG_MENU = "Alarm Host is the SDK port; use HTTP Listening / Notification Host"

ADVICE: dict[Kind, str] = {
    "tls": "it speaks TLS on a plain port; set HTTP in its menu HTTP Listening, or give it an ssl: endpoint",
    "sdk": f"it speaks the SDK's protocol, not HTTP: {_WRONG_MENU}",
    "binary": f"it sends something binary, not HTTP: {_WRONG_MENU}",
    "rtsp": "it speaks RTSP, which is for video; use HTTP Listening / Notification Host with this port",
    "sip": "it speaks SIP, which is for calls; use HTTP Listening / Notification Host with this port",
    "http2": "it speaks HTTP/2; events are taken by HTTP/1.1 only",
}
"""One sentence for the log: what came, and the cure."""

NO_TLS = "TLS failed on an ssl: port; set HTTPS in its menu HTTP Listening, or use a plain port"
"""The same for a TLS port: most likely plain HTTP came, or a device too old for today's TLS."""
