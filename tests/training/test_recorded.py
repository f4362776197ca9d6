"""The network for recorded noise in training: what is trained, with which examples, and resumed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from synthetic_tune import synthesise_tune
from training_data import CONFIG, CPU, Sine, assert_same_run

from musicdenoise.core.dcunet import DCUNet
from musicdenoise.core.fine_net import FineNet, FineNetConfig
from musicdenoise.core.fine_unet import FINE_STFT, FineUNetConfig
from musicdenoise.data.bank import AudioBank
from musicdenoise.data.mixer import Example, MixConfig, PairMixer, ValidationItem
from musicdenoise.data.noise import WhiteNoise
from musicdenoise.errors import ConfigurationError, TrainingError
from musicdenoise.training.config import TrainConfig
from musicdenoise.training.loop import train
from musicdenoise.training.recipe import build_config, load_recipe
from musicdenoise.training.schedule import schedule
from musicdenoise.training.state import new_state
from musicdenoise.training.step import train_step
from musicdenoise.weights.checkpoint import load_weights

FINE = replace(CONFIG, network=FineNetConfig.mini(), stft=FINE_STFT, segment_frames=19)


def batch(config: TrainConfig) -> list[Example]:
    examples = [Sine(config.segment_samples).example(index) for index in range(2)]
    return [Example(*(torch.stack(tensors) for tensors in zip(*examples, strict=True)))]


@pytest.mark.parametrize("objective", ["apart", "joined", "spectrum", "unet"])
def test_the_objective_says_what_is_trained(objective: str) -> None:
    config = replace(FINE, objective=objective, learning_rate=1e-2, warmup_steps=1)
    state = new_state(config, CPU)
    before = {name: value.clone() for name, value in state.network.state_dict().items()}
    for _ in range(2):  # the last layer of the spectrum's network is zero before the first
        loss_db, norm = train_step(state, batch(config), torch.float32, CPU)
        assert norm > 0
    assert loss_db < 20.0
    after = state.network.state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == ({objective} if objective in ("spectrum", "unet") else {"spectrum", "unet"})


def test_a_run_goes_on_to_the_bit(tmp_path: Path) -> None:
    source = Sine(FINE.segment_samples)
    clean, noisy = source.example(0).noisy, source.example(1).noisy
    items = [ValidationItem(clean=clean, noisy=noisy, snr_db=5.0)]

    def run(name: str, config: TrainConfig, **options: object) -> None:
        train(config, source, items, tmp_path / name, device=CPU, data={}, **options)

    whole = replace(FINE, steps=4, validate_every_steps=2, schedule="onecycle")
    run("whole", whole)

    class KilledError(Exception):
        pass

    def kill(progress: object) -> None:
        if progress.step == 2:
            raise KilledError

    with pytest.raises(KilledError):
        run("parts", whole, on_progress=kill)
    run("parts", whole, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    network, metadata = load_weights(tmp_path / "whole" / "best.safetensors")
    assert isinstance(network, FineNet)
    assert metadata.network == FINE.network
    state = new_state(FINE, CPU, network)
    assert all(
        torch.equal(a, b) for a, b in zip(state.network.parameters(), network.parameters(), strict=True)
    )


def test_weights_of_another_family_are_refused() -> None:
    with pytest.raises(TrainingError, match="leave out initial"):
        new_state(FINE, CPU, DCUNet(CONFIG.network))


def test_the_recipe_fits_the_network() -> None:
    config = build_config(load_recipe("recorded"))
    assert config.network == FineNetConfig()
    assert config.stft == FINE_STFT
    assert config.segment_seconds == pytest.approx(6.0, abs=0.1)
    small = build_config(load_recipe("recorded"), initial=FineNetConfig.mini())
    assert small.network == FineNetConfig(), "the recipe has a network of its own"
    assert build_config({"steps": 1}, initial=FineNetConfig.mini()).network == FineNetConfig.mini()
    table = {"family": "fine", "channels": [1, 1, 2, 2, 2], "memory_groups": 2, "spectrum_width": 8}
    unet = FineUNetConfig(channels=(1, 1, 2, 2, 2), memory_groups=2)
    assert build_config({"steps": 1, "network": table}).network == FineNetConfig(unet=unet, spectrum_width=8)
    for settings, message in (
        ({"complexity": 4}, "complexity is not a setting"),
        ({"channels": "deep"}, "channels is 'deep'"),
        ({"spectrum_width": 0}, "spectrum_width is 0"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            build_config({"steps": 1, "network": {"family": "fine", **settings}})
    with pytest.raises(ConfigurationError, match="family is 'magic'"):
        build_config({"steps": 1, "network": {"family": "magic"}})
    with pytest.raises(ConfigurationError, match=r"n_fft is 2048.*4096"):
        build_config({"steps": 1, "network": table, "stft": {"n_fft": 2048, "hop_length": 512}})


def test_the_rate_is_constant_until_the_end() -> None:
    config = replace(FINE, schedule="trapezoid", learning_rate=1.0, warmup_steps=4)
    assert [schedule(config, step, 0.0) for step in (0, 1, 3)] == [0.25, 0.5, 1.0]
    assert schedule(config, 50, 0.85) == 1.0
    assert schedule(config, 50, 0.925) == pytest.approx(0.505)
    assert schedule(config, 50, 1.0) == pytest.approx(0.01)


def test_samples_are_of_the_inputs_noise(tmp_path: Path, write_wav) -> None:
    path = write_wav("song.wav", synthesise_tune(4.0, channels=1))
    songs = AudioBank([path], tmp_path / "bank", 44_100)
    settings = {"num_samples": 88_200, "snr_range_db": (0.0, 0.0), "targets": "clean"}
    plain = PairMixer(songs, WhiteNoise(), MixConfig.plain(**settings), seed=1)
    sampled = PairMixer(songs, WhiteNoise(), MixConfig.plain(sample_share=1.0, **settings), seed=1)
    mean_square = 3.0 / 8.0  # of the window
    for index in range(4):
        assert not plain.example(index).sample_power.any()
        noisy, clean, power, seconds = sampled.example(index)
        assert power.shape == (1, 4097)
        assert 0.5 <= float(seconds) <= 2.0
        expected = float((noisy - clean).square().mean()) * mean_square
        assert float(power.mean()) == pytest.approx(expected, rel=0.1)
    with pytest.raises(ConfigurationError, match="sample_seconds is"):
        MixConfig(num_samples=1, sample_seconds=(2.0, 1.0))
    with pytest.raises(ConfigurationError, match="sample_share is 2"):
        MixConfig(num_samples=1, sample_share=2.0)
