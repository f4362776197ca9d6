"""The hidden file beside a result: what killed processes left of theirs goes, what others write stays."""

import os
import time
from pathlib import Path

import pytest

from musicdenoise.runtime.atomic import open_part_file, part_path


def aged(path: Path) -> Path:
    then = time.time() - 4000.0
    os.utime(path, (then, then))
    return path


def test_it_is_new_hidden_and_empty(tmp_path: Path) -> None:
    paths = [part_path(tmp_path) for _ in range(2)]
    for path in paths:
        with open_part_file(path) as file:
            file.write(b"abc")
            file.seek(0)
            assert file.read() == b"abc"
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert all(path.name.startswith(".") for path in paths)
    with pytest.raises(FileExistsError):
        open_part_file(paths[0])


def test_what_was_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left = [aged(tmp_path / f".musicdenoise-{name}") for name in touch(tmp_path, "0a.part", "0b.part.whole")]
    fresh = [tmp_path / f".musicdenoise-{name}" for name in touch(tmp_path, "1.part")]
    others = [tmp_path / "old.part", tmp_path / ".hidden", tmp_path / "song.wav"]
    for path in others:
        path.write_bytes(b"a user's")
        aged(path)
    with open_part_file(part_path(tmp_path)):
        pass
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in fresh + others)


def touch(folder: Path, *names: str) -> tuple[str, ...]:
    for name in names:
        (folder / f".musicdenoise-{name}").write_bytes(b"half")
    return names


def test_what_another_has_open_stays(tmp_path: Path) -> None:
    mine = part_path(tmp_path)
    with open_part_file(mine) as file:
        file.write(b"the song stands still")
        file.flush()
        aged(mine)
        with open_part_file(part_path(tmp_path)):
            assert mine.exists()
    aged(mine)
    with open_part_file(part_path(tmp_path)):
        assert not mine.exists()
