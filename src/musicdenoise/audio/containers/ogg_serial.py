"""The number of an Ogg stream, which encoders draw at random: with a fixed one equal songs give equal files.

Reference: Ogg (RFC 3533, section 6).
"""

from __future__ import annotations

from musicdenoise.audio.containers.ogg import page_checksum, page_end
from musicdenoise.audio.types import ByteFile

_SERIAL = slice(14, 18)
_CHECKSUM = slice(22, 26)
_BLOCK_BYTES = 1 << 20


def set_serial(file: ByteFile, serial: int = 1) -> None:
    """Write a number into all pages of a file of one stream, which is whole."""
    rest, position = b"", 0
    file.seek(0)
    while block := file.read(_BLOCK_BYTES):
        data = bytearray(rest + block)
        begin = 0
        while (end := page_end(bytes(data[begin : begin + 65_536]), 0)) is not None:
            if begin + end > len(data):
                break
            page = data[begin : begin + end]
            page[_SERIAL] = serial.to_bytes(4, "little")
            page[_CHECKSUM] = page_checksum(bytes(page)).to_bytes(4, "little")
            data[begin : begin + end] = page
            begin += end
        file.seek(position)
        file.write(bytes(data[:begin]))
        position += begin
        rest = bytes(data[begin:])
        file.seek(position + len(rest))
