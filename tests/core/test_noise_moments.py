"""The network that hears noise alone: how far it looks, and what it starts with."""

import pytest
import torch

from musicdenoise.core.noise_moments import NOISE_MOMENTS_REACH, NoiseMoments


@pytest.fixture
def network() -> NoiseMoments:
    torch.manual_seed(0)
    return NoiseMoments(6, width=5).eval()


def test_one_value_for_each_frame(network: NoiseMoments) -> None:
    assert network(torch.randn(2, 31, 6)).shape == (2, 31)


def test_looks_as_far_as_it_says(network: NoiseMoments) -> None:
    features = torch.randn(1, 61, 6)
    changed = features.clone()
    changed[:, 30] += 1.0
    differs = ~torch.isclose(network(features), network(changed), atol=1e-9)[0]
    reached = torch.nonzero(differs)[:, 0]
    assert reached.min() == 30 - NOISE_MOMENTS_REACH
    assert reached.max() == 30 + NOISE_MOMENTS_REACH
