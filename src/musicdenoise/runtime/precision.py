"""Names of the arithmetic that a network's layers are computed in."""

from __future__ import annotations

from enum import Enum


class Precision(str, Enum):
    """Arithmetic of the layers.

    ``tf32`` multiplies with 10 bits on GPUs that can (elsewhere it is ``float32``), ``bf16`` keeps all maps
    in 7 bits; ``auto`` chooses by the hardware.
    """

    AUTO = "auto"
    FLOAT32 = "float32"
    TF32 = "tf32"
    BF16 = "bf16"


PRECISIONS = tuple(precision.value for precision in Precision)
TRAINING_PRECISIONS = tuple(name for name in PRECISIONS if name != Precision.TF32.value)
"""Training knows no TF32 of its own: mixed precision takes its place."""
