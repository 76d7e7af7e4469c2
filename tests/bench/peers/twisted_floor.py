"""Twisted's own web server, which reads a request and throws it away."""

from __future__ import annotations

from durable import port
from twisted.internet import reactor
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site


class Discard(Resource):
    """Takes everything."""

    isLeaf = True

    def render_POST(self, request: Request) -> bytes:
        """Throw it away."""
        return b""


if __name__ == "__main__":
    reactor.listenTCP(
        port(), Site(Discard(), parsePOSTFormSubmission=False), interface="127.0.0.1", backlog=1024
    )
    reactor.run()
