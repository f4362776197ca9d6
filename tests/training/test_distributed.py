"""Several processes that share each batch train like one process with the whole of it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from synthetic_tune import synthesise_tune
from torch import nn
from training_data import CONFIG, CPU, ENVIRONMENT, run_command
from typer.testing import CliRunner

from musicdenoise.cli.app import app
from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.errors import ConfigurationError, TrainingError
from musicdenoise.training import distributed
from musicdenoise.training.distributed import (
    SyncedBatchNorm2d,
    Topology,
    _with_strides,
    launch_name,
    process_group,
    synchronise_norms,
)
from musicdenoise.training.records import is_noted, note_launch

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.fixture
def arguments(tmp_path: Path, write_wav) -> list[str]:
    for number in range(2):
        write_wav(f"songs/{number}.wav", synthesise_tune(3.0, seed=number))
    folders = ("--songs", tmp_path / "songs", "--cache", tmp_path / "bank")
    sizes = ("--complexity", 1, "--batch-size", 4, "--segment-seconds", 1.2, "--precision", "float32")
    pace = ("--steps", 6, "--validate-every", 2, "--warmup-steps", 1, "--learning-rate", 0.01)
    return [str(argument) for argument in ("train", *folders, *sizes, *pace, "--device", "cpu")]


@pytest.mark.timeout(600)  # it takes three starts of PyTorch, which is long on a machine that is busy
def test_two_processes_learn_as_one(tmp_path: Path, arguments: list[str]) -> None:
    alone = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "alone")])
    assert alone.exit_code == 0, alone.stderr
    command = (*arguments, "--out", tmp_path / "shared", "--json")
    shared = run_command(*command, launcher=TORCHRUN, limit_seconds=400.0)
    assert shared.returncode == 0, shared.stderr
    # For example of the strides of gradients and their buckets, which would be copied.
    assert "py.warnings" not in shared.stderr, shared.stderr
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "history.jsonl").read_text().splitlines()]
        for name in ("alone", "shared")
    )
    assert [record["step"] for record in two] == [2, 4, 6]
    assert one[-1]["loss_db"] < one[0]["loss_db"] - 0.05, "nothing was learnt, so that nothing is compared"
    for ours, theirs in zip(two, one, strict=True):
        assert ours["loss_db"] == pytest.approx(theirs["loss_db"], rel=0.01)
        # The improvements are not compared: biases before a norm have no gradient but rounding, which
        # AdamW scales to full steps; the norms undo them in training, but averaged weights meet averaged
        # statistics.
    # Only the first process writes.
    events = [json.loads(line)["event"] for line in shared.stdout.splitlines()]
    assert events == ["validation"] * 3 + ["done"]


@contextlib.contextmanager
def torchrun(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A launcher in the background, which is ended with its workers if the test is over before it."""
    command = [sys.executable, "-m", "torch.distributed.run", *arguments]
    with log.open("wb") as file, subprocess.Popen(command, env=ENVIRONMENT, stderr=file) as process:
        try:
            yield process
        finally:
            process.terminate()  # which it hands on to its workers


@pytest.mark.timeout(600)  # it takes four starts of PyTorch, which is long on a machine that is busy
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes as Linux shows them")
def test_a_run_goes_on_after_a_process_is_lost(tmp_path: Path, arguments: list[str]) -> None:
    folder, log = tmp_path / "run", tmp_path / "log.txt"
    launcher = ("--nnodes", "1", "--nproc-per-node", "2", "--max-restarts", "2", "--monitor-interval", "0.1")
    port = ("--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0")  # any that is free
    pace = ("--steps", "8", "--accumulate", "2", "--checkpoint-seconds", "0", "--precision", "bf16")
    command = ("-m", "musicdenoise", *arguments, "--out", str(folder), *pace)
    history = folder / "history.jsonl"
    with torchrun(log, *launcher, *port, *command) as process:
        deadline = time.monotonic() + 240.0
        while not (history.exists() and history.read_text()):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        os.kill(worker(process.pid, rank=1), signal.SIGKILL)
        assert len(history.read_text().splitlines()) < 4, "the run was over before the process was lost"
        while process.poll() is None:
            assert time.monotonic() < deadline + 240.0, log.read_text()
            time.sleep(0.1)
    told = log.read_text()
    assert process.returncode == 0, told
    assert "Traceback" not in told.partition("musicdenoise")[2]
    assert "Grad strides" not in told
    assert [json.loads(line)["step"] for line in history.read_text().splitlines()] == [2, 4, 6, 8]
    assert torch.load(folder / "checkpoint.pt", weights_only=True)["step"] == 8
    again = CliRunner().invoke(app, [*arguments, "--out", str(folder)])
    assert again.exit_code == 1 and "already holds a training run" in again.stderr


