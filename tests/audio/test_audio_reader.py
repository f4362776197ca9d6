"""Reading: blocks, seeking, streams, and every way in which a file can be no good."""

import io
import os
import struct
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import soundfile
from audio_signals import best_lag

from musicdenoise.audio import PipeReader, open_reader, probe, read_audio
from musicdenoise.errors import AudioReadError, UnsupportedAudioError

KINDS = [
    ("WAV", "PCM_24"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
    ("MP4", "AAC"),
]


@pytest.mark.parametrize(("container", "subtype"), KINDS)
def test_blocks_join_to_the_whole(container, subtype, make_music, save):
    path = save("song.bin", make_music(20011, 2), container, subtype, 48000)
    whole = read_audio(path).samples
    for size in (997, 4096, 20011, 50000):
        with open_reader(path) as reader:
            blocks = list(reader.blocks(size))
            assert reader.read(10).shape == (2, 0)
        assert [block.shape[1] for block in blocks[:-1]] == [size] * (len(blocks) - 1)
        np.testing.assert_array_equal(np.concatenate(blocks, axis=1), whole)


@pytest.mark.parametrize(("container", "subtype"), KINDS)
def test_seeking_gives_the_same_samples(container, subtype, make_music, save):
    length = 100003
    path = save("song.bin", make_music(length, 2, 48000), container, subtype, 48000)
    whole = read_audio(path).samples
    places = [0, 100, 70001, 5000, 99000, length - 5, length, 3]
    places += np.random.default_rng(3).integers(0, length, 6).tolist()
    with open_reader(path) as reader:
        for place in places:
            reader.seek(place)
            assert reader.position == place
            np.testing.assert_array_equal(reader.read(600), whole[:, place : place + 600], err_msg=str(place))
    part = read_audio(path, start=12345, num_samples=77).samples
    np.testing.assert_array_equal(part, whole[:, 12345:12422])


def test_what_libsndfile_cannot_seek_in_is_decoded_up_to_the_place(make_music, tmp_path):
    path = tmp_path / "phone.wav"
    soundfile.write(path, make_music(30_000, 1, 8000)[0], 8000, subtype="GSM610")
    whole = read_audio(path).samples
    assert whole.shape[1] >= 30_000
    with open_reader(path) as reader:
        for place in (0, 20_000, 100):
            reader.seek(place)
            np.testing.assert_array_equal(reader.read(600), whole[:, place : place + 600])


def test_a_flac_that_is_damaged_at_its_start(make_music, save):
    path = save("bad.flac", make_music(20_000, 2), "FLAC", "PCM_16")
    data = bytearray(path.read_bytes())
    first_frame = data.index(b"\xff\xf8")
    data[first_frame : first_frame + 4_000] = bytes(4_000)
    path.write_bytes(data[:6_000])
    for place in (0, 10_000):
        with (
            pytest.raises(AudioReadError, match=r"bad\.flac: .*damaged or cut off"),
            open_reader(path) as reader,
        ):
            reader.seek(place)
            reader.read(1_000)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
def test_names_that_are_not_utf_8(make_music, save, tmp_path):
    path = tmp_path / os.fsdecode(b"\xff\xfe.wav")
    save("song.wav", make_music(1000, 1), "WAV", "PCM_16").rename(path)
    assert read_audio(path).samples.shape == (1, 1000)


def test_arguments_out_of_range(make_music, save):
    path = save("song.wav", make_music(100, 1), "WAV", "PCM_16")
    with open_reader(path) as reader:
        for place in (-1, 101):
            with pytest.raises(ValueError, match="from 0 to 100"):
                reader.seek(place)
        with pytest.raises(ValueError, match="num_samples"):
            reader.read(-1)
        with pytest.raises(ValueError, match="block_samples"):
            next(reader.blocks(0))
    with pytest.raises(AudioReadError, match="has 1 audio stream"):
        probe(path, stream=1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.mp3", b"hello, this is a text\n" * 500),
        ("x.wav", b"RIFF is a word"),
        ("x.flac", bytes(5000)),
        ("x.ogg", b"a"),
        ("x.m4a", np.random.default_rng(0).integers(0, 256, 20000, dtype=np.uint8).tobytes()),
        ("x.mp3", b"ID3\x03\x00\x00\x00\x00\x00\x10" + bytes(16) + b"text" * 50),
    ],
)
def test_what_is_no_audio_is_named_so(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioReadError, match=rf"{name}.*is not an audio file"):
        probe(tmp_path / name)


def test_empty_missing_and_other_kinds(tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "film.mkv").write_bytes(b"\x1a\x45\xdf\xa3" + bytes(100))
    with pytest.raises(AudioReadError, match="is not an audio file: it is empty"):
        probe(tmp_path / "empty.wav")
    with pytest.raises(AudioReadError, match="No such file"):
        probe(tmp_path / "missing.wav")
    with pytest.raises(AudioReadError, match="cannot be opened"):
        probe(tmp_path)
    with pytest.raises(UnsupportedAudioError, match=r"Matroska.*convert"):
        probe(tmp_path / "film.mkv")


