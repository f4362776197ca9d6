"""A file is written whole or not at all."""

import errno
import resource
import signal
import stat
from pathlib import Path

import numpy as np
import pytest

from musicdenoise.audio import open_writer, read_audio
from musicdenoise.errors import AudioWriteError, UnsupportedAudioError
from musicdenoise.runtime.atomic import AtomicFile
from musicdenoise.runtime.digest import FileState

KINDS = [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("MP4", "AAC")]


def _open(path, container="WAV", subtype="PCM_16", **options):
    options = {"sample_rate": 44100, "channels": 2, **options}
    return open_writer(path, container=container, subtype=subtype, **options)


@pytest.mark.parametrize("problem", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize(("container", "subtype"), KINDS)
@pytest.mark.parametrize("written", [0, 5000])
def test_an_interruption_leaves_no_trace(container, subtype, problem, written, tmp_path, make_music):
    old = tmp_path / "old.bin"
    old.write_bytes(b"as it was")
    for path in (old, tmp_path / "new.bin"):
        with pytest.raises(problem), _open(path, container, subtype, overwrite=True) as writer:
            writer.write(make_music(written, 2))
            raise problem
    assert [path.name for path in tmp_path.iterdir()] == ["old.bin"]
    assert old.read_bytes() == b"as it was"


def test_an_interruption_as_the_file_is_made_leaves_no_trace(tmp_path, monkeypatch):
    make = AtomicFile.open

    def make_and_be_interrupted(file):
        make(file).close()
        raise SystemExit(143)

    monkeypatch.setattr(AtomicFile, "open", make_and_be_interrupted)
    with pytest.raises(SystemExit), _open(tmp_path / "song.wav"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_seen_before_the_end(tmp_path, make_music):
    path = tmp_path / "song.wav"
    with _open(path) as writer:
        writer.write(make_music(1000, 2))
        assert not path.exists()
        assert [other.name.startswith(".") for other in tmp_path.iterdir()] == [True]
    assert [other.name for other in tmp_path.iterdir()] == ["song.wav"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444 & ~_umask()


def _umask() -> int:
    import os

    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path, make_music):
    path = tmp_path / "song.wav"
    path.write_bytes(b"as it was")
    with pytest.raises(AudioWriteError, match=r"song\.wav: already exists; give overwrite"):
        _open(path)
    assert path.read_bytes() == b"as it was"
    with _open(path, overwrite=True) as writer:
        writer.write(make_music(10, 2))
    assert read_audio(path).samples.shape == (2, 10)


def test_a_file_that_appears_meanwhile_is_kept(tmp_path, make_music):
    path = tmp_path / "song.wav"
    with pytest.raises(AudioWriteError, match="already exists"), _open(path) as writer:
        writer.write(make_music(10, 2))
        path.write_bytes(b"another's")
    assert path.read_bytes() == b"another's"
    assert [other.name for other in tmp_path.iterdir()] == ["song.wav"]


def test_folders_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file" / "song.wav", tmp_path / "missing" / "song.wav"):
        with pytest.raises(AudioWriteError, match=r"song\.wav: cannot be written: "), _open(path):
            pass
    with pytest.raises(AudioWriteError, match="is a folder"):
        _open(tmp_path)


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_failing_rename(overwrite, tmp_path, make_music, monkeypatch):
    def fail(self, target):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "hardlink_to", fail)

    monkeypatch.setattr(Path, "replace", fail)
    with (
        pytest.raises(AudioWriteError, match=r"cannot be put in place: Input/output error"),
        _open(tmp_path / "song.wav", overwrite=overwrite) as writer,
    ):
        writer.write(make_music(10, 2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("container", "subtype"), KINDS)
def test_a_full_disk(container, subtype, tmp_path):
    # A limit on the size of files fails like a full disk does: in the middle of a write.
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 30000)).astype(np.float32)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (15000, limits[1]))
    try:
        with (
            pytest.raises(AudioWriteError, match=r"song\.bin: cannot be written: File too large"),
            _open(tmp_path / "song.bin", container, subtype) as writer,
        ):
            for _ in range(3):
                writer.write(noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_wrong_samples(tmp_path):
    with _open(tmp_path / "song.wav") as writer:
        for shape in [(10,), (10, 2), (1, 10)]:
            with pytest.raises(ValueError, match=r"shape \(2, n\)"):
                writer.write(np.zeros(shape, dtype=np.float32))
        with pytest.raises(AudioWriteError, match="not finite"):
            writer.write(np.full((2, 3), np.nan, dtype=np.float32))
    with pytest.raises(ValueError, match="with statement"):
        writer.write(np.zeros((2, 1), dtype=np.float32))


@pytest.mark.parametrize(("container", "subtype"), [*KINDS[1:2], *KINDS[3:], ("OGG", "OPUS")])
def test_zero_samples_where_they_cannot_be(container, subtype, tmp_path):
    with (
        pytest.raises(AudioWriteError, match="cannot hold zero samples"),
        _open(tmp_path / "none.bin", container, subtype, sample_rate=48000),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_wav_ends_at_4_gib(tmp_path, monkeypatch):
    with pytest.raises(AudioWriteError, match="4 GiB; write RF64"), _open(tmp_path / "long.wav") as writer:
        writer.num_samples = 2**30
        writer.write(np.zeros((2, 1), dtype=np.float32))


@pytest.mark.parametrize(
    ("container", "subtype", "rate", "channels", "message"),
    [
        ("OGG", "OPUS", 44100, 2, "8000, 12000, 16000, 24000, 48000 Hz"),
        ("MP3", "MPEG_LAYER_III", 96000, 2, "44100, 48000 Hz"),
        ("MP3", "MPEG_LAYER_III", 44100, 3, "1 to 2 channels; got 3"),
        ("MP4", "AAC", 192000, 2, "88200, 96000 Hz"),
        ("WAV", "PCM_16", 44100, 44100, "1 to 8 channels; got 44100.*swapped"),
        ("WAV", "VORBIS", 44100, 2, "use one of PCM_16"),
        ("FLAC", "PCM_16", 0, 2, "got 0 Hz"),
        ("ADTS", "AAC", 44100, 2, "write MP4"),
        ("TAPE", "PCM_16", 44100, 2, "unknown container 'TAPE'"),
    ],
)
def test_what_a_format_cannot_hold(container, subtype, rate, channels, message, tmp_path):
    with pytest.raises(UnsupportedAudioError, match=message):
        open_writer(tmp_path / "x", container=container, subtype=subtype, sample_rate=rate, channels=channels)


def test_a_copy_of_another_file(tmp_path, make_music, monkeypatch):
    original = tmp_path / "original.wav"
    original.write_bytes(b"every byte of it")
    state = FileState.of(original.stat())
    for name, source in (("copy", original), ("written", tmp_path / "gone.wav")):
        with _open(tmp_path / f"{name}.wav") as writer:
            writer.write(100.0 * make_music(10, 2))
            assert writer.clipped_samples > 0
            writer.become_copy_of(source, state)
        assert writer.is_copy == (name == "copy")
        assert (writer.clipped_samples == 0) == (name == "copy")
    assert (tmp_path / "copy.wav").read_bytes() == b"every byte of it"
    assert read_audio(tmp_path / "written.wav").samples.shape == (2, 10)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", fail)
    with (
        pytest.raises(AudioWriteError, match=r"full\.wav: cannot be written: No space left on device"),
        _open(tmp_path / "full.wav") as writer,
    ):
        writer.write(make_music(10, 2))
        writer.become_copy_of(original, state)
    assert {path.name for path in tmp_path.iterdir()} == {"original.wav", "copy.wav", "written.wav"}


def test_what_has_another_content_meanwhile_is_not_copied(tmp_path, make_music):
    original, other = tmp_path / "original.wav", tmp_path / "other.wav"
    original.write_bytes(b"every byte of it")
    other.write_bytes(b"nothing of it at all")
    state = FileState.of(original.stat())
    with _open(tmp_path / "written.wav") as writer:
        writer.write(make_music(10, 2))
        writer.become_copy_of(original, state)
        other.replace(original)
    assert not writer.is_copy
    assert read_audio(tmp_path / "written.wav").samples.shape == (2, 10)
    assert FileState.of(tmp_path.stat()) is None
