"""Number plates as they are compared."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


class Folding:
    """
    Makes plates comparable: letters and digits only, in capitals, look-alikes as one.

    A camera reads O for 0 and I for 1.  Who takes them for one another lets in the
    owner of the other plate, too, so it is done only for the letters that were named.

    :param look_alikes: groups such as ``O0``; the first of each stands for all.
    :raises ValueError: for a group that is none.
    """

    def __init__(self, look_alikes: Sequence[str] = ()) -> None:
        self._table: dict[int, str] = {}
        for group in look_alikes:
            letters = group.upper()
            if len(set(letters)) < 2 or not letters.isalnum():
                raise ValueError(f'look_alikes: {group!r} is no group of letters such as "O0"')
            for letter in dict.fromkeys(letters):
                if ord(letter) in self._table:
                    raise ValueError(f"look_alikes: {letter} stands in two groups; put them together")
                self._table[ord(letter)] = letters[0]

    def __call__(self, plate: str) -> str:
        """*plate* as it is compared; "" when nothing is left of it."""
        wide = unicodedata.normalize("NFKC", plate).upper()
        return "".join(letter for letter in wide if letter.isalnum()).translate(self._table)
