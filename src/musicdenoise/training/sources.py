"""What a run trains and measures on: songs mixed with noise on the fly, or pairs on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from musicdenoise.data.bank import AudioBank
from musicdenoise.data.catalogue import noise_source, song_files
from musicdenoise.data.datasets import ExampleSource, PairFiles, fixed_pairs
from musicdenoise.data.folders import load_pairs
from musicdenoise.data.manifest import PairRow, rows_to_text
from musicdenoise.data.mixer import AlternatingPairs, MixConfig, PairMixer, ValidationItem, fixed_mixes
from musicdenoise.errors import DataError, MusicDenoiseError
from musicdenoise.kinds import ANY_NOISE, NOISE_KINDS
from musicdenoise.training.config import TrainConfig

VALIDATION_SECONDS = 4  # of each mix; chosen, not measured
VALIDATION_SNRS_DB = (0.0, 10.0, 20.0)  # chosen, as the next one
CODED_SNR_DB = 10.0  # of further mixes, which go through a lossy codec
MOST_VALIDATION_PAIRS = 100  # chosen, not measured

_HELD_OUT_SHARE = 20  # one song in twenty, at least one, where no songs to measure on are given


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Examples, mixes to measure on, and a description of both.

    Parameters
    ----------
    source
        Training examples.
    validation
        Mixes on which the SNR improvement is measured.
    description
        For the metadata of the weights.
    noise_kind
        Kind of noise in the data; ``mixed`` if there are several.
    """

    source: ExampleSource
    validation: Sequence[ValidationItem]
    description: Mapping[str, Any]
    noise_kind: str


