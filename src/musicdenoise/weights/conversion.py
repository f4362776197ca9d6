"""NoiseRemover's networks in the cache: recognised by git blob id, kept as safetensors.

Their authors publish them in a git repository, which names every file by the SHA-1 of its content. A
download must have that name. Then it is converted, and the digest of the result is written beside it, to
recognise it later.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from musicdenoise.errors import WeightsError
from musicdenoise.runtime.atomic import write_text
from musicdenoise.runtime.digest import file_sha256
from musicdenoise.weights.checkpoint import save_weights
from musicdenoise.weights.reference import load_reference


def git_blob_id(path: Path) -> str:
    """Name that git gives to a file of this content: SHA-1 of ``blob SIZE``, a zero byte, and the content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def convert(source: Path, target: Path, *, noise_kind: str) -> None:
    """Write a ``.pth`` file of NoiseRemover as safetensors, with a note of its digest.

    Parameters
    ----------
    source
        The ``.pth`` file.
    target
        The new file; appears when it is complete.
    noise_kind
        Kind of noise, for the metadata.

    Raises
    ------
    WeightsError
        If the source is not such a file, or the target cannot be written.
    """
    network, metadata = load_reference(source, noise_kind=noise_kind)
    save_weights(target, network.state_dict(), metadata)
    write_text(_note(target), file_sha256(target), WeightsError)


def is_converted(target: Path) -> bool:
    """Whether a converted file is there and has not changed."""
    try:
        return _note(target).read_text(encoding="ascii") == file_sha256(target)
    except (OSError, UnicodeDecodeError):
        return False


def remove_converted(target: Path) -> None:
    """Remove the note that belongs to a converted file; the file itself is left."""
    _note(target).unlink(missing_ok=True)


def _note(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")
