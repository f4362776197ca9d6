"""Samples of WAV that have 24 bits in 32: FFmpeg takes them for those of an old editor; they are integers.

Cool Edit wrote floating-point samples under that header; nearly all that has it today are integers, as
libsndfile reads it.
"""

from __future__ import annotations

import av

_TAKEN_FOR, _IS = "pcm_f24le", "pcm_s32le"


def decoder_of(stream: av.AudioStream) -> av.AudioCodecContext:
    """The decoder of a stream: FFmpeg's choice, except for samples of 24 bits in 32."""
    chosen = stream.codec_context
    if chosen.name != _TAKEN_FOR:
        return chosen
    decoder = av.AudioCodecContext.create(_IS, "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout, decoder.format = chosen.sample_rate, chosen.layout, "s32"
    return decoder
