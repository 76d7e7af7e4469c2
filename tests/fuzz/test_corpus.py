"""What was trouble once, and what looks as if it could be: the files of `corpus/` go all the way."""

from __future__ import annotations

from random import Random

import pytest
from fuzz_mutation import CORPUS
from fuzz_targets import Desk, Understanding

FILES = sorted(CORPUS.glob("*.http"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("mode", ["lenient", "strict"])
def test_a_file_of_the_corpus_goes_all_the_way(path, mode) -> None:
    data, understand = path.read_bytes(), Understanding()

    with Desk(mode) as desk:
        for number in range(10):
            pushes = desk.try_out(Random(number), data)
            if number == 0:
                for push in pushes:
                    understand(push)


def test_there_is_a_corpus() -> None:
    assert len(FILES) >= 20
