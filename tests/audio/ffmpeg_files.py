"""Files that FFmpeg writes, for tests of what is read."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


def encode(path: Path, music: np.ndarray, codec: str, rate: int = 44_100, **options: str) -> Path:
    """A file that FFmpeg writes, in the container that its suffix stands for."""
    layout = "stereo" if len(music) == 2 else "mono"
    with av.open(str(path), "w", options=options) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(music.T).reshape(1, -1), format="flt", layout=layout
        )
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    return path


def copied(source: Path, target: Path, change: Callable[[int, Any], bool], **options: str) -> Path:
    """A copy, packet by packet; those for which ``change`` gives False are left out."""
    with av.open(str(source)) as old, av.open(str(target), "w", options=options) as out:
        stream = out.add_stream_from_template(old.streams.audio[0])
        packets = (packet for packet in old.demux(old.streams.audio[0]) if packet.size)
        for number, packet in enumerate(packets):
            if change(number, packet):
                packet.stream = stream
                out.mux(packet)
    return target
