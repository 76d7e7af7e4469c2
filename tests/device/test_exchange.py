from __future__ import annotations

from typing import Any

import pytest
from hyperlink import DecodedURL
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.resource import Resource

from hikrecv.device.digest import DigestAgent
from hikrecv.device.exchange import Exchange, host_of
from hikrecv.errors import Reject


class Server(Resource):
    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def render(self, request: Any) -> bytes:
        self.seen.append((request.getHeader("Host"), request.uri))
        return b""


def now(deferred: Deferred[Any]) -> Any:
    results: list[Any] = []
    deferred.addBoth(results.append)
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


@pytest.mark.parametrize(
    "url",
    [
        "http://[fd00::5]:8080/a?b=c",
        b"http://[fd00::5]:8080/a?b=c",
        DecodedURL.from_text("http://[fd00::5]:8080/a?b=c"),
    ],
)
@pytest.mark.parametrize("logged_in", [False, True])
def test_an_ipv6_address_is_asked_like_any_other(url: Any, logged_in: bool) -> None:
    server = Server()
    agent: Any = RequestTraversalAgent(server)
    if logged_in:
        agent = DigestAgent(agent, "http://[fd00::5]:8080", "admin", "right")

    response = now(Exchange(agent, Clock()).request("GET", url, params={"d": "e"}))

    assert response.code == 200
    assert server.seen == [("[fd00::5]:8080", b"/a?b=c&d=e")]


@pytest.mark.parametrize("url", ["http://a..b/", "http://[::1", "http://h:port/", b"http://\xff/"])
def test_what_is_no_address_is_rejected_with_a_sentence(url: Any) -> None:
    with pytest.raises(Reject, match="cannot be used; correct it"):
        now(Exchange(RequestTraversalAgent(Server()), Clock()).request("GET", url))


def test_an_ipv6_address_is_named_as_it_is_written() -> None:
    assert host_of("http://[fd00::5]:8080/secret") == "[fd00::5]:8080"