def split_songs(songs: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Songs to train on, and every twentieth of them (at least one) to measure on.

    Raises
    ------
    DataError
        If there is one song only.
    """
    if len(songs) < 2:
        raise DataError(
            "a single song cannot be divided into songs to train on and songs to measure on: add songs, or "
            "name some with {valid_songs}",
            valid_songs=None,
        )
    held_out = set(songs[_HELD_OUT_SHARE - 1 :: _HELD_OUT_SHARE] or songs[-1:])
    return [song for song in songs if song not in held_out], [song for song in songs if song in held_out]


def mixed_on_the_fly(
    config: TrainConfig,
    songs: Path,
    *,
    valid_songs: Path | None = None,
    noises: Path | None = None,
    valid_noises: Path | None = None,
    cache: Path,
    on_progress: Callable[[int], None] | None = None,
    on_failure: Callable[[MusicDenoiseError], None] | None = None,
) -> TrainingData:
    """New crop, noise and level for every example.

    Parameters
    ----------
    config
        Configuration of the run.
    songs, valid_songs
        Folders of songs to train on and to measure on; every twentieth song is held out by default.
    noises, valid_noises
        Folders of noise recordings, if the kind of noise needs them.
    cache
        Where decoded audio is kept.
    on_progress
        Called with the number of songs decoded so far.
    on_failure
        Called with the reason for each song that cannot be used; the run goes on with the others. Without it,
        the first such song is an error.

    Raises
    ------
    DataError, AudioError
        If there are no songs or noises, or a noise cannot be read.
    """
    found = song_files(songs)
    train_songs, held_out = split_songs(found) if valid_songs is None else (found, song_files(valid_songs))
    rate, kind = config.stft.sample_rate, config.noise_kind
    music = AudioBank(train_songs, cache, rate, on_progress, on_failure)
    settings: dict[str, Any] = {
        "num_samples": config.segment_samples,
        "snr_range_db": config.snr_range_db,
        "target_snr_range_db": config.target_snr_range_db,
        "targets": config.targets,
        "sample_share": config.sample_share,
    }
    generated = config.generated_share
    altering = noise_source(kind, noises, cache, rate, generated_share=generated)
    altered = PairMixer(music, altering, MixConfig(**settings), config.seed)
    as_they_are = noise_source(kind, noises, cache, rate, fastest=1.0, generated_share=generated)
    plain = PairMixer(music, as_they_are, MixConfig.plain(**settings), config.seed)
    mixer = AlternatingPairs(plain, altered, config.plain_share, config.seed)
    items, valid_count = _mixes(config, held_out, valid_noises or noises, cache, on_failure)
    description = {
        "songs": len(music),
        "hours": round(float(music.lengths.sum()) / rate / 3600.0, 2),
        "validation_songs": valid_count,
        "validation_snrs_db": list(VALIDATION_SNRS_DB),
        "validation_coded_snr_db": CODED_SNR_DB,
    }
    return TrainingData(source=mixer, validation=items, description=description, noise_kind=kind)


def _mixes(
    config: TrainConfig,
    songs: Sequence[Path],
    noises: Path | None,
    cache: Path,
    on_failure: Callable[[MusicDenoiseError], None] | None = None,
) -> tuple[list[ValidationItem], int]:
    rate = config.stft.sample_rate
    music = AudioBank(songs, cache, rate, on_failure=on_failure)
    noise = noise_source(config.noise_kind, noises, cache, rate)
    length = VALIDATION_SECONDS * rate
    items = fixed_mixes(music, noise, num_samples=length, snrs_db=VALIDATION_SNRS_DB, seed=config.seed)
    items += fixed_mixes(
        music, noise, num_samples=length, snrs_db=(CODED_SNR_DB,), seed=config.seed + 1, is_coded=True
    )
    return items, len(music)


def pairs_on_disk(
    config: TrainConfig,
    folder: Path,
    *,
    valid_songs: Path | None = None,
    valid_noises: Path | None = None,
    valid_kind: str | None = None,
    cache: Path,
    root: Path | None = None,
) -> TrainingData:
    """The training pairs of a dataset, measured on its test pairs.

    Parameters
    ----------
    config
        Configuration of the run.
    folder
        A dataset with a manifest, or folders ``train|test/input|target`` with partners of the same name.
    valid_songs, valid_noises
        Songs and noises to measure on instead of the test pairs.
    valid_kind
        Kind of noise for ``valid_songs``; None for the dataset's.
    cache
        Where decoded audio of these songs and noises is kept.
    root
        Another folder in which files of the dataset may be; see `musicdenoise.data.manifest.check_places`.

    Raises
    ------
    DataError, AudioError
        If there are no training pairs or nothing to measure on, or a file is missing or does not fit.
    """
    rows = load_pairs(folder, root)
    train_rows, test_rows = ([row for row in rows if row.split == split] for split in ("train", "test"))
    source = PairFiles(
        folder,
        train_rows,
        num_samples=config.segment_samples,
        sample_rate=config.stft.sample_rate,
        targets=config.targets,
        seed=config.seed,
    )
    kinds = {row.kind or "unknown" for row in train_rows}
    kind = kinds.pop() if len(kinds) == 1 else "mixed"
    if valid_songs is None:
        items = _test_pairs(config, folder, test_rows)
    else:
        measured = valid_kind or (kind if kind in NOISE_KINDS else ANY_NOISE)
        items, _ = _mixes(replace(config, noise_kind=measured), song_files(valid_songs), valid_noises, cache)
    description = {
        "pairs": len(train_rows),
        "hours": round(sum(row.duration_seconds for row in train_rows) / 3600.0, 2),
        "validation_mixes": len(items),
        "manifest_sha256": manifest_digest(rows),
    }
    return TrainingData(source=source, validation=items, description=description, noise_kind=kind)


def _test_pairs(config: TrainConfig, folder: Path, rows: Sequence[PairRow]) -> list[ValidationItem]:
    rate = config.stft.sample_rate
    length = VALIDATION_SECONDS * rate
    return fixed_pairs(folder, rows, num_samples=length, sample_rate=rate, most=MOST_VALIDATION_PAIRS)


def manifest_digest(rows: Sequence[PairRow]) -> str:
    """SHA-256 of the rows of a dataset, in hexadecimal."""
    return hashlib.sha256(rows_to_text(rows).encode(errors="backslashreplace")).hexdigest()
