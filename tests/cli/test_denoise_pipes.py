"""``musicdenoise denoise -`` in real pipes."""

import io
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from musicdenoise.audio import PipeReader, WavPipeWriter, open_writer, probe, read_audio
from musicdenoise.cli.app import app
from musicdenoise.errors import AudioReadError, AudioWriteError

COMMAND = [sys.executable, "-m", "musicdenoise", "denoise"]


def run(*arguments: object, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *map(str, arguments)], input=data, capture_output=True, check=False)


def invoke(*arguments: object, data: bytes = b""):
    """The same without a process of its own, and without real pipes."""
    return CliRunner().invoke(app, ["denoise", *map(str, arguments)], input=data)


def open_length(wav: bytes) -> bytes:
    """The WAV file with sizes of 0xFFFFFFFF, as programs write it into pipes."""
    position = wav.index(b"data") + 4
    return wav[:4] + b"\xff" * 4 + wav[8:position] + b"\xff" * 4 + wav[position + 4 :]


def parse(wav: bytes, tmp_path: Path) -> np.ndarray:
    path = tmp_path / "parsed.wav"
    path.write_bytes(wav)
    return read_audio(path).samples


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_wav_goes_through_bit_for_bit(tmp_path: Path, write_wav, subtype: str, channels: int) -> None:
    rng = np.random.default_rng(0)
    path = write_wav("x.wav", 0.3 * rng.standard_normal((channels, 5_001)), subtype=subtype)
    samples = read_audio(path).samples
    reader = PipeReader(io.BytesIO(path.read_bytes()))
    assert (reader.sample_rate, reader.channels, reader.subtype) == (44_100, channels, subtype)
    blocks = list(reader.blocks(1_000))
    assert [block.shape[1] for block in blocks] == [1_000] * 5 + [1]
    assert np.array_equal(np.concatenate(blocks, axis=1), samples)
    out = io.BytesIO()
    writer = WavPipeWriter(out, sample_rate=44_100, channels=channels, subtype=subtype)
    for block in blocks:
        writer.write(block)
    assert writer.num_samples == 5_001
    assert np.array_equal(parse(out.getvalue(), tmp_path), samples)


def test_the_writer_clips_and_counts() -> None:
    out = io.BytesIO()
    writer = WavPipeWriter(out, sample_rate=8_000, channels=1, subtype="PCM_16")
    writer.write(np.array([[2.0, -2.0, 0.5]], dtype=np.float32))
    assert writer.clipped_samples == 2
    assert struct.unpack("<3h", out.getvalue()[-6:]) == (32_767, -32_768, 16_384)


