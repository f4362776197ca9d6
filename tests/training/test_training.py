import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from musicdenoise.core.dcunet import DCUNetConfig
from musicdenoise.core.metrics import snr
from musicdenoise.data.bank import AudioBank
from musicdenoise.data.mixer import MixConfig, PairMixer, ValidationItem, fixed_mixes
from musicdenoise.data.noise import WhiteNoise
from musicdenoise.errors import ConfigurationError, TrainingError
from musicdenoise.training.config import TrainConfig
from musicdenoise.training.loop import train
from musicdenoise.training.state import (
    averaged_network,
    load_checkpoint,
    new_state,
    save_checkpoint,
    schedule,
)
from musicdenoise.training.step import estimate, resolve_precision, train_step
from musicdenoise.weights.checkpoint import load_weights

CPU = torch.device("cpu")
CONFIG = TrainConfig(
    network=DCUNetConfig.mini(),
    steps=6,
    batch_size=2,
    segment_frames=99,
    warmup_steps=2,
    validate_every_steps=3,
    precision="float32",
)


@pytest.fixture
def data(tmp_path: Path, write_wav, tune) -> tuple[PairMixer, list[ValidationItem]]:
    songs = AudioBank([write_wav("tune.wav", tune)], tmp_path / "bank", 44_100)
    mixer = PairMixer(songs, WhiteNoise(), MixConfig(num_samples=CONFIG.segment_samples), seed=CONFIG.seed)
    items = fixed_mixes(songs, WhiteNoise(), num_samples=44_100, snrs_db=(5.0,), seed=0)
    return mixer, items


def run(folder: Path, data, config: TrainConfig = CONFIG, **options) -> Path:
    return train(config, *data, folder, device=CPU, data={"songs": 1}, **options)


def test_a_small_network_overfits_one_pair() -> None:
    torch.manual_seed(0)
    config = replace(
        CONFIG,
        network=DCUNetConfig.of_complexity(2),
        segment_frames=131,
        steps=60,
        learning_rate=1e-2,
        warmup_steps=1,
    )
    state = new_state(config, CPU)
    t = torch.arange(config.segment_samples) / 44_100
    clean = sum(torch.sin(2 * math.pi * hz * t) for hz in (220.0, 277.2, 329.6))[None, None] * 0.1
    noisy = clean + 0.1 * torch.randn(clean.shape)
    before = snr(clean, noisy)
    for _ in range(60):
        train_step(state, noisy, clean, torch.float32)
    state.network.train()
    with torch.no_grad():
        after = snr(clean, estimate(state.network, config.network, config.stft, noisy, torch.float32))
    assert after - before > 8.0


def test_a_run_writes_its_folder(tmp_path: Path, data) -> None:
    best = run(tmp_path / "run", data)
    network, metadata = load_weights(best)
    assert network.config == CONFIG.network
    assert metadata.noise_kind == "white"
    assert metadata.training["targets"] == "noisy"
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in history] == [3, 6]
    assert metadata.metrics["snr_improvement_db"] == max(line["snr_improvement_db"] for line in history)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["steps"] == 6


def test_an_interrupted_run_goes_on_to_the_bit(tmp_path: Path, data) -> None:
    whole = tmp_path / "whole"
    run(whole, data)
    broken = tmp_path / "broken"

    class KilledError(Exception):
        pass

    def kill(progress) -> None:
        if progress.step == 4:
            raise KilledError

    with pytest.raises(KilledError):
        run(broken, data, on_progress=kill)
    run(broken, data, resume=True)
    expected, resumed = (torch.load(f / "checkpoint.pt", weights_only=True) for f in (whole, broken))
    for part in ("network", "averaged"):
        for name, tensor in expected[part].items():
            assert torch.equal(resumed[part][name], tensor), name
    assert resumed["best_db"] == expected["best_db"]


def test_a_run_is_not_overwritten(tmp_path: Path, data) -> None:
    run(tmp_path / "run", data)
    with pytest.raises(TrainingError, match="already holds a training run"):
        run(tmp_path / "run", data)
    with pytest.raises(TrainingError, match="no checkpoint"):
        run(tmp_path / "other", data, resume=True)


def test_a_loss_that_is_not_finite_stops_and_changes_nothing() -> None:
    state = new_state(CONFIG, CPU)
    before = [parameter.clone() for parameter in state.network.parameters()]
    noisy = torch.full((2, 1, CONFIG.segment_samples), float("nan"))
    with pytest.raises(TrainingError, match="loss is nan"):
        train_step(state, noisy, noisy, torch.float32)
    assert state.step == 0
    assert all(torch.equal(a, b) for a, b in zip(before, state.network.parameters(), strict=True))


def test_checkpoints_of_other_networks_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, new_state(CONFIG, CPU))
    other = replace(CONFIG, network=DCUNetConfig.mini(level_reach=3))
    with pytest.raises(TrainingError, match="another configuration"):
        load_checkpoint(path, new_state(other, CPU))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(TrainingError, match="cannot be read"):
        load_checkpoint(path, new_state(CONFIG, CPU))


def test_average_follows_the_weights() -> None:
    state = new_state(replace(CONFIG, ema_decay=0.9), CPU)
    noisy = torch.randn(2, 1, CONFIG.segment_samples, generator=torch.Generator().manual_seed(0))
    expected = None
    for step in range(3):
        train_step(state, noisy, 0.5 * noisy, torch.float32)
        current = state.network.get_parameter("encoder0.cconv.real_conv.weight").detach().clone()
        # The first update copies; later ones weigh by the smaller of the decay and the warm-up.
        decay = min(0.9, (1 + step) / (10 + step))
        expected = current if expected is None else decay * expected + (1 - decay) * current
    averaged = averaged_network(state).get_parameter("encoder0.cconv.real_conv.weight")
    torch.testing.assert_close(averaged.detach(), expected)


def test_learning_rate_warms_up_and_falls() -> None:
    config = replace(CONFIG, learning_rate=1.0, warmup_steps=10)
    assert schedule(config, 0, 0.0) == pytest.approx(0.1)
    assert schedule(config, 9, 0.0) == pytest.approx(1.0)
    assert schedule(config, 1000, 0.5) == pytest.approx(0.505)
    assert schedule(config, 1000, 1.0) == pytest.approx(0.01)


def test_progress_is_by_steps_or_time() -> None:
    state = new_state(replace(CONFIG, steps=10, minutes=1.0), CPU)
    state.step, state.seconds = 2, 30.0
    assert state.progress == 0.5
    state.step = 20
    assert state.progress == 1.0


def test_precision() -> None:
    assert resolve_precision("float32", CPU) is torch.float32
    assert resolve_precision("bf16", CPU) is torch.bfloat16
    assert resolve_precision("auto", CPU) in (torch.float32, torch.bfloat16)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": None}, "needs an end"),
        ({"steps": 0}, "steps is 0"),
        ({"batch_size": 0}, "batch_size"),
        ({"segment_frames": 1}, "segment_frames"),
        ({"batch_size": 1}, "one value to average"),
        ({"ema_decay": 1.0}, "ema_decay"),
        ({"precision": "half"}, "auto, float32, bf16"),
    ],
)
def test_impossible_configurations_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        replace(CONFIG, **wrong)
