"""Files appear whole or not at all; what killed processes left of theirs goes, what others write stays."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from musicdenoise.errors import TrainingError
from musicdenoise.runtime import atomic
from musicdenoise.runtime.atomic import (
    AtomicFile,
    open_resumable,
    put_in_place,
    remove_abandoned,
    write_bytes,
    write_text,
)


def aged(path: Path) -> Path:
    then = time.time() - 4000.0
    os.utime(path, (then, then))
    return path


def touch(folder: Path, *names: str) -> list[Path]:
    paths = [folder / f".musicdenoise-{name}" for name in names]
    for path in paths:
        path.write_bytes(b"half")
    return paths


def test_it_is_new_hidden_and_empty(tmp_path: Path) -> None:
    files = [AtomicFile(tmp_path / "song.wav") for _ in range(2)]
    for atom in files:
        with atom.open() as file:
            file.write(b"abc")
            file.seek(0)
            assert file.read() == b"abc"
    assert sorted(tmp_path.iterdir()) == sorted(atom.part for atom in files)
    assert all(atom.part.name.startswith(".") for atom in files)
    with pytest.raises(FileExistsError):
        files[0].open()
    for atom in files:
        atom.discard()
    assert not list(tmp_path.iterdir())


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    for stops in (None, RuntimeError, KeyboardInterrupt):
        path.write_bytes(b"as it was")
        try:
            with AtomicFile(path) as file:
                file.write(b"new")
                assert path.read_bytes() == b"as it was"
                if stops:
                    raise stops
        except (RuntimeError, KeyboardInterrupt):
            assert path.read_bytes() == b"as it was"
        else:
            assert path.read_bytes() == b"new"
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("has_hard_links", [True, False])
def test_a_file_that_may_not_be_replaced_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_hard_links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not has_hard_links:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "song.wav"
    with AtomicFile(path, replace=False) as file:
        file.write(b"first")
    with pytest.raises(FileExistsError), AtomicFile(path, replace=False) as file:
        file.write(b"second")
    assert path.read_bytes() == b"first"
    assert path.stat().st_nlink == 1
    assert list(tmp_path.iterdir()) == [path]
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError), AtomicFile(path, replace=False) as file:
        file.write(b"third")
    assert path.is_symlink()


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "song.wav"
    seen: list[tuple[str, bool]] = []

    def watch(descriptor: int) -> None:
        seen.append(("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file", path.exists()))

    monkeypatch.setattr(os, "fsync", watch)
    write_bytes(path, b"abc")
    assert seen == [("file", False), ("folder", True)]


def test_what_was_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left = [aged(path) for path in touch(tmp_path, "0a.part", "0b.part.whole")]
    fresh = touch(tmp_path, "1.part")
    others = [tmp_path / "old.part", tmp_path / ".hidden", tmp_path / "song.wav"]
    for path in others:
        path.write_bytes(b"a user's")
        aged(path)
    write_bytes(tmp_path / "new.wav", b"abc")
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in fresh + others)


def test_what_a_killed_run_left_of_the_same_target_goes_at_once_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from musicdenoise.runtime.atomic import AtomicFile\n"
        "with AtomicFile(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half')\n"
        "    print('open', flush=True)\n"
        "    time.sleep(60)\n"
    )
    targets = [tmp_path / "song.wav", tmp_path / "other.wav"]
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE)
        for target in targets
    ]
    for run in runs:
        assert run.stdout is not None
        assert run.stdout.readline() == b"open\n"
    write_bytes(targets[0], b"whole")  # while the other still writes
    assert len(list(tmp_path.glob(".musicdenoise-*.part"))) == 2
    for run in runs:
        run.send_signal(signal.SIGKILL)
        run.communicate()
    write_bytes(targets[0], b"whole")
    assert len(list(tmp_path.glob(".musicdenoise-*.part"))) == 1  # of the other, and not old
    remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == [targets[0]]
    remove_abandoned(tmp_path / "missing")
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert "a killed run left" in caplog.text


def test_what_another_has_open_stays(tmp_path: Path) -> None:
    mine = AtomicFile(tmp_path / "song.wav")
    with mine.open() as file:
        file.write(b"the song stands still")
        file.flush()
    for _ in range(2):  # closed, it is still being completed
        aged(mine.part)
        write_bytes(tmp_path / "song.wav", b"abc")
        remove_abandoned(tmp_path)
        assert mine.part.exists()
        other = tmp_path / "other"
        other.write_bytes(b"another in its place")
        other.replace(mine.part)
        mine.relock()
    mine.commit()
    assert (tmp_path / "song.wav").read_bytes() == b"another in its place"


def test_links_are_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"a user's")
    part = tmp_path / "net.part"
    part.symlink_to(precious)
    with pytest.raises(OSError, match="symbolic"):
        put_in_place(part, tmp_path / "net")
    for append in (True, False):
        with open_resumable(part, append=append) as file:
            file.write(b"new")
        part.unlink()
        part.symlink_to(precious)
    atom = AtomicFile(tmp_path / "song.wav")
    atom.part.symlink_to(precious)
    with pytest.raises(FileExistsError):
        atom.open()
    assert precious.read_bytes() == b"a user's"


def test_a_part_is_gone_on_with(tmp_path: Path) -> None:
    part = tmp_path / "net.part"
    for append, content in ((False, b"abc"), (True, b"def")):
        with open_resumable(part, append=append) as file:
            file.write(content)
    assert part.read_bytes() == b"abcdef"
    put_in_place(part, tmp_path / "net")
    assert list(tmp_path.iterdir()) == [tmp_path / "net"]


def test_errors_name_the_file_and_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "put_in_place", full)
    with pytest.raises(TrainingError, match=r"a\.txt: cannot be written: No space left on device; wait"):
        write_text(tmp_path / "a.txt", "abc", TrainingError, "wait")
    assert not list(tmp_path.iterdir())
