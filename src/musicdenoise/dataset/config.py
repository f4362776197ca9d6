"""What a dataset is built from and where it goes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from musicdenoise.data.manifest import SPLITS
from musicdenoise.dataset.output import FILE_FORMATS
from musicdenoise.errors import UsageError

BUILD_KINDS = ("real", "class", "mixed", "white")
"""Kinds of noise: recordings of all classes, of one class, recordings and white noise, white noise."""

WEBDATASET = "webdataset"
"""The format that is no format of files: FLAC files in tar files; see `musicdenoise.dataset.pack`."""

WORK_NAME = ".build"
"""Hidden folder of a build in progress, in the folder of its dataset."""

_SHARD_MEGABYTES = 500  # within what WebDataset advises: some hundred megabytes up to a few thousand
_SNR_LIMIT_DB = 120.0  # more than 16 bits hold; chosen, not measured


@dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """Everything that decides the bytes of a dataset, except the songs and noises.

    Parameters
    ----------
    kind
        One of `BUILD_KINDS`.
    songs, noises
        Folders.
    noise_class
        For the kind ``class``: number or name.
    split
        ``train``, ``test``, ``both``, or None for those that the folder of songs has.
    max_songs
        Most songs of a split; None for all.
    pairs_per_song
        Pairs of each song.
    seed
        Seed of every choice and of the white noise.
    snr_range_db
        Lowest and highest SNR in dB; None for the rule that depends on the song's dynamic range.
    same_class
        Whether both noises of a pair come from one class. None: from different ones, if possible.
    file_format
        A key of `musicdenoise.dataset.output.FILE_FORMATS`, or `WEBDATASET`.
    shard_megabytes
        Most megabytes of a shard; for `WEBDATASET` only.
    sample_rate
        Rate of the dataset in Hz; songs and noises of other rates are converted.

    Raises
    ------
    UsageError
        If values are out of range or contradict each other.
    """

    kind: str
    songs: Path = Path("musdb18")
    noises: Path = Path("UrbanSound8K/audio")
    noise_class: str | None = None
    split: str | None = None
    max_songs: int | None = None
    pairs_per_song: int = 1
    seed: int = 42
    snr_range_db: tuple[float, float] | None = None
    same_class: bool | None = None
    file_format: str = "wav"
    shard_megabytes: int = _SHARD_MEGABYTES
    sample_rate: int = 44_100

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("kind", self.kind, BUILD_KINDS),
            ("file_format", self.file_format, (*FILE_FORMATS, WEBDATASET)),
            ("split", self.split, (*SPLITS, "both", None)),
        ):
            if value not in allowed:
                listed = ", ".join(str(choice) for choice in allowed if choice is not None)
                raise UsageError.wrong(name, value, f"one of {listed}", repr(value))
        for name in ("max_songs", "pairs_per_song", "shard_megabytes"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise UsageError.wrong(name, count, "at least 1")
        if self.seed < 0:
            raise UsageError.wrong("seed", self.seed, "at least 0")
        if not 8_000 <= self.sample_rate <= 192_000:
            rate = self.sample_rate
            raise UsageError.wrong("sample_rate", rate, "8000 to 192000 Hz", f"{rate} Hz")
        self._check_noise()

    def _check_noise(self) -> None:
        if self.kind == "class" and self.noise_class is None:
            raise UsageError(
                "{kind} class needs a class: give its number or name with {noise_class}",
                kind=self.kind,
                noise_class=None,
            )
        if self.kind != "class" and self.noise_class is not None:
            raise UsageError(
                f"{{noise_class}} belongs to {{kind}} class, not to {{kind}} {self.kind}: leave one out",
                kind=self.kind,
                noise_class=self.noise_class,
            )
        if self.same_class is not None and self.kind in ("class", "white"):
            implied = self.kind == "class" and self.same_class
            if not implied:
                field = "same_class" if self.same_class else "different_class"
                raise UsageError(
                    f"{{{field}}} makes no sense with {{kind}} {self.kind}, which has one class: "
                    "leave it out",
                    **{"kind": self.kind, field: True},
                )
        if self.snr_range_db is not None:
            low, high = self.snr_range_db
            if not -_SNR_LIMIT_DB <= low <= high <= _SNR_LIMIT_DB:
                raise UsageError(
                    f"{{snr_range_db}} is {low:g} {high:g}; give the lower limit first, "
                    f"both from -{_SNR_LIMIT_DB:g} to {_SNR_LIMIT_DB:g} dB",
                    snr_range_db=self.snr_range_db,
                )

    @property
    def audio_format(self) -> str:
        """Format of the audio files, a key of `musicdenoise.dataset.output.FILE_FORMATS`."""
        return "flac" if self.file_format == WEBDATASET else self.file_format

    def to_dict(self) -> dict[str, object]:
        """The configuration for JSON, by the names of the options."""
        shards = {"shard_size": self.shard_megabytes} if self.file_format == WEBDATASET else {}
        return {
            "kind": self.kind,
            "songs": str(self.songs),
            "noises": str(self.noises),
            "class": self.noise_class,
            "split": self.split,
            "max_songs": self.max_songs,
            "max_noises": self.pairs_per_song,
            "seed": self.seed,
            "snr_range": None if self.snr_range_db is None else list(self.snr_range_db),
            "same_class": self.same_class,
            "format": self.file_format,
            "sample_rate": self.sample_rate,
            **shards,
        }


@dataclass(frozen=True, kw_only=True)
class BuildLayout:
    """Where the files of a dataset go.

    Parameters
    ----------
    root
        Folder of the manifest and of everything without a place of its own.
    input_dir, target_dir
        Folders of inputs and targets, instead of ``root/SPLIT/input`` and ``root/SPLIT/target``. With two
        splits they get sub-folders ``train`` and ``test``. Give both or neither.
    splits
        The splits that are built.

    Raises
    ------
    UsageError
        If only one of the two folders is given, or both are the same.
    """

    root: Path
    splits: tuple[str, ...]
    input_dir: Path | None = None
    target_dir: Path | None = None

    def __post_init__(self) -> None:
        if (self.input_dir is None) is not (self.target_dir is None):
            raise UsageError(
                "{input_dir} and {target_dir} belong together: give both or neither",
                input_dir=self.input_dir,
                target_dir=self.target_dir,
            )
        if self.input_dir is not None and self.target_dir is not None:
            first, second = self.input_dir.resolve(), self.target_dir.resolve()
            if first == second:
                raise UsageError(
                    f"{{input_dir}} and {{target_dir}} are the same folder {first}; inputs and targets need "
                    "a folder each",
                    input_dir=first,
                    target_dir=second,
                )

    def folder(self, split: str, role: str) -> Path:
        """Folder of the files of a split: ``role`` is ``input``, ``target`` or ``clean``."""
        given = {"input": self.input_dir, "target": self.target_dir}.get(role)
        if given is None:
            return self.root / split / role
        return given / split if len(self.splits) > 1 else given

    def folders(self) -> list[Path]:
        """Every folder that gets files of the dataset; test targets are clean and need no clean files."""
        roles = {"train": ("input", "target", "clean"), "test": ("input", "target")}
        return [self.folder(split, role) for split in self.splits for role in roles[split]]

    def relative(self, path: Path) -> str:
        """Path relative to the root, with ``/``; it may lead out of the root by ``..``."""
        return Path(os.path.relpath(path, self.root)).as_posix()

    @property
    def work(self) -> Path:
        """Hidden folder of a build in progress; it is gone when the dataset is complete."""
        return self.root / WORK_NAME

    def cleared(self) -> list[Path]:
        """Folders that are cleared for a new dataset, also those of a split that is not built now."""
        usual = [self.root / split / role for split in SPLITS for role in ("input", "target", "clean")]
        return list(dict.fromkeys([*self.folders(), *usual]))
