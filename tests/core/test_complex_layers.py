import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from musicdenoise.core.complex_layers import (
    ComplexBatchNorm2d,
    ComplexConv2d,
    ComplexConvTranspose2d,
    component_mask,
    polar_mask,
)


def joined(*maps: Tensor) -> Tensor:
    """Real layout of complex maps that stand side by side."""
    return torch.cat([part for z in maps for part in (z.real, z.imag)], 1)


def random_map(channels: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, channels, 19, 23, dtype=torch.complex64, generator=generator)


@pytest.mark.parametrize("groups", [(3,), (2, 3), (1, 1, 2)])
def test_convolution_is_native_complex_convolution(groups: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = ComplexConv2d(groups, 4, (5, 3), (2, 1), (2, 0))
    maps = [random_map(channels, seed) for seed, channels in enumerate(groups)]
    kernel = torch.complex(layer.real_conv.weight, layer.im_conv.weight)
    # (R + iI)(x + iy): the biases of both real layers enter both parts.
    bias = torch.complex(layer.real_conv.bias - layer.im_conv.bias, layer.real_conv.bias + layer.im_conv.bias)
    expected = F.conv2d(torch.cat(maps, 1), kernel, bias, (2, 1), (2, 0))
    torch.testing.assert_close(layer(joined(*maps)), joined(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("groups", [(3,), (2, 3)])
def test_transposed_convolution_is_native_complex_one(groups: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = ComplexConvTranspose2d(groups, 4, (3, 3), (2, 2), (1, 0), (1, 0))
    maps = [random_map(channels, seed) for seed, channels in enumerate(groups)]
    kernel = torch.complex(layer.real_convt.weight, layer.im_convt.weight)
    bias = torch.complex(
        layer.real_convt.bias - layer.im_convt.bias, layer.real_convt.bias + layer.im_convt.bias
    )
    expected = F.conv_transpose2d(torch.cat(maps, 1), kernel, bias, (2, 2), (1, 0), (1, 0))
    torch.testing.assert_close(layer(joined(*maps)), joined(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_treats_real_and_imaginary_parts_apart(training: bool) -> None:
    torch.manual_seed(0)
    joint = ComplexBatchNorm2d(3)
    for part in (joint.real_b, joint.im_b):
        torch.nn.init.uniform_(part.weight, 0.5, 2.0)
        torch.nn.init.normal_(part.bias)
    apart = ComplexBatchNorm2d(3)
    apart.load_state_dict(joint.state_dict())
    joint.train(training)
    apart.train(training)
    for seed in range(3):
        z = random_map(3, seed) * 2 + 1
        expected = torch.cat([apart.real_b(z.real), apart.im_b(z.imag)], 1)
        torch.testing.assert_close(joint(joined(z)), expected, atol=1e-5, rtol=1e-5)
    for name, value in apart.state_dict().items():
        torch.testing.assert_close(joint.state_dict()[name], value, msg=name)


def test_batch_norm_in_evaluation_is_its_scale_and_shift() -> None:
    torch.manual_seed(0)
    norm = ComplexBatchNorm2d(3)
    for seed in range(3):
        norm(joined(random_map(3, seed)) * 3 + 2)
    norm.eval()
    x = joined(random_map(3, 9))
    scale, shift = norm.scale_and_shift()
    torch.testing.assert_close(norm(x), x * scale[:, None, None] + shift[:, None, None])


def test_polar_mask_keeps_the_phase_and_bounds_the_magnitude() -> None:
    output = torch.randn(2, 2, 50, 60, generator=torch.Generator().manual_seed(0)) * 3
    o, m = torch.complex(*output.unbind(1)), torch.complex(*polar_mask(output).unbind(1))
    torch.testing.assert_close(m, o.abs().tanh() * o / o.abs(), atol=1e-6, rtol=1e-5)
    assert float(m.abs().max()) <= 1.0 + 1e-6


def test_polar_mask_is_differentiable_at_zero() -> None:
    output = torch.zeros(1, 2, 3, 3, requires_grad=True)
    polar_mask(output).sum().backward()
    assert output.grad is not None
    torch.testing.assert_close(output.grad, torch.ones_like(output))


def test_component_mask_bounds_each_part() -> None:
    output = torch.tensor([[[[2.0]], [[-0.5]]]])
    torch.testing.assert_close(component_mask(output), torch.tensor([[[[2.0]], [[-0.5]]]]).tanh())
