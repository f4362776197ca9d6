"""Every format through ``denoise_file``: what went in and what came out, as the table of ``docs/formats.md``.

The table is made here and compared with the page. After a change write it anew with
``MUSICDENOISE_WRITE_DOCS=1 python -m pytest tests/denoising/test_format_table.py``.
"""

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import mutagen
import numpy as np
import pytest
import torch
from mutagen.flac import Picture
from mutagen.id3 import APIC
from mutagen.mp4 import MP4Cover
from synthetic_tune import synthesise_tune

from musicdenoise.audio import open_writer, probe, read_audio
from musicdenoise.core.metrics import snr
from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.denoising.file_options import FileOptions
from musicdenoise.denoising.files import denoise_file

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
TAGS = {"title": "Lüfter", "artist": "Ö", "album": "A", "date": "2024", "tracknumber": "3"}
COVER = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)
SECONDS = 1.2


@dataclass(frozen=True)
class Case:
    """One kind of file."""

    suffix: str
    container: str
    subtype: str
    rate: int
    channels: int
    has_tags: bool = True
    has_video: bool = False

    def __str__(self) -> str:
        video = "+video" if self.has_video else ""
        return f"{self.suffix}-{self.subtype}-{self.rate}-{self.channels}{video}"


CASES = (
    Case("wav", "WAV", "PCM_U8", 8_000, 1),
    Case("wav", "WAV", "PCM_16", 44_100, 2),
    Case("wav", "WAV", "PCM_24", 48_000, 2),
    Case("wav", "WAV", "PCM_32", 96_000, 1),
    Case("wav", "WAV", "FLOAT", 44_100, 6),
    Case("wav", "WAV", "DOUBLE", 192_000, 1),
    Case("wav", "WAV", "ULAW", 16_000, 1),
    Case("wav", "WAV", "ALAW", 11_025, 3),
    Case("wav", "WAV", "PCM_24", 32_000, 4),
    Case("wav", "WAV", "PCM_16", 176_400, 1),
    Case("rf64", "RF64", "PCM_24", 44_100, 2, has_tags=False),
    Case("aiff", "AIFF", "PCM_16", 44_100, 2),
    Case("aiff", "AIFF", "FLOAT", 22_050, 1),
    Case("aiff", "AIFF", "PCM_S8", 44_100, 5),
    Case("flac", "FLAC", "PCM_16", 44_100, 2),
    Case("flac", "FLAC", "PCM_16", 88_200, 1),
    Case("flac", "FLAC", "PCM_16", 22_050, 7),
    Case("flac", "FLAC", "PCM_24", 96_000, 2),
    Case("flac", "FLAC", "PCM_24", 44_100, 8),
    Case("ogg", "OGG", "VORBIS", 44_100, 2),
    Case("ogg", "OGG", "VORBIS", 22_050, 1),
    Case("opus", "OGG", "OPUS", 48_000, 2),
    Case("mp3", "MP3", "MPEG_LAYER_III", 44_100, 2),
    Case("mp3", "MP3", "MPEG_LAYER_III", 22_050, 1),
    Case("m4a", "MP4", "AAC", 44_100, 2),
    Case("m4a", "MP4", "AAC", 48_000, 6),
    Case("m4a", "MP4", "ALAC_16", 44_100, 2),
    Case("m4a", "MP4", "ALAC_24", 96_000, 2),
    Case("mp4", "MP4", "AAC", 48_000, 2, has_video=True),
)


@pytest.fixture(scope="module")
def rows() -> Iterator[dict[str, list[str]]]:
    """Rows of the table, by case."""
    yield (made := {})
    if os.environ.get("MUSICDENOISE_WRITE_DOCS") and len(made) == len(CASES):
        PAGE.write_text(page(made), encoding="utf-8")


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    return Denoiser("white", device="cpu")


