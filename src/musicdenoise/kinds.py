"""The kinds of noise: white noise, the ten classes of UrbanSound8K, and their mixtures.

Reference: Salamon et al., "A dataset and taxonomy for urban sound research", ACM Multimedia 2014.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from musicdenoise.errors import UsageError

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

_URBANSOUND_NAME = re.compile(r"(\d+)-(\d)-\d+-\d+")

NOISE_EXAMPLES: Mapping[str, str] = {
    "white": "the hiss of a preamplifier or a cheap recorder",
    "mixed": "a tape, a record, a crowd, or you are not sure",
    "air_conditioner": "an air conditioner or a fan in the room",
    "car_horn": "cars that hoot outside",
    "children_playing": "children in a playground",
    "dog_bark": "a dog that barks next door",
    "drilling": "a power drill in the house",
    "engine_idling": "cars, a motor, the low hum of the mains",
    "gun_shot": "shots and fireworks",
    "jackhammer": "a building site",
    "siren": "an ambulance that passes",
    "street_music": "somebody else's music outside",
}
"""An example of each kind, for people who do not know the classes."""

NOISE_WORDS: Mapping[str, str] = {
    "hiss": "white",
    "preamp": "white",
    "static": "white",
    "cassette": "mixed",
    "tape": "mixed",
    "vinyl": "mixed",
    "record": "mixed",
    "crackle": "mixed",
    "crowd": "mixed",
    "audience": "mixed",
    "rain": "mixed",
    "wind": "mixed",
    "unknown": "mixed",
    "any": "mixed",
    "fan": "air_conditioner",
    "ventilation": "air_conditioner",
    "horn": "car_horn",
    "children": "children_playing",
    "dog": "dog_bark",
    "drill": "drilling",
    "engine": "engine_idling",
    "traffic": "engine_idling",
    "hum": "engine_idling",
    "rumble": "engine_idling",
    "fireworks": "gun_shot",
    "construction": "jackhammer",
    "ambulance": "siren",
}
"""The kind of noise for each everyday word.

`mixed` learnt tapes, records, crowds, rain and wind; none of these has a network of its own. Low noise that
lasts counts as `engine_idling`: if you name it, the gate has no limit for bass.
"""


def urbansound_ids(stem: str) -> tuple[str, int] | None:
    """Recording and class in a file name of UrbanSound8K (``fsID-classID-occurrenceID-sliceID``), or None."""
    match = _URBANSOUND_NAME.match(stem)
    return (match[1], int(match[2])) if match else None


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


def parse_noise_word(text: str) -> str:
    """Name of a noise kind, as `parse_kind`, or the kind for an everyday word.

    Raises
    ------
    UsageError
        If there is neither such a kind nor such a word; the message lists both.
    """
    name = text.strip().lower().replace("-", "_").replace(" ", "_")
    if name in NOISE_WORDS:
        return NOISE_WORDS[name]
    try:
        return parse_kind(text)
    except UsageError as error:
        near = difflib.get_close_matches(name, [*NOISE_KINDS, *NOISE_WORDS], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"{error}, a word ({', '.join(NOISE_WORDS)}), or auto{hint}") from error


def words_for(kind: str) -> tuple[str, ...]:
    """The everyday words for a kind."""
    return tuple(word for word, meant in NOISE_WORDS.items() if meant == kind)
