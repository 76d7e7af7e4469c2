"""Telling a device what was decided, once, and ending in time what lasts."""

from __future__ import annotations

from hikrecv import Context, Event, Reject, Retry

from .command import Command, carry_out
from .decision import Decision
from .echo import Echoes
from .lasting import Lasting, Pending
from .settings import Settings


class Actor:
    """Carries out the commands of one reaction: :meth:`act` in its thread, the rest on the reactor."""

    def __init__(self, settings: Settings, context: Context, echoes: Echoes) -> None:
        self._settings = settings
        self._context = context
        self._echoes = echoes
        self._lasting: Lasting | None = None
        if settings.lasts:
            path = context.state_dir / "lasting.json"
            self._lasting = Lasting(path, self.carry_out, context.clock, context.log)

    def start(self) -> None:
        """End what a receiver that was killed has left switched on."""
        if self._lasting is not None:
            self._lasting.recover()

    async def stop(self) -> None:
        """End what lasts, for nobody else would."""
        if self._lasting is not None:
            await self._lasting.end_all()

    def command(self, event: Event, decision: Decision) -> Command | None:
        """What is to be done after *decision*, or None."""
        settings, row = self._settings, decision.row
        if decision.verdict != "allow" or settings.what == "nothing" or settings.what == "remote-check":
            return None
        door = event.access.door if event.access is not None and settings.what == "door" else None
        return Command(
            device=(settings.device or event.device.id).partition("/")[0],
            what=settings.what,
            do=(row and row.do) or settings.word,
            number=(row and row.number) or settings.number or door or 1,
            audio=settings.audio,
        )

    def act(self, command: Command, context: Context) -> None:
        """
        Have the device do it, and wait for its answer.

        :raises Retry: when it is away or busy; `certain` says that nothing was done.
        :raises Reject: when it refuses.
        :raises OSError: when the end of what lasts cannot be written down; nothing was done.
        """
        ending = command.undone() if self._lasting is not None else None
        if self._lasting is None or ending is None:
            context.wait(self.carry_out, command)
            return
        pending = self._lasting.remember(ending)
        try:
            context.wait(self.carry_out, command)
        except Exception as error:
            if _was_not_done(error):
                self._lasting.forget(pending)
            else:
                self._end_later(pending, self._lasting, context)
            raise
        self._end_later(pending, self._lasting, context)

    async def carry_out(self, command: Command) -> None:
        """The call itself; what the device reports of it is known for an echo."""
        with self._echoes.during(command):
            await carry_out(self._context.device(command.device), command)

    def _end_later(self, pending: Pending, lasting: Lasting, context: Context) -> None:
        context.wait(lasting.end_in, self._settings.lasts, pending)


def _was_not_done(error: Exception) -> bool:
    return isinstance(error, Reject) or (isinstance(error, Retry) and error.certain)
