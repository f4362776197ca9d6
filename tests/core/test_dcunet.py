import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicdenoise.core.architecture import DCUNetConfig, Frames, pad_frames_to_fit
from musicdenoise.core.dcunet import DCUNet, masked_estimate
from musicdenoise.core.fused import FusedDCUNet
from musicdenoise.errors import ConfigurationError

REFERENCE = DCUNetConfig.of_complexity(32, mask="component", level_reach=0)


def random_spectrogram(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def shake(network: nn.Module, seed: int = 0) -> None:
    """Give the norms statistics and weights that matter."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2.0),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.5, 0.5),
            ):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)


# A literal implementation of the published description, layer by layer, with four real convolutions per
# complex layer; it shares nothing with the package. Rows: output channels / C, kernel, stride, padding.
ENCODERS = [
    (1, (7, 1), (1, 1), (3, 0)),
    (1, (1, 7), (1, 1), (0, 3)),
    (2, (6, 4), (2, 2), 0),
    (2, (7, 5), (2, 1), 0),
    (2, (5, 3), (2, 2), 0),
    (2, (5, 3), (2, 1), 0),
    (2, (5, 3), (2, 2), 0),
    (2, (5, 3), (2, 1), 0),
    (2, (5, 3), (2, 2), (2, 0)),
    (4, (5, 3), (2, 1), 0),
]
DECODERS = [
    (2, (6, 3), (2, 1), 0, 0),
    (2, (3, 3), (2, 2), (1, 0), (1, 0)),
    (2, (6, 3), (2, 1), 0, 0),
    (2, (6, 3), (2, 2), 0, 0),
    (2, (6, 3), (2, 1), 0, 0),
    (2, (6, 4), (2, 2), 0, 0),
    (2, (8, 5), (2, 1), 0, 0),
    (1, (7, 5), (2, 2), 0, 0),
    (1, (1, 7), (1, 1), (0, 3), 0),
    (0, (7, 1), (1, 1), (3, 0), 0),
]


def reference_state_dict(c: int) -> dict[str, Tensor]:
    """Random weights under the reference's key names, its unused last norm included."""
    generator = torch.Generator().manual_seed(7)
    state: dict[str, Tensor] = {}

    def add(key: str, *shape: int, scale: float = 1.0, offset: float = 0.0) -> None:
        state[key] = torch.randn(*shape, generator=generator) * scale + offset

    def add_norm(prefix: str, channels: int) -> None:
        for part in ("real_b", "im_b"):
            add(f"{prefix}.{part}.weight", channels, scale=0.1, offset=1.0)
            add(f"{prefix}.{part}.bias", channels, scale=0.1)
            add(f"{prefix}.{part}.running_mean", channels, scale=0.1)
            state[f"{prefix}.{part}.running_var"] = torch.rand(channels, generator=generator) + 0.5
            state[f"{prefix}.{part}.num_batches_tracked"] = torch.tensor(5)

    inputs = [1] + [width * c for width, *_ in ENCODERS[:-1]]
    for i, (width, kernel, *_) in enumerate(ENCODERS):
        scale = (inputs[i] * kernel[0] * kernel[1]) ** -0.5
        for part in ("real_conv", "im_conv"):
            add(f"encoder{i}.cconv.{part}.weight", width * c, inputs[i], *kernel, scale=scale)
            add(f"encoder{i}.cconv.{part}.bias", width * c, scale=0.1)
        add_norm(f"encoder{i}.cbn", width * c)
    previous = ENCODERS[-1][0] * c
    for i, (width, kernel, *_) in enumerate(DECODERS):
        channels_in = previous + (inputs[10 - i] if i else 0)
        previous = max(width * c, 1)
        scale = (channels_in * kernel[0] * kernel[1] / 4) ** -0.5
        for part in ("real_convt", "im_convt"):
            add(f"decoder{i}.cconvt.{part}.weight", channels_in, previous, *kernel, scale=scale)
            add(f"decoder{i}.cconvt.{part}.bias", previous, scale=0.1)
        add_norm(f"decoder{i}.cbn", previous)
    return state


def reference_estimate(state: dict[str, Tensor], spectrogram: Tensor) -> Tensor:
    """The reference's formula with the component mask for ``(batch, 1, 1025, frames)``."""

    def layer(prefix: str, name: str, operation, re: Tensor, im: Tensor, **sizes) -> tuple[Tensor, Tensor]:
        def apply(part: str, x: Tensor) -> Tensor:
            return operation(
                x, state[f"{prefix}.{part}_{name}.weight"], state[f"{prefix}.{part}_{name}.bias"], **sizes
            )

        return apply("real", re) - apply("im", im), apply("im", re) + apply("real", im)

    def norm(prefix: str, x: Tensor) -> Tensor:
        mean, var = state[f"{prefix}.running_mean"], state[f"{prefix}.running_var"]
        weight, bias = state[f"{prefix}.weight"], state[f"{prefix}.bias"]
        shape = (1, -1, 1, 1)
        return (x - mean.view(shape)) / (var.view(shape) + 1e-5).sqrt() * weight.view(shape) + bias.view(
            shape
        )

    def activate(prefix: str, re: Tensor, im: Tensor) -> tuple[Tensor, Tensor]:
        return (
            F.leaky_relu(norm(f"{prefix}.real_b", re), 0.01),
            F.leaky_relu(norm(f"{prefix}.im_b", im), 0.01),
        )

    re, im = spectrogram.real, spectrogram.imag
    inputs = []
    for i, (_, _, stride, padding) in enumerate(ENCODERS):
        inputs.append((re, im))
        re, im = layer(f"encoder{i}.cconv", "conv", F.conv2d, re, im, stride=stride, padding=padding)
        re, im = activate(f"encoder{i}.cbn", re, im)
    for i, (_, _, stride, padding, output_padding) in enumerate(DECODERS):
        if i:
            skip_re, skip_im = inputs[10 - i]
            re, im = torch.cat([re, skip_re], 1), torch.cat([im, skip_im], 1)
        sizes = {"stride": stride, "padding": padding, "output_padding": output_padding}
        re, im = layer(f"decoder{i}.cconvt", "convt", F.conv_transpose2d, re, im, **sizes)
        if i < 9:
            re, im = activate(f"decoder{i}.cbn", re, im)
    return torch.complex(re.tanh() * spectrogram.real, im.tanh() * spectrogram.imag)


def test_reference_size() -> None:
    parameters = sum(p.numel() for p in DCUNet(REFERENCE).parameters() if p.requires_grad)
    assert round(parameters / 1e6, 2) == 3.96


@pytest.mark.parametrize(("complexity", "frames"), [(32, 99), (4, 131)])
def test_reference_weights_give_the_reference_formula(complexity: int, frames: int) -> None:
    state = reference_state_dict(complexity)
    network = DCUNet(DCUNetConfig.of_complexity(complexity, mask="component", level_reach=0))
    network.load_state_dict(state, strict=True)
    network.eval()
    spectrogram = random_spectrogram(1, 1, 1025, frames)
    with torch.inference_mode():
        expected = reference_estimate(state, spectrogram)
        estimates = [module(spectrogram) for module in (network, FusedDCUNet(network))]
    for estimate in estimates:
        error = (estimate - expected).abs().square().sum() / expected.abs().square().sum()
        assert float(error.sqrt()) < 1e-5
    assert float(expected.abs().max()) > 0.1


def test_a_missing_weight_is_noticed() -> None:
    state = reference_state_dict(1)
    del state["encoder3.cconv.im_conv.bias"]
    with pytest.raises(RuntimeError, match=r"encoder3\.cconv\.im_conv\.bias"):
        DCUNet(DCUNetConfig.of_complexity(1)).load_state_dict(state, strict=True)


@pytest.mark.parametrize(
    "config",
    [DCUNetConfig.mini(), DCUNetConfig.mini(mask="component"), DCUNetConfig.mini(compressions=(0.5, 0.3))],
)
@pytest.mark.parametrize("frames", [1, 50, 99, 100, 114, 115, 131])
def test_any_number_of_frames(config: DCUNetConfig, frames: int) -> None:
    torch.manual_seed(0)
    network = DCUNet(config).eval()
    spectrogram = random_spectrogram(2, 2, 1025, frames)
    with torch.inference_mode():
        assert network(spectrogram).shape == spectrogram.shape


def test_padding_is_the_smallest_that_fits() -> None:
    for frames in range(1, 400):
        padded = pad_frames_to_fit(frames)
        assert padded >= frames
        assert padded % 16 == 3
        assert padded == 99 or padded - frames < 16


@pytest.mark.parametrize("compressions", [(), (0.3,)])
def test_fused_network_is_the_network(compressions: tuple[float, ...]) -> None:
    torch.manual_seed(0)
    network = DCUNet(DCUNetConfig.tapered(compressions=compressions)).eval()
    shake(network)
    spectrogram = random_spectrogram(1, 2, 1025, 120)
    with torch.inference_mode():
        expected, fused = network(spectrogram), FusedDCUNet(network)(spectrogram)
    error = (fused - expected).abs().square().sum() / expected.abs().square().sum()
    assert float(error) < 1e-8  # -80 dB


@pytest.mark.parametrize("wanted", [(0, 120), (0, 1), (119, 120), (48, 64), (37, 90)])
def test_fused_network_of_the_wanted_frames_alone(wanted: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = DCUNet(DCUNetConfig.tapered()).eval()
    shake(network)
    fused, spectrogram = FusedDCUNet(network), random_spectrogram(1, 2, 1025, 120)
    with torch.inference_mode():
        whole, part = fused(spectrogram), fused(spectrogram, wanted=Frames(*wanted))
    expected = whole[..., slice(*wanted)]
    assert part.shape == expected.shape
    error = (part - expected).abs().square().sum() / expected.abs().square().sum()
    assert float(error) < 1e-10  # -100 dB


@pytest.mark.parametrize("compressions", [(), (0.3,)])
def test_level_scaling_makes_the_network_level_free(compressions: tuple[float, ...]) -> None:
    torch.manual_seed(0)
    network = DCUNet(DCUNetConfig.mini(compressions=compressions)).eval()
    shake(network)
    spectrogram = random_spectrogram(1, 2, 1025, 120)
    with torch.inference_mode():
        loud, quiet = network(spectrogram), network(spectrogram * 1e-3)
    error = (quiet * 1e3 - loud).abs().square().sum() / loud.abs().square().sum()
    assert float(error) < 1e-8


def test_channels_are_denoised_at_their_common_level() -> None:
    seen = []
    spectrogram = random_spectrogram(1, 2, 1025, 99)
    spectrogram[:, 1] *= 0.1

    def mask(features: Tensor) -> Tensor:
        seen.append(features)
        return torch.ones_like(features)

    masked_estimate(spectrogram, DCUNetConfig.mini(), mask)
    left, right = seen[0].square().mean(dim=(1, 2, 3))
    assert float(left / right) == pytest.approx(100.0, rel=0.05)
    # Mean power 1 per complex bin over both channels: half of it in each of real and imaginary part.
    assert float(2 * (left + right) / 2) == pytest.approx(1.0, rel=0.05)


def test_compressed_inputs_stand_beside_the_spectrogram() -> None:
    seen = []
    spectrogram = random_spectrogram(2, 3, 1025, 99)
    spectrogram[..., 5:, :] *= 1e-3
    spectrogram[0, 0, 7, 9] = 0.0

    def mask(features: Tensor) -> Tensor:
        seen.append(features)
        return torch.ones_like(features[:, :2])

    config = DCUNetConfig.mini(compressions=(0.5, 0.25))
    result = masked_estimate(spectrogram, config, mask, gains=torch.ones(2, 99))
    torch.testing.assert_close(result, (1 + 1j) * spectrogram)
    real, imag = seen[0].unflatten(0, (2, 3)).chunk(2, dim=2)
    plain, *others = torch.complex(real, imag).unbind(2)
    assert torch.equal(plain, spectrogram)
    for compressed, exponent in zip(others, (0.5, 0.25), strict=True):
        expected = torch.polar(spectrogram.abs() ** exponent, spectrogram.angle())
        audible = spectrogram.abs() > 1e-3
        torch.testing.assert_close(compressed[audible], expected[audible], rtol=0.01, atol=0.0)
        assert compressed[0, 0, 7, 9] == 0.0


def test_wrong_frequencies_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="has 513 frequencies"):
        DCUNet(DCUNetConfig.mini())(random_spectrogram(1, 1, 513, 99))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_channels": (1,) * 9}, "encoder_channels"),
        ({"decoder_channels": (0, *(1,) * 9)}, "decoder_channels"),
        ({"decoder_channels": (2,) * 10}, "last decoder has 2"),
        ({"mask": "real"}, "polar, component"),
        ({"level_reach": -1}, "level_reach"),
        ({"compressions": (0.3, 1.0)}, "compressions"),
        ({"compressions": (0.3,), "level_reach": 0}, "set level_reach"),
    ],
)
def test_impossible_configurations_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DCUNetConfig.mini(**changes)
