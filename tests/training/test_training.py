import json
import math
import resource
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import image
from training_data import CONFIG, CPU, Sine

from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.core.losses import error_ratio_loss
from musicdenoise.core.metrics import snr
from musicdenoise.core.stft import StftConfig
from musicdenoise.data.bank import AudioBank
from musicdenoise.data.mixer import Example, MixConfig, PairMixer, ValidationItem, fixed_mixes
from musicdenoise.data.noise import WhiteNoise
from musicdenoise.errors import ConfigurationError, TrainingError
from musicdenoise.training.config import TrainConfig, changed_settings, frames_for_seconds
from musicdenoise.training.loop import train
from musicdenoise.training.objective import estimate
from musicdenoise.training.records import only_writer
from musicdenoise.training.schedule import schedule
from musicdenoise.training.state import averaged_network, load_checkpoint, new_state, save_checkpoint
from musicdenoise.training.step import resolve_precision, train_step
from musicdenoise.weights.checkpoint import load_weights


@pytest.fixture
def data(tmp_path: Path, write_wav, tune) -> tuple[PairMixer, list[ValidationItem]]:
    songs = AudioBank([write_wav("tune.wav", tune)], tmp_path / "bank", 44_100)
    mixer = PairMixer(songs, WhiteNoise(), MixConfig(num_samples=CONFIG.segment_samples), seed=CONFIG.seed)
    items = fixed_mixes(songs, WhiteNoise(), num_samples=44_100, snrs_db=(5.0,), seed=0)
    return mixer, items


def run(folder: Path, data, config: TrainConfig = CONFIG, **options) -> Path:
    return train(config, *data, folder, device=CPU, data={"songs": 1}, **options).best


def step(state, noisy: torch.Tensor, target: torch.Tensor) -> None:
    loss_db, _ = train_step(state, [Example.without_sample(noisy, target)], torch.float32, CPU)
    state.note_step(loss_db, 0.1)


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
    for _ in range(30):
        step(state, noisy, clean)
    state.network.train()
    with torch.no_grad():
        after = snr(clean, estimate(state.network, config, noisy, torch.float32))
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


def test_a_run_is_not_overwritten(tmp_path: Path, data) -> None:
    run(tmp_path / "run", data)
    with pytest.raises(TrainingError, match="already holds a training run"):
        run(tmp_path / "run", data)
    (tmp_path / "run" / "checkpoint.pt").unlink()
    with pytest.raises(TrainingError, match="already holds a training run"):
        run(tmp_path / "run", data)
    with pytest.raises(TrainingError, match="no checkpoint"):
        run(tmp_path / "other", data, resume=True)


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path, data) -> None:
    folder = tmp_path / "run"
    with only_writer(folder):
        (folder / ".musicdenoise-best.part").touch()  # the other's, half written
        with pytest.raises(TrainingError, match="another process is training there"):
            run(folder, data)
        assert (folder / ".musicdenoise-best.part").exists()
    run(folder, data)
    assert not (folder / ".musicdenoise-best.part").exists()


def test_a_loss_that_is_not_finite_stops_and_changes_nothing() -> None:
    state = new_state(CONFIG, CPU)
    before = [parameter.clone() for parameter in state.network.parameters()]
    noisy = torch.full((2, 1, CONFIG.segment_samples), float("nan"))
    with pytest.raises(TrainingError, match="loss is nan"):
        step(state, noisy, noisy)
    assert state.step == 0
    assert all(torch.equal(a, b) for a, b in zip(before, state.network.parameters(), strict=True))


def test_a_run_that_meets_a_nan_keeps_what_was_good(tmp_path: Path, data) -> None:
    mixer, items = data

    class Spoilt:
        epoch_size = 8

        def example(self, index: int) -> Example:
            example = mixer.example(index)
            is_bad = index >= 4 * CONFIG.batch_size
            return example._replace(noisy=example.noisy * math.nan) if is_bad else example

    with pytest.raises(TrainingError, match=r"nan.*at step 4.*initial"):
        run(tmp_path / "run", (Spoilt(), items))
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] == 3
    network, metadata = load_weights(tmp_path / "run" / "best.safetensors")
    assert metadata.training["steps"] == 3
    assert all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values())


