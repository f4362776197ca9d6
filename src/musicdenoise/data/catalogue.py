"""Songs and noises on disk.

Songs are all audio files of a folder. Noises are labelled by the file names of UrbanSound8K,
``fsID-classID-occurrenceID-sliceID``, or else by their folder.

Reference: https://urbansounddataset.weebly.com/urbansound8k.html.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from musicdenoise.audio import find_audio
from musicdenoise.data.bank import AudioBank
from musicdenoise.data.noise import FASTEST, MixedNoise, NoiseSource, RecordedNoise, WhiteNoise
from musicdenoise.data.old_media import TapeNoise, VinylNoise
from musicdenoise.errors import DataError
from musicdenoise.kinds import ANY_NOISE, NOISE_CLASSES, WHITE_NOISE, WHITE_SHARE_IN_TRAINING, urbansound_ids


@dataclass(frozen=True, kw_only=True)
class NoiseFile:
    """A noise recording and its class."""

    path: Path
    label: str


def song_files(folder: Path) -> list[Path]:
    """Audio files of a folder and its sub-folders, sorted.

    Raises
    ------
    DataError
        If there are none.
    """
    songs = find_audio(folder) if folder.is_dir() else []
    if not songs:
        raise DataError(f"{folder}: holds no songs: give a folder with audio files in it or below it")
    return songs


def find_noises(folder: Path, kind: str) -> list[NoiseFile]:
    """Noise recordings of a kind: of one class, or of all for ``mixed``.

    Raises
    ------
    DataError
        If there are none.
    """
    files = find_audio(folder) if folder.is_dir() else []
    noises = [NoiseFile(path=path, label=_label(path)) for path in files]
    if kind != ANY_NOISE:
        noises = [noise for noise in noises if noise.label == kind]
    if not noises:
        wanted = "noise recordings" if kind == ANY_NOISE else f"noise recordings of the class {kind}"
        raise DataError(
            f"{folder}: holds no {wanted}: give a folder in the layout of UrbanSound8K/audio, or one whose "
            "sub-folders name the classes"
        )
    return noises


def noise_source(
    kind: str,
    folder: Path | None,
    cache: Path,
    sample_rate: int,
    on_progress: Callable[[int], None] | None = None,
    *,
    fastest: float = FASTEST,
    generated_share: float = 0.0,
) -> NoiseSource:
    """Source of noise of a kind.

    Parameters
    ----------
    kind
        ``white``, ``mixed`` (recordings of all classes, and white noise: `WHITE_SHARE_IN_TRAINING`), or a
        class name.
    folder
        Noise recordings; not needed for white noise.
    cache
        Where decoded recordings are kept.
    sample_rate
        Rate in Hz.
    on_progress
        Called with the number of recordings decoded so far.
    fastest
        Half of the recordings are played faster, up to this many times.
    generated_share
        Share of the noises of the kind ``mixed`` that are those of tapes and records; see
        `musicdenoise.data.old_media`.

    Raises
    ------
    DataError
        If there are no recordings of the kind.
    """
    if kind == WHITE_NOISE:
        return WhiteNoise()
    if folder is None:
        raise DataError(
            f"noise of the kind {kind} needs recordings: give their folder with {{noises}}", noises=None
        )
    noises = find_noises(folder, kind)
    bank = AudioBank([noise.path for noise in noises], cache, sample_rate, on_progress)
    recorded = RecordedNoise(bank, [noise.label for noise in noises], fastest=fastest)
    if kind == ANY_NOISE:
        sources: list[NoiseSource] = [WhiteNoise(), recorded]
        shares = [WHITE_SHARE_IN_TRAINING, 1.0 - WHITE_SHARE_IN_TRAINING]
        if generated_share:
            sources += [TapeNoise(sample_rate), VinylNoise(sample_rate)]
            shares = [*(share * (1.0 - generated_share) for share in shares), *[0.5 * generated_share] * 2]
        return MixedNoise(sources, shares)
    return recorded


def _label(path: Path) -> str:
    ids = urbansound_ids(path.stem)
    return NOISE_CLASSES[ids[1]] if ids else path.parent.name
