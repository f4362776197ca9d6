"""The manifest of a dataset: one line of JSON per pair, joined by id.

Conventions: paths are relative to the folder of the manifest and use ``/``; positions and lengths
count samples per channel at the stated rate; ratios are in dB of power over all channels; ``None``
stands for what is not known, and for the infinite SNR of a clean target. The clean music of a pair is
the clean file times `PairRow.clean_scale`, so the noises of a pair are known exactly: input minus
clean and target minus clean.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from musicdenoise.audio import AudioInfo
from musicdenoise.errors import DataError
from musicdenoise.runtime.atomic import write_text
from musicdenoise.runtime.digest import file_sha256
from musicdenoise.runtime.documents import DocumentError, read_document

MANIFEST_NAME = "manifest.jsonl"
"""Name of the manifest in the folder of a dataset."""

SPLITS = ("train", "test")
"""The two parts of a dataset."""

_SHA256_DIGITS = 64

# What a row may say at most, before anything is read or memory asked for.
_HIGHEST_RATE = 3_072_000  # Hz, that of the fastest file that can be read
_LONGEST = 1 << 40  # samples, a year at 44.1 kHz; sums of such numbers are exact
_LARGEST_FACTOR = 1e6  # 120 dB: how much two recordings of the same music may differ in level


@dataclass(frozen=True, kw_only=True)
class PairRow:
    """One pair: an input, its target, and what is known of both.

    Parameters
    ----------
    id
        Unique in the manifest, such as ``train-S1N1``.
    split
        ``train`` or ``test``.
    input, target, clean
        Files, relative to the manifest. The clean file of a test pair is its target.
    sample_rate
        Rate in Hz.
    start, num_samples
        Stretch of the source pair that this pair is (whole songs start at 0), in samples.
    kind
        Kind of noise: ``real``, ``white``, ``mixed``, or the name of a class; None if unknown.
    song
        The song that the pair was made of.
    input_noise, target_noise
        Recording (relative to the folder of noises) or ``white``; None for a clean target.
    input_class, target_class
        Classes of the noises.
    input_snr_db, target_snr_db
        SNR over the whole pair as measured, in dB.
    gain
        Factor on both files of the pair that keeps peaks within full scale: a power of two.
    clean_scale
        Factor on the clean file that gives the clean music of this pair.
    seed
        Seed of the dataset.
    input_sha256, target_sha256, clean_sha256
        Digests of the files.
    source
        For a segment, id of the pair that it was cut from.
    score, diversity, correlation
        For a segment, see `musicdenoise.dataset.segments.segment`.

    Raises
    ------
    DataError
        If a value is out of range.
    """

    id: str
    split: str
    input: str
    target: str
    sample_rate: int
    num_samples: int
    start: int = 0
    clean: str | None = None
    kind: str | None = None
    song: str | None = None
    input_noise: str | None = None
    target_noise: str | None = None
    input_class: str | None = None
    target_class: str | None = None
    input_snr_db: float | None = None
    target_snr_db: float | None = None
    gain: float = 1.0
    clean_scale: float = 1.0
    seed: int | None = None
    input_sha256: str | None = None
    target_sha256: str | None = None
    clean_sha256: str | None = None
    source: str | None = None
    score: float | None = None
    diversity: float | None = None
    correlation: float | None = None

    def __post_init__(self) -> None:
        for name in ("id", "input", "target"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise DataError(f"{name} is {getattr(self, name)!r}; it must be a text that is not empty")
        if self.split not in SPLITS:
            raise DataError(f"split is {self.split!r}; it must be one of {', '.join(SPLITS)}")
        for name in ("input", "target", "clean"):
            _check_path(name, getattr(self, name))
        ranges = (("sample_rate", 1, _HIGHEST_RATE), ("num_samples", 0, _LONGEST), ("start", 0, _LONGEST))
        for name, least, most in ranges:
            value = getattr(self, name)
            if not isinstance(value, int) or not least <= value <= most:
                raise DataError(f"{name} is {value!r}; it must be a whole number from {least} to {most}")
        for name in ("gain", "clean_scale"):
            value = getattr(self, name)
            if not _is_number(value) or not 1.0 / _LARGEST_FACTOR <= value <= _LARGEST_FACTOR:
                raise DataError(
                    f"{name} is {value!r}; it must be a positive number, and no more than {_LARGEST_FACTOR:g}"
                )
        for name in ("input_snr_db", "target_snr_db", "score", "diversity", "correlation"):
            value = getattr(self, name)
            if value is not None and not _is_number(value):
                raise DataError(f"{name} is {value!r}; it must be a finite number or null")
        for name in ("input_sha256", "target_sha256", "clean_sha256"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and len(value) == _SHA256_DIGITS):
                raise DataError(f"{name} is {value!r}; it must have {_SHA256_DIGITS} hexadecimal digits")

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.sample_rate

    def mismatch(self, path: Path, info: AudioInfo, num_samples: int | None = None) -> str:
        """What is wrong with a file of the pair if it has another rate, or is too short; else nothing.

        Parameters
        ----------
        path, info
            The file.
        num_samples
            Length that is needed; None for that of the pair.
        """
        needed = self.num_samples if num_samples is None else num_samples
        if info.sample_rate == self.sample_rate and info.num_samples >= needed:
            return ""
        return (
            f"{path}: has {info.num_samples} samples at {info.sample_rate} Hz, but the pair {self.id} should "
            f"have {self.num_samples} at {self.sample_rate} Hz: both files of a pair must be of the same "
            "length; build the dataset again"
        )

    def to_json(self) -> str:
        """The row as one line of JSON, without fields that are None. The same row gives the same bytes."""
        known = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(known, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> PairRow:
        """Row from a line of JSON; fields that this version does not know are left out.

        Raises
        ------
        DataError
            If the line is not a JSON object, lacks a field, or holds a value out of range.
        """
        try:
            return read_document(cls, text, skip_unknown=True)
        except DocumentError as error:
            raise DataError(str(error)) from error


def rows_to_text(rows: Iterable[PairRow]) -> str:
    """Text of a manifest."""
    return "".join(f"{row.to_json()}\n" for row in rows)


def write_manifest(folder: Path, rows: Sequence[PairRow]) -> Path:
    """Write the manifest of a dataset atomically and return its path.

    Raises
    ------
    DataError
        If two rows have the same id, or the file cannot be written.
    """
    path = folder / MANIFEST_NAME
    _check_unique(rows, path)
    write_text(path, rows_to_text(rows))
    return path


def read_manifest(path: Path) -> list[PairRow]:
    """Rows of a manifest.

    Parameters
    ----------
    path
        The file, or the folder that holds ``manifest.jsonl``.

    Raises
    ------
    DataError
        If it cannot be read, or a line is not a valid row; the message names file and line.
    """
    if path.is_dir():
        path = path / MANIFEST_NAME
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # names may hold other line ends
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read as a manifest: {error}; give the dataset's folder"
        ) from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(PairRow.from_json(line))
        except DataError as error:
            raise DataError(f"{path}, line {number}: {error}; build the dataset again") from error
    _check_unique(rows, path)
    return rows


def check_places(rows: Iterable[PairRow], folder: Path, root: Path | None = None) -> None:
    """Refuse rows with files outside the dataset's folder, because a manifest may come from anybody.

    Parameters
    ----------
    rows, folder
        The rows, and the folder that their paths are relative to.
    root
        Another folder in which the files may be; None for no other.

    Raises
    ------
    DataError
        If a file is outside of both.
    """
    # By their names alone: a link in a dataset was put there by its owner.
    allowed = [Path(os.path.abspath(place)) for place in (folder, root) if place]  # noqa: PTH100
    for row in rows:
        for name in (row.input, row.target, row.clean):
            place = Path(os.path.abspath(folder / (name or "")))  # noqa: PTH100
            if not any(place.is_relative_to(parent) for parent in allowed):
                raise DataError(
                    f"{folder / MANIFEST_NAME}: the pair {row.id} has the file {name} outside of the "
                    "dataset; if you trust it, name a folder that holds both with {root}",
                    root=root,
                )


def check_digest(path: Path, sha256: str | None) -> None:
    """Refuse a file whose digest is not that of the manifest.

    Parameters
    ----------
    path
        The file. If it cannot be read, this says nothing; reading it will.
    sha256
        Digest that it must have; None for any.

    Raises
    ------
    DataError
        If it has another one.
    """
    if sha256 is None:
        return
    try:
        found = file_sha256(path)
    except OSError:
        return
    if found != sha256.lower():
        raise DataError(
            f"{path}: is not the file that the manifest describes (sha256 {found[:12]}..., expected "
            f"{sha256[:12]}...): restore it, build the dataset again, or leave out {{verify}}",
            verify=True,
        )


def _check_unique(rows: Sequence[PairRow], path: Path) -> None:
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise DataError(f"{path}: the id {row.id!r} occurs twice; ids join the pairs and must differ")
        seen.add(row.id)


def _check_path(name: str, path: str | None) -> None:
    if path is None:
        return
    if "\0" in path:
        raise DataError(f"{name} is {path!r}; a path cannot hold a zero byte")
    if PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute():
        raise DataError(f"{name} is {path!r}; it must be relative to the manifest")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
