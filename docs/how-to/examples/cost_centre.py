"""Adds the cost centre of an employee to what terminals report."""

from hikrecv import Event, hookimpl

HIKRECV_API = 1

CENTRES = {"1001": "4711", "1002": "4712"}


@hookimpl
async def hikrecv_enrich(event: Event) -> dict[str, str] | None:
    if event.access is None or event.access.employee_no not in CENTRES:
        return None
    return {"number": CENTRES[event.access.employee_no]}
