"""What is written is what is read back: every container, subtype and channel count."""

import numpy as np
import pytest
import soundfile
from audio_signals import best_lag, snr_db

from musicdenoise.audio import FORMATS, open_reader, open_writer, probe, read_audio
from musicdenoise.audio.backends.encoders import quantize
from musicdenoise.audio.formats import PCM_BITS

LOSSY = {"VORBIS", "OPUS", "MPEG_LAYER_III", "AAC"}
CASES = [
    (container, subtype, channels)
    for container, container_format in FORMATS.items()
    for subtype in container_format.subtypes
    for channels in (1, 2, 8)
    if (subtype, channels) != ("MPEG_LAYER_III", 8)
]
NUM_SAMPLES = 9001


@pytest.mark.parametrize(("container", "subtype", "channels"), CASES)
def test_length_properties_and_signal_survive(container, subtype, channels, make_music, save):
    rate = 48000
    music = make_music(NUM_SAMPLES, channels, rate)
    path = save("song.bin", music, container, subtype, rate)
    info = probe(path)
    assert (info.num_samples, info.channels, info.sample_rate) == (NUM_SAMPLES, channels, rate)
    assert (info.container, info.subtype) == (container, subtype)
    assert info.duration_seconds == NUM_SAMPLES / rate
    back = read_audio(path)
    assert back.sample_rate == rate
    assert back.samples.shape == music.shape
    assert back.samples.dtype == np.float32
    if subtype in ("FLOAT", "DOUBLE"):
        np.testing.assert_array_equal(back.samples, music)
    elif subtype in LOSSY:
        # An LFE channel (5.1, 7.1) is low-passed by design: compare the first pair.
        assert snr_db(music[:2], back.samples[:2]) > 9
    elif subtype in ("ALAW", "ULAW"):
        assert snr_db(music, back.samples) > 30
    else:
        half_step = 0.5 / 2 ** (PCM_BITS[subtype] - 1)
        assert np.abs(back.samples - music).max() <= half_step * 1.0001 + 2.0**-25


