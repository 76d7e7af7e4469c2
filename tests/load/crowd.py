"""Thousands of devices, in processes of their own, so that their work is not measured with the receiver's."""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from multiprocessing.connection import Connection
from typing import Any

from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.acusense import bare

FILES = 16_000
"""Connections of one process at most, and some."""
SOURCES = 64
"""How many addresses of loopback they come from: each has its own 28,000 ports."""
TOGETHER = 200
"""How many connect at the same time, where it is not the connecting that is measured."""
PATIENCE = 60.0


class Crowd:
    """
    A function that runs in a process of its own and talks with us over a pipe.

    :param live: gets its end of the pipe, the receiver's port, and *more*; it ends when it is done, or told
        anything.
    """

    def __init__(self, live: Callable[..., None], port: int, *more: Any) -> None:
        self._ours, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=_begin, args=(live, theirs, port, *more), daemon=True)
        self._process.start()

    def hears(self, seconds: float = PATIENCE) -> Any:
        """What it says next.  :raises TimeoutError: when it says nothing within *seconds*."""
        if not self._ours.poll(seconds):
            raise TimeoutError(f"the crowd said nothing within {seconds:g} s")
        return self._ours.recv()

    def tell(self) -> None:
        """Say that it is enough."""
        self._ours.send("enough")

    def end(self) -> None:
        """Tell it to stop, and see to it."""
        if self._process.is_alive():
            with suppress(OSError):  # it may end at this very moment
                self._ours.send("stop")
            self._process.join(5)
        self._process.kill()
        self._process.join()


def _begin(live: Callable[..., None], pipe: Connection, port: int, *more: Any) -> None:
    raise_file_limit()
    live(pipe, port, *more)


def raise_file_limit() -> None:
    """Allow as many files as one crowd needs.  :raises ValueError: when the system does not let us."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, max(hard, FILES)))


def source(number: int) -> tuple[str, int]:
    """Where the connection *number* comes from."""
    return f"127.0.1.{number % SOURCES + 1}", 0


def alert(number: int) -> bytes:
    """A small event of the device *number*, as a request that keeps its connection."""
    message = bare(Identity(number + 1), datetime.now(timezone.utc), "VMD", count=number)
    return message.request(keep_alive=True)


# -- those that stay ------------------------------------------------------------------


def idle(pipe: Connection, port: int, number: int) -> None:
    """*number* connections, each of which sends one event and stays; says how many were told 200."""
    asyncio.run(_idle(pipe, port, number))


async def _idle(pipe: Connection, port: int, number: int) -> None:
    writers: list[asyncio.StreamWriter] = []
    gate = asyncio.Semaphore(TOGETHER)

    async def stay(each: int) -> bool:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=source(each))
            writers.append(writer)
            writer.write(alert(each))
            return b" 200 " in await reader.readuntil(b"\r\n\r\n")

    pipe.send(sum(await asyncio.gather(*map(stay, range(number)))))
    await _told(pipe)


async def _told(pipe: Connection) -> None:
    while not pipe.poll():
        await asyncio.sleep(0.05)


# -- those that drip --------------------------------------------------------------------

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(50))
LONG = (
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 2000000\r\n\r\n" + b"\0" * 100
)


def drip(pipe: Connection, port: int, number: int, pause: float) -> None:
    """
    *number* slow ones, one half in the head, the other in the body: a byte each *pause* seconds.

    Whoever is closed connects anew.  Says when all are there.
    """
    asyncio.run(_drip(pipe, port, number, pause))


async def _drip(pipe: Connection, port: int, number: int, pause: float) -> None:
    there = asyncio.Barrier(number + 1)

    async def one(each: int) -> None:
        text = HEAD if each % 2 else LONG
        await asyncio.sleep(pause * each / number)
        first = True
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=source(each))
            writer.write(text[:80])
            if first:
                first = False
                await there.wait()
            await _drop_by_drop(reader, writer, text[80:], pause)

    slow = [asyncio.ensure_future(one(each)) for each in range(number)]
    await there.wait()
    pipe.send(number)
    await _told(pipe)
    for each in slow:
        each.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def _drop_by_drop(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes, pause: float
) -> None:
    answer = asyncio.ensure_future(reader.read(1))
    try:
        for at in range(len(text)):
            writer.write(text[at : at + 1])
            done, _ = await asyncio.wait((answer,), timeout=pause)
            if done:
                return
    finally:
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)
        writer.close()


# -- those that send much ------------------------------------------------------------------


def post(pipe: Connection, port: int, number: int, body: bytes, seconds: float) -> None:
    """*number* posts of *body* at the same time; says how many got which status, 0 for none."""
    pipe.send(asyncio.run(_post(port, number, body, seconds)))


async def _post(port: int, number: int, body: bytes, seconds: float) -> Counter[int]:
    head = (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=boundary\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    there = asyncio.Barrier(number)

    async def one(each: int) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=source(each))
        await there.wait()
        writer.write(head)
        sending = asyncio.ensure_future(_send(writer, body))
        try:
            answer = await reader.readuntil(b"\r\n")
            return int(answer.split()[1])
        except (OSError, EOFError):
            return 0
        finally:
            sending.cancel()
            writer.close()

    told = await asyncio.gather(*(_within(one(each), seconds) for each in range(number)))
    return Counter(told)


async def _send(writer: asyncio.StreamWriter, body: bytes) -> None:
    view = memoryview(body)
    try:
        for at in range(0, len(body), 65_536):
            writer.write(view[at : at + 65_536])
            await writer.drain()
    except OSError:
        pass  # it was told no, and closed


async def _within(work: Any, seconds: float) -> int:
    try:
        return int(await asyncio.wait_for(work, seconds))
    except TimeoutError:
        return 0


# -- those that all come at once ----------------------------------------------------------


def rush(pipe: Connection, port: int, number: int, seconds: float) -> None:
    """
    *number* connections, as fast as they can be made; each asks one thing, to see that it was accepted.

    Says how long the connecting took, how many were answered within *seconds* of the first, and
    how long the last of those took.
    """
    waiting = selectors.DefaultSelector()
    began = time.monotonic()
    sockets = [_connect(waiting, port, each) for each in range(number)]
    connecting = time.monotonic() - began
    answered, last = 0, 0.0
    while answered < number and (left := began + seconds - time.monotonic()) > 0:
        for key, _ in waiting.select(left):
            if _goes_on(waiting, key):
                answered += 1
                last = time.monotonic() - began
    pipe.send((connecting, answered, last))
    for each in sockets:
        each.close()


def _connect(waiting: selectors.BaseSelector, port: int, number: int) -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    # Without this the system looks for a free port of that address at once, and slowly.
    made.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    made.bind(source(number))
    made.connect_ex(("127.0.0.1", port))
    waiting.register(made, selectors.EVENT_WRITE)
    return made


IP_BIND_ADDRESS_NO_PORT = 24


def _goes_on(waiting: selectors.BaseSelector, key: selectors.SelectorKey) -> bool:
    made: socket.socket = key.fileobj  # type: ignore[assignment]
    if key.events == selectors.EVENT_WRITE:
        try:
            made.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        except OSError:
            waiting.unregister(made)
            return False
        waiting.modify(made, selectors.EVENT_READ)
        return False
    waiting.unregister(made)
    try:
        return b" 200 " in made.recv(4096)
    except OSError:
        return False
