"""Runs that are killed and go on equal those that are not, bit for bit, from the command line alone."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from synthetic_tune import synthesise_tune
from training_data import CONFIG, CPU, ENVIRONMENT, Sine, assert_same_run, run_command

from musicdenoise.data.mixer import ValidationItem
from musicdenoise.training.loop import train

STEPS = 6


@pytest.fixture
def arguments(tmp_path: Path, write_wav) -> list[str]:
    for number in range(2):
        write_wav(f"songs/{number}.wav", synthesise_tune(3.0, seed=number))
    folders = ("--songs", tmp_path / "songs", "--cache", tmp_path / "bank")
    sizes = ("--complexity", 1, "--batch-size", 2, "--segment-seconds", 1.2, "--precision", "float32")
    pace = ("--steps", STEPS, "--validate-every", 2, "--checkpoint-seconds", 0, "--workers", 2)
    return [str(argument) for argument in ("train", *folders, *sizes, *pace, "--device", "cpu")]


def test_a_run_killed_in_the_middle_goes_on_to_the_bit(tmp_path: Path, arguments: list[str]) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = run_command(*arguments, "--out", whole)
    assert expected.returncode == 0, expected.stderr
    kill_after_first_validation([*arguments, "--out", str(broken)], broken)
    assert 1 <= len((broken / "history.jsonl").read_text().splitlines()) < 3
    result = run_command(*arguments, "--out", broken, "--resume")
    assert result.returncode == 0, result.stderr
    assert result.stderr.replace(str(broken), "") == expected.stderr.replace(str(whole), "")
    assert_same_run(whole, broken)
    assert not list(broken.glob(".*.part"))


def kill_after_first_validation(arguments: list[str], folder: Path) -> None:
    command = [sys.executable, "-m", "musicdenoise", *arguments]
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60.0
        history = folder / "history.jsonl"
        while not (history.exists() and history.read_text()):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


class KilledError(Exception):
    """Stands for the end of a process, between two steps."""


def test_a_run_without_workers_goes_on_to_the_bit(tmp_path: Path) -> None:
    source = Sine(CONFIG.segment_samples)
    clean, noisy = (wave[:, :44_100] for wave in (source.example(0).noisy, source.example(1).noisy))
    items = [ValidationItem(clean=clean, noisy=noisy, snr_db=5.0)]

    def run(name: str, **options) -> None:
        train(CONFIG, source, items, tmp_path / name, device=CPU, data={}, **options)

    def kill(progress) -> None:
        if progress.step == 4:
            raise KilledError

    run("whole")
    with pytest.raises(KilledError):
        run("broken", on_progress=kill)
    run("broken", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "broken")
    run("broken", resume=True)  # there is nothing left to do
    assert_same_run(tmp_path / "whole", tmp_path / "broken")
