"""The network that tells noise from people."""

import pytest
import torch

from musicdenoise.core.crowds import CrowdNet


@pytest.fixture
def network() -> CrowdNet:
    torch.manual_seed(0)
    return CrowdNet(5, width=4, networks=3).eval()


def test_the_mean_of_its_networks(network: CrowdNet) -> None:
    figures = torch.randn(7, 5)
    each = network.each(figures)
    assert each.shape == (3, 7)
    torch.testing.assert_close(network(figures), each.mean(dim=0))
    assert each.std(dim=0).min() > 0.0


def test_figures_count_from_their_mean_in_deviations(network: CrowdNet) -> None:
    figures = torch.randn(7, 5)
    expected = network(figures)
    network.mean, network.deviation = torch.full((5,), 3.0), torch.full((5,), 2.0)
    torch.testing.assert_close(network(3.0 + 2.0 * figures), expected)


def test_what_was_never_seen_changes_no_more(network: CrowdNet) -> None:
    torch.testing.assert_close(network(torch.full((1, 5), 3.0)), network(torch.full((1, 5), 1e6)))
