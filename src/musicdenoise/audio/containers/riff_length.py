"""How much audio the headers of a file promise. libsndfile accepts less without a warning.

libsndfile reads a cut-off WAV, RF64 or AIFF file as far as it goes and reports that as its length. But a
song without its end must not pass for a whole one.

References: RIFF/WAVE (Microsoft 1991), RF64 (EBU Tech 3306), AIFF-C (Apple 1991).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from musicdenoise.audio.containers.riff import AIFF, EXTENSIBLE, WAV, form_of, walk

# Programs that write to a pipe cannot come back to the header, so they put a size just below 2 or 4 GiB
# there. FFmpeg uses the highest number; SoX and others round down to whole blocks, or leave room for the
# header.
_OPEN_SIZES = (range(0x7FFFE000, 0x80000001), range(0xFFFFE000, 0x100000000))


@dataclass(frozen=True, kw_only=True)
class DataChunk:
    """The chunk that holds the samples.

    Parameters
    ----------
    declared_bytes
        Size of the samples by the header.
    available_bytes
        Bytes from the beginning of the samples to the end of the file.
    """

    declared_bytes: int
    available_bytes: int


def find_data_chunk(path: Path, container: str) -> DataChunk | None:
    """Find the samples of a WAV, RF64 or AIFF file.

    Parameters
    ----------
    path
        The file.
    container
        Its container; others than these three give None.

    Returns
    -------
    DataChunk or None
        None if there is no such chunk, or if the program that wrote it left its size open.
    """
    with path.open("rb") as file:
        return _find_data_chunk(file, container)


def lacks_data_size(path: Path) -> bool:
    """Return whether a WAV file declares no samples but holds some, as after a recorder that failed.

    Chunks that follow the empty one do not count as samples.
    """
    with path.open("rb") as file:
        data = _find_data_chunk(file, "WAV")
        if data is None or data.declared_bytes or not data.available_bytes:
            return False
        file_bytes = file.seek(0, 2)
        end = file_bytes - data.available_bytes
        for chunk in walk(file, WAV, start=end):
            if not (chunk.name.isascii() and chunk.name.decode("ascii").isprintable()):
                return True
            end = chunk.end
        return end not in (file_bytes, file_bytes + 1)


def declared_wav_end(head: bytes) -> int | None:
    """Where the samples end by the header of a WAV or RF64 file, in bytes, given its first bytes.

    None if the file is neither, if its size is open, or if its samples begin after these bytes.
    """
    file = io.BytesIO(head)
    for chunk in walk(file, WAV) if form_of(file) == WAV else ():
        if chunk.name == b"data":
            is_open = not chunk.size if chunk.is_long else _is_open(chunk.size)
            return None if is_open else chunk.offset + chunk.size
    return None


def read_wav_codec(path: Path) -> int | None:
    """Number of the codec of a WAV file (RFC 2361), behind WAVE_FORMAT_EXTENSIBLE if that is used, or None.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    body = _read_format(path)
    if body is None:
        return None
    tag = int.from_bytes(body[:2], "little")
    return int.from_bytes(body[24:26], "little") if tag == EXTENSIBLE else tag


def has_wide_samples(path: Path) -> bool:
    """Return whether the samples of a WAV file have 24 bits in 32, and the header says only 24.

    libsndfile takes them for packed ones if the header is WAVE_FORMAT_EXTENSIBLE.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    body = _read_format(path)
    if body is None:
        return False
    channels, block_bytes, bits = (int.from_bytes(body[at : at + 2], "little") for at in (2, 12, 14))
    return bits == 24 and block_bytes == 4 * channels > 0


def _read_format(path: Path) -> bytes | None:
    """First 26 bytes of the format of a WAV file, filled up with zeros."""
    with path.open("rb") as file:
        for chunk in walk(file, WAV):
            if chunk.name == b"fmt ":
                file.seek(chunk.offset)
                return file.read(min(chunk.size, 26)).ljust(26, b"\0")
            if chunk.name == b"data":
                break
    return None


def _is_open(size: int) -> bool:
    return any(size in sizes for sizes in _OPEN_SIZES)


def _find_data_chunk(file: BinaryIO, container: str) -> DataChunk | None:
    if container not in ("WAV", "WAVEX", "RF64", "AIFF"):
        return None
    form, wanted = (AIFF, b"SSND") if container == "AIFF" else (WAV, b"data")
    chunk = next((chunk for chunk in walk(file, form) if chunk.name == wanted), None)
    if chunk is None:
        return None
    if form == AIFF:
        # The chunk begins with two numbers, offset and block size, which are not samples.
        return DataChunk(declared_bytes=max(chunk.size - 8, 0), available_bytes=max(chunk.available - 8, 0))
    if not chunk.is_long and _is_open(chunk.size):
        return None
    return DataChunk(declared_bytes=chunk.size, available_bytes=chunk.available)
