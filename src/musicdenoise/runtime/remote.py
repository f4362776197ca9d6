"""Files that are not on this machine: in object stores and on web servers, through fsspec.

A `RemotePath` can take the place of a `Path`, and names are made from it in the same way. It cannot be
opened: its file is fetched first, and results are stored as a whole. fsspec is imported when it is needed.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from musicdenoise.errors import AudioError, AudioReadError, AudioWriteError, UsageError
from musicdenoise.runtime.credentials import without_credentials

if sys.platform == "win32":
    from pathlib import WindowsPath as LocalPath
else:
    from pathlib import PosixPath as LocalPath

# Schemes, and the extra of this package that each needs.
_EXTRAS = {"s3": "s3", "gs": "gcs", "http": "remote", "https": "remote", "memory": "remote"}
_READ_ONLY = frozenset({"http", "https"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # a single letter is a drive
_UNSAFE = re.compile(r"[/\\\x00-\x1f]")  # what would lead a name elsewhere, or end it
# Chosen: silence of a web server, and all of a file. aiohttp by itself gives up after five minutes in all.
_SILENCE_SECONDS = 60.0
_FETCH_SECONDS = 3600.0


class RemotePath(LocalPath):
    """The address of a file or folder, such as ``s3://bucket/album/song.flac``.

    Empty parts of an address (``//``) are left out, as in all paths.
    """

    @property
    def scheme(self) -> str:
        """``"s3"``, ``"gs"``, ``"https"`` and so on."""
        return self.parts[0].removesuffix(":")

    @property
    def name(self) -> str:
        """Its last part. What follows a question mark in the address of a web page is left out."""
        if self.scheme not in _READ_ONLY:
            return super().name
        return _UNSAFE.sub("_", unquote(super().name.partition("?")[0]))

    @property
    def address(self) -> str:
        """The whole address. Where it is shown, `str` leaves the signature of a web page out."""
        return f"{self.scheme}://{'/'.join(self.parts[1:])}"

    def __str__(self) -> str:
        return without_credentials(self.address) if self.scheme in _READ_ONLY else self.address

    def resolve(self, strict: bool = False) -> RemotePath:
        """Itself: there are no links."""
        return self

    def absolute(self) -> RemotePath:
        """Itself: an address is always absolute."""
        return self

    def exists(self, **_: Any) -> bool:
        """Whether there is a file of this address, or a folder with one in it."""
        with self._told(AudioReadError, "read"):
            return bool(self._system.exists(self.address))

    def is_dir(self, **_: Any) -> bool:
        """Whether there are files whose addresses begin with it. Web servers have no folders."""
        with self._told(AudioReadError, "read"):
            return self.scheme not in _READ_ONLY and bool(self._system.isdir(self.address))

    def files(self) -> list[RemotePath]:
        """The files in this folder and its sub-folders, or those that match if it is a pattern; sorted."""
        with self._told(AudioReadError, "read"):
            is_folder = self.is_dir()
            found = (self._system.find if is_folder else self._system.glob)(self.address, detail=True)
            return sorted(
                RemotePath(f"{self.scheme}://{name.lstrip('/')}")
                for name, info in found.items()
                if info["type"] == "file"
            )

    def check_writable(self) -> None:
        """Check, as far as that is possible without writing, that files can be written below this address.

        Raises
        ------
        UsageError
            If nothing can be written there.
        AudioWriteError
            If there is no such bucket, or the store cannot be reached.
        """
        if self.scheme in _READ_ONLY:
            raise UsageError(
                f"{self}: nothing can be written to web servers; choose a folder, s3:// or gs:// "
                "with {output}",
                output=str(self),
            )
        bucket = f"{self.scheme}://{''.join(self.parts[1:2])}"
        # Who may write need not be allowed to look. Writing will tell.
        with self._told(AudioWriteError, "written"), contextlib.suppress(PermissionError):
            self._system.info(bucket)

    def fetch(self, target: Path) -> None:
        """Copy the file to this machine.

        Raises
        ------
        AudioReadError
            If there is no such file, or it cannot be read.
        """
        with self._told(AudioReadError, "read"):
            self._system.get_file(self.address, str(target))

    def store(self, source: Path, *, replace: bool) -> None:
        """Store a file of this machine here, whole or not at all.

        Raises
        ------
        AudioWriteError
            If it cannot be written, or if it exists and may not be replaced (from `FileExistsError`).
        """
        with self._told(AudioWriteError, "written"):
            if not replace and self._system.exists(self.address):
                raise FileExistsError(str(self))
            # What is written in a transaction appears at its end, and never if it ends by an exception.
            with self._system.transaction, source.open("rb") as data:
                file = self._system.open(self.address, "wb" if replace else "xb")
                shutil.copyfileobj(data, file, file.blocksize if hasattr(file, "blocksize") else 0)
                file.close()

    @property
    def _system(self) -> Any:
        """The file system, which knows the newest state."""
        import fsspec

        options = {"client_kwargs": _web_options()} if self.scheme in _READ_ONLY else {}
        return fsspec.filesystem(self.scheme, use_listings_cache=False, **options)

    @contextlib.contextmanager
    def _told(self, kind: type[AudioError], done: str) -> Iterator[None]:
        """Turn what goes wrong inside the block into one line about this address."""
        try:
            yield
        except AudioError:
            raise
        except ImportError as error:
            extra = _EXTRAS[self.scheme]
            raise UsageError(
                f"{self}: a package for {self.scheme}:// is not installed: "
                f"pip install 'musicdenoise[{extra}]'"
            ) from error
        except FileExistsError as error:
            raise kind(f"{self}: already exists; {{overwrite}} replaces it", overwrite=False) from error
        except FileNotFoundError as error:
            raise kind(f"{self}: cannot be {done}: there is no such file, folder or bucket") from error
        except Exception as error:  # each store has errors of its own
            raise kind(f"{self}: cannot be {done}: {_reason(error)}") from error


def parse_path(text: str) -> Path:
    """A path of this machine, or a `RemotePath` if the text is an address.

    Raises
    ------
    UsageError
        If it is an address of an unknown kind, or holds a password.
    """
    match = _SCHEME.match(text)
    if match is None:
        return Path(text)
    scheme = match[1].lower()
    if "@" in text[match.end() :].partition("/")[0]:  # messages show addresses
        advice = "put it into ~/.netrc" if scheme in _READ_ONLY else "put it where other programs have it"
        raise UsageError(f"an address of {scheme}:// may not hold a password; {advice}")
    if scheme not in _EXTRAS:
        raise UsageError(f"{text}: {scheme}:// is not known; use s3://, gs:// or https://, or a file")
    return RemotePath(f"{scheme}://{text[match.end() :]}")


def _web_options() -> dict[str, Any]:
    """How web servers are asked. Proxies and passwords come from where other programs have them."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(
        total=_FETCH_SECONDS, sock_connect=_SILENCE_SECONDS, sock_read=_SILENCE_SECONDS
    )
    return {"trust_env": True, "timeout": timeout}


def _reason(error: Exception) -> str:
    """One line of what a store says, with advice if it is about rights."""
    told = without_credentials(" ".join(str(error).split())) or type(error).__name__
    if "Timeout" in type(error).__name__ and not str(error):
        return "the server takes too long; try again"
    if isinstance(error, PermissionError) or "credentials" in f"{type(error).__name__} {told}".lower():
        return f"your credentials are missing, wrong, or do not allow it ({told})"
    return told
