"""The kinds of noise: white noise, the ten classes of UrbanSound8K, and their mixtures.

Reference: Salamon et al., "A dataset and taxonomy for urban sound research", ACM Multimedia 2014.
"""

from __future__ import annotations

from musicdenoise.errors import UsageError

__all__ = [
    "ANY_NOISE",
    "NOISE_CLASSES",
    "NOISE_KINDS",
    "WHITE_NOISE",
    "WHITE_SHARE_IN_DATASETS",
    "WHITE_SHARE_IN_TRAINING",
    "parse_kind",
]

NOISE_CLASSES = (
    "air_conditioner",
    "car_horn",
    "children_playing",
    "dog_bark",
    "drilling",
    "engine_idling",
    "gun_shot",
    "jackhammer",
    "siren",
    "street_music",
)

WHITE_NOISE = "white"
ANY_NOISE = "mixed"
"""Noise of every class, and white noise."""
WHITE_SHARE_IN_DATASETS = 0.5
"""Share of white noise in a dataset of the kind `mixed`, as in NoiseRemover's; the rest are recordings."""
WHITE_SHARE_IN_TRAINING = 0.2
"""Share of white noise where `mixed` is mixed on the fly: it is one kind beside ten, and quickly learnt."""
NOISE_KINDS = (WHITE_NOISE, ANY_NOISE, *NOISE_CLASSES)


def parse_kind(text: str) -> str:
    """Canonical name of a noise kind: ``white``, ``mixed``, a class name, or a class number 0-9.

    Raises
    ------
    UsageError
        If there is no such kind.
    """
    name = text.strip().lower().replace("-", "_").replace(" ", "_")
    if name.isdecimal() and int(name) < len(NOISE_CLASSES):
        return NOISE_CLASSES[int(name)]
    if name in NOISE_KINDS:
        return name
    classes = ", ".join(f"{i} {cls}" for i, cls in enumerate(NOISE_CLASSES))
    raise UsageError(f"there is no noise kind {text!r}: choose white, mixed, or a class ({classes})")
