"""Files that were changed at random are read or refused in one line, in little time and memory."""

import time
from itertools import islice
from pathlib import Path

import pytest
from fuzzing import SOURCES, make_sources, mutations, read_everything

SECONDS = 4.0  # for each of four seeds; the benchmark `fuzz_readers.py` goes on as long as it is told
FEWEST = 20


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return make_sources(tmp_path_factory.mktemp("sources"))


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_changed_files_are_read_or_refused(contents: list[bytes], tmp_path: Path, seed: int) -> None:
    outcomes = []
    began = time.monotonic()
    for index, data in islice(mutations(contents, seed), 2000):
        path = tmp_path / SOURCES[index][0]
        path.write_bytes(data)
        outcomes.append(read_everything(path))
        if time.monotonic() - began > SECONDS and len(outcomes) >= FEWEST:
            break
    assert set(outcomes) == {"read", "refused"}
