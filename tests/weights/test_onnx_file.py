"""Networks as ONNX files: the same function in ONNX Runtime, for any song, with the STFT of the guide."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from musicdenoise.cli.app import app
from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.core.fine_net import FineNet, FineNetConfig
from musicdenoise.core.fine_unet import FINE_STFT
from musicdenoise.core.real_dcunet import RealDCUNet
from musicdenoise.core.stft import StftConfig
from musicdenoise.weights import onnx_file
from musicdenoise.weights.checkpoint import CheckpointMetadata, load_weights, save_weights

GUIDE = Path(__file__).parents[2] / "docs" / "onnx.md"


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["weights", "export", *map(str, arguments)])


def random_network(**changes: object) -> DCUNet:
    """A small network whose norms and profile filter are not the identity."""
    torch.manual_seed(0)
    network = DCUNet(DCUNetConfig.mini(**changes)).eval()
    for name, tensor in network.state_dict().items():
        if "running" in name or "profile" in name:
            tensor.add_(0.1 * torch.rand(tensor.shape))
    return network


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"compressions": (0.3, 0.6)},
        {"level_reach": 0, "mask": "component"},
        {"profile_width": 4, "compressions": (0.3,)},
    ],
    ids=str,
)
@pytest.mark.parametrize(("channels", "frames"), [(1, 5), (2, 99), (2, 100), (1, 131)])
def test_real_arithmetic_is_the_same(changes: dict[str, object], channels: int, frames: int) -> None:
    network = random_network(**changes)
    noisy = torch.randn(channels, 1025, frames, dtype=torch.complex64)
    with torch.no_grad():
        wanted = torch.view_as_real(network(noisy[None])[0])
        found = RealDCUNet(network)(torch.view_as_real(noisy))
    assert (found - wanted).square().sum() < 1e-9 * wanted.square().sum()


def test_a_song_through_the_file_as_the_guide_says(
    tmp_path: Path, tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")
    network = random_network(profile_width=4, compressions=(0.3,))
    weights = tmp_path / "small.safetensors"
    metadata = CheckpointMetadata(
        network=network.config, stft=StftConfig(), noise_kind="white", licence="CC0-1.0"
    )
    save_weights(weights, network.state_dict(), metadata)
    monkeypatch.chdir(tmp_path)
    result = invoke(weights)
    assert result.exit_code == 0, result.output
    assert (result.stdout, result.stderr) == ("", "")

    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    names = {"song": tune[:, :50_176].numpy()}
    exec(code.replace("white.onnx", "small.onnx"), names)
    network = load_weights(weights)[0]
    noisy = torch.stft(
        tune[:, :50_176], 2048, 512, window=torch.hann_window(2048), normalized=True, return_complex=True
    )
    with torch.no_grad():
        estimate = network(noisy[None])[0]
    wanted = torch.istft(
        estimate, 2048, 512, window=torch.hann_window(2048), normalized=True, length=50_176
    ).numpy()
    assert np.square(names["clean"] - wanted).sum() < 1e-9 * np.square(wanted).sum()
    facts = onnxruntime.InferenceSession("small.onnx").get_modelmeta().custom_metadata_map
    assert (facts["musicdenoise"], facts["licence"]) == ("white", "CC0-1.0")
    assert json.loads(facts["stft"]) == {"n_fft": 2048, "hop_length": 512, "sample_rate": 44_100}

    before = Path("small.onnx").read_bytes()
    result = invoke(weights)
    assert (result.exit_code, result.stderr) == (
        1,
        "error: small.onnx: already exists; --force replaces it\n",
    )
    monkeypatch.setattr(onnx_file, "LARGEST_DIFFERENCE_DB", -500.0)
    result = invoke(weights, "--force")
    assert result.exit_code == 1
    assert "was not written, because it differs from the network by -1" in result.stderr

    def fail(*_: object, **__: object) -> None:
        raise torch.onnx.errors.UnsupportedOperatorError("aten::new", 17, None)

    monkeypatch.setattr(torch.onnx, "export", fail)
    result = invoke(weights, "--force")
    assert result.exit_code == 1
    assert re.fullmatch(
        r"error: small.onnx: was not written, because PyTorch \S+ cannot .*new.*\n", result.stderr
    )
    assert Path("small.onnx").read_bytes() == before


def test_a_published_network(tmp_path: Path) -> None:
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason="needs the extra [onnx]")
    assert onnx_file.export_onnx("mixed", tmp_path / "new" / "mixed.onnx") < -100.0
    assert (tmp_path / "new" / "mixed.onnx").stat().st_size > 10_000_000


def test_what_cannot_be_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "_NEEDED", ("no_such_package",))
    result = invoke("white", "-o", tmp_path / "a.onnx")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: no_such_package must be installed for ONNX files: pip install 'musicdenoise[onnx]'\n"
    )
    monkeypatch.setattr(onnx_file, "_NEEDED", ())
    result = invoke("whte", "-o", tmp_path / "a.onnx")
    assert result.exit_code == 1
    assert "whte" in result.stderr
    fine = FineNet(FineNetConfig.mini())
    metadata = CheckpointMetadata(network=fine.config, stft=FINE_STFT, noise_kind="mixed")
    save_weights(tmp_path / "fine.safetensors", fine.state_dict(), metadata)
    result = invoke(tmp_path / "fine.safetensors", "-o", tmp_path / "a.onnx")
    assert result.exit_code == 1
    assert (
        "is of the family 'fine', and only networks of the family 'dcunet' can be exported" in result.stderr
    )
    assert [path.name for path in tmp_path.iterdir()] == ["fine.safetensors"]
