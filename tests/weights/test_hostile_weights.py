"""Weights that were made to do harm, or that a disk or a training run spoiled, end in one line."""

import json
import math
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor
from typer.testing import CliRunner

from musicdenoise.cli.app import app
from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.core.stft import StftConfig
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.errors import AudioError, WeightsError
from musicdenoise.weights.checkpoint import CheckpointMetadata, load_weights
from musicdenoise.weights.loading import load_network

FIRST = "encoder0.cconv.real_conv.weight"
NORM = "encoder3.cbn.real_b.running_var"


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return dict(DCUNet(DCUNetConfig.mini()).state_dict())


def metadata(**changes: object) -> dict[str, object]:
    known = CheckpointMetadata(network=DCUNetConfig.mini(), stft=StftConfig(), noise_kind="white")
    return {**asdict(known), **changes}


def bent_network(**changes: object) -> dict[str, object]:
    return metadata(network={**asdict(DCUNetConfig.mini()), **changes})


def write(path: Path, state: dict[str, Tensor], document: object) -> Path:
    text = document if isinstance(document, str) else json.dumps(document)
    path.write_bytes(save(state, metadata={"musicdenoise": text}))
    return path


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", [FIRST, NORM])
def test_numbers_that_are_none_are_refused(
    tmp_path: Path, state: dict[str, Tensor], name: str, value: float
) -> None:
    state[name] = torch.full_like(state[name], value)
    path = write(tmp_path / "x.safetensors", state, metadata())
    with pytest.raises(WeightsError, match=f"some numbers in {name} are infinite or not numbers"):
        load_weights(path)
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="infinite or not numbers"):
        load_network(tmp_path / "x.pth")


def test_numbers_beyond_single_precision_are_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    state[FIRST] = torch.full_like(state[FIRST], 1e300, dtype=torch.float64)
    with pytest.raises(WeightsError, match="infinite or not numbers"):
        load_weights(write(tmp_path / "x.safetensors", state, metadata()))


@pytest.mark.parametrize(("rate", "name"), [(44_100, NORM), (22_050, FIRST)])
def test_a_result_that_is_not_finite_is_an_error(
    tmp_path: Path, state: dict[str, Tensor], noisy_tune: Tensor, rate: int, name: str
) -> None:
    # Finite numbers whose products are not: a variance below zero has no root, and 1e38 squared overflows.
    state[name] = torch.full_like(state[name], -1.0 if name == NORM else 1e38)
    denoiser = Denoiser(write(tmp_path / "x.safetensors", state, metadata()))
    with pytest.raises(AudioError, match="the network's result is not finite"):
        denoiser.denoise(noisy_tune[:, :40_000].numpy(), rate)


def test_no_file_comes_of_a_result_that_is_not_finite(
    tmp_path: Path, state: dict[str, Tensor], write_wav, noisy_tune: Tensor
) -> None:
    state[NORM] = -torch.ones_like(state[NORM])
    weights = write(tmp_path / "x.safetensors", state, metadata())
    song = write_wav("song.wav", noisy_tune[:, :40_000])
    result = CliRunner().invoke(app, ["denoise", str(song), "--weights", str(weights)])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {song}: the network's result is not finite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song.wav", "x.safetensors"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[" * 100_000, "cannot be understood"),
        ("[]", "not a JSON object"),
        ("5", "not a JSON object"),
        ('{"format_version": ' + "9" * 5_000 + "}", "cannot be understood"),
        (metadata(format_version="1"), "format_version is '1'"),
        (metadata(network=5), "network is 5"),
        (metadata(network=[1, 2]), "network is "),
        (metadata(noise_kind=["white"]), "noise_kind is "),
        (metadata(metrics={"snr_improvement_db": "loud"}), "metrics.snr_improvement_db is 'loud'"),
        (metadata(stft={"n_fft": 2048, "hop_length": 1}), "hop_length is 1"),
        (metadata(stft={"n_fft": 2048.5}), "stft.n_fft is 2048.5"),
        (metadata(stft={"sample_rate": 10**9}), "sample rate is 1000000000 Hz"),
        (metadata(stft={"sample_rate": True}), "stft.sample_rate is True"),
        (metadata(stft={"window": "flat"}), "stft.'window' is unknown"),
        (
            metadata(network=asdict(DCUNetConfig.mini()) | {"encoder_channels": [10**9] * 10}),
            "complexity 128",
        ),
        (metadata(network=asdict(DCUNetConfig.mini()) | {"encoder_channels": []}), "must be 10 positive"),
        (metadata(network=asdict(DCUNetConfig.mini()) | {"level_reach": 10**12}), "level_reach is"),
        (metadata(network=asdict(DCUNetConfig.mini()) | {"profile_width": 10**9}), "profile_width is"),
        (metadata(network=asdict(DCUNetConfig.mini()) | {"compressions": [0.5] * 1000}), "1000 compressions"),
        (metadata(network=asdict(DCUNetConfig.mini()) | {"mask": {"a": 1}}), "network.mask is"),
    ],
)
def test_metadata_are_checked_before_they_are_believed(
    tmp_path: Path, state: dict[str, Tensor], document: object, message: str
) -> None:
    with pytest.raises(WeightsError, match=message):
        load_weights(write(tmp_path / "x.safetensors", state, document))


def spoiled(state: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    tensor = state[FIRST]
    view = torch.zeros(1).expand(1 << 40, 1, 7, 1)
    others = {
        "scalar": torch.tensor(1.0),
        "meta": tensor.to("meta"),
        "sparse": tensor.to_sparse(),
        "complex": tensor.to(torch.complex64),
        "integer": tensor.to(torch.int64),
        "flags": tensor.bool(),
        "endless view": view,
        "wide": torch.zeros(2_000, 1, 7, 1),
        "none": torch.zeros(0, 1, 7, 1),
    }
    return {**state, FIRST: others[kind]}


@pytest.mark.parametrize(
    "kind",
    ["scalar", "meta", "sparse", "complex", "integer", "flags", "endless view", "wide", "none"],
)
def test_entries_that_are_no_weights_are_refused(tmp_path: Path, state: dict[str, Tensor], kind: str) -> None:
    path = tmp_path / "x.pth"
    torch.save(spoiled(state, kind), path)
    with pytest.raises(WeightsError, match=r"does not fit|holds no weights|cannot be"):
        load_network(path)


def test_an_archive_that_unpacks_to_more_than_it_is_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    torch.save({FIRST: torch.zeros(1 << 20)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(WeightsError, match="would unpack to 4 MB"):
        load_network(path)


def test_advice_to_read_files_unprotected_reaches_nobody(tmp_path: Path, write_wav) -> None:
    torch.save({FIRST: np.ones(3), "path": Path("x")}, tmp_path / "x.pth")
    song = write_wav("song.wav", np.zeros((1, 5_000)))
    result = CliRunner().invoke(app, ["denoise", str(song), "--weights", str(tmp_path / "x.pth")])
    assert result.exit_code == 1
    assert "weights_only" not in result.output
    assert result.stderr.count("\n") == 1
