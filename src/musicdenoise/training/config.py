"""Configuration of a training run; it is stored with everything the run writes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from musicdenoise.core.architecture import FEWEST_FRAMES, TIME_STRIDE, DCUNetConfig, pad_frames_to_fit
from musicdenoise.core.families import NetworkConfig, n_fft_of
from musicdenoise.core.fine_net import FineNetConfig
from musicdenoise.core.stft import StftConfig
from musicdenoise.errors import ConfigurationError
from musicdenoise.runtime.precision import TRAINING_PRECISIONS

_HIGHEST_SEED = 1 << 63  # what torch takes
SCHEDULES = ("cosine", "trapezoid", "onecycle")
OPTIMIZERS = ("adamw", "muon")
TARGETS = ("noisy", "clean")
OBJECTIVES = ("apart", "joined", "spectrum", "unet")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides how a run goes, except the files it reads.

    Parameters
    ----------
    noise_kind
        Kind of noise; see `musicdenoise.kinds`.
    network, stft
        What is trained.
    targets
        ``"noisy"`` (Noise2Noise) or ``"clean"`` (for comparison).
    snr_range_db
        SNRs in dB of inputs and of noisy targets.
    target_snr_range_db
        SNRs of noisy targets; None for the same.
    objective
        Which parts of a network for recorded noise (`musicdenoise.core.fine_net`) are trained: ``"apart"``,
        both, each for itself; ``"joined"``, both, through their joint result; ``"spectrum"`` or ``"unet"``,
        one part, while the other stays as it is. No effect on other networks, which have one part.
    sample_share
        Share of inputs that come with a sample of their noise alone, for networks that take one: 0 to 1.
    generated_share
        Share of the noises of the kind ``mixed`` that a generator makes, as of tapes and records: 0 to 1.
    plain_share
        Share of examples in which songs and noises are mixed as they are, without what `MixConfig` does to
        them: 0 to 1.
    segment_frames
        STFT frames of an example; ``16 k + 3`` wastes nothing.
    batch_size
        Examples per step, over all processes and parts. The learning curve depends on neither.
    accumulation
        Parts that a batch is computed in, one after the other, to save memory.
    minutes, steps
        Length of the run; at least one of them. The learning rate follows the one that ends first. A run is
        reproducible to the bit only if steps alone bound it.
    schedule
        ``"cosine"``, ``"trapezoid"`` or ``"onecycle"``; see `musicdenoise.training.schedule`.
    optimizer
        ``"muon"`` for the kernels (see `musicdenoise.training.muon`), or ``"adamw"`` for everything.
    learning_rate, warmup_steps, weight_decay, clip_norm
        Highest learning rate, steps of warm-up (not onecycle), decay, and limit of the gradient's norm.
    ema_decay
        The weights that are validated and kept are an exponential moving average over steps.
    validate_every_seconds, checkpoint_every_seconds
        Wall-clock time between validations and between checkpoints. A run bounded by steps alone
        validates every ``validate_every_steps`` steps.
    validate_every_steps
        See above.
    precision
        ``"bf16"`` computes the layers in bfloat16 under automatic mixed precision; ``"float32"`` does
        not; ``"auto"`` is bf16 if the processor has instructions for it.
    compile
        Whether the layers go through ``torch.compile``.
    frozen_layers
        Whether the layers stay as they are, and only the network's profile filter is trained.
    seed
        Seed of weights and data.
    """

    noise_kind: str = "white"
    network: NetworkConfig = field(default_factory=DCUNetConfig.tapered)
    stft: StftConfig = field(default_factory=StftConfig)
    targets: str = "noisy"
    snr_range_db: tuple[float, float] = (-5.0, 35.0)
    target_snr_range_db: tuple[float, float] | None = None
    objective: str = "apart"
    sample_share: float = 0.0
    generated_share: float = 0.0
    plain_share: float = 0.0
    segment_frames: int = 131
    batch_size: int = 6
    accumulation: int = 1
    minutes: float | None = None
    steps: int | None = None
    schedule: str = "cosine"
    optimizer: str = "muon"
    learning_rate: float = 2e-3
    warmup_steps: int = 50
    weight_decay: float = 1e-4
    clip_norm: float = 5.0
    ema_decay: float = 0.998
    validate_every_seconds: float = 600.0
    validate_every_steps: int = 500
    checkpoint_every_seconds: float = 240.0
    precision: str = "auto"
    compile: bool = False
    frozen_layers: bool = False
    seed: int = 42

    def __post_init__(self) -> None:
        if self.minutes is None and self.steps is None:
            raise ConfigurationError("a run needs an end: give minutes, steps, or both")
        self._check_numbers()
        for name, value, allowed in (
            ("targets", self.targets, TARGETS),
            ("schedule", self.schedule, SCHEDULES),
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("precision", self.precision, TRAINING_PRECISIONS),
            ("objective", self.objective, OBJECTIVES),
        ):
            if value not in allowed:
                raise ConfigurationError.wrong(name, value, f"one of {', '.join(allowed)}", repr(value))
        if self.frozen_layers and not getattr(self.network, "profile_width", 0):
            raise ConfigurationError(
                "with frozen layers there is nothing to train: the network has no profile filter; give it "
                "one (profile_width), or train the layers"
            )
        if self.batch_size % self.accumulation:
            raise ConfigurationError(
                f"a batch of {self.batch_size} examples cannot be computed in {self.accumulation} equal "
                "parts: make {batch_size} a multiple of {accumulation}",
                batch_size=self.batch_size,
                accumulation=self.accumulation,
            )
        is_fine = isinstance(self.network, FineNetConfig)
        if not is_fine and self.part_size() == 1 and pad_frames_to_fit(self.segment_frames) == FEWEST_FRAMES:
            raise ConfigurationError(
                f"parts of one example of {self.segment_frames} frames give the batch norms one value to "
                f"average: raise {{batch_size}} to 2, or segment_frames to more than {FEWEST_FRAMES}",
                batch_size=self.batch_size,
            )
        fitting = n_fft_of(self.network)
        if self.stft.n_fft != fitting:
            raise ConfigurationError(
                f"{{n_fft}} is {self.stft.n_fft}; the network's layers fit n_fft = {fitting} only",
                n_fft=self.stft.n_fft,
            )

    def _check_numbers(self) -> None:
        for name in ("minutes", "steps", "batch_size", "accumulation", "segment_frames", "learning_rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigurationError.wrong(name, value, "positive and finite")
        for name in ("clip_norm", "validate_every_steps"):
            if not getattr(self, name) > 0:
                raise ConfigurationError.wrong(name, getattr(self, name), "positive")
        for name in ("warmup_steps", "weight_decay", "validate_every_seconds", "checkpoint_every_seconds"):
            if not getattr(self, name) >= 0:
                raise ConfigurationError.wrong(name, getattr(self, name), "0 or more")
        for name in ("plain_share", "sample_share", "generated_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigurationError.wrong(name, getattr(self, name), "from 0 to 1")
        if not 0 <= self.seed < _HIGHEST_SEED:
            raise ConfigurationError.wrong("seed", self.seed, f"from 0 to {_HIGHEST_SEED - 1}")
        if self.segment_frames < 2:
            raise ConfigurationError.wrong("segment_frames", self.segment_frames, "at least 2")
        if not 0.0 <= self.ema_decay < 1.0:
            raise ConfigurationError.wrong("ema_decay", self.ema_decay, "in [0, 1)")

    def part_size(self, num_processes: int = 1) -> int:
        """Examples that one process computes at once.

        Raises
        ------
        ConfigurationError
            If the batch cannot be divided evenly.
        """
        parts = self.accumulation * num_processes
        if self.batch_size % parts:
            raise ConfigurationError(
                f"a batch of {self.batch_size} examples cannot be divided among {num_processes} processes "
                f"with {self.accumulation} part(s) each: make {{batch_size}} a multiple of {parts}",
                batch_size=self.batch_size,
            )
        return self.batch_size // parts

    @property
    def segment_samples(self) -> int:
        """Samples of an example."""
        return self.stft.num_samples(self.segment_frames)

    @property
    def segment_seconds(self) -> float:
        """Seconds of an example."""
        return self.segment_samples / self.stft.sample_rate

    def to_dict(self) -> dict[str, Any]:
        """The configuration for JSON."""
        return asdict(self)


def frames_for_seconds(seconds: float, stft: StftConfig) -> int:
    """Number of frames ``16 k + 3`` whose length is nearest to ``seconds``; such numbers waste nothing.

    Raises
    ------
    ConfigurationError
        If that is not finite, or shorter than the 99 frames that the network needs.
    """
    wanted = seconds * stft.sample_rate / stft.hop_length + 1
    if not math.isfinite(wanted):
        raise ConfigurationError(f"segments of {seconds:g} s cannot be cut: give a number such as 1.5")
    frames = round((wanted - 3) / TIME_STRIDE) * TIME_STRIDE + 3
    if frames < FEWEST_FRAMES:
        shortest = stft.num_samples(FEWEST_FRAMES) / stft.sample_rate
        raise ConfigurationError(
            f"segments of {seconds:g} s are too short: the network needs at least {shortest:.2f} s "
            f"({FEWEST_FRAMES} frames)"
        )
    return frames


def changed_settings(config: TrainConfig, path: Path) -> list[str]:
    """How a configuration differs from the one stored at ``path``, as ``name: old -> new``.

    The length of the run is not compared, because it may change when the run goes on.
    """
    try:
        stored: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    current = json.loads(json.dumps(config.to_dict()))
    for name in ("network", "stft"):  # without settings that did not exist yet when the run began
        current[name] = {key: value for key, value in current[name].items() if key in stored.get(name, {})}
    skipped = ("minutes", "steps")
    return [
        f"{name}: {stored[name]} -> {value}"
        for name, value in current.items()
        if name in stored and name not in skipped and stored[name] != value
    ]