@pytest.mark.parametrize(
    ("container", "subtype"), [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP4", "AAC")]
)
def test_lossy_codecs_stay_aligned_to_the_sample(container, subtype, make_music, save):
    music = make_music(48000 + 37, 2, 48000)
    back = read_audio(save("song.bin", music, container, subtype, 48000)).samples
    assert back.shape == music.shape
    assert best_lag(music[0], back[0]) == 0
    assert best_lag(np.roll(music[0], -5), back[0]) == 5  # the measure itself can see a shift
    assert snr_db(music, back) > 15


@pytest.mark.parametrize("container_subtype", ["MP4/AAC", "MP3/MPEG_LAYER_III", "OGG/OPUS", "FLAC/PCM_16"])
@pytest.mark.parametrize("num_samples", [1, 500, 1023, 1024, 1025, 10 * 1152])
def test_short_files_keep_their_length(container_subtype, num_samples, make_music, save):
    container, subtype = container_subtype.split("/")
    path = save("short.bin", make_music(num_samples, 2), container, subtype, 48000)
    assert probe(path).num_samples == num_samples
    assert read_audio(path).samples.shape == (2, num_samples)


@pytest.mark.parametrize("rate", [7350, 8000, 11025, 22050, 32000, 64000, 96000])
def test_aac_length_at_other_rates(rate, make_music, save):
    path = save("song.m4a", make_music(5003, 1, rate), "MP4", "AAC", rate)
    assert (probe(path).sample_rate, read_audio(path).samples.shape) == (rate, (1, 5003))


@pytest.mark.parametrize(
    ("container", "subtype"),
    [(c, s) for c, f in FORMATS.items() for s in f.subtypes if s in {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24"}],
)
def test_copying_integer_pcm_changes_no_bit(container, subtype, tmp_path, save):
    bits = PCM_BITS[subtype]
    codes = np.random.default_rng(1).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (2, 70000))
    codes[:, :4] = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 0, -1]
    source = tmp_path / "source.bin"
    integers = (codes << (32 - bits)).astype(np.int32)
    soundfile.write(source, integers.T, 44100, format=container, subtype=subtype)
    copy = save("copy.bin", read_audio(source).samples, container, subtype)
    np.testing.assert_array_equal(soundfile.read(copy, dtype="int32")[0].T, integers)


@pytest.mark.parametrize("subtype", ["ALAW", "ULAW"])
def test_copying_companded_samples_changes_no_value(subtype, make_music, save):
    first = read_audio(save("a.wav", make_music(20000, 2) * 1.8, "WAV", subtype)).samples
    second = read_audio(save("b.wav", first, "WAV", subtype)).samples
    np.testing.assert_array_equal(first, second)


def test_quantize_rounds_to_nearest_and_never_wraps():
    steps = np.array([0.4, 0.6, -0.4, -0.6, 40000, -40000, 32767.4], dtype=np.float32) / 32768
    assert (quantize(steps, 16) >> 16).tolist() == [0, 1, 0, -1, 32767, -32768, 32767]
    assert quantize(np.array([1.0, -1.0], dtype=np.float32), 32).tolist() == [2**31 - 1, -(2**31)]


@pytest.mark.parametrize("subtype", sorted(PCM_BITS))
def test_overload_is_clipped_counted_and_does_not_wrap(subtype, tmp_path):
    container = "MP4" if subtype.startswith("ALAC") else "AIFF"
    samples = np.array([[1.5, -1.5, 1.0, -1.0, 0.5], [9.0, 0.0, 0.0, 0.0, -9.0]], dtype=np.float32)
    before = samples.copy()
    path = tmp_path / "loud.song"
    with open_writer(path, sample_rate=8000, channels=2, container=container, subtype=subtype) as writer:
        writer.write(samples)
    assert writer.clipped_samples == 4
    np.testing.assert_array_equal(samples, before)
    np.testing.assert_allclose(read_audio(path).samples, np.clip(samples, -1, 1), atol=0.04)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_float_files_hold_overload(subtype, tmp_path):
    samples = np.array([[1.5, -3.0, 0.1]], dtype=np.float32)
    path = tmp_path / "loud.wav"
    with open_writer(path, sample_rate=8000, channels=1, container="WAV", subtype=subtype) as writer:
        writer.write(samples)
    assert writer.clipped_samples == 0
    np.testing.assert_array_equal(read_audio(path).samples, samples)


@pytest.mark.parametrize("container_subtype", ["MP4/AAC", "MP3/MPEG_LAYER_III", "OGG/VORBIS", "OGG/OPUS"])
def test_overload_does_not_wrap_in_lossy_codecs(container_subtype, save):
    container, subtype = container_subtype.split("/")
    tone = (2.0 * np.sin(2 * np.pi * 440 * np.arange(24000) / 48000)).astype(np.float32)[None]
    back = read_audio(save("loud.bin", tone, container, subtype, 48000)).samples
    # The first and last moments carry the codec's transients.
    loudest = (np.abs(tone) > 1.9) & (abs(np.arange(24000) - 12000) < 10000)
    assert np.all(np.sign(back[loudest]) == np.sign(tone[loudest]))
    assert np.abs(back[loudest]).min() > 0.75


def test_overload_is_counted_where_aac_limits_it(tmp_path):
    loud = np.array([[1.5, -1.5, 0.9, 1.0]], dtype=np.float32)
    with open_writer(
        tmp_path / "loud.m4a", sample_rate=8000, channels=1, container="MP4", subtype="AAC"
    ) as writer:
        writer.write(loud)
    assert writer.clipped_samples == 2


@pytest.mark.parametrize("container_subtype", ["WAV/PCM_24", "FLAC/PCM_16", "MP3/MPEG_LAYER_III", "MP4/AAC"])
def test_writing_in_blocks_equals_writing_at_once(container_subtype, make_music, save, tmp_path):
    container, subtype = container_subtype.split("/")
    music = make_music(20011, 2)
    whole = save("whole.bin", music, container, subtype)
    path = tmp_path / "blocks.bin"
    with open_writer(path, sample_rate=44100, channels=2, container=container, subtype=subtype) as writer:
        for start in range(0, music.shape[1], 777):
            writer.write(music[:, start : start + 777])
        assert writer.num_samples == music.shape[1]
    np.testing.assert_array_equal(read_audio(path).samples, read_audio(whole).samples)


def test_tags_and_names_beyond_ascii_survive(make_music, save):
    tags = {"title": "Zażółć gęślą", "artist": "Ärzte", "tracknumber": "7"}
    for container, subtype in [
        ("FLAC", "PCM_16"),
        ("MP3", "MPEG_LAYER_III"),
        ("MP4", "AAC"),
        ("WAV", "PCM_16"),
    ]:
        path = save(f"Dvořák 音楽.{container}", make_music(3000, 2), container, subtype, tags=tags)
        with open_reader(path) as reader:
            assert reader.info.tags == tags, container
            assert reader.read(5000).shape == (2, 3000)
