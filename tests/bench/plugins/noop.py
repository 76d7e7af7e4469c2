"""The reaction of the benchmark: it takes every event and does nothing."""

from hikrecv import Event, hookimpl

HIKRECV_API = 1


@hookimpl
async def hikrecv_event(event: Event) -> None:
    """Nothing."""
