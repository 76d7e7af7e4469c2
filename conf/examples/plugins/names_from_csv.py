"""
Adds to what a terminal reports what a CSV file knows of the employee.

The first line names the columns, and one of them is `employee_no`. With a column `department` a rule
can say ``extra.names_from_csv.department == "Sales"``, and so can a template.
"""

import csv
from pathlib import Path

import msgspec

from hikrecv import Context, Event, hookimpl
from hikrecv.errors import PluginError

HIKRECV_API = 1


class Settings(msgspec.Struct, frozen=True):
    """The keys of the table."""

    file: str
    """The CSV file; it is read again when it has changed."""


class Plugin:
    """Plain functions, for they wait for a disk."""

    def __init__(self, context: Context) -> None:
        self._file = Path(context.settings.file)
        self._changed = -1
        self._rows: dict[str, dict[str, str]] = {}
        try:
            self._look()
        except OSError as error:
            raise PluginError(f"{self._file} cannot be read: {error.strerror}") from error
        except KeyError:
            raise PluginError(f"{self._file} has no column employee_no in its first line") from None
        except (ValueError, csv.Error) as error:
            raise PluginError(f"{self._file} is not a CSV file in UTF-8: {error}") from error

    @hookimpl
    def hikrecv_enrich(self, event: Event) -> dict[str, str] | None:
        """None leaves the event as it is; an error too, and it is told in the log."""
        if event.access is None or event.access.employee_no is None:
            return None
        self._look()
        return self._rows.get(event.access.employee_no)

    def _look(self) -> None:
        changed = self._file.stat().st_mtime_ns
        if changed == self._changed:
            return
        with self._file.open(encoding="utf-8-sig", newline="") as file:
            self._rows = {row["employee_no"]: row for row in csv.DictReader(file, strict=True)}
        self._changed = changed
