"""The state directory: where it is, what lies in it, and whether we may use it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from .config import DeviceTable, convert
from .errors import ConfigError, StateError
from .ownership import give_all, give_path

SYSTEM = Path("/var/lib/hikrecv")
LONGEST_SOCKET = 107
"""Bytes in the path of a Unix socket, without the zero at its end: Linux, unix(7)."""


class State(msgspec.Struct, frozen=True):
    """The places in one state directory."""

    root: Path

    @property
    def journal(self) -> Path:
        """The segments."""
        return self.root / "journal"

    @property
    def index(self) -> Path:
        """What can be searched; derived from the journal."""
        return self.root / "index.sqlite"

    @property
    def ledger(self) -> Path:
        """The book of the reactions' places; not derived."""
        return self.root / "ledger.sqlite"

    @property
    def steady(self) -> Path:
        """What the steady clock has counted, see `hikrecv.journal.steady`."""
        return self.root / "steady"

    @property
    def lock(self) -> Path:
        """Held by whoever writes."""
        return self.root / "lock"

    @property
    def control(self) -> Path:
        """The running receiver's socket."""
        return self.root / "control.sock"

    @property
    def shares(self) -> Path:
        """What the less known senders have added to the journal lately."""
        return self.root / "shares"

    @property
    def devices(self) -> Path:
        """The ``[devices]`` that the receiver last ran with, without their logins."""
        return self.root / "devices.json"

    @property
    def awaited(self) -> Path:
        """Since when which device is configured."""
        return self.root / "awaited.json"

    def remember_devices(self, tables: Mapping[str, DeviceTable]) -> None:
        """
        Keep what names devices, so that commands without the configuration name them likewise.

        On a full disk they use what they have: that keeps nobody from receiving.
        """
        public = {
            name: msgspec.structs.replace(table, login=None, push_login=None, url=None)
            for name, table in tables.items()
        }
        self._keep(self.devices, msgspec.json.encode(public, enc_hook=str))

    def _keep(self, path: Path, content: bytes) -> None:
        partial = path.with_suffix(".new")
        with suppress(OSError):
            partial.unlink(missing_ok=True)
            partial.touch(mode=0o600)
            give_path(partial, self.root)
            partial.write_bytes(content)
            partial.rename(path)

    def await_devices(self, names: Iterable[str], now: float) -> dict[str, float]:
        """
        Since when each of the devices *names* is configured, in seconds since 1970; new ones since *now*.

        It is kept, so that a device that never sends is missed also when the receiver is started every day.
        """
        before = self.awaited_devices()
        since = {name: before.get(name, now) for name in names}
        if since != before:
            self._keep(self.awaited, msgspec.json.encode(since))
        return since

    def awaited_devices(self) -> dict[str, float]:
        """What :meth:`await_devices` kept."""
        try:
            return msgspec.json.decode(self.awaited.read_bytes(), type=dict[str, float])
        except (OSError, msgspec.MsgspecError):
            return {}

    def known_devices(self) -> dict[str, DeviceTable]:
        """What :meth:`remember_devices` kept; nothing when no receiver has run here."""
        try:
            raw = msgspec.json.decode(self.devices.read_bytes())
            return convert(raw, dict[str, DeviceTable])
        except (OSError, msgspec.MsgspecError, ConfigError):
            return {}

    @property
    def plugins(self) -> Path:
        """Where each reaction may keep files of its own."""
        return self.root / "plugins"

    def prepare(self, uid: int | None = None, gid: int | None = None) -> None:
        """
        Make the directory if it is missing (0700) and see that it can be written.

        :param uid: who the receiver will be, when it starts as root and drops its rights.
        :raises StateError: with a sentence that names the directory and the cure.
        """
        if len(os.fsencode(self.control)) > LONGEST_SOCKET:
            raise StateError(
                f"the path of the state directory {self.root} is too long for the socket in it "
                f"({LONGEST_SOCKET} bytes with /{self.control.name}); give a shorter one with --state-dir"
            )
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.root.chmod(0o700)
            if uid is not None or gid is not None:
                give_all(self.root, uid, gid)
        except OSError as error:
            raise StateError(
                f"the state directory {self.root} cannot be used ({error.strerror}); "
                "give another one with --state-dir, or make it writable for this user"
            ) from None
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise StateError(f"the state directory {self.root} is not writable for this user")


def find(
    given: str | None = None, configured: str | None = None, environment: Mapping[str, str] = os.environ
) -> State:
    """
    The state directory to use.

    In this order: `given` (``--state-dir``), `configured` (``state_dir`` of the
    configuration), ``$HIKRECV_STATE_DIR``, ``$STATE_DIRECTORY`` (systemd),
    ``/var/lib/hikrecv`` where it exists, ``~/.local/state/hikrecv``.
    """
    named = (
        given
        or configured
        or environment.get("HIKRECV_STATE_DIR")
        # systemd gives a list when a unit has several; ours is the first.
        or environment.get("STATE_DIRECTORY", "").partition(":")[0]
    )
    if named:
        return State(Path(named).expanduser().absolute())
    return State(SYSTEM if SYSTEM.is_dir() else Path("~/.local/state/hikrecv").expanduser())
