"""Muon for complex kernels: momentum whose directions are made equally long.

The momentum of a kernel, taken as a complex matrix with a row per channel, is replaced by the nearest matrix
with orthonormal rows (or columns): every direction in which the layer can learn moves by the same amount, not
the few strong ones alone. The steps are as long as those of AdamW, so that one learning rate serves both;
biases and norms are left to AdamW.

Sources: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024 (the iteration and its
coefficients; complex here, with the conjugate transpose); Liu et al., "Muon is scalable for LLM training",
2025 (the length of a step, section 2.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor, nn

from musicdenoise.core.complex_layers import kernel_pairs

__all__ = ["ComplexMuon", "orthogonalise"]

_MOMENTUM = 0.95
_ITERATIONS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEP_LENGTH = 0.2  # root mean square of an update of AdamW, in learning rates
_TINY = 1e-12


class ComplexMuon(torch.optim.AdamW):
    """Muon for the complex kernels of a network, AdamW for all else.

    Parameters
    ----------
    network
        What is trained.
    lr, weight_decay
        Learning rate and decay of both.
    """

    def __init__(self, network: nn.Module, *, lr: float, weight_decay: float) -> None:
        kernels = [part for pair in kernel_pairs(network) for part in pair]
        known = {id(part) for part in kernels}
        others = [parameter for parameter in network.parameters() if id(parameter) not in known]
        groups: list[dict[str, Any]] = [{"params": kernels}, {"params": others}]
        super().__init__(groups, lr=lr, weight_decay=weight_decay)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update all parameters."""
        groups = self.param_groups
        group = groups[0]
        parameters: list[Tensor] = group["params"]
        for real, imag in zip(parameters[0::2], parameters[1::2], strict=True):
            if real.grad is None or imag.grad is None:
                continue
            update = self._direction(real, torch.complex(real.grad, imag.grad).flatten(1))
            length = _STEP_LENGTH * max(update.shape) ** 0.5
            for kernel, part in ((real, update.real), (imag, update.imag)):
                kernel.mul_(1.0 - group["lr"] * group["weight_decay"])
                kernel.sub_(part.reshape(kernel.shape), alpha=group["lr"] * length)
        self.param_groups = groups[1:]
        try:
            loss: float | None = super().step(closure)
        finally:
            self.param_groups = groups
        return loss

    def _direction(self, kernel: Tensor, gradient: Tensor) -> Tensor:
        """Orthogonalised Nesterov momentum; the momentum is kept with the real part of the kernel."""
        state = self.state[kernel]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(gradient)
        momentum: Tensor = state["momentum"]
        momentum.lerp_(gradient, 1.0 - _MOMENTUM)
        return orthogonalise(gradient.lerp(momentum, _MOMENTUM))


def orthogonalise(matrix: Tensor) -> Tensor:
    """Roughly the nearest matrix with orthonormal rows, or columns if there are fewer.

    Parameters
    ----------
    matrix
        Complex or real ``(rows, columns)``.

    Returns
    -------
    Tensor
        Same shape, with singular values between 0.7 and 1.2 (but for those that vanish).
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = matrix.mH if is_tall else matrix
    x = x / (torch.linalg.matrix_norm(x) + _TINY)
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = x @ x.mH
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mH if is_tall else x
