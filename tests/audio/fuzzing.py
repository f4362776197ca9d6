"""Small files of every format, changed at random, and what reading one may come to."""

import io
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from audio_signals import synthesize

from musicdenoise.audio import PipeReader, open_reader, open_writer
from musicdenoise.audio.containers.riff_extras import read_chunks
from musicdenoise.audio.tags.file_tags import read_tags
from musicdenoise.errors import AudioError

SOURCES = (
    ("a.wav", "WAV", "PCM_16", 44_100),
    ("b.wav", "WAVEX", "FLOAT", 44_100),
    ("a.rf64", "RF64", "PCM_24", 44_100),
    ("a.aiff", "AIFF", "PCM_16", 44_100),
    ("a.flac", "FLAC", "PCM_16", 44_100),
    ("a.ogg", "OGG", "VORBIS", 44_100),
    ("a.opus", "OGG", "OPUS", 48_000),
    ("b.opus", "OGG", "OPUS", 16_000),
    ("a.mp3", "MP3", "MPEG_LAYER_III", 44_100),
    ("a.m4a", "MP4", "AAC", 44_100),
    ("b.m4a", "MP4", "ALAC_16", 44_100),
)
LONGEST = 60 * 48_000  # samples that a changed file of half a second may give


def make_sources(folder: Path) -> list[bytes]:
    """The sound files, half a second each, with a few tags."""
    contents = []
    for name, container, subtype, rate in SOURCES:
        path = folder / name
        with open_writer(
            path,
            sample_rate=rate,
            channels=2,
            container=container,
            subtype=subtype,
            tags={"title": "A title", "artist": "Somebody"},
            overwrite=True,
        ) as writer:
            writer.write(synthesize(rate // 2, 2, rate))
        contents.append(path.read_bytes())
    return contents


def changed(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """One to four changes: bits, bytes, numbers, pieces cut out, doubled, filled, or from another file."""
    copy = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if not copy:
            break
        # Headers decide more than samples do.
        reach = len(copy) if rng.random() < 0.5 else min(len(copy), 512)
        at = rng.randrange(reach)
        size = rng.choice((1, 2, 4, 8, 64, 1000))
        kind = rng.randrange(7)
        if kind == 0:
            copy[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            copy[at : at + 4] = rng.choice(
                (b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff", b"\x80\0\0\0")
            )
        elif kind == 2:
            del copy[at : at + size]
        elif kind == 3:
            copy[at:at] = copy[at : at + size]
        elif kind == 4:
            copy[at : at + size] = rng.randbytes(size)
        elif kind == 5:
            del copy[at:]
        else:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            copy[at : at + size] = other[start : start + size]
    return bytes(copy)


def mutations(contents: list[bytes], seed: int) -> Iterator[tuple[int, bytes]]:
    """Changed files without end, each with the number of its source."""
    rng = random.Random(seed)
    while True:
        index = rng.randrange(len(contents))
        yield index, changed(contents[index], rng, contents)


def read_everything(path: Path) -> str:
    """Read a file by all ways; what became of it, in a word. Raises what should never be raised.

    Raises
    ------
    AssertionError
        If the samples are more than a file of its size can hold, or not finite.
    """
    outcome = "read"
    try:
        with open_reader(path) as reader:
            count = 0
            for block in reader.blocks(20_000):
                assert np.isfinite(block).all()
                count += block.shape[1]
                assert count < LONGEST, "endless"
    except AudioError as error:
        assert "\n" not in str(error)
        outcome = "refused"
    try:
        for count, block in enumerate(PipeReader(io.BytesIO(path.read_bytes())).blocks(20_000)):
            assert np.isfinite(block).all()
            assert count * 20_000 < LONGEST, "endless"
    except AudioError as error:
        assert "\n" not in str(error)
    tags = read_tags(path)
    assert tags is None or isinstance(tags.text, dict)
    read_chunks(path)
    return outcome
