"""Between a pipe and FFmpeg: bytes are counted and checked, and the first ones are kept."""

from __future__ import annotations

from collections.abc import Generator
from typing import BinaryIO

from musicdenoise.audio.containers import mpeg
from musicdenoise.audio.containers.frame_chain import FrameChain, adts_chain, mpeg_chain
from musicdenoise.audio.containers.ogg import OggPages

_HEAD_BYTES = 65_536
_OTHERS = (b"RIFF", b"RF64", b"FORM", b"fLaC", b"OggS")  # how streams begin that are no chains of frames


class PipeSource:
    """Passes reads on. Without a `seek` FFmpeg does not try to.

    FFmpeg cannot pass exceptions on. So an error is kept, and FFmpeg is told that the data ends.

    Parameters
    ----------
    file
        Open for reading.

    Attributes
    ----------
    error : BaseException or None
        What a read raised.
    num_bytes : int
        How many came so far.
    head : bytes
        The first 64 KiB, without an ID3v2 tag, which may be longer than that.
    pages : OggPages or None
        The pages so far, if it is an Ogg stream.
    chains : dict
        The frames so far, as if it were MP3 (``"mp3"``) and raw AAC (``"aac"``); empty if it is neither.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._tag_bytes = 0
        self.error: BaseException | None = None
        self.num_bytes = 0
        self.head = b""
        self.pages: OggPages | None = None
        self.chains: dict[str, FrameChain] = {}
        # A generator and no method: an interrupt that came while FFmpeg worked is raised where Python goes
        # on, which in a method is before its first line, outside every `try`.
        reads = self._reads()
        next(reads)
        self.read = reads.send

    def _reads(self) -> Generator[bytes, int, None]:
        data = b""
        while True:
            try:
                size = yield data
                data = b""
                while self.error is None and not data and (read := self._file.read(size)):
                    data = self._look_at(read)
            except GeneratorExit:
                return
            except BaseException as error:  # noqa: BLE001 - interrupts, too: they are raised again later
                self.error, data = error, b""

    def _look_at(self, data: bytes) -> bytes:
        """Check what was read; return it without the tag in front, which FFmpeg would unpack to any size."""
        if self.num_bytes == 0:
            self._tag_bytes = mpeg.id3_bytes(data)
            self.pages = OggPages() if data.startswith(b"OggS") else None
            if not data.startswith(_OTHERS):
                self.chains = {"mp3": mpeg_chain(), "aac": adts_chain()}
        if self.pages is not None:
            self.pages.feed(data)
        for chain in self.chains.values():
            chain.feed(data)
        if len(self.head) < _HEAD_BYTES:
            begin = max(self._tag_bytes - self.num_bytes, 0)
            self.head += data[begin : begin + _HEAD_BYTES - len(self.head)]
        begin = max(self._tag_bytes - self.num_bytes, 0)
        self.num_bytes += len(data)
        return data[begin:]
