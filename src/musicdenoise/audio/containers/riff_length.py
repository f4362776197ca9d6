"""How much audio a file's own headers promise, where libsndfile silently makes do with less.

libsndfile reads a cut-off WAV, RF64 or AIFF file up to where it ends and reports that as its
length. A song that lost its end must not pass for a whole one.

References: RIFF/WAVE (Microsoft 1991), RF64 (EBU Tech 3306), AIFF-C (Apple 1991).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["DataChunk", "declared_wav_end", "find_data_chunk", "lacks_data_size"]

# Sizes that programs put in a header when they write to a pipe and cannot come back to it lie just below 2 or
# 4 GiB: FFmpeg's is the highest number, SoX and others round down to whole blocks, or leave room for the
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
        Its container; any other than these three gives None.

    Returns
    -------
    DataChunk or None
        None where there is no such chunk or where its size was left open by the program that wrote it.
    """
    with path.open("rb") as file:
        return _find_data_chunk(file, container)


def lacks_data_size(path: Path) -> bool:
    """Return whether a WAV file declares no samples and yet holds some, as after a recorder that failed.

    Chunks behind no samples are not taken for samples.
    """
    with path.open("rb") as file:
        chunk = _find_data_chunk(file, "WAV")
        if chunk is None or chunk.declared_bytes or not chunk.available_bytes:
            return False
        file_bytes = file.seek(0, 2)
        offset = file_bytes - chunk.available_bytes
        while offset + 8 <= file_bytes:
            file.seek(offset)
            name, size = struct.unpack("<4sI", file.read(8))
            if not (name.isascii() and name.decode("ascii").isprintable()):
                return True
            offset += 8 + size + size % 2
        return offset not in (file_bytes, file_bytes + 1)


def _is_open(size: int) -> bool:
    return any(size in sizes for sizes in _OPEN_SIZES)


def _find_data_chunk(file: BinaryIO, container: str) -> DataChunk | None:
    if container not in ("WAV", "WAVEX", "RF64", "AIFF"):
        return None
    layout = ">4sI" if container == "AIFF" else "<4sI"
    wanted = b"SSND" if container == "AIFF" else b"data"
    file_bytes = file.seek(0, 2)
    offset, size_64 = 12, None
    while offset + 8 <= file_bytes:
        file.seek(offset)
        name, size = struct.unpack(layout, file.read(8))
        offset += 8
        if name == b"ds64":
            size_64 = _read_ds64(file)
        if name == wanted:
            return _data_chunk(container, size, size_64, file_bytes - offset)
        offset += size + size % 2
    return None


def declared_wav_end(head: bytes) -> int | None:
    """Where the samples end by the header of a WAV or RF64 file, in bytes, given its first bytes.

    None where it is no such file, its size was left open, or its samples begin behind those bytes.
    """
    if head[:4] not in (b"RIFF", b"RF64") or head[8:12] != b"WAVE":
        return None
    offset, size_64 = 12, None
    while offset + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, offset)
        if name == b"ds64" and offset + 24 <= len(head):
            size_64 = int.from_bytes(head[offset + 16 : offset + 24], "little")
        if name == b"data":
            if size == 0xFFFFFFFF and size_64:
                return offset + 8 + size_64
            return None if _is_open(size) else offset + 8 + int(size)
        offset += 8 + size + size % 2
    return None


def _read_ds64(file: BinaryIO) -> int | None:
    """Read the 64-bit size of the data chunk, the second number of a ds64 chunk."""
    body = file.read(16)
    return int.from_bytes(body[8:], "little") if len(body) == 16 else None


def _data_chunk(container: str, size: int, size_64: int | None, available: int) -> DataChunk | None:
    if container == "AIFF":
        # The chunk begins with two numbers, offset and block size, that are no samples.
        return DataChunk(declared_bytes=max(size - 8, 0), available_bytes=max(available - 8, 0))
    if size_64 is not None and size == 0xFFFFFFFF:
        return DataChunk(declared_bytes=size_64, available_bytes=available)
    if _is_open(size):
        return None
    return DataChunk(declared_bytes=size, available_bytes=available)
