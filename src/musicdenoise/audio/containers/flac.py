"""The true length of a FLAC file, from its first and last frame.

The header may leave the length open, and programs that cut without decoding keep the old count. But every
frame says where in the song it is, and ends in a checksum.

Reference: RFC 9639, sections 8.2 (STREAMINFO) and 9 (frames).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from musicdenoise.audio.containers import mpeg

_MAGIC = b"fLaC"
_MOST_BLOCKS = 4096  # of metadata; a header that was made to be walked for ever ends here
_LONGEST_HEADER = 16  # bytes of a frame's header with its checksum
_TAIL_BYTES = 1 << 21  # larger than the largest frame: 8 channels of 65,536 samples and 32 bits, as noise


def _crc_table(polynomial: int, bits: int) -> tuple[int, ...]:
    """Checksum of each byte, from the highest bit on."""
    top, mask = 1 << (bits - 1), (1 << bits) - 1
    table = []
    for byte in range(256):
        crc = byte << (bits - 8)
        for _ in range(8):
            crc = ((crc << 1) ^ polynomial if crc & top else crc << 1) & mask
        table.append(crc)
    return tuple(table)


_CRC_8 = _crc_table(0x07, 8)
_CRC_16 = _crc_table(0x8005, 16)


@dataclass(frozen=True, kw_only=True)
class FlacLayout:
    """What a FLAC file holds.

    Parameters
    ----------
    bits
        Bits of a sample.
    declared
        Samples per channel by the header; 0 if it leaves that open.
    begin
        Position of the first frame in samples; None if no frame follows the metadata.
    end
        Position after the last frame; None if the file does not end in a whole frame.
    """

    bits: int
    declared: int
    begin: int | None
    end: int | None

    @property
    def is_as_declared(self) -> bool:
        """Whether the frames agree with the header, as far as that can be told."""
        return self.declared > 0 and self.begin == 0 and self.end in (None, self.declared)


def read_layout(path: Path, offset: int = 0) -> FlacLayout | None:
    """Layout of a FLAC file; None if its header is not one of FLAC.

    Parameters
    ----------
    path
        The file.
    offset
        Where ``fLaC`` is, after an ID3 tag.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        file.seek(offset)
        head = file.read(42)
        if head[:4] != _MAGIC or len(head) < 42:
            return None
        info = head[8:42]
        block_samples = int.from_bytes(info[:2], "big")
        packed = int.from_bytes(info[10:18], "big")  # rate: 20 bits, channels: 3, bits: 5, samples: 36
        first = _skip_metadata(file, offset + len(_MAGIC))
        if first is None:
            return None
        file.seek(first)
        header = _read_header(file.read(_LONGEST_HEADER), block_samples)
        return FlacLayout(
            bits=(packed >> 36 & 31) + 1,
            declared=packed & (1 << 36) - 1,
            begin=None if header is None else header[0],
            end=_last_end(file, first, block_samples),
        )


def frame_is_whole(frame: bytes) -> bool:
    """Whether these bytes are exactly one frame, by its checksum."""
    crc = 0
    for byte in frame:
        crc = (crc << 8 & 0xFFFF) ^ _CRC_16[crc >> 8 ^ byte]
    return crc == 0 and len(frame) > 2


def _skip_metadata(file: BinaryIO, offset: int) -> int | None:
    """Where the first frame begins."""
    for _ in range(_MOST_BLOCKS):
        file.seek(offset)
        block = file.read(4)
        if len(block) < 4:
            return None
        offset += 4 + int.from_bytes(block[1:], "big")
        if block[0] & 0x80:
            return offset
    return None


def _last_end(file: BinaryIO, first: int, block_samples: int) -> int | None:
    """Position after the last frame, which ends where the file does, apart from tags."""
    size = file.seek(0, 2)
    start = max(first, size - _TAIL_BYTES)
    file.seek(start)
    tail = _without_tags(file.read())
    at = tail.rfind(b"\xff")
    while at != -1:
        header = _read_header(tail[at : at + _LONGEST_HEADER], block_samples)
        if header is not None and frame_is_whole(tail[at:]):
            return sum(header)
        at = tail.rfind(b"\xff", 0, at)
    return None


def _without_tags(tail: bytes) -> bytes:
    if tail[-mpeg.ID3V1_BYTES :].startswith(b"TAG"):
        tail = tail[: -mpeg.ID3V1_BYTES]
    footer = tail[-mpeg.APE_HEADER_BYTES :]
    if footer.startswith(b"APETAGEX"):
        has_header = footer[23] & 0x80
        length = int.from_bytes(footer[12:16], "little") + (mpeg.APE_HEADER_BYTES if has_header else 0)
        tail = tail[: max(0, len(tail) - length)]
    return tail


def _read_header(data: bytes, fixed_block: int) -> tuple[int, int] | None:
    """Position and length of a frame in samples, by its header; None if there is no header.

    Parameters
    ----------
    data
        The first bytes of the frame.
    fixed_block
        Samples of all frames but the last. In a stream of fixed blocks, frames are numbered in units of it.
    """
    if len(data) < 6 or data[0] != 0xFF or data[1] & 0xFE != 0xF8 or data[3] & 1:
        return None
    number = _coded_number(data[4:])
    if number is None:
        return None
    value, count = number
    offset = 4 + count
    block_code, rate_code = data[2] >> 4, data[2] & 15
    extra = {6: 1, 7: 2}.get(block_code, 0)
    samples = int.from_bytes(data[offset : offset + extra], "big") + 1 if extra else _block(block_code)
    offset += extra + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if samples == 0 or rate_code == 15 or len(data) <= offset:
        return None
    crc = 0
    for byte in data[:offset]:
        crc = _CRC_8[crc ^ byte]
    if crc != data[offset]:
        return None
    is_variable = data[1] & 1
    return (value if is_variable else value * fixed_block), samples


def _block(code: int) -> int:
    """Samples of a frame by the code in its header; 0 for codes that are not used."""
    if code == 1:
        return 192
    if 2 <= code <= 5:
        return 576 << (code - 2)
    return 256 << (code - 8) if code >= 8 else 0


def _coded_number(data: bytes) -> tuple[int, int] | None:
    """A number in the manner of UTF-8, up to 36 bits, and how many bytes it takes."""
    first = data[0]
    if first < 0x80:
        return first, 1
    count = 8 - (first ^ 0xFF).bit_length()
    if not 2 <= count <= 7 or len(data) < count:
        return None
    value = first & (0x7F >> count)
    for byte in data[1:count]:
        if byte & 0xC0 != 0x80:
            return None
        value = value << 6 | byte & 0x3F
    return value, count