def test_checkpoints_of_other_networks_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, new_state(CONFIG, CPU))
    other = replace(CONFIG, network=DCUNetConfig.mini(level_reach=3))
    with pytest.raises(TrainingError, match="another configuration"):
        load_checkpoint(path, new_state(other, CPU))
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    damaged = (
        path.read_bytes()[:500],
        np.random.default_rng(0).bytes(5_000),
        (tmp_path / "tensor.pt").read_bytes(),
    )
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(TrainingError, match="cannot be read"):
            load_checkpoint(path, new_state(CONFIG, CPU))


def test_checkpoints_from_before_a_setting_was_there_go_on(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, new_state(CONFIG, CPU))
    document = torch.load(path, weights_only=True)
    del document["network_config"]["compressions"]
    torch.save(document, path)
    load_checkpoint(path, new_state(CONFIG, CPU))
    document["network_config"]["of_the_future"] = 1
    torch.save(document, path)
    with pytest.raises(TrainingError, match=r"cannot be read: .*of_the_future"):
        load_checkpoint(path, new_state(CONFIG, CPU))


def test_average_follows_the_weights() -> None:
    state = new_state(replace(CONFIG, ema_decay=0.9), CPU)
    noisy = torch.randn(2, 1, CONFIG.segment_samples, generator=torch.Generator().manual_seed(0))
    expected = None
    for number in range(3):
        step(state, noisy, 0.5 * noisy)
        current = state.network.get_parameter("encoder0.cconv.real_conv.weight").detach().clone()
        # The first update copies; later ones weigh by the smaller of the decay and the warm-up.
        decay = min(0.9, (1 + number) / (10 + number))
        expected = current if expected is None else decay * expected + (1 - decay) * current
    averaged = averaged_network(state).get_parameter("encoder0.cconv.real_conv.weight")
    torch.testing.assert_close(averaged.detach(), expected)


def test_onecycle_is_that_of_torch() -> None:
    config = replace(CONFIG, learning_rate=1.0, schedule="onecycle")
    steps = 201
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=steps, pct_start=0.155)
    for number in range(steps):
        # torch's cycle has its peak at step 0.155 * 201 - 1 and its end at step 200.
        peak = 0.155 * steps - 1
        share = 0.15 * number / peak if number <= peak else 0.15 + 0.85 * (number - peak) / (steps - 1 - peak)
        assert schedule(config, number, share) == pytest.approx(theirs.get_last_lr()[0], abs=1e-7)
        optimizer.step()
        theirs.step()


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
        ({"schedule": "linear"}, "cosine, trapezoid, onecycle"),
        ({"targets": "both"}, "noisy, clean"),
        ({"accumulation": 3}, "3 equal parts"),
        ({"accumulation": 2}, "one value to average"),
        ({"stft": StftConfig(n_fft=1024, hop_length=256)}, "n_fft = 2048 only"),
        ({"warmup_steps": -1}, "warmup_steps"),
        ({"minutes": math.nan}, "minutes is nan; it must be positive and finite"),
        ({"minutes": math.inf}, "minutes is inf; it must be positive and finite"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"clip_norm": math.nan}, "clip_norm is nan"),
        ({"weight_decay": math.nan}, "weight_decay is nan"),
        ({"frozen_layers": True}, "no profile filter"),
    ],
)
def test_impossible_configurations_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        replace(CONFIG, **wrong)


def test_segments_have_the_nearest_number_of_frames_that_wastes_nothing() -> None:
    stft = StftConfig()
    assert frames_for_seconds(1.5, stft) == 131
    assert frames_for_seconds(3.74, stft) == 323
    with pytest.raises(ConfigurationError, match=r"1\.14 s"):
        frames_for_seconds(0.5, stft)
    for seconds in (math.nan, math.inf, -math.inf):
        with pytest.raises(ConfigurationError, match=f"segments of {seconds:g} s cannot be cut"):
            frames_for_seconds(seconds, stft)


def test_changes_of_a_run_that_goes_on_are_named(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG.to_dict()))
    assert changed_settings(replace(CONFIG, steps=99), path) == []
    assert changed_settings(replace(CONFIG, seed=1, batch_size=4), path) == [
        "batch_size: 2 -> 4",
        "seed: 42 -> 1",
    ]
    assert changed_settings(CONFIG, tmp_path / "nothing.json") == []
    old = CONFIG.to_dict()
    del old["network"]["compressions"]
    path.write_text(json.dumps(old))
    assert changed_settings(CONFIG, path) == []
    assert len(changed_settings(replace(CONFIG, network=DCUNetConfig.mini(level_reach=3)), path)) == 1


def test_initial_weights_of_another_network_are_refused() -> None:
    other = DCUNet(DCUNetConfig.of_complexity(2))
    with pytest.raises(TrainingError, match=r"encoder_channels .* fewer .*complexity"):
        new_state(CONFIG, CPU, other)