def test_gradients_take_the_strides_of_their_parameter_where_these_mean_nothing() -> None:
    kernel = torch.ones(4, 1, 7, 5).to(memory_format=torch.channels_last)
    gradient = torch.randn(4, 1, 7, 5)
    assert gradient.stride() != kernel.stride()
    same = _with_strides(kernel.stride(), gradient)
    assert same.stride() == kernel.stride() and torch.equal(same, gradient)
    other = torch.randn(4, 3, 7, 5)
    assert _with_strides(torch.ones(4, 3, 7, 5).permute(0, 1, 3, 2).stride(), other) is other


def worker(launcher: int, *, rank: int) -> int:
    """Number of the process with that rank that a launcher started."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return next(
        int(child)
        for child in children
        if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
    )


def test_a_restart_is_known_by_its_launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert launch_name() is None
    note_launch(tmp_path, launch_name())
    assert not is_noted(tmp_path, launch_name())
    for name in ("none", "job 7"):
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", name)
        assert not is_noted(tmp_path, launch_name())
        note_launch(tmp_path, launch_name())
        assert is_noted(tmp_path, launch_name())


def test_a_lost_process_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "_connect", lambda _: None)
    monkeypatch.setattr(dist, "destroy_process_group", lambda: None)
    lost = RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer\nmore")
    with (
        pytest.raises(
            TrainingError, match=r"another training process is lost \(.*closed by peer\); torchrun"
        ),
        process_group(Topology(num_processes=2), CPU),
    ):
        raise lost
    with pytest.raises(RuntimeError, match="shapes"), process_group(Topology(num_processes=2), CPU):
        raise RuntimeError("shapes do not fit")


def test_batches_are_divided_evenly_or_not_at_all() -> None:
    config = replace(CONFIG, batch_size=12, accumulation=2)
    assert config.part_size(num_processes=3) == 2
    with pytest.raises(ConfigurationError, match=r"5 processes with 2.*multiple of 10"):
        config.part_size(num_processes=5)


def test_norms_keep_their_names_and_values() -> None:
    network = DCUNet(DCUNetConfig.mini())
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    synchronise_norms(network, Topology(rank=0, num_processes=2), CPU)
    assert sum(type(module) is SyncedBatchNorm2d for module in network.modules()) == 38
    assert not any(type(module) is nn.BatchNorm2d for module in network.modules())
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before.pop(name))
    assert not before


def test_a_norm_among_one_process_is_the_usual_one(tmp_path: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1)
    try:
        torch.manual_seed(0)
        ours, theirs = SyncedBatchNorm2d(3), nn.BatchNorm2d(3)
        inputs = [(2.0 + 3.0 * torch.randn(4, 3, 5, 7)).requires_grad_() for _ in range(1)]
        copies = [wave.detach().clone().requires_grad_() for wave in inputs]
        weights = torch.randn(4, 3, 5, 7)
        for norm, wave in ((ours, inputs[0]), (theirs, copies[0])):
            (norm(wave) * weights).sum().backward()
        torch.testing.assert_close(inputs[0].grad, copies[0].grad, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(ours.running_mean, theirs.running_mean)
        torch.testing.assert_close(ours.running_var, theirs.running_var)
        torch.testing.assert_close(ours.eval()(inputs[0]), theirs.eval()(inputs[0]))
    finally:
        dist.destroy_process_group()


def test_a_process_knows_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    alone = Topology.from_environment()
    assert alone.is_alone and alone.is_first
    assert alone.choose_device(torch.device("cuda")) == torch.device("cuda")
    for name, value in (("RANK", "5"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", "29500")
    place = Topology.from_environment()
    assert (place.rank, place.num_processes, place.is_first) == (5, 8, False)
    assert place.choose_device(torch.device("cuda")) == torch.device("cuda:1")
    assert place.choose_device(CPU) == CPU
