"""Learning rate over a run, as a pure function of the step and of the share of the run that is done.

A run bounded by time does not know how many steps it will have, so the decay follows the share. Nothing has
to be stored: a run that goes on computes the same rates.

- ``cosine``: a linear warm-up over ``warmup_steps``, and a half cosine from the highest rate to 1 % of it.
- ``trapezoid``: the same warm-up, then the highest rate, and over the last 15 % of the run a line down to 1 %
  of it. Such a run can be made longer, and nothing shows where it was to end at first (Hägele et al.,
  "Scaling laws and compute-optimal training beyond fixed training durations", 2024).
- ``onecycle``: a half cosine up from 1/25 of the highest rate over the first 15 % of the run, then one down
  to 1/250 000 (Smith & Topin, "Super-convergence", 2019). These are the defaults of
  ``torch.optim.lr_scheduler.OneCycleLR``, except the 15 %, which are NoiseRemover's.
"""

from __future__ import annotations

import math

from musicdenoise.training.config import TrainConfig

_LAST_RATE = 0.01  # cosine and trapezoid: rate at the end, as a share of the highest
_DECAY_SHARE = 0.15  # chosen, not measured

_RISE_SHARE = 0.15  # onecycle, as the two below
_FIRST_RATE = 1.0 / 25.0
_FINAL_RATE = _FIRST_RATE / 1e4


def schedule(config: TrainConfig, step: int, progress: float) -> float:
    """Learning rate of the next step.

    Parameters
    ----------
    config
        Configuration of the run.
    step
        Steps done.
    progress
        Share of the run that is done, 0 to 1.
    """
    if config.schedule == "onecycle":
        if progress < _RISE_SHARE:
            share = _between(_FIRST_RATE, 1.0, progress / _RISE_SHARE)
        else:
            share = _between(1.0, _FINAL_RATE, (progress - _RISE_SHARE) / (1.0 - _RISE_SHARE))
        return config.learning_rate * share
    warmup = min(1.0, (step + 1) / max(1, config.warmup_steps))
    if config.schedule == "trapezoid":
        left = min(1.0, (1.0 - progress) / _DECAY_SHARE)
        return config.learning_rate * warmup * (_LAST_RATE + (1.0 - _LAST_RATE) * left)
    return config.learning_rate * warmup * _between(1.0, _LAST_RATE, progress)


def _between(first: float, last: float, position: float) -> float:
    """Half a cosine from ``first`` at position 0 to ``last`` at position 1."""
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * position))
