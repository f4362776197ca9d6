"""The reference's .pth files: read as data, with its mask and without level scaling."""

import pickle
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from typer.testing import CliRunner

from musicdenoise.audio import read_audio
from musicdenoise.cli.app import app
from musicdenoise.core.architecture import DECODERS, ENCODERS, DCUNetConfig, Frames
from musicdenoise.core.dcunet import DCUNet
from musicdenoise.core.metrics import snr
from musicdenoise.core.overlap import SpectralStream
from musicdenoise.core.stft import StftConfig
from musicdenoise.denoising.denoiser import DenoiseConfig
from musicdenoise.errors import WeightsError
from musicdenoise.weights.reference import load_reference


@pytest.fixture
def network() -> DCUNet:
    torch.manual_seed(1)
    return DCUNet(DCUNetConfig.of_complexity(2, mask="component", level_reach=0))


def save(path: Path, network: DCUNet) -> Path:
    """As the reference saves: its last decoder carries a norm that is never applied."""
    state = dict(network.state_dict())
    for part in ("real_b", "im_b"):
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"decoder9.cbn.{part}.{name}"] = torch.ones(1)
        state[f"decoder9.cbn.{part}.num_batches_tracked"] = torch.tensor(3)
    torch.save(state, path)
    return path


def reference_estimate(state: dict[str, torch.Tensor], spectrogram: torch.Tensor) -> torch.Tensor:
    """The network by NoiseRemover's formulas alone, on ``(batch, 1, freqs, frames)``.

    Four real convolutions per complex layer, a batch norm for each part, LeakyReLU, the input of the
    encoder of the same depth joined on, and at the end tanh of both parts, each times its part.
    """

    def part(name: str, x: torch.Tensor, layer: tuple[object, ...], kind: str) -> torch.Tensor:
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        if kind == "encoder":
            return F.conv2d(x, weight, bias, layer.stride, layer.padding)  # type: ignore[attr-defined]
        return F.conv_transpose2d(
            x,
            weight,
            bias,
            layer.stride,  # type: ignore[attr-defined]
            layer.padding,  # type: ignore[attr-defined]
            layer.output_padding,  # type: ignore[attr-defined]
        )

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        values = [state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
        return F.leaky_relu(F.batch_norm(x, *values), 0.01)

    def layer(kind: str, i: int, re: torch.Tensor, im: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        table = (ENCODERS if kind == "encoder" else DECODERS)[i]
        tail = "conv" if kind == "encoder" else "convt"
        real, imag = f"{kind}{i}.c{tail}.real_{tail}", f"{kind}{i}.c{tail}.im_{tail}"
        return (
            part(real, re, table, kind) - part(imag, im, table, kind),
            part(real, im, table, kind) + part(imag, re, table, kind),
        )

    re, im = spectrogram.real, spectrogram.imag
    inputs = []
    for i in range(10):
        inputs.append((re, im))
        re, im = layer("encoder", i, re, im)
        re, im = norm(f"encoder{i}.cbn.real_b", re), norm(f"encoder{i}.cbn.im_b", im)
    for i in range(10):
        if i:
            re, im = torch.cat([re, inputs[10 - i][0]], 1), torch.cat([im, inputs[10 - i][1]], 1)
        re, im = layer("decoder", i, re, im)
        if i < 9:
            re, im = norm(f"decoder{i}.cbn.real_b", re), norm(f"decoder{i}.cbn.im_b", im)
    return torch.complex(torch.tanh(re) * spectrogram.real, torch.tanh(im) * spectrogram.imag)


def test_denoise_gives_what_the_formulas_give(tmp_path: Path, network: DCUNet, write_wav, noisy_tune) -> None:
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0.0, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    path = save(tmp_path / "dc20.pth", network)
    song = write_wav("song.wav", noisy_tune[:, :100_000], subtype="FLOAT")
    result = CliRunner().invoke(app, ["denoise", str(song), "--weights", str(path), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    samples = torch.from_numpy(read_audio(tmp_path / "song_denoised.wav").samples)

    def formulas(spectrogram: torch.Tensor, _gains: torch.Tensor, wanted: Frames) -> torch.Tensor:
        state = torch.load(path, weights_only=True)
        batch, channels = spectrogram.shape[:2]
        estimate = reference_estimate(state, spectrogram.flatten(0, 1).unsqueeze(1))
        estimate = estimate.reshape(batch, channels, *spectrogram.shape[2:])
        return estimate[..., wanted.first : wanted.beyond]

    stft = StftConfig()
    plan = DenoiseConfig().plan(stft, 0)
    stream = SpectralStream(formulas, stft, plan, channels=2, device=torch.device("cpu"))
    with torch.inference_mode():
        waveform = noisy_tune[:, :100_000]
        expected = torch.cat([stream.push(waveform), stream.flush()], dim=1)
    difference = (samples - expected).square().sum() / expected.square().sum()
    assert 10 * torch.log10(difference) < -80.0
    assert snr(waveform, expected) < 20.0  # it does something


def test_denoise_refuses_a_malicious_pickle(tmp_path: Path, write_wav, noisy_tune) -> None:
    song = write_wav("song.wav", noisy_tune[:, :30_000])
    (tmp_path / "bomb.pth").write_bytes(pickle.dumps(Bomb(), protocol=2))
    result = CliRunner().invoke(app, ["denoise", str(song), "--weights", str(tmp_path / "bomb.pth")])
    assert result.exit_code == 1
    assert "boom" not in result.output
    assert "cannot be read as a PyTorch state dict" in result.stderr
    assert not (tmp_path / "song_denoised.wav").exists()


def test_complexity_and_mask_are_found(tmp_path: Path, network: DCUNet) -> None:
    loaded, metadata = load_reference(save(tmp_path / "dc20.pth", network))
    assert loaded.config == network.config == metadata.network
    assert (loaded.config.mask, loaded.config.level_reach) == ("component", 0)
    assert not loaded.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.to(loaded.state_dict()[name].dtype))


def test_other_files_are_refused(tmp_path: Path, network: DCUNet) -> None:
    with pytest.raises(WeightsError, match="no weights file"):
        load_reference(tmp_path / "nothing.pth")
    (tmp_path / "damaged.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match="cannot be read as a PyTorch state dict"):
        load_reference(tmp_path / "damaged.pth")
    torch.save({"layer": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="holds no weights of NoiseRemover"):
        load_reference(tmp_path / "other.pth")
    state = dict(network.state_dict())
    state["encoder3.cconv.real_conv.weight"] = torch.ones(1)
    torch.save(state, tmp_path / "bent.pth")
    with pytest.raises(WeightsError, match="does not fit the network"):
        load_reference(tmp_path / "bent.pth")


@pytest.mark.parametrize("start", [b"", b"\x80\x02"], ids=["text", "pickle"])
def test_no_beginning_of_a_file_is_too_much(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "readme.pth"
    for first in range(256):
        for rest in (b"", b"eadme\n"):
            path.write_bytes(start + bytes([first]) + rest)
            with pytest.raises(WeightsError, match="cannot be read as a PyTorch state dict"):
                load_reference(path)


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("boom",)


def test_nothing_in_a_file_is_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bomb.pth").write_bytes(pickle.dumps(Bomb(), protocol=2))
    with pytest.raises(WeightsError):
        load_reference(tmp_path / "bomb.pth")
    assert "boom" not in capsys.readouterr().out
