"""ID3v2 tags that FFmpeg must not see, because it unpacks whatever they declare.

References: ID3v2.3 sections 3.1 to 3.3 and ID3v2.4 sections 3.1 and 4.1 (https://id3.org).
"""

from __future__ import annotations

from pathlib import Path

from musicdenoise.audio.containers import mpeg

_UNSYNCHRONISED, _EXTENDED = 0x80, 0x40  # flags of a tag
_PACKED = {3: 0x80, 4: 0x08}  # flags of a frame that is compressed, by version
_FRAME_HEADER_BYTES = 10


def packed_tag_bytes(path: Path) -> int:
    """Length of the tag at the beginning of a file if frames in it may be compressed; 0 otherwise.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        size = mpeg.id3_bytes(file.read(mpeg.ID3_HEADER_BYTES))
        file.seek(0)
        tag = file.read(size)
    return size if tag and _may_be_packed(tag) else 0


def _may_be_packed(tag: bytes) -> bool:
    version, flags, position = tag[3], tag[5], mpeg.ID3_HEADER_BYTES
    if version not in _PACKED:
        return False
    if flags & _UNSYNCHRONISED:
        return True  # sizes cannot be followed without undoing it
    if flags & _EXTENDED:
        position += _number(tag[position : position + 4], version) + (4 if version == 3 else 0)
    while position + _FRAME_HEADER_BYTES <= len(tag) and tag[position]:
        if tag[position + 9] & _PACKED[version]:
            return True
        position += _FRAME_HEADER_BYTES + _number(tag[position + 4 : position + 8], version)
    return False


def _number(data: bytes, version: int) -> int:
    """A size: seven bits a byte since version 4."""
    bits = 8 if version == 3 else 7
    return sum(byte << bits * place for place, byte in enumerate(reversed(data)))
