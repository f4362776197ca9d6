import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from musicdenoise.__main__ import main
from musicdenoise.cli import app as module
from musicdenoise.runtime import allocator


@pytest.mark.parametrize(("own", "expected"), [(None, "passive"), ("active", "active")])
def test_the_process_is_set_up_before_the_command_runs(
    own: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", own or "")
    if own is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    seen = []
    monkeypatch.setattr(allocator, "keep_freed_memory", lambda: seen.append("memory"))
    monkeypatch.setattr(module, "app", lambda: seen.append(os.environ["OMP_WAIT_POLICY"]))
    before = signal.getsignal(signal.SIGINT)
    try:
        main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == ["memory", expected]


@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are POSIX")
@pytest.mark.parametrize("is_ignored", [False, True])
def test_an_interrupt_while_the_program_loads(tmp_path: Path, is_ignored: bool) -> None:
    """The module of the commands is replaced by one that is interrupted while it is loaded."""
    script = (
        "import os, signal, sys, types\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'musicdenoise.cli.app':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        f"signal.signal(signal.SIGINT, signal.{'SIG_IGN' if is_ignored else 'default_int_handler'})\n"
        "sys.argv = ['musicdenoise', '--version']\n"
        "from musicdenoise.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    expected = (0, "") if is_ignored else (130, "error: interrupted\n")
    assert (done.returncode, done.stderr) == expected


def test_the_guard_loads_next_to_nothing() -> None:
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import musicdenoise.__main__\n"
        "more = set(sys.modules) - before\n"
        "assert not {'typer', 'rich', 'torch', 'musicdenoise.cli.app'} & more, more\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["denoise", "--help"]])
def test_help_that_cannot_be_written(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "musicdenoise", *arguments]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    expected = "error: standard output: cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, expected)