def test_the_name_plays_no_part(make_music, save):
    assert probe(save("song.mp3", make_music(500, 1), "FLAC", "PCM_16")).container == "FLAC"
    assert probe(save("song.wav", make_music(500, 1), "MP4", "AAC")).container == "MP4"


def test_zero_samples_are_probed_and_read(save):
    nothing = np.zeros((2, 0), dtype=np.float32)
    for container, subtype in [("WAV", "PCM_16"), ("AIFF", "PCM_24"), ("RF64", "FLOAT")]:
        path = save(f"empty.{container}", nothing, container, subtype)
        assert probe(path).num_samples == 0
        assert read_audio(path).samples.shape == (2, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite(value, tmp_path, make_music):
    music = make_music(30000, 2)
    music[1, 22050] = value
    soundfile.write(tmp_path / "bad.wav", music.T, 44100, subtype="FLOAT")
    with (
        open_reader(tmp_path / "bad.wav") as reader,
        pytest.raises(AudioReadError, match=r"bad\.wav: sample 22050 \(at 0\.500 s\) is not a finite"),
    ):
        list(reader.blocks(1000))


def test_too_many_channels(tmp_path):
    soundfile.write(tmp_path / "swapped.wav", np.zeros((10, 24)), 44100)
    with pytest.raises(UnsupportedAudioError, match=r"24 channels and 10 samples.*swapped"):
        probe(tmp_path / "swapped.wav")


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
@pytest.mark.parametrize(
    ("container", "subtype"),
    [*KINDS, ("WAV", "FLOAT"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("AIFF", "PCM_16")],
)
def test_cut_files_are_errors(container, subtype, share, make_music, save, capfd):
    path = save("cut.bin", make_music(60000, 2, 48000), container, subtype, 48000)
    assert read_audio(path).samples.shape == (2, 60000)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(AudioReadError, match=r"cut\.bin: .*") as caught, open_reader(path) as reader:
        list(reader.blocks(4096))
    assert "\n" not in str(caught.value)
    if container not in ("OGG", "MP4"):  # Ogg declares no length; MP4 does so at the very end
        assert "of 60000 declared samples were decoded" in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_cut_mp4_with_its_index_in_front(make_music, save, tmp_path):
    import av

    whole = save("whole.m4a", make_music(60000, 2), "MP4", "AAC")
    path = tmp_path / "cut.m4a"
    with (
        av.open(str(whole)) as source,
        av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as target,
    ):
        stream = source.streams.audio[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    assert read_audio(path).samples.shape[1] == 60000
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(AudioReadError, match=r"of \d+ declared samples"):
        read_audio(path)


def test_the_decoded_count_of_a_cut_wav_is_right(make_music, save):
    path = save("cut.wav", make_music(1000, 2), "WAV", "PCM_16")
    path.write_bytes(path.read_bytes()[:-400])
    assert probe(path).num_samples == 1000
    with pytest.raises(AudioReadError, match="900 of 1000 declared samples"):
        read_audio(path)
    assert read_audio(path, num_samples=900).samples.shape == (2, 900)


def test_a_wav_of_open_length_is_read_to_its_end(make_music, save):
    path = save("pipe.wav", make_music(1000, 1), "WAV", "PCM_16")
    expected = read_audio(path).samples
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    # FFmpeg, SoX, SoX with 24 bits stereo, others
    for size in (0xFFFFFFFF, 0x7FFFF000, 0x7FFFEFFC, 0x7FFFFFD3, 0x80000000, 0xFFFFFFDB, 0):
        data[at : at + 4] = struct.pack("<I", size)
        path.write_bytes(data)
        info = probe(path)
        assert (info.container, info.subtype, info.num_samples) == ("WAV", "PCM_16", 1000)
        assert np.array_equal(read_audio(path).samples, expected)
        blocks = PipeReader(io.BytesIO(bytes(data))).blocks(10_000)
        assert np.array_equal(np.concatenate(list(blocks), axis=1), expected)
    data[at : at + 4] = struct.pack("<I", 0x7FFFDFFF)  # no size that a program leaves open
    path.write_bytes(data)
    assert probe(path).num_samples == 0x7FFFDFFF // 2


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT", "DOUBLE", "ULAW"])
def test_a_wav_whose_recorder_failed_before_it_set_the_size(subtype, make_music, tmp_path):
    path = tmp_path / "crashed.wav"
    soundfile.write(path, make_music(1000, 2).T, 44100, subtype=subtype)
    expected = read_audio(path).samples
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = bytes(4)
    path.write_bytes(data)
    assert (probe(path).subtype, probe(path).num_samples) == (subtype, 1000)
    with open_reader(path) as reader:
        assert np.array_equal(reader.read(1000), expected)
        reader.seek(300)
        assert np.array_equal(reader.read(1000), expected[:, 300:])
    path.write_bytes(data[: at + 4] + b"LIST\x03\x00\x00\x00abc\x00id3 \x02\x00\x00\x00xy")
    assert probe(path).num_samples == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "song.wav")
    with pytest.raises(AudioReadError, match=r"song\.wav: is a pipe or a device.*give - and send"):
        probe(tmp_path / "song.wav")


def test_a_flac_of_open_length_is_read_to_its_end(make_music, save):
    path = save("pipe.flac", make_music(30011, 2), "FLAC", "PCM_16")
    expected = read_audio(path).samples
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    info = probe(path)
    assert (info.container, info.subtype, info.num_samples) == ("FLAC", "PCM_16", 30011)
    np.testing.assert_array_equal(read_audio(path).samples, expected)


def _without_xing(data: bytes) -> bytes:
    """Drop the first frame, which holds the Xing header."""
    return data[data.index(data[:2], 4) :]


def test_mp3_without_a_length_is_read_to_its_end(make_music, save):
    # Quiet, then loud: with a variable bit rate the first frames say nothing about the length.
    music = make_music(88200, 2)
    music[:, :44100] *= 1e-4
    path = save("raw.mp3", music, "MP3", "MPEG_LAYER_III")
    path.write_bytes(_without_xing(path.read_bytes()))
    info = probe(path)
    back = read_audio(path).samples
    assert info.num_samples == back.shape[1]
    assert 0 <= back.shape[1] - 88200 < 3 * 1152
    # LAME's delay and the decoder's, which nothing in the file tells.
    assert best_lag(music[0], back[0]) == 1105
    # Some encoders leave out what the last frame does not need, and what a cut took nobody can tell.
    assert info.notes == ()
    path.write_bytes(path.read_bytes()[:-100])
    assert "breaks off inside its last frame" in probe(path).notes[0]
    cut = read_audio(path).samples
    assert back.shape[1] - 2 * 1152 <= cut.shape[1] <= back.shape[1]
    np.testing.assert_allclose(cut[:, :86_000], back[:, :86_000], atol=1e-6)


@pytest.mark.parametrize("taken", [100, 10_000])
def test_an_mp3_with_a_length_is_not_cut_unnoticed(make_music, save, taken):
    path = save("song.mp3", make_music(88200, 2), "MP3", "MPEG_LAYER_III")
    path.write_bytes(path.read_bytes()[:-taken])
    with pytest.raises(AudioReadError, match=r"ends too early|breaks off"):
        read_audio(path)


def test_mp3_behind_a_big_tag(make_music, save):
    path = save("tagged.mp3", make_music(5000, 2), "MP3", "MPEG_LAYER_III")
    expected = read_audio(path).samples
    data = path.read_bytes()
    path.write_bytes(b"ID3\x03\x00\x00" + bytes([0, 0x10, 0, 0]) + bytes(0x10 << 14) + data)
    assert probe(path).num_samples == 5000
    np.testing.assert_array_equal(read_audio(path).samples, expected)


def test_a_damaged_mp3_has_a_gap_and_is_read_quietly(make_music, save, capfd):
    path = save("damaged.mp3", make_music(100000, 2), "MP3", "MPEG_LAYER_III")
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8)
    data[20000:25000] = noise.tobytes()
    path.write_bytes(data)
    assert len(probe(path).gaps_seconds) == 1
    assert read_audio(path).samples.shape == (2, 100000)
    assert capfd.readouterr() == ("", "")


def _write_stems(path, stems, rate=44100):
    import av

    with av.open(str(path), "w", format="mp4", options={"movie_timescale": str(rate)}) as container:
        streams = [container.add_stream("aac", rate=rate, layout="stereo") for _ in stems]
        for stream, stem in zip(streams, stems, strict=True):
            stream.time_base = Fraction(1, rate)
            frame = av.AudioFrame.from_ndarray(stem, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


def test_streams_of_a_stem_file(tmp_path, make_music):
    stems = [make_music(20000 + 1000 * k, 2, 44100 + 5000 * k, seed=k) for k in range(5)]
    path = tmp_path / "song.stem.mp4"
    _write_stems(path, stems)
    for k in (0, 3):
        assert probe(path, stream=k).num_samples == stems[k].shape[1]
        samples = read_audio(path, stream=k).samples
        likeness = [np.corrcoef(samples[0, :20000], stem[0, :20000])[0, 1] for stem in stems]
        assert int(np.argmax(likeness)) == k
        assert best_lag(stems[k][0], samples[0]) == 0
    with pytest.raises(AudioReadError, match=r"has 5 audio streams.*stream 5"):
        probe(path, stream=5)


def test_raw_aac_is_read(tmp_path, make_music):
    import av

    path = tmp_path / "song.aac"
    with av.open(str(path), "w", format="adts") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(make_music(10240, 1), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    info = probe(path)
    assert (info.container, info.subtype, info.num_samples) == ("ADTS", "AAC", 11264)
    assert read_audio(path).samples.shape == (1, 11264)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(AudioReadError, match="of 11264 declared samples"):
        read_audio(path)


def test_ffmpeg_is_not_loaded_for_what_does_not_need_it(make_music, save):
    path = save("song.flac", make_music(500, 1), "FLAC", "PCM_16")
    code = (
        "import sys; from musicdenoise.audio import read_audio; read_audio(sys.argv[1]); "
        "print([name for name in ('av', 'torch') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
