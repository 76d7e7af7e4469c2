"""
A million generated requests, each all the way from its bytes to its events: none may raise.

``python -m tests.fuzz --requests 1000000 --seed 1``; a request that was trouble is kept in
`corpus/`, where the tests find it (with the corpus as it was, seed and number make it again).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
import traceback
from hashlib import sha256
from queue import Empty
from random import Random
from typing import NamedTuple

from . import mutation, targets

LOOK = 5.0
"""Seconds between two lines about how far it is."""
STEP = 500
MOST_TROUBLES = 20


class Trouble(NamedTuple):
    number: int
    data: bytes
    trace: str


def main() -> int:
    asked = _arguments()
    results: multiprocessing.Queue[int | Trouble] = multiprocessing.Queue()
    shares = (range(first, asked.requests, asked.processes) for first in range(asked.processes))
    workers = [multiprocessing.Process(target=_work, args=(asked.seed, share, results)) for share in shares]
    for worker in workers:
        worker.start()
    began = time.monotonic()
    done, troubles = _follow(workers, results, asked, began)
    for worker in workers:
        worker.terminate()
        worker.join()
    took = time.monotonic() - began
    print(f"{done:,} generated requests in {took:,.0f} s (seed {asked.seed}): {len(troubles)} exceptions")
    for trouble in troubles:
        _keep(trouble)
    return 1 if troubles or done < asked.requests else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=3600.0, help="stop after this time")
    return parser.parse_args()


def _follow(
    workers: list[multiprocessing.Process],
    results: multiprocessing.Queue[int | Trouble],
    asked: argparse.Namespace,
    began: float,
) -> tuple[int, list[Trouble]]:
    done, troubles, said = 0, [], began
    while done < asked.requests and len(troubles) < MOST_TROUBLES:
        now = time.monotonic()
        if now - began > asked.seconds:
            print(f"not done within {asked.seconds:,.0f} s")
            break
        if now - said > LOOK:
            said = now
            print(f"{done:,} of {asked.requests:,}, {done / (now - began):,.0f} a second", flush=True)
        try:
            result = results.get(timeout=1.0)
        except Empty:
            if any(worker.is_alive() for worker in workers):
                continue
            print(f"the workers ended early: {[worker.exitcode for worker in workers]}")
            break
        if isinstance(result, int):
            done += result
        else:
            troubles.append(result)
    return done, troubles


def _work(seed: int, numbers: range, results: multiprocessing.Queue[int | Trouble]) -> None:
    whole, done = targets.Whole(), 0
    for number in numbers:
        random = Random(f"{seed}/{number}")
        data = mutation.request(random)
        try:
            whole(random, data)
        except Exception:
            results.put(Trouble(number, data, traceback.format_exc()))
            whole = targets.Whole()
        done += 1
        if done == STEP:
            results.put(done)
            done = 0
    results.put(done)


def _keep(trouble: Trouble) -> None:
    path = mutation.CORPUS / f"found-{sha256(trouble.data).hexdigest()[:12]}.http"
    path.write_bytes(trouble.data)
    print(f"\nrequest {trouble.number}, kept as {path}:\n{trouble.trace}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