class Unbuffered(io.BytesIO):
    """Takes a part of what is written, as a pipe or a disk may that is not buffered, and then fails."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, data) -> int:
        if self.tell() == self.room:
            raise OSError(28, "No space left on device")
        return super().write(data[: min(777, self.room - self.tell())])


def test_what_a_write_leaves_over_is_written_again() -> None:
    samples = 0.5 * np.ones((2, 5_000), dtype=np.float32)
    written = []
    for out in (io.BytesIO(), Unbuffered(100_000)):
        WavPipeWriter(out, sample_rate=8_000, channels=2, subtype="PCM_16").write(samples)
        written.append(out.getvalue())
    assert written[0] == written[1]
    writer = WavPipeWriter(Unbuffered(3_000), sample_rate=8_000, channels=2, subtype="PCM_16")
    with pytest.raises(AudioWriteError, match="standard output: cannot be written: No space left"):
        writer.write(samples)


@pytest.mark.parametrize(
    ("container", "subtype"), [("FLAC", "PCM_24"), ("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS")]
)
def test_other_formats_come_in(tmp_path: Path, noisy_tune, container: str, subtype: str) -> None:
    path = tmp_path / "x"
    with open_writer(path, sample_rate=44_100, channels=2, container=container, subtype=subtype) as writer:
        writer.write(noisy_tune[:, :50_000].numpy())
    samples = read_audio(path).samples
    piped = np.concatenate(list(PipeReader(io.BytesIO(path.read_bytes())).blocks(7_000)), axis=1)
    # An MP3's end is known to those only who can see the whole file.
    assert 50_000 <= piped.shape[1] < 50_000 + 2 * 1152
    assert np.abs(piped[:, :49_000] - samples[:, :49_000]).max() < 1e-3


def test_bad_pipes_are_refused(write_wav, noisy_tune) -> None:
    wav = write_wav("x.wav", noisy_tune[:, :20_000]).read_bytes()
    with pytest.raises(AudioReadError, match="standard input: is not audio"):
        PipeReader(io.BytesIO(b"hello, this is text" * 100))
    with pytest.raises(AudioReadError, match="standard input"):
        PipeReader(io.BytesIO(b""))
    with pytest.raises(AudioReadError, match="12489 samples were decoded, but 50000 of 80044 declared bytes"):
        list(PipeReader(io.BytesIO(wav[:50_000])).blocks(1_000))
    assert sum(b.shape[1] for b in PipeReader(io.BytesIO(open_length(wav)[:50_000])).blocks(1_000)) == 12_489
    nan = noisy_tune[:, :20_000].numpy().copy()
    nan[0, 12_345] = np.nan
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, nan.T, 44_100, format="WAV", subtype="FLOAT")
    with pytest.raises(AudioReadError, match="sample 12345"):
        list(PipeReader(io.BytesIO(buffer.getvalue())).blocks(1_000))


class FailingPipe(io.BytesIO):
    """Raises on the way, once."""

    def __init__(self, data: bytes, error: BaseException, after_bytes: int) -> None:
        super().__init__(data)
        self.error: BaseException | None = error
        self.after_bytes = after_bytes

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= self.after_bytes and self.error is not None:
            error, self.error = self.error, None
            raise error
        return super().read(size)


@pytest.mark.parametrize("after_bytes", [0, 200_000])
@pytest.mark.parametrize(
    ("error", "seen", "message"),
    [
        (KeyboardInterrupt("now"), KeyboardInterrupt, "now"),
        (SystemExit(143), SystemExit, "143"),
        (OSError(5, "Input/output error"), AudioReadError, "standard input: cannot be read: Input/output"),
    ],
)
def test_what_ends_a_read_is_not_the_end_of_the_song(
    write_wav, noisy_tune, capfd, error: BaseException, seen: type, message: str, after_bytes: int
) -> None:
    wav = open_length(write_wav("x.wav", noisy_tune).read_bytes())
    with pytest.raises(seen, match=message):
        list(PipeReader(FailingPipe(wav, error, after_bytes)).blocks(1_000))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_while_a_pipe_is_silent(
    tmp_path: Path, write_wav, noisy_tune, mini_weights: Path, number: int, code: int
) -> None:
    song = open_length(write_wav("song.wav", noisy_tune).read_bytes())
    folder = tmp_path / "results"
    end, start = os.pipe()
    with os.fdopen(end, "rb") as reading, os.fdopen(start, "wb", buffering=0) as writing:
        process = subprocess.Popen(
            [*COMMAND, "-", "-o", str(folder / "x.wav"), "--weights", str(mini_weights)],
            stdin=reading,
            stderr=subprocess.PIPE,
        )
        writing.write(song)
        deadline = time.monotonic() + 120
        while not (folder.exists() and list(folder.iterdir())):  # the temporary file: decoding has begun
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(1.0)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert stderr == (b"error: interrupted\n" if number == signal.SIGINT else b"")
    assert not folder.exists() or list(folder.iterdir()) == []


def test_a_pipe_gives_what_files_give(tmp_path: Path, write_wav, noisy_tune, mini_weights: Path) -> None:
    song = write_wav("song.wav", noisy_tune[:, :100_000], subtype="PCM_24")
    assert invoke(song, "--weights", mini_weights).exit_code == 0
    expected = read_audio(tmp_path / "song_denoised.wav").samples
    result = run("-", "--weights", mini_weights, data=open_length(song.read_bytes()))
    assert result.returncode == 0, result.stderr
    assert result.stderr == b""
    assert np.array_equal(parse(result.stdout, tmp_path), expected)
    result = invoke(song, "-o", "-", "--weights", mini_weights)  # a file into a pipe, and a pipe into a file
    assert np.array_equal(parse(result.stdout_bytes, tmp_path), expected)
    target = tmp_path / "out.flac"
    assert invoke("-", "-o", target, "--weights", mini_weights, data=song.read_bytes()).exit_code == 0
    assert np.array_equal(read_audio(target).samples, expected)


def test_failures_leave_standard_output_empty(write_wav, mini_weights: Path) -> None:
    for data, message in (
        (b"no music", "is not audio"),
        (write_wav("a.wav", np.zeros((1, 100))).read_bytes(), "too short"),
    ):
        result = invoke("-", "--weights", mini_weights, data=data)
        assert result.exit_code == 1
        assert result.stdout_bytes == b""
        assert message in result.stderr
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["-", "-", "-o", "-"],
        ["-", "-o", "folder"],
        ["-", "--json"],
        ["-", "-o", "-", "--residual"],
        ["-", "--start", "1"],
    ],
)
def test_wrong_usage(write_wav, mini_weights: Path, noisy_tune, arguments: list[str]) -> None:
    data = write_wav("a.wav", noisy_tune[:, :20_000]).read_bytes()
    result = invoke(*arguments, "--weights", mini_weights, data=data)
    assert result.exit_code == 2, result.stderr
    assert result.stdout_bytes == b""


def test_output_starts_before_the_input_ends(write_wav, noisy_tune, mini_weights: Path) -> None:
    wav = open_length(write_wav("a.wav", noisy_tune.repeat(1, 3)).read_bytes())
    process = subprocess.Popen(
        [*COMMAND, "-", "--weights", str(mini_weights), "--segment-seconds", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    source, sink = process.stdin, process.stdout
    assert source is not None
    assert sink is not None
    output_seen = threading.Event()
    was_seen: list[bool] = []

    def feed() -> None:
        part = 2 * len(wav) // 3
        source.write(wav[:part])
        source.flush()
        was_seen.append(output_seen.wait(60))
        source.write(wav[part:])
        source.close()

    feeder = threading.Thread(target=feed)
    feeder.start()
    header = sink.read(44)
    output_seen.set()
    samples = sink.read()
    sink.close()
    feeder.join()
    assert was_seen == [True], "nothing came while the input was open"
    assert process.wait() == 0
    assert header.startswith(b"RIFF")
    assert len(samples) == len(wav) - wav.index(b"data") - 8


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_is_no_traceback(
    write_wav, noisy_tune, mini_weights: Path, unbuffered: str
) -> None:
    song = write_wav("a.wav", noisy_tune.repeat(1, 10))
    process = subprocess.Popen(
        [*COMMAND, str(song), "-o", "-", "--weights", str(mini_weights), "--segment-seconds", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(1_000)
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()
    deadline = time.monotonic() + 60
    assert process.wait(timeout=deadline - time.monotonic()) == 141
    assert stderr == b""


@pytest.mark.skipif(not (shutil.which("ffmpeg") and shutil.which("sox")), reason="needs ffmpeg and sox")
def test_between_ffmpeg_and_sox(tmp_path: Path, write_wav, noisy_tune, mini_weights: Path) -> None:
    song, video = write_wav("in.wav", noisy_tune[:, :100_000]), tmp_path / "in.mkv"
    subprocess.run(["ffmpeg", "-v", "error", "-i", song, "-c:a", "flac", video], check=True)
    before = ["ffmpeg", "-v", "error", "-i", str(video), "-f", "wav", "-"]
    after = ["sox", "-V1", "-t", "wav", "-", str(tmp_path / "out.flac")]
    command = [*COMMAND, "-", "-o", "-", "--weights", str(mini_weights)]
    with (
        subprocess.Popen(before, stdout=subprocess.PIPE) as decoder,
        subprocess.Popen(command, stdin=decoder.stdout, stdout=subprocess.PIPE) as denoiser,
        subprocess.Popen(after, stdin=denoiser.stdout) as encoder,
    ):
        for process in (decoder, denoiser):
            process.stdout.close()
    assert [process.returncode for process in (decoder, denoiser, encoder)] == [0, 0, 0]
    info = probe(tmp_path / "out.flac")
    assert (info.num_samples, info.channels, info.sample_rate) == (100_000, 2, 44_100)
