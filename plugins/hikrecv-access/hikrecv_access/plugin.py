"""The hooks: decide, write it down, act."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hikrecv import Context, Event, Hold, Reject, Retry, hookimpl
from hikrecv.errors import LoginRefused, PluginError

from .acting import Actor
from .audit import Audit
from .command import WORDS, Command
from .decision import Decision, Judge
from .echo import echoes_of
from .lists import ListError, Lists
from .plates import Folding
from .rows import Reader
from .settings import Settings

HIKRECV_API = 1

acts = True
"""It gets live events only, of admitted senders, from devices of the configuration."""

delivery = "at-most-once"
"""Its mark is on disk before each attempt: a door is not opened twice for one event."""

dry_run = True
"""It looks at `context.dry_run`."""


class Plugin:
    """
    One reaction.

    The hooks are plain functions, for they wait for disks: lists are looked at, and
    decisions are written down, before anything is done.
    """

    def __init__(self, context: Context) -> None:
        settings: Settings = context.settings
        self._settings = settings
        echoes = echoes_of(context.clock)
        reader = Reader(Folding(settings.look_alikes), settings.zone, WORDS[settings.what])
        try:
            allow = Lists(_paths(settings.allow, context), reader, context.log)
            deny = Lists(_paths(settings.deny, context), reader, context.log)
            if settings.device:
                context.device(settings.device)
        except (ListError, Reject) as error:
            raise PluginError(str(error)) from None
        self._judge = Judge(settings, reader, allow, deny, echoes)
        self._actor = Actor(settings, context, echoes)
        self._audit = Audit(next(_paths([settings.audit], context))) if settings.audit else None

    @hookimpl
    async def hikrecv_start(self) -> None:
        """End what a receiver that was killed has left switched on."""
        self._actor.start()

    @hookimpl
    def hikrecv_event(self, event: Event, context: Context) -> None:
        """Do what the lists allow."""
        waits = event.access is not None and bool(event.access.remote_check)
        answers = self._settings.what == "remote-check"
        if waits and answers:
            self._answer(event, context)
            return
        decision = self._judge.decide(event)
        if waits or answers:
            # Another door is not opened for a question; and what asks nothing gets no answer.
            reason = (
                "the terminal waits for an answer, not for an act" if waits else "nobody waits for an answer"
            )
            decision = Decision("ignore", reason, decision.who)
        command = self._actor.command(event, decision)
        if context.dry_run:
            context.log.info("would {did}: {reason}", did=_did(command), reason=decision.reason)
            return
        self._write(event, decision, context, command)
        if command is not None:
            self._act(event, command, context)

    @hookimpl
    def hikrecv_remote_check(self, event: Event, context: Context) -> bool | None:
        """May the terminal that waits open?  By the same lists."""
        decision = self._judge.decide(event, asked=True)
        answer = self._answer_of(decision)
        self._write(event, decision, context, answer=_ANSWERS[answer])
        return answer

    @hookimpl
    async def hikrecv_stop(self) -> None:
        """End what lasts, for nobody else would."""
        await self._actor.stop()

    # -- inside -------------------------------------------------------------------

    def _act(self, event: Event, command: Command, context: Context) -> None:
        try:
            with _nothing_unwritten(), self._one_device():
                self._actor.act(command, context)
        except Exception as error:
            self._note(event, command, context, f"failed: {error}")
            raise
        self._note(event, command, context, "done")
        context.log.info("{event}: {did}", event=event.id, did=_did(command))

    def _answer(self, event: Event, context: Context) -> None:
        """A terminal that waits for a call of ours (``remoteCheckWithISAPIListen: "async"``)."""
        decision = self._judge.decide(event, asked=True)
        answer = self._answer_of(decision)
        if context.dry_run:
            context.log.info("would answer: {word}: {reason}", word=_ANSWERS[answer], reason=decision.reason)
            return
        self._write(event, decision, context, answer=_ANSWERS[answer])
        if answer is None or event.access is None:
            return
        if event.access.serial_no is None:
            raise Reject("the terminal gave no serialNo that an answer could name")
        client = context.device(self._settings.device or event.device.id)
        with self._one_device():
            context.wait(client.remote_check, event.access.serial_no, answer)

    @contextmanager
    def _one_device(self) -> Iterator[None]:
        """
        Where every command goes to one device, nothing can go when that refuses the login.

        Otherwise the other devices' doors must not stay shut for it.
        """
        try:
            yield
        except LoginRefused as problem:
            if self._settings.device:
                raise Hold(str(problem)) from problem
            raise

    def _answer_of(self, decision: Decision) -> bool | None:
        if decision.verdict == "unknown" and self._settings.unknown == "no-opinion":
            return None
        return decision.verdict == "allow"

    def _write(
        self,
        event: Event,
        decision: Decision,
        context: Context,
        command: Command | None = None,
        answer: str | None = None,
    ) -> None:
        """Put the decision on disk, before anything follows from it; else nothing does."""
        if self._audit is None:
            return
        with _nothing_unwritten():
            self._audit.write(
                event=event.id,
                key=event.key,
                device=event.device.id,
                family=event.family,
                attempt=context.attempt,
                replay=context.replay or None,
                who=decision.who or None,
                verdict=decision.verdict,
                reason=decision.reason,
                line=decision.row and decision.row.origin,
                command=command,
                answer=answer,
            )

    def _note(self, event: Event, command: Command, context: Context, result: str) -> None:
        """What came of it.  It has happened, and no full disk makes it undone."""
        if self._audit is not None:
            try:
                self._audit.write(event=event.id, attempt=context.attempt, command=command, result=result)
            except OSError as error:
                context.log.error("cannot write {path}: {error}", path=self._audit.path, error=error)


_ANSWERS = {True: "open", False: "stay shut", None: "no opinion"}


@contextmanager
def _nothing_unwritten() -> Iterator[None]:
    """What cannot be written down is not begun: certainly not done, so it may be tried again."""
    try:
        yield
    except OSError as error:
        raise Retry(f"nothing is done that cannot be written down: {error}") from error


def _paths(names: Iterable[str], context: Context) -> Iterator[Path]:
    for name in names:
        yield Path(name) if Path(name).is_absolute() else context.state_dir / name


def _did(command: Command | None) -> str:
    if command is None:
        return "do nothing"
    return f"{command.do} {command.what} {command.number} of {command.device}"
