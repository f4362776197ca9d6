"""The example that averages two networks."""

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from musicdenoise import load_weights
from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.core.stft import StftConfig
from musicdenoise.weights.checkpoint import CheckpointMetadata, save_weights

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "average_weights.py"
SMALL = DCUNetConfig.mini(profile_width=2)
MORE_INPUTS = replace(SMALL, compressions=(0.3,))


def saved(path: Path, config: DCUNetConfig, seed: int) -> Path:
    torch.manual_seed(seed)
    metadata = CheckpointMetadata(
        network=config,
        stft=StftConfig(),
        noise_kind="mixed",
        training={"steps": seed + 1},
        metrics={"snr": 1.0},
    )
    save_weights(path, DCUNet(config).state_dict(), metadata)
    return path


def average(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["average_weights.py", *map(str, arguments)])
    runpy.run_path(str(EXAMPLE), run_name="__main__")


@pytest.mark.parametrize("config", [SMALL, MORE_INPUTS])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_mean_of_two_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: DCUNetConfig, share: float
) -> None:
    first = saved(tmp_path / "first.safetensors", SMALL, 0)
    second = saved(tmp_path / "second.safetensors", config, 1)
    average(monkeypatch, first, second, tmp_path / "mean.safetensors", "--share", share)
    mean, metadata = load_weights(tmp_path / "mean.safetensors")
    assert metadata.network == config
    assert metadata.metrics == {}
    assert metadata.training == {"steps": 2, "averaged_with": {"steps": 1}, "share_of_the_second": share}
    (one, _), (other, _) = load_weights(first), load_weights(second)
    for name, bias in mean.state_dict().items():
        if name.endswith("bias"):
            expected = (1 - share) * one.state_dict()[name] + share * other.state_dict()[name]
            torch.testing.assert_close(bias, expected)
    if share != 0.5:
        spectrogram = torch.randn(1, 1, 1025, 99, dtype=torch.complex64)
        with torch.inference_mode():
            expected = (other if share else one)(spectrogram)
            torch.testing.assert_close(mean(spectrogram), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("other", [DCUNetConfig.of_complexity(2, profile_width=2), DCUNetConfig.mini()])
def test_other_networks_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], other: DCUNetConfig
) -> None:
    first = saved(tmp_path / "first.safetensors", SMALL, 0)
    second = saved(tmp_path / "second.safetensors", other, 1)
    with pytest.raises(SystemExit):
        average(monkeypatch, first, second, tmp_path / "mean.safetensors")
    assert "different configurations" in capsys.readouterr().err
    assert not (tmp_path / "mean.safetensors").exists()