def test_a_wider_network_starts_from_the_weights_of_a_smaller_one() -> None:
    small = DCUNet(CONFIG.network).eval()
    state = new_state(replace(CONFIG, network=DCUNetConfig.of_complexity(2)), CPU, small)
    spectrogram = torch.randn(1, 1, 1025, 99, dtype=torch.complex64)
    with torch.inference_mode():
        torch.testing.assert_close(
            state.network.eval()(spectrogram), small(spectrogram), rtol=1e-4, atol=1e-5
        )


def test_frozen_layers_stay_as_they_are() -> None:
    torch.manual_seed(3)
    learnt = DCUNet(CONFIG.network)
    config = replace(
        CONFIG, network=replace(CONFIG.network, profile_width=4), frozen_layers=True, optimizer="adamw"
    )
    state = new_state(config, CPU, learnt)
    before = {name: value.clone() for name, value in state.network.state_dict().items()}
    for name, value in learnt.state_dict().items():
        assert torch.equal(before[name], value)
    pairs = [Sine(config.segment_samples).example(i) for i in range(2)]
    parts = [Example(*(torch.stack(waves) for waves in zip(*pairs, strict=True)))]
    for _ in range(3):
        train_step(state, parts, torch.float32, CPU)
    changed = {
        name for name, value in state.network.state_dict().items() if not torch.equal(before[name], value)
    }
    assert changed == {name for name in before if name.startswith("profile.")}
    with pytest.raises(TrainingError, match="with initial"):
        new_state(config, CPU)


def test_a_profile_filter_of_another_width_starts_from_nothing() -> None:
    first = DCUNet(replace(CONFIG.network, profile_width=2))
    same, other, none = (
        new_state(replace(CONFIG, network=replace(CONFIG.network, profile_width=width)), CPU, first).network
        for width in (2, 3, 0)
    )
    assert torch.equal(same.profile.hidden.weight, first.profile.hidden.weight)
    assert other.profile.hidden.weight.shape[0] == 3
    assert none.profile is None
    name = "encoder3.cconv.real_conv.weight"
    for network in (same, other, none):
        assert torch.equal(network.state_dict()[name], first.state_dict()[name])


def test_parts_of_a_batch_give_the_gradient_of_their_mean() -> None:
    source = Sine(CONFIG.segment_samples)
    pairs = [source.example(i) for i in range(2)]
    parts = [Example(*(torch.stack([wave, wave]) for wave in pair)) for pair in pairs]
    apart = new_state(replace(CONFIG, batch_size=4, accumulation=2), CPU)
    loss_db, _ = train_step(apart, parts, torch.float32, CPU)
    # Batch norms see each part on its own, and so does this sum of two passes.
    whole = new_state(CONFIG, CPU)
    whole.network.train()
    losses = []
    for noisy, target, *_ in parts:
        cleaned = estimate(whole.network, CONFIG, noisy, torch.float32)
        losses.append(error_ratio_loss(target, cleaned))
    (sum(losses) / 2).backward()
    torch.nn.utils.clip_grad_norm_(whole.network.parameters(), CONFIG.clip_norm)
    assert loss_db == pytest.approx(float(sum(losses).detach()) / 2, abs=1e-5)
    for ours, theirs in zip(apart.network.parameters(), whole.network.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    state = new_state(CONFIG, CPU)
    save_checkpoint(path, state)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(TrainingError, match=r"cannot write the checkpoint.*resume"):
            save_checkpoint(path, state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    load_checkpoint(path, new_state(CONFIG, CPU))


def test_pictures_of_a_run(tmp_path: Path, data) -> None:
    run(tmp_path / "run", data)
    for name in ("curves.png", "improvements.png"):
        picture = image.imread(tmp_path / "run" / name)
        assert picture.shape[2] == 4
        assert picture[..., :3].std() > 0.05, f"{name} is blank"


def test_layers_go_through_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def compile_nothing(function):
        def compiled(*arguments):
            calls.append(function)
            return function(*arguments)

        return compiled

    monkeypatch.setattr(torch, "compile", compile_nothing)
    state = new_state(replace(CONFIG, compile=True), CPU)
    noisy = torch.randn(2, 1, CONFIG.segment_samples)
    step(state, noisy, noisy)
    assert len(calls) == 1
    assert state.network.state_dict().keys() == DCUNet(CONFIG.network).state_dict().keys()
