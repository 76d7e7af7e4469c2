"""How long a push takes to become events: `python tests/isapi/bench_decode.py`."""

from __future__ import annotations

from pathlib import Path
from time import process_time

from hikrecv.isapi.decode import Decoder
from hikrecv.push import Peer, Push

EVENTS = Path(__file__).parent.parent / "data" / "events"
PEER = Peer(ip="10.20.0.99", port=50_000, trust="none")
PICTURE = b"\xff\xd8\xff\xe0" + bytes(140_000) + b"\xff\xd9"


def pushed(body: bytes, content_type: bytes) -> Push:
    return Push(received=10**18, peer=PEER, headers=((b"Content-Type", content_type),), body=body)


def with_pictures(document: bytes) -> bytes:
    body = b""
    for name, payload in ((b"alarmResult", document), (b"backgroundImage", PICTURE), (b"faceImage", PICTURE)):
        head = b'Content-Disposition: form-data; name="%s"\r\nContent-Length: %d' % (name, len(payload))
        body += b"--boundary\r\n" + head + b"\r\n\r\n" + payload + b"\r\n"
    return body + b"--boundary--\r\n"


def best_of(push: Push, rounds: int = 30, calls: int = 100) -> float:
    """The least CPU microseconds a call."""
    decoder, best = Decoder(), float("inf")
    for _ in range(rounds):
        start = process_time()
        for _ in range(calls):
            decoder.decode(push, 1)
        best = min(best, (process_time() - start) / calls * 1e6)
    return best


def main() -> None:
    face = (EVENTS / "face-match.json").read_bytes()
    pushes = {
        "face match, JSON": pushed(face, b"application/json"),
        "face match, with pictures": pushed(with_pictures(face), b"multipart/form-data; boundary=boundary"),
        "access, JSON": pushed((EVENTS / "access-face.json").read_bytes(), b"application/json"),
        "intrusion, XML": pushed((EVENTS / "intrusion.xml").read_bytes(), b"application/xml"),
        "motion, XML": pushed((EVENTS / "motion.xml").read_bytes(), b"application/xml"),
        "plate, XML": pushed((EVENTS / "plate.xml").read_bytes(), b"application/xml"),
    }
    for name, push in pushes.items():
        print(f"{name:28} {len(push.body):7} bytes {best_of(push):7.1f} us")


if __name__ == "__main__":
    main()
