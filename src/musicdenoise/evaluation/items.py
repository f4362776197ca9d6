"""The items of an evaluation: noisy recordings and their clean music, from a dataset or two folders."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from musicdenoise.audio import read_audio
from musicdenoise.data.folders import load_pairs, match_by_name
from musicdenoise.data.manifest import PairRow, check_digest
from musicdenoise.errors import DataError
from musicdenoise.runtime.digest import file_sha256

UNKNOWN_KIND = "unknown"
_LISTED = 5  # files that a message names
_LEAST_MEASURED_SECONDS = 1.0  # after the noise sample; chosen, not measured


@dataclass(frozen=True, kw_only=True)
class EvalItem:
    """One noisy recording and its clean music.

    Parameters
    ----------
    id
        Unique name.
    noisy, clean
        The files.
    clean_scale
        Factor on the clean file that gives the clean music in the noisy one.
    noise_kind
        Class of the noise, ``white``, or ``unknown``.
    noisy_sha256, clean_sha256
        Digests that the files must have; None for any.
    """

    id: str
    noisy: Path
    clean: Path
    clean_scale: float = 1.0
    noise_kind: str = UNKNOWN_KIND
    noisy_sha256: str | None = None
    clean_sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class LoadedItem:
    """Samples of an item.

    Parameters
    ----------
    item
        Where they are from.
    clean, noisy
        float32 ``(channels, samples)``.
    sample_rate
        Rate in Hz.
    noise_sample
        The noise alone, ``(channels, samples)``; None if none is given.
    measured_from
        First sample that is measured, after the stretch of the noise sample.
    """

    item: EvalItem
    clean: Tensor
    noisy: Tensor
    sample_rate: int
    noise_sample: Tensor | None = None
    measured_from: int = 0

    def measured(self, waveform: Tensor) -> Tensor:
        """The part of a waveform of this item that is measured."""
        return waveform[..., self.measured_from :]


def find_items(
    folder: Path, split: str = "test", *, root: Path | None = None, verify: bool = True
) -> list[EvalItem]:
    """Items of a dataset with a manifest, or of the folders ``train|test/input|target``.

    Parameters
    ----------
    folder
        The dataset.
    split
        ``test`` or ``train``; pairs without clean music are left out.
    root
        Another folder in which the files may be; see `musicdenoise.data.manifest.check_places`.
    verify
        Whether the files must have the digests that the manifest states.

    Raises
    ------
    DataError
        If there are none.
    AudioError
        If a file cannot be read.
    """
    rows = [row for row in load_pairs(folder, root) if row.split == split]
    items = [
        EvalItem(
            id=row.id,
            noisy=folder / row.input,
            clean=folder / row.clean,
            clean_scale=row.clean_scale,
            noise_kind=_kind(row),
            noisy_sha256=row.input_sha256 if verify else None,
            clean_sha256=_clean_sha256(row) if verify else None,
        )
        for row in rows
        if row.clean is not None
    ]
    if not items:
        raise DataError(
            f"{folder}: holds no {split} pairs with clean music; build some with `dataset build`, or give "
            "two folders, one of noisy and one of clean music"
        )
    return items


def _clean_sha256(row: PairRow) -> str | None:
    return row.target_sha256 if row.clean == row.target else row.clean_sha256


def _kind(row: PairRow) -> str:
    if row.input_noise == "white":
        return "white"
    return row.input_class or row.kind or UNKNOWN_KIND


def items_of_folders(noisy: Path, clean: Path) -> list[EvalItem]:
    """Items of two folders, paired by the names of the files.

    Raises
    ------
    DataError
        If a file has no partner, or there are no files.
    """
    matches = match_by_name(noisy, clean)
    if matches.unpaired:
        listed = ", ".join(str(path) for path in matches.unpaired[:_LISTED])
        raise DataError(
            f"{len(matches.unpaired)} file(s) of {noisy} and {clean} have no partner of the same name: "
            f"{listed}; "
            "add the missing files or move these away"
        )
    if not matches.pairs:
        raise DataError(f"{noisy} and {clean}: hold no audio files of the same name; give two other folders")
    return [EvalItem(id=key, noisy=a, clean=b) for key, (a, b) in sorted(matches.pairs.items())]


def load_item(item: EvalItem, noise_sample_seconds: float | None = None) -> LoadedItem:
    """Read an item.

    Parameters
    ----------
    item
        What to read.
    noise_sample_seconds
        Length of the noise sample: noisy minus clean at the beginning of the files. None for no sample.

    Raises
    ------
    AudioError
        If a file cannot be read.
    DataError
        If the files differ in rate, channels or length, one is not the file of the manifest, the clean
        music is silent, or the item is too short for the noise sample.
    """
    check_digest(item.noisy, item.noisy_sha256)
    check_digest(item.clean, item.clean_sha256)
    noisy, clean = read_audio(item.noisy), read_audio(item.clean)
    if noisy.sample_rate != clean.sample_rate or noisy.samples.shape != clean.samples.shape:
        raise DataError(
            f"{item.noisy} has {noisy.samples.shape[1]} samples in {noisy.samples.shape[0]} channel(s) at "
            f"{noisy.sample_rate} Hz, but {item.clean} has {clean.samples.shape[1]} in "
            f"{clean.samples.shape[0]} "
            f"at {clean.sample_rate} Hz; the files of a pair must agree"
        )
    if not clean.samples.any():
        raise DataError(f"{item.clean}: is silent, so nothing can be measured; leave it out")
    loaded = LoadedItem(
        item=item,
        clean=torch.from_numpy(clean.samples) * item.clean_scale,
        noisy=torch.from_numpy(noisy.samples),
        sample_rate=noisy.sample_rate,
    )
    return loaded if noise_sample_seconds is None else _with_noise_sample(loaded, noise_sample_seconds)


def _with_noise_sample(loaded: LoadedItem, seconds: float) -> LoadedItem:
    """The item with a noise sample from its first seconds; only what follows is measured."""
    path, total = loaded.item.noisy, loaded.clean.shape[-1]
    count = round(seconds * loaded.sample_rate)
    if total < count + round(_LEAST_MEASURED_SECONDS * loaded.sample_rate):
        raise DataError(
            f"{path}: is {total / loaded.sample_rate:.2f} s long; with a noise sample of {seconds:g} s it "
            f"must have at least {seconds + _LEAST_MEASURED_SECONDS:g} s: leave it out, or give a shorter "
            "sample"
        )
    sample = loaded.noisy[:, :count] - loaded.clean[:, :count]
    if not sample.any():
        raise DataError(
            f"{path}: has no noise in its first {seconds:g} s to take a sample from; leave it out"
        )
    if not loaded.clean[:, count:].any():
        raise DataError(f"{path}: has no music after its first {seconds:g} s; leave it out")
    return replace(loaded, noise_sample=sample, measured_from=count)


def spread(items: Sequence[EvalItem], most: int | None) -> list[EvalItem]:
    """At most this many of the items, evenly spread."""
    if most is None or most >= len(items):
        return list(items)
    return [items[i * len(items) // most] for i in range(most)]


def data_digest(items: Sequence[EvalItem]) -> str:
    """SHA-256 over the ids, scales and contents of all items, in hexadecimal.

    A file that cannot be read counts as ``unreadable``.
    """
    digest = hashlib.sha256()
    for item in items:
        for part in (item.id, repr(item.clean_scale), _content(item.noisy), _content(item.clean)):
            digest.update(part.encode(errors="backslashreplace") + b"\n")
    return digest.hexdigest()


def _content(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError:
        return "unreadable"
