"""Small song and noise collections in the layouts that datasets are built from."""

import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from musicdenoise.audio import open_writer

RATE = 44_100
CLASSES = ("air_conditioner", "car_horn", "children_playing", "dog_bark")


def tune(seconds: float, seed: int = 0, channels: int = 2, sample_rate: int = RATE) -> np.ndarray:
    """Decaying notes of a random melody with overtones, other ones in each channel; peak about 0.5."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    decay = 0.05 + np.exp(-6.0 * (time % 0.25))
    music = np.zeros((channels, len(time)))
    for channel in range(channels):
        pitch = 220.0 * 2.0 ** (rng.integers(0, 24, len(time) // (sample_rate // 4) + 1) / 12)
        phase = 2 * np.pi * np.cumsum(np.repeat(pitch, sample_rate // 4)[: len(time)]) / sample_rate
        music[channel] = 0.2 * sum(np.sin(k * phase) / k for k in (1, 2, 3, 5)) * decay
    return music.astype(np.float32)


def save(
    path: Path,
    samples: np.ndarray,
    *,
    sample_rate: int = RATE,
    container: str = "WAV",
    subtype: str = "PCM_16",
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_writer(
        path, sample_rate=sample_rate, channels=samples.shape[0], container=container, subtype=subtype
    ) as writer:
        writer.write(np.ascontiguousarray(samples, dtype=np.float32))
    return path


def save_stems(path: Path, samples: np.ndarray, streams: int = 5) -> Path:
    """A MUSDB18 file: AAC streams, the first of which is the mixture and the others quieter parts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        outputs = []
        for _ in range(streams):
            stream = container.add_stream("aac", rate=RATE, layout="stereo")
            stream.bit_rate = 128_000
            outputs.append(stream)
        for index, stream in enumerate(outputs):
            part = samples if index == 0 else samples * 0.1 * index
            for start in range(0, samples.shape[1], 1024):
                block = np.ascontiguousarray(part[:, start : start + 1024], dtype=np.float32)
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
                frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def musdb_tree(root: Path, songs: int = 2, seconds: float = 2.5) -> Path:
    for split in ("train", "test"):
        for number in range(songs):
            path = root / split / f"Artist {number} - {split} song.stem.mp4"
            save_stems(path, tune(seconds, seed=10 * number + (split == "test")))
    return root


def hq_tree(root: Path, songs: int = 2, seconds: float = 2.5) -> Path:
    for split in ("train", "test"):
        for number in range(songs):
            music = tune(seconds, seed=10 * number + (split == "test"))
            for stem in ("mixture", "vocals", "drums", "bass", "other"):
                part = music if stem == "mixture" else 0.2 * music
                save(root / split / f"Artist {number} - {split} song" / f"{stem}.wav", part)
    return root


def noise_like(name: str, seconds: float, channels: int = 1, sample_rate: int = 22_050) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    noise = rng.standard_normal((channels, round(seconds * sample_rate)))
    noise[:, 1:] += 0.7 * noise[:, :-1]
    return 0.1 * noise + 0.01


def urbansound_tree(root: Path, classes: tuple[str, ...] = CLASSES, recordings: int = 4) -> Path:
    """UrbanSound8K/audio: two folds, recordings of two slices, with all its rates, depths and channels."""
    kinds = [(22_050, 1, "PCM_16"), (44_100, 2, "PCM_24"), (48_000, 1, "FLOAT"), (11_025, 1, "PCM_U8")]
    audio = root / "UrbanSound8K" / "audio"
    for class_id, _ in enumerate(classes):
        for recording in range(recordings):
            rate, channels, subtype = kinds[(class_id + recording) % len(kinds)]
            for piece in range(2):
                name = f"{1000 * class_id + recording}-{class_id}-0-{piece}"
                noise = noise_like(name, 0.7 + 0.2 * recording, channels, rate)
                save(
                    audio / f"fold{recording % 2 + 1}" / f"{name}.wav",
                    noise,
                    sample_rate=rate,
                    subtype=subtype,
                )
    return audio
