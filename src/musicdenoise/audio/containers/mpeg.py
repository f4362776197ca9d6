"""MPEG audio frame headers, as far as needed to recognise an MP3 file and to check its length.

References: ISO/IEC 11172-3 section 2.4.1.3 and 13818-3 (header and tables); the "MPEG 2.5"
extension; the Xing/Info header as LAME writes it (http://gabriel.mp3-tech.org/mp3infotag.html);
ID3v2.4 section 3 (https://id3.org).
"""

from __future__ import annotations

import re

HEADER_BYTES = 4
ID3_HEADER_BYTES = 10
ID3V1_BYTES = 128
APE_HEADER_BYTES = 32
TAG_LOOK_BYTES = 16
"""Enough of a tag's beginning for `tag_bytes`."""

# kbit/s by bitrate index 1 to 14, for (MPEG-1?, layer).
_KBITS = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = (44100, 48000, 32000)
_RATE_DIVISORS = {3: 1, 2: 2, 0: 4}  # version bits: MPEG-1, MPEG-2, MPEG-2.5
_CHAIN = 3  # consecutive frames that make it certain: a lone sync word turns up in any binary data
_XING_REACH = HEADER_BYTES + 2 + 32  # header, checksum, the longest side information


def _any_of(values: list[int]) -> bytes:
    return b"[" + b"".join(re.escape(bytes([value])) for value in values) + b"]"


HEADER = re.compile(
    rb"(?=\xff"
    + _any_of([b for b in range(0xE0, 0x100) if b >> 3 & 3 != 1 and b >> 1 & 3])
    + _any_of([b for b in range(256) if b >> 4 not in (0, 15) and b >> 2 & 3 != 3])
    + rb")",
    re.DOTALL,
)
"""Finds where a frame may begin. The result is that of `frame_bytes`, as fast as a search."""


def frame_bytes(header: bytes) -> int | None:
    """Return the length of an MPEG audio frame.

    Parameters
    ----------
    header
        At least the first four bytes of the frame.

    Returns
    -------
    int or None
        Length in bytes, header included; None if these bytes are not a valid header.
    """
    if len(header) < HEADER_BYTES or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = (header[1] >> 3) & 3, 4 - ((header[1] >> 1) & 3)
    bitrate_index, rate_index, padding = header[2] >> 4, (header[2] >> 2) & 3, (header[2] >> 1) & 1
    if version == 1 or layer == 4 or bitrate_index in (0, 15) or rate_index == 3:
        return None
    bits_per_second = 1000 * _KBITS[version == 3, layer][bitrate_index - 1]
    rate = _RATES_HZ[rate_index] // _RATE_DIVISORS[version]
    if layer == 1:
        return 4 * (12 * bits_per_second // rate + padding)
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * bits_per_second // rate + padding


def find_first_frame(data: bytes, *, is_whole: bool) -> int | None:
    """Find where MPEG audio begins.

    Parameters
    ----------
    data
        The beginning of the file, after any ID3v2 tag.
    is_whole
        Whether `data` is the whole file. Then fewer frames are enough at its very start.

    Returns
    -------
    int or None
        Offset of the first of three consecutive frames, or None.
    """
    for found in HEADER.finditer(data):
        position, count = found.start(), 0
        while count < _CHAIN and (size := frame_bytes(data[position : position + HEADER_BYTES])) is not None:
            position += size
            count += 1
        is_end = found.start() == 0 and count > 0 and is_whole and position >= len(data)
        if count == _CHAIN or is_end:
            return found.start()
    return None


def declares_length(frame: bytes) -> bool:
    """Return whether the first frame is a Xing or Info header that counts the frames of the file."""
    return declared_frames(frame) is not None


def declared_frames(frame: bytes) -> int | None:
    """Return how many frames a Xing or Info header counts, itself left out; None if it does not."""
    at = count_offset(frame)
    return None if at is None else int.from_bytes(frame[at : at + 4], "big")


def count_offset(frame: bytes) -> int | None:
    """Return where in a frame a Xing or Info header counts the frames, in four bytes; None if it does not."""
    for name in (b"Xing", b"Info"):
        at = frame.find(name, HEADER_BYTES, _XING_REACH + len(name))
        if at != -1 and int.from_bytes(frame[at + 4 : at + 8], "big") & 1:
            return at + 8
    return None


def frame_seconds(header: bytes) -> float:
    """Return how long a layer III frame with this valid header lasts."""
    version = (header[1] >> 3) & 3
    rate = _RATES_HZ[(header[2] >> 2) & 3] // _RATE_DIVISORS[version]
    return (1152 if version == 3 else 576) / rate


def is_alike(header: bytes, other: bytes) -> bool:
    """Return whether two headers have the same version, layer and rate, as those of one stream have."""
    return header[1] | 1 == other[1] | 1 and header[2] & 0x0C == other[2] & 0x0C


def id3_bytes(data: bytes) -> int:
    """Return the length of the ID3v2 tag at the beginning of some data; 0 if there is none."""
    header = data[:ID3_HEADER_BYTES]
    if len(header) < ID3_HEADER_BYTES or header[:3] != b"ID3" or max(header[6:]) > 0x7F:
        return 0
    size = sum(byte << shift for byte, shift in zip(header[6:], (21, 14, 7, 0), strict=True))
    footer = ID3_HEADER_BYTES if header[5] & 0x10 else 0
    return ID3_HEADER_BYTES + size + footer


def tag_bytes(look: bytes) -> int:
    """Length of the tag that begins with these bytes (ID3v1, ID3v2 or APE); 0 if none does."""
    if look.startswith(b"TAG"):
        return ID3V1_BYTES
    if look.startswith(b"APETAGEX"):
        return APE_HEADER_BYTES + int.from_bytes(look[12:16], "little")
    return id3_bytes(look)
