"""The store of pretrained networks: fetched on first use, verified, kept in the user's cache folder.

Files in the cache always have the digest of the index: they arrive under another name, and are renamed when
they are verified. A lock keeps two processes from fetching the same file at once. The folder is the usual
one of the platform, or ``MUSICDENOISE_CACHE``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from musicdenoise.errors import WeightsError
from musicdenoise.runtime.atomic import open_resumable, put_in_place
from musicdenoise.runtime.digest import file_sha256
from musicdenoise.weights.connections import without_secrets
from musicdenoise.weights.conversion import convert, git_blob_id, is_converted, remove_converted
from musicdenoise.weights.download import DownloadOptions, Progress, download
from musicdenoise.weights.index import (
    BUNDLED,
    BUNDLED_FOLDER,
    IndexEntry,
    find_entry,
    load_index,
    network_names,
)
from musicdenoise.weights.pulled import forget, read_pulled

CACHE_VARIABLE = "MUSICDENOISE_CACHE"
MIRROR_VARIABLE = "MUSICDENOISE_WEIGHTS_URL"

_LOCK_SECONDS = 600.0  # chosen, not measured: longer than a download at usual speeds


def cache_folder() -> Path:
    """The user's cache folder for this program. This does not make it."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else user_cache_path("musicdenoise")


@dataclass(frozen=True, kw_only=True)
class WeightsStore:
    """Pretrained networks in a folder.

    Parameters
    ----------
    folder
        Where they are kept.
    mirror
        Address of a folder that holds the files, asked before the addresses of the index.
    offline
        Whether to use no connection.
    options
        Limits of downloads.
    """

    folder: Path
    mirror: str | None = None
    offline: bool = False
    options: DownloadOptions = field(default_factory=DownloadOptions)

    @classmethod
    def of_user(cls, *, mirror: str | None = None, offline: bool = False) -> WeightsStore:
        """The store in the user's cache folder; the mirror may come from the environment."""
        return cls(
            folder=cache_folder() / "weights",
            mirror=mirror or os.environ.get(MIRROR_VARIABLE) or None,
            offline=offline,
        )

    def entries(self) -> tuple[IndexEntry, ...]:
        """The pretrained networks, then those that were pulled into the folder."""
        return (*load_index(), *read_pulled(self.folder))

    def find(self, name: str) -> IndexEntry:
        """One of them, by its name or an alias.

        Raises
        ------
        WeightsError
            If the name is unknown.
        """
        return find_entry(name, read_pulled(self.folder))

    def path(self, entry: IndexEntry) -> Path:
        """Where the network's file is, or would be."""
        return self.folder / entry.file

    def is_cached(self, entry: IndexEntry) -> bool:
        """Whether the network's file is there and whole."""
        if entry.git_blob is not None:
            return is_converted(self.path(entry))
        return matches(self.path(entry), entry)

    def fetch(self, entry: IndexEntry, on_progress: Progress | None = None) -> Path:
        """Path of the network's verified file, which is fetched if it is missing or damaged.

        If the folder cannot be written to, or another process is fetching the file, the copy in the package
        is used.

        Parameters
        ----------
        entry
            The network.
        on_progress
            Called with the bytes so far and all bytes.

        Raises
        ------
        WeightsError
            If no source gives a file with the right digest, or the folder cannot be written to.
        """
        try:
            return self.store(entry, on_progress, lock_seconds=self._lock_seconds(entry))
        except WeightsError:
            bundled = BUNDLED_FOLDER / entry.file
            if BUNDLED in entry.sources and matches(bundled, entry):
                return bundled
            raise

    def store(
        self, entry: IndexEntry, on_progress: Progress | None = None, *, lock_seconds: float = _LOCK_SECONDS
    ) -> Path:
        """Path of the network's verified file in the folder, as `fetch`, but nowhere else.

        Parameters
        ----------
        entry, on_progress
            As for `fetch`.
        lock_seconds
            Longest wait for another process that fetches the same file.

        Raises
        ------
        WeightsError
            As for `fetch`, and if another process takes too long.
        """
        target = self.path(entry)
        if self.is_cached(entry):
            return target
        try:
            with self._lock(target, lock_seconds):
                if not self.is_cached(entry):  # another process may have been faster
                    self._fetch_from_sources(entry, target, on_progress)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._part(target).unlink(missing_ok=True)
            raise WeightsError(
                f"the weights {entry.name} cannot be stored in {self.folder}: {error.strerror}; "
                f"free some space, or set {CACHE_VARIABLE} to another folder"
            ) from error
        return target

    def _lock_seconds(self, entry: IndexEntry) -> float:
        """How long to wait for another process: not at all with a copy in the package."""
        is_there = BUNDLED in entry.sources and (BUNDLED_FOLDER / entry.file).is_file()
        return 0.0 if is_there else _LOCK_SECONDS

    def remove(self, entry: IndexEntry) -> bool:
        """Delete the network's file from the folder; return whether there was one.

        Raises
        ------
        WeightsError
            If it cannot be deleted.
        """
        try:
            self._part(self.path(entry)).unlink(missing_ok=True)
            remove_converted(self.path(entry))
            if entry in read_pulled(self.folder):
                forget(self.folder, entry.name)
            self.path(entry).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise WeightsError(f"{self.path(entry)} cannot be removed: {error.strerror}") from error
        return True

    def _fetch_from_sources(self, entry: IndexEntry, target: Path, on_progress: Progress | None) -> None:
        part = self._part(target)
        failures = []
        for source in self._sources(entry):
            try:
                if source == BUNDLED:
                    with (
                        (BUNDLED_FOLDER / entry.file).open("rb") as bundled,
                        open_resumable(part, append=False) as copy,
                    ):
                        shutil.copyfileobj(bundled, copy)
                else:
                    download(
                        source,
                        part,
                        size_bytes=entry.size_bytes,
                        options=self.options,
                        on_progress=on_progress,
                    )
            except FileNotFoundError:
                failures.append("the copy in the package is missing")
            except WeightsError as error:
                failures.append(str(error))
            else:
                if matches(part, entry):
                    if entry.git_blob is not None:
                        convert(part, target, noise_kind=entry.noise_kind)
                        part.unlink()
                    else:
                        put_in_place(part, target)
                    return
                failures.append(f"{without_secrets(source)} gave {_describe(part, entry)}")
                part.unlink()
        advice = "leave {offline} out" if self.offline else "check the connection, or name a mirror"
        raise WeightsError(
            f"the weights {entry.name} could not be fetched: {'; '.join(failures) or 'no source'}; {advice}",
            offline=self.offline,
        )

    def _sources(self, entry: IndexEntry) -> list[str]:
        bundled = [source for source in entry.sources if source == BUNDLED]
        if self.offline:
            return bundled
        # On mirrors, a file that is converted here has its authors' name.
        file = entry.file if entry.git_blob is None else entry.sources[0].rsplit("/", 1)[-1]
        mirror = [f"{self.mirror.rstrip('/')}/{file}"] if self.mirror else []
        return [*bundled, *mirror, *(source for source in entry.sources if source != BUNDLED)]

    @staticmethod
    def _part(target: Path) -> Path:
        return target.with_name(f"{target.name}.part")

    @contextlib.contextmanager
    def _lock(self, target: Path, seconds: float) -> Iterator[None]:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.with_name(f".{target.name}.lock"), timeout=seconds)
        try:
            with lock:
                yield
        except Timeout as error:
            raise WeightsError(
                f"another process has been fetching {target.name} for {seconds / 60:.0f} minutes: "
                "end it, then try again"
            ) from error


