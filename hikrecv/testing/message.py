"""What a device says: one message, and the bytes of the request that carries it."""

from __future__ import annotations

import msgspec


class Part(msgspec.Struct, frozen=True):
    """One section of a multipart message, its headers as the device writes them."""

    headers: tuple[tuple[str, str], ...]
    payload: bytes


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """
    One event as a device sends it.

    :param label: for people who watch a simulation.
    :param headers: additional request headers, in the device's order.
    """

    label: str
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    def request(
        self, host: str = "192.0.2.10", path: str = "/", *, keep_alive: bool = False, chunked: bool = False
    ) -> bytes:
        """The whole HTTP request, as one device's firmware would write it."""
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(self.body)}"
        lines = [
            f"POST {path} HTTP/1.1",
            *([f"Content-Type: {self.content_type}"] if self.content_type else []),
            f"Host: {host}",
            *(f"{name}: {value}" for name, value in self.headers),
            f"Connection: {'keep-alive' if keep_alive else 'close'}",
            framing,
        ]
        head = "\r\n".join([*lines, "", ""]).encode()
        return head + (_chunks(self.body) if chunked else self.body)


def multipart(label: str, parts: list[Part], *, boundary: str = "boundary", spaced: bool = True) -> Message:
    """
    A ``multipart/form-data`` message.

    :param spaced: write a blank before ``boundary=``, as cameras do and terminals do not.
    """
    pieces: list[bytes] = []
    for part in parts:
        head = "".join(f"{name}: {value}\r\n" for name, value in part.headers)
        pieces += [f"--{boundary}\r\n{head}\r\n".encode(), part.payload, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    gap = " " if spaced else ""
    return Message(
        label=label, content_type=f"multipart/form-data;{gap}boundary={boundary}", body=b"".join(pieces)
    )


def part(name: str, content_type: str, payload: bytes, *, filename: str = "", content_id: str = "") -> Part:
    """A part with the headers that most firmware writes, Content-Length included."""
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    headers = [
        ("Content-Disposition", disposition),
        ("Content-Type", content_type),
        ("Content-Length", str(len(payload))),
        *([("Content-ID", content_id)] if content_id else []),
    ]
    return Part(tuple(headers), payload)


def _chunks(body: bytes, size: int = 16_384) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
