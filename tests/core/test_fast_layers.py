import pytest
import torch
from torch.nn import functional as F

from musicdenoise.core import fast_layers
from musicdenoise.core.dcunet import DCUNetConfig
from musicdenoise.core.fast_layers import conv_transpose2d, join_channels

# Kernel, stride, padding, output padding: the last but two decoders, and what they do not have.
LAYERS = [
    ((7, 5), (2, 2), (0, 0), (0, 0)),
    ((7, 5), (2, 2), (3, 2), (1, 0)),
    ((6, 4), (2, 2), (1, 3), (0, 1)),
    ((8, 5), (2, 1), (2, 2), (0, 0)),
    ((5, 3), (3, 2), (4, 1), (2, 1)),
    ((1, 2), (2, 3), (0, 1), (1, 2)),
]


@pytest.mark.parametrize(("kernel", "stride", "padding", "output_padding"), LAYERS)
def test_phases_are_a_transposed_convolution(kernel, stride, padding, output_padding) -> None:
    torch.manual_seed(0)
    inputs = [
        torch.randn(2, 3, 9, 11, dtype=torch.float64, requires_grad=True),
        torch.randn(3, 5, *kernel, dtype=torch.float64, requires_grad=True),
        torch.randn(5, dtype=torch.float64, requires_grad=True),
    ]
    expected = F.conv_transpose2d(*inputs, stride, padding, output_padding)
    result = fast_layers._by_phases(*inputs, stride, padding, output_padding)
    torch.testing.assert_close(result, expected)
    weights = torch.randn_like(expected)
    gradients = [torch.autograd.grad((y * weights).sum(), inputs) for y in (result, expected)]
    for own, other in zip(*gradients, strict=True):
        torch.testing.assert_close(own, other)


def test_phases_serve_few_channels_in_brain_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    by_phases = fast_layers._by_phases

    def spy(x, kernel, *rest):
        used.append((x.dtype, kernel.shape[1]))
        return by_phases(x, kernel, *rest)

    monkeypatch.setattr(fast_layers, "_by_phases", spy)
    torch.manual_seed(0)
    for channels in (96, 97):
        for dtype in (torch.float32, torch.bfloat16):
            x, kernel, bias = torch.randn(1, 4, 9, 9), torch.randn(4, channels, 7, 5), torch.randn(channels)
            sizes = ((2, 2), (0, 0), (0, 0))
            expected = F.conv_transpose2d(x, kernel, bias, *sizes)
            result = conv_transpose2d(x.to(dtype), kernel.to(dtype), bias.to(dtype), *sizes)
            assert result.dtype is dtype
            assert (result - expected).norm() < 0.01 * expected.norm()
    assert used == [(torch.bfloat16, 96)]
    assert 2 * DCUNetConfig.tapered().decoder_channels[7] == 16  # shipped networks have such layers


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_joined_maps_hand_on_gradients_of_their_own(layout) -> None:
    torch.manual_seed(0)
    parts = [torch.randn(2, c, 4, 5).to(memory_format=layout).requires_grad_() for c in (3, 2)]
    weights = torch.randn(2, 5, 4, 5).to(memory_format=layout)
    joined = join_channels(*parts)
    torch.testing.assert_close(joined, torch.cat(parts, 1), rtol=0, atol=0)
    own = torch.autograd.grad((joined * weights).sum(), parts)
    for gradient, expected in zip(own, weights.split([3, 2], 1), strict=True):
        torch.testing.assert_close(gradient, expected, rtol=0, atol=0)
        assert gradient.is_contiguous(memory_format=layout)


def test_joining_without_gradients() -> None:
    with torch.inference_mode():
        joined = join_channels(torch.ones(1, 2, 3, 3), torch.zeros(1, 1, 3, 3))
    assert joined.sum() == 18
    assert joined.shape == (1, 3, 3, 3)
