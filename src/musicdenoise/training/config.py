"""Configuration of a training run; it is stored with everything the run writes."""

from __future__ import annotations

from dataclasses import dataclass, field

from musicdenoise.core.dcunet import FEWEST_FRAMES, DCUNetConfig, pad_frames_to_fit
from musicdenoise.core.stft import StftConfig
from musicdenoise.errors import ConfigurationError

__all__ = ["TrainConfig"]

PRECISIONS = ("auto", "float32", "bf16")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides how a run goes, but for the files it reads.

    Parameters
    ----------
    noise_kind
        Kind of noise; see `musicdenoise.data.kinds`.
    network, stft
        What is trained.
    targets
        ``"noisy"`` (Noise2Noise) or ``"clean"`` (for comparison).
    snr_range_db
        SNRs in dB of inputs and of noisy targets.
    segment_frames
        STFT frames of an example; ``16 k + 3`` wastes nothing.
    batch_size
        Examples per step.
    minutes, steps
        Length of the run; the learning rate follows whichever is nearer to its end. At least one.
        Only a run bounded by steps alone is reproducible to the bit.
    learning_rate, warmup_steps, weight_decay, clip_norm
        AdamW with linear warm-up and cosine decay to 1 % of the rate; the gradient's norm is clipped.
    ema_decay
        The weights that are validated and kept are an exponential moving average over steps.
    validate_every_seconds, checkpoint_every_seconds
        Wall-clock time between validations and between checkpoints. A run bounded by steps alone
        validates every ``validate_every_steps`` steps.
    validate_every_steps
        See above.
    precision
        ``"bf16"`` computes the layers in bfloat16 under automatic mixed precision, ``"float32"`` does
        not; ``"auto"`` takes bf16 where the processor has instructions for it.
    seed
        Seed of weights and data.
    """

    noise_kind: str = "white"
    network: DCUNetConfig = field(default_factory=DCUNetConfig.tapered)
    stft: StftConfig = field(default_factory=StftConfig)
    targets: str = "noisy"
    snr_range_db: tuple[float, float] = (-5.0, 35.0)
    segment_frames: int = 131
    batch_size: int = 6
    minutes: float | None = None
    steps: int | None = None
    learning_rate: float = 2e-3
    warmup_steps: int = 50
    weight_decay: float = 1e-4
    clip_norm: float = 5.0
    ema_decay: float = 0.998
    validate_every_seconds: float = 600.0
    validate_every_steps: int = 500
    checkpoint_every_seconds: float = 240.0
    precision: str = "auto"
    seed: int = 42

    def __post_init__(self) -> None:
        if self.minutes is None and self.steps is None:
            raise ConfigurationError("a run needs an end: give minutes, steps, or both")
        for name in ("minutes", "steps", "batch_size", "segment_frames", "learning_rate", "clip_norm"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigurationError(f"{name} is {value}; it must be positive")
        if self.segment_frames < 2:
            raise ConfigurationError(f"segment_frames is {self.segment_frames}; it must be at least 2")
        if self.batch_size == 1 and pad_frames_to_fit(self.segment_frames) == FEWEST_FRAMES:
            raise ConfigurationError(
                f"a batch of one example of {self.segment_frames} frames gives the batch norms one value to "
                f"average: raise batch_size to 2, or segment_frames to more than {FEWEST_FRAMES}"
            )
        if not 0.0 <= self.ema_decay < 1.0:
            raise ConfigurationError(f"ema_decay is {self.ema_decay}; it must be in [0, 1)")
        if self.precision not in PRECISIONS:
            raise ConfigurationError(
                f"precision is {self.precision!r}; it must be one of {', '.join(PRECISIONS)}"
            )

    @property
    def segment_samples(self) -> int:
        """Samples of an example."""
        return self.stft.num_samples(self.segment_frames)

    @property
    def segment_seconds(self) -> float:
        """Seconds of an example."""
        return self.segment_samples / self.stft.sample_rate
