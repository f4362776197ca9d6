"""Two audio files read side by side in blocks, at one rate and with one channel count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from musicdenoise.audio import AudioReader, open_reader
from musicdenoise.core.resample import StreamResampler

_BLOCK_SAMPLES = 1 << 17


class _Stream:
    """A file at another rate and perhaps mixed to one channel, read in blocks of any size."""

    def __init__(self, reader: AudioReader, sample_rate: int, *, to_mono: bool) -> None:
        self._reader, self._to_mono = reader, to_mono
        info = reader.info
        channels = 1 if to_mono else info.channels
        self._resampler = StreamResampler(info.sample_rate, sample_rate, channels)
        self._buffer = torch.zeros(channels, 0)
        self._is_finished = False
        self.num_samples = -(
            -info.num_samples * self._resampler.ratio.numerator // self._resampler.ratio.denominator
        )

    def read(self, num_samples: int) -> Tensor:
        parts, held = [self._buffer], self._buffer.shape[-1]
        while held < num_samples and not self._is_finished:
            block = torch.from_numpy(self._reader.read(_BLOCK_SAMPLES))
            self._is_finished = block.shape[-1] == 0
            if self._to_mono:
                block = block.mean(0, keepdim=True)
            part = self._resampler.flush() if self._is_finished else self._resampler.push(block)
            parts.append(part)
            held += part.shape[-1]
        joined = torch.cat(parts, dim=-1)
        self._buffer = joined[:, num_samples:]
        return joined[:, :num_samples]


class AlignedPair:
    """Two files open side by side; a context manager.

    If their rates differ, the lower one is converted to the higher. If their channel counts differ, both
    are mixed to one channel.

    Parameters
    ----------
    first, second
        Audio files.

    Attributes
    ----------
    sample_rate, channels : int
        Of both, after conversion.

    Raises
    ------
    AudioError
        On entering, if one cannot be read.
    """

    def __init__(self, first: Path, second: Path) -> None:
        self._paths = (first, second)
        self._stack = ExitStack()

    def __enter__(self) -> AlignedPair:
        with self._stack as stack:
            readers = [stack.enter_context(open_reader(path)) for path in self._paths]
            self._stack = stack.pop_all()
        self.sample_rate = max(reader.info.sample_rate for reader in readers)
        counts = {reader.info.channels for reader in readers}
        self.channels = counts.pop() if len(counts) == 1 else 1
        self._streams = [
            _Stream(reader, self.sample_rate, to_mono=reader.info.channels != self.channels)
            for reader in readers
        ]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def lengths(self) -> tuple[int, int]:
        """Length of each file at the common rate."""
        first, second = self._streams
        return first.num_samples, second.num_samples

    def skip(self, lag: int) -> None:
        """Move the second file ``lag`` samples to the front, or the first one if ``lag`` is negative."""
        stream = self._streams[1 if lag > 0 else 0]
        missing = abs(lag)
        while missing and (skipped := stream.read(min(missing, _BLOCK_SAMPLES)).shape[-1]):
            missing -= skipped

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Blocks of both, up to the end of the shorter."""
        while True:
            first, second = (stream.read(_BLOCK_SAMPLES) for stream in self._streams)
            common = min(first.shape[-1], second.shape[-1])
            if common == 0:
                return
            yield first[:, :common], second[:, :common]
            if common < _BLOCK_SAMPLES:
                return
