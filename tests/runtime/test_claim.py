"""One run at a time for each file, whatever becomes of the runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from musicdenoise.runtime.claim import claimed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no locks there")


def test_a_file_is_claimed_once_and_again_when_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with claimed(path) as first, claimed(path) as second, claimed(tmp_path / "b.wav") as other:
        assert (first, second, other) == (True, False, True)
    with claimed(path) as again:
        assert again
    assert list(tmp_path.iterdir()) == []


def test_folders_are_made_and_go_if_nothing_comes_into_them(tmp_path: Path) -> None:
    for kept in (False, True):
        path = tmp_path / str(kept) / "deep" / "a.wav"
        with claimed(path) as is_ours:
            assert is_ours
            if kept:
                path.write_bytes(b"whole")
        assert path.parent.parent.exists() == kept
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["True", "a.wav", "deep"]


def test_where_nothing_can_be_written_nothing_is_claimed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with claimed(tmp_path / "file" / "a.wav") as is_ours:
        assert is_ours


def test_a_killed_run_has_no_claim(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from musicdenoise.runtime.claim import claimed\n"
        "with claimed(Path(sys.argv[1])) as is_ours:\n"
        "    print(is_ours, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "True\n"
    with claimed(path) as is_ours:
        assert not is_ours
    run.kill()
    run.communicate()
    with claimed(path) as is_ours:
        assert is_ours
    assert list(tmp_path.iterdir()) == []
