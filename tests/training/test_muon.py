"""Muon for complex kernels."""

import io

import pytest
import torch

from musicdenoise.core.complex_layers import kernel_pairs
from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.training.muon import ComplexMuon, orthogonalise

RATE = 1e-2


def matrix(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("rows", "columns"), [(8, 40), (40, 8), (1, 7)])
def test_all_directions_become_equally_long(rows: int, columns: int) -> None:
    uneven = matrix(rows, columns) * torch.logspace(0, -2, rows)[:, None]
    values = torch.linalg.svdvals(orthogonalise(uneven))
    assert values.min() > 0.6
    assert values.max() < 1.3


@pytest.mark.parametrize(("rows", "columns"), [(12, 60), (60, 12)])
def test_steps_on_the_gram_matrix_are_those_on_the_matrix(rows: int, columns: int) -> None:
    uneven = matrix(rows, columns) * torch.logspace(0, -4, rows)[:, None]
    x = uneven.to(torch.complex128) / torch.linalg.matrix_norm(uneven)
    for _ in range(5):
        x = 3.4445 * x - 4.7750 * x @ x.mH @ x + 2.0315 * x @ x.mH @ x @ x.mH @ x
    torch.testing.assert_close(orthogonalise(uneven), x.to(torch.complex64), rtol=0.0, atol=1e-3)


def test_turning_the_phase_turns_the_result() -> None:
    turn = torch.polar(torch.tensor(1.0), torch.tensor(0.7))
    x = matrix(6, 20)
    torch.testing.assert_close(orthogonalise(x * turn), orthogonalise(x) * turn)
    assert not orthogonalise(torch.zeros_like(x)).any()


def network_with_gradients() -> DCUNet:
    torch.manual_seed(0)
    network = DCUNet(DCUNetConfig.mini())
    for parameter in network.parameters():
        parameter.grad = torch.randn_like(parameter)
    return network


def test_kernels_take_steps_of_one_length_and_the_rest_those_of_adamw() -> None:
    ours, theirs = network_with_gradients(), network_with_gradients()
    before = [(real.clone(), imag.clone()) for real, imag in kernel_pairs(ours)]
    ComplexMuon(ours, lr=RATE, weight_decay=0.0).step()
    torch.optim.AdamW(theirs.parameters(), lr=RATE, weight_decay=0.0).step()
    for pair, old in zip(kernel_pairs(ours), before, strict=True):
        change = torch.complex(pair[0] - old[0], pair[1] - old[1]).flatten(1)
        values = torch.linalg.svdvals(change) / (0.2 * RATE * max(change.shape) ** 0.5)
        assert 0.6 < values.min() <= values.max() < 1.3
    kernels = {id(part) for pair in kernel_pairs(ours) for part in pair}
    others = [i for i, parameter in enumerate(ours.parameters()) if id(parameter) not in kernels]
    assert len(kernels) == 2 * 20
    pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True))
    assert others
    for i in others:
        torch.testing.assert_close(pairs[i][0], pairs[i][1], rtol=0.0, atol=0.0)


def test_kernels_decay() -> None:
    network = network_with_gradients()
    real, imag = kernel_pairs(network)[0]
    real.grad, imag.grad = torch.zeros_like(real), torch.zeros_like(imag)
    before = real.clone()
    ComplexMuon(network, lr=RATE, weight_decay=0.5).step()
    torch.testing.assert_close(real, before * (1.0 - 0.5 * RATE))


def test_a_run_goes_on_from_the_stored_state() -> None:
    first, second = network_with_gradients(), network_with_gradients()
    ours = ComplexMuon(first, lr=RATE, weight_decay=0.01)
    ours.step()
    file = io.BytesIO()
    torch.save((first.state_dict(), ours.state_dict()), file)
    file.seek(0)
    weights, state = torch.load(file, weights_only=True)
    theirs = ComplexMuon(second, lr=RATE, weight_decay=0.01)
    second.load_state_dict(weights)
    theirs.load_state_dict(state)
    for optimizer in (ours, theirs):
        optimizer.step()
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