@dataclass(frozen=True, kw_only=True)
class ResolvedWeights:
    """A weights file and its name."""

    name: str
    path: Path


def resolve_weights(
    name_or_path: str | Path, store: WeightsStore | None = None, on_progress: Progress | None = None
) -> ResolvedWeights:
    """File of a pretrained or pulled network, fetched if needed, or the file at a path.

    Parameters
    ----------
    name_or_path
        Name of a network, or a path. A string is looked up as a name first.
    store
        Where pretrained networks are kept; that of the user by default.
    on_progress
        Called while fetching, with the bytes so far and all bytes.

    Raises
    ------
    WeightsError
        If there is neither such a name nor such a file, or the network cannot be fetched.
    """
    path, text = Path(name_or_path), str(name_or_path)
    store = store or WeightsStore.of_user()
    names = (*network_names(), *(entry.name for entry in read_pulled(store.folder)))
    is_name = isinstance(name_or_path, str) and text in names
    if not is_name:
        if path.is_file():
            return ResolvedWeights(name=path.name, path=path)
        if isinstance(name_or_path, Path) or path.suffix or "/" in text or os.sep in text:
            raise WeightsError(f"there is no weights file {path}")
    entry = store.find(text)
    fetched = store.fetch(entry, on_progress)
    return ResolvedWeights(name=entry.name, path=fetched)


def matches(path: Path, entry: IndexEntry) -> bool:
    """Whether a file is there and has the size and digest of an entry."""
    try:
        if entry.git_blob is not None:
            return git_blob_id(path) == entry.git_blob
        if path.stat().st_size != entry.size_bytes:
            return False
        return file_sha256(path) == entry.sha256
    except OSError:
        return False


def _describe(path: Path, entry: IndexEntry) -> str:
    """What a file is, and what it should be."""
    content = path.read_bytes()
    kind = " of HTML" if content[:256].lstrip().lower().startswith((b"<!doctype", b"<html")) else ""
    got = f"{len(content)} bytes{kind}"
    if entry.git_blob is not None:
        return f"{got} with git's id {git_blob_id(path)[:12]}..., expected {entry.git_blob[:12]}..."
    return (
        f"{got} with sha256 {file_sha256(path)[:12]}..., expected {entry.size_bytes} bytes "
        f"with sha256 {(entry.sha256 or '')[:12]}..."
    )
