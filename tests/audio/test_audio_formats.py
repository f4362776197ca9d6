"""The table of formats, the files in a folder, and the package's names."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import musicdenoise.audio as audio
from musicdenoise.audio import (
    AUDIO_SUFFIXES,
    FORMATS,
    Audio,
    AudioInfo,
    container_for_suffix,
    find_audio,
    subtype_for,
    suffix_for_container,
    writable_container,
)
from musicdenoise.errors import AudioReadError, UnsupportedAudioError


def test_every_name_is_there_and_listed():
    assert audio.__all__ == sorted(audio.__all__, key=lambda name: (not name.isupper(), name.islower(), name))
    assert all(hasattr(audio, name) for name in audio.__all__)
    assert {"probe", "open_reader", "open_writer", "read_audio", "find_audio", "AudioInfo"} <= set(
        audio.__all__
    )


@pytest.mark.parametrize(
    ("suffix", "container"),
    [
        (".wav", "WAV"),
        (".FLAC", "FLAC"),
        (".opus", "OGG"),
        (".m4a", "MP4"),
        (".aac", "ADTS"),
        (".aif", "AIFF"),
    ],
)
def test_container_for_suffix(suffix, container):
    assert container_for_suffix(suffix) == container
    assert suffix.lower() in AUDIO_SUFFIXES


def test_unknown_suffix_lists_the_known():
    with pytest.raises(UnsupportedAudioError, match=r"'\.txt'.*\.flac"):
        container_for_suffix(".txt")


@pytest.mark.parametrize(
    ("container", "source", "chosen"),
    [
        ("WAV", "PCM_24", "PCM_24"),
        ("FLAC", "FLOAT", "PCM_24"),
        ("FLAC", "DOUBLE", "PCM_24"),
        ("FLAC", "PCM_32", "PCM_24"),
        ("FLAC", "PCM_U8", "PCM_S8"),
        ("WAV", "PCM_S8", "PCM_U8"),
        ("WAV", "MPEG_LAYER_III", "PCM_16"),
        ("FLAC", "ULAW", "PCM_16"),
        ("FLAC", "ALAC_24", "PCM_24"),
        ("WAV", "ALAC_16", "PCM_16"),
        ("MP3", "PCM_16", "MPEG_LAYER_III"),
        ("OGG", "PCM_16", "VORBIS"),
        ("OGG", "OPUS", "OPUS"),
        ("MP4", "ALAC_16", "ALAC_16"),
        ("MP4", "PCM_24", "AAC"),
    ],
)
def test_subtype_for(container, source, chosen):
    assert subtype_for(container, source) == chosen


def test_subtype_for_suffix_opus_and_for_what_is_only_read():
    assert subtype_for("OGG", "VORBIS", suffix=".Opus") == "OPUS"
    assert subtype_for("OGG", "VORBIS", suffix=".ogg") == "VORBIS"
    with pytest.raises(UnsupportedAudioError, match="ADTS files are read but not written"):
        subtype_for("ADTS", "AAC")
    assert writable_container("ADTS") == "MP4"
    assert writable_container("FLAC") == "FLAC"


def test_usual_suffixes_lead_back_to_their_container():
    for name, container_format in FORMATS.items():
        for subtype in container_format.subtypes:
            back = container_for_suffix(suffix_for_container(name, subtype))
            assert back == ("WAV" if name == "WAVEX" else name)
    assert suffix_for_container("OGG", "OPUS") == ".opus"


def test_find_audio(tmp_path):
    for name in ["b.wav", "a.FLAC", "notes.txt", ".hidden.wav", "sub/c.mp3", ".git/d.wav", "sub/.e.ogg"]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "folder.wav").mkdir()
    names = [path.relative_to(tmp_path).as_posix() for path in find_audio(tmp_path)]
    assert names == ["a.FLAC", "b.wav", "sub/c.mp3"]
    assert [path.name for path in find_audio(str(tmp_path), recursive=False)] == ["a.FLAC", "b.wav"]
    with pytest.raises(AudioReadError, match="is not a folder"):
        find_audio(tmp_path / "b.wav")


def test_find_audio_below_a_hidden_folder_that_was_asked_for(tmp_path):
    folder = tmp_path / ".cache"
    folder.mkdir()
    (folder / "a.wav").write_bytes(b"")
    assert find_audio(folder) == [folder / "a.wav"]


def test_values_are_frozen_and_checked():
    info = AudioInfo(
        path=Path("a.wav"), sample_rate=8000, channels=1, num_samples=4000, container="WAV", subtype="PCM_16"
    )
    assert info.duration_seconds == 0.5
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.channels = 2
    with pytest.raises(ValueError, match="-1 samples"):
        dataclasses.replace(info, num_samples=-1)
    with pytest.raises(ValueError, match=r"float64 of shape \(3,\)"):
        Audio(samples=np.zeros(3), sample_rate=8000)
    with pytest.raises(ValueError, match="sample_rate"):
        Audio(samples=np.zeros((1, 3), dtype=np.float32), sample_rate=0)
