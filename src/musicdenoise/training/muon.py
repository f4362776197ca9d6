"""Muon for complex kernels: momentum whose directions are made equally long.

The momentum of a kernel is a complex matrix with a row for each channel. Muon replaces it by the nearest
matrix with orthonormal rows (or columns). So every direction in which the layer can learn moves by the same
amount, and not only the few strong ones. Steps are about as long as those of AdamW, so one learning rate
serves both. AdamW trains biases and norms.

Sources: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024 (the iteration and its
coefficients; complex here, with the conjugate transpose); Liu et al., "Muon is scalable for LLM training",
2025 (the length of a step, section 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from musicdenoise.core.complex_layers import kernel_pairs

_MOMENTUM = 0.95  # as in Jordan et al., and so are the two below
_ITERATIONS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEP_LENGTH = 0.2  # root mean square of the change of a complex weight, in learning rates
_TINY = 1e-12  # keeps a kernel of zeros from dividing by zero


class ComplexMuon(torch.optim.AdamW):
    """Muon for the complex kernels of a network, AdamW for all else.

    Parameters
    ----------
    network
        What is trained.
    lr, weight_decay
        Learning rate and decay of both.
    real_kernels
        More kernels for Muon, each a real matrix with a row for each channel.
    """

    def __init__(
        self, network: nn.Module, *, lr: float, weight_decay: float, real_kernels: Sequence[Tensor] = ()
    ) -> None:
        kernels = [part for pair in kernel_pairs(network) for part in pair]
        known = {id(part) for part in (*kernels, *real_kernels)}
        others = [parameter for parameter in network.parameters() if id(parameter) not in known]
        groups: list[dict[str, Any]] = [{"params": kernels}, {"params": others}]
        if real_kernels:
            groups.append({"params": list(real_kernels)})
        super().__init__(groups, lr=lr, weight_decay=weight_decay)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        groups = self.param_groups
        parameters: list[Tensor] = groups[0]["params"]
        for real, imag in zip(parameters[0::2], parameters[1::2], strict=True):
            if real.grad is None or imag.grad is None:
                continue
            update = orthogonalise(torch.complex(self._momentum(real), self._momentum(imag)).flatten(1))
            _move(real, update.real, groups[0])
            _move(imag, update.imag, groups[0])
        for group in groups[2:]:
            for kernel in group["params"]:
                if kernel.grad is not None:
                    _move(kernel, orthogonalise(self._momentum(kernel).flatten(1)), group)
        self.param_groups = groups[1:2]
        try:
            super().step(closure)
        finally:
            self.param_groups = groups

    def _momentum(self, kernel: Tensor) -> Tensor:
        """Nesterov momentum of a real or imaginary kernel, with the new gradient."""
        assert kernel.grad is not None
        state = self.state[kernel]
        if not state:
            # AdamW expects a count of steps wherever there is a state, when it is loaded.
            state.update(step=torch.zeros(()), momentum=torch.zeros_like(kernel))
        state["step"] += 1
        state["momentum"].lerp_(kernel.grad, 1.0 - _MOMENTUM)
        return kernel.grad.lerp(state["momentum"], _MOMENTUM)


def _move(kernel: Tensor, update: Tensor, group: dict[str, Any]) -> None:
    kernel.mul_(1.0 - group["lr"] * group["weight_decay"])
    length = _STEP_LENGTH * max(update.shape) ** 0.5
    kernel.sub_(update.reshape(kernel.shape), alpha=group["lr"] * length)


def orthogonalise(matrix: Tensor) -> Tensor:
    """Roughly the nearest matrix with orthonormal rows, or columns if there are fewer.

    Parameters
    ----------
    matrix
        Complex or real ``(rows, columns)``.

    Returns
    -------
    Tensor
        Same shape, with singular values between 0.7 and 1.2 (except those that vanish).

    Notes
    -----
    Every step of the iteration multiplies the matrix by a polynomial of its Gram matrix, and the Gram matrix
    by that polynomial twice. So the small Gram matrix alone goes through the steps, and their product is
    applied to the wide matrix once.
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = matrix.mH if is_tall else matrix
    x = x / (torch.linalg.matrix_norm(x) + _TINY)
    a, b, c = _COEFFICIENTS
    gram = x @ x.mH
    total = identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    for _ in range(_ITERATIONS):
        factor = a * identity + b * gram + c * gram @ gram
        total = factor @ total
        gram = factor @ gram @ factor
    x = total @ x
    return x.mH if is_tall else x
