"""Networks that become wider keep their function."""

from dataclasses import replace

import pytest
import torch

from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.core.widen import widen
from musicdenoise.errors import ConfigurationError

SMALL = DCUNetConfig.of_complexity(2, profile_width=3)
WIDE = replace(
    SMALL,
    encoder_channels=(3, 2, 5, 4, 6, 4, 4, 7, 4, 9),
    decoder_channels=(5, 4, 4, 6, 4, 5, 4, 3, 2, 1),
    compressions=(0.3,),
)


def trained(config: DCUNetConfig) -> DCUNet:
    """A network all of whose tensors have values of their own, as after training."""
    torch.manual_seed(0)
    network = DCUNet(config).eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.ndim == 1 or name == "profile.last.weight":
                tensor.copy_(torch.rand_like(tensor) + (0.5 if "weight" in name or "var" in name else 0.0))
    return network


@pytest.fixture(scope="module")
def spectrogram() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 2, 1025, 99, dtype=torch.complex64, generator=generator)


def test_the_function_is_kept(spectrogram: torch.Tensor) -> None:
    small = trained(SMALL)
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    wide = widen(small, WIDE).eval()
    assert wide.config == WIDE
    with torch.inference_mode():
        torch.testing.assert_close(wide(spectrogram), small(spectrogram), rtol=1e-4, atol=1e-5)
    for name, tensor in small.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_what_is_new_learns(spectrogram: torch.Tensor) -> None:
    wide = widen(trained(SMALL), WIDE).train()
    wide(spectrogram).abs().square().mean().backward()
    kernel = wide.get_submodule("encoder1.cconv.real_conv").weight
    assert kernel.shape[:2] == (2, 3)
    assert not kernel[:, 2:].any()  # reads the new channel of encoder 0 not yet
    assert bool(kernel.grad[:, 2:].any())
    kernel = wide.get_submodule("encoder0.cconv.real_conv").weight
    assert not kernel[:2, 1:].any()  # nor what learnt before the new input
    assert bool(kernel.grad[:2, 1:].any())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoder_channels": SMALL.decoder_channels}, r"decoder_channels .* no layer may have fewer"),
        ({"compressions": ()}, r"compressions \(0.3,\) cannot become one with \(\)"),
        ({"mask": "component"}, "mask 'polar' cannot become one with 'component'"),
        ({"level_reach": 8}, "level_reach 64 cannot become one with 8"),
    ],
)
def test_other_networks_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        widen(trained(WIDE), replace(WIDE, **change))