def mix(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Music and the same with white noise at 5 dB, full band at the file's rate."""
    count = round(SECONDS * case.rate)
    tune = synthesise_tune(SECONDS + 0.1, sample_rate=case.rate).numpy()
    clean = np.stack([(0.9**i) * tune[i % 2, :count] for i in range(case.channels)])
    noise = np.random.default_rng(0).standard_normal(clean.shape)
    return clean, (clean + noise * np.sqrt(np.mean(clean**2)) * 10**-0.25).astype(np.float32)


def video(path: Path) -> Path:
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(30):
            picture = np.full((48, 64, 3), 5 * index, dtype=np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        out.mux(stream.encode(None))
    return path


def add_cover(path: Path) -> None:
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    picture = Picture()
    picture.data, picture.mime, picture.type = COVER, "image/png", 3
    kind = type(file).__name__
    if kind == "FLAC":
        file.add_picture(picture)
    elif kind == "MP4":
        file.tags["covr"] = [MP4Cover(COVER, MP4Cover.FORMAT_PNG)]
    elif kind.startswith("Ogg"):
        file.tags["metadata_block_picture"] = [base64.b64encode(picture.write()).decode()]
    else:
        file.tags.add(APIC(encoding=3, mime="image/png", type=3, desc="", data=COVER))
    file.save()


def cover(path: Path) -> bytes | None:
    from musicdenoise.audio.tags.pictures import read_pictures

    if path.suffix == ".rf64":  # mutagen does not know it
        return None
    file = mutagen.File(path)
    pictures = [] if file is None else read_pictures(file)
    return pictures[0].data if pictures else None


def pictures(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_goes_in_comes_out(
    tmp_path: Path, denoiser: Denoiser, rows: dict[str, list[str]], case: Case
) -> None:
    clean, noisy = mix(case)
    source, target = tmp_path / f"in.{case.suffix}", tmp_path / f"out.{case.suffix}"
    with open_writer(
        source,
        sample_rate=case.rate,
        channels=case.channels,
        container=case.container,
        subtype=case.subtype,
        tags=TAGS if case.has_tags else {},
        streams_from=video(tmp_path / "video.mp4") if case.has_video else None,
    ) as writer:
        writer.write(noisy)
    if case.has_tags and not case.has_video:
        add_cover(source)
    report = denoise_file(denoiser, source, target, options=FileOptions())
    before, after = probe(source), probe(target)
    properties = ("container", "subtype", "sample_rate", "channels", "num_samples")
    assert [getattr(after, name) for name in properties] == [getattr(before, name) for name in properties]
    assert (after.container, after.subtype) == (case.container, case.subtype)
    assert after.num_samples == clean.shape[1] == report.num_samples
    assert dict(after.tags) == dict(before.tags)
    assert cover(target) == cover(source)
    if case.has_tags:
        assert before.tags["title"] == TAGS["title"]
    if case.has_video:
        assert pictures(target) == pictures(source)
    truth = torch.from_numpy(clean)
    gain = snr(truth, torch.from_numpy(read_audio(target).samples)) - snr(
        truth, torch.from_numpy(read_audio(source).samples)
    )
    assert gain > 0.0
    rows[str(case)] = [
        f"`.{case.suffix}`",
        f"{after.container} {after.subtype}",
        f"{after.sample_rate}",
        f"{after.channels}",
        "equal",
        f"{len(after.tags)} equal" if after.tags else "none",
        "equal bytes" if cover(target) else "none",
        "equal packets" if case.has_video else "none",
        "improved",
    ]
    if not os.environ.get("MUSICDENOISE_WRITE_DOCS"):
        assert line(rows[str(case)]) in lines_of_page()


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def lines_of_page() -> list[str]:
    return PAGE.read_text(encoding="utf-8").splitlines()


def page(rows: dict[str, list[str]]) -> str:
    header = ["file", "container and subtype", "Hz", "channels", "length", "tags", "cover", "video", "SNR"]
    lines = [header, ["---"] * len(header), *(rows[str(case)] for case in CASES)]
    table = "\n".join(map(line, lines))
    return f"""# Formats

What `musicdenoise denoise` was given, and how what came out compares. Every row is one file, {SECONDS} s of
music with white noise at 5 dB SNR; container, subtype, sample rate and channels were the same on both sides.
This page is made by `tests/denoising/test_format_table.py` and checked by it in every test run.

{table}

Read, but written as another format: raw AAC (`.aac`), as M4A. RF64 files have no tags that are copied.
"""


def test_the_page_has_a_row_for_each_case() -> None:
    if os.environ.get("MUSICDENOISE_WRITE_DOCS"):
        pytest.skip("the page is being written")
    rows = [found.split("|")[1:5] for found in lines_of_page() if found.startswith("| `")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        [f"`.{case.suffix}`", f"{case.container} {case.subtype}", str(case.rate), str(case.channels)]
        for case in CASES
    ]
