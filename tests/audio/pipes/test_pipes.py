"""Songs from pipes that lost their ends, or a part on the way: nothing of that passes for a whole song."""

import io

import numpy as np
import pytest
import soundfile

from musicdenoise.audio import PipeReader, read_audio
from musicdenoise.errors import AudioReadError

LENGTH = 100_000


def through_a_pipe(data):
    return np.concatenate(list(PipeReader(io.BytesIO(data)).blocks(7_000)), axis=1)


@pytest.mark.parametrize("share", [0.3, 2 / 3, 0.999])
@pytest.mark.parametrize(
    "subtype",
    ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "MS_ADPCM", "IMA_ADPCM"],
)
def test_cut_wav(subtype, share, make_music, tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, make_music(LENGTH, 2).T, 44_100, subtype=subtype)
    data = path.read_bytes()
    assert through_a_pipe(data + b"LIST\x04\x00\x00\x00abcd").shape[1] >= LENGTH
    with pytest.raises(AudioReadError, match=r"ends too early: \d+ samples .* declared bytes"):
        through_a_pipe(data[: int(share * len(data))])


@pytest.mark.parametrize("share", [0.5, 2 / 3, 0.99])
@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("FLAC", "PCM_24"),
        ("AIFF", "PCM_16"),
        ("MP3", "MPEG_LAYER_III"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("RF64", "PCM_16"),
    ],
)
def test_cut_streams_of_other_formats(container, subtype, share, make_music, save):
    data = save("x", make_music(LENGTH, 2, 48_000), container, subtype, 48_000).read_bytes()
    assert through_a_pipe(data).shape[1] >= LENGTH
    with pytest.raises(AudioReadError, match=r"standard input: (ends too early|the data is damaged)"):
        through_a_pipe(data[: int(share * len(data))])


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_cut_mp4_with_its_index_in_front(share, make_music, save, tmp_path):
    import av

    path = tmp_path / "front.m4a"
    with (
        av.open(str(save("x.m4a", make_music(LENGTH, 2), "MP4", "AAC"))) as source,
        av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    data = path.read_bytes()
    assert through_a_pipe(data).shape[1] >= LENGTH
    with pytest.raises(AudioReadError, match=r"standard input: (ends too early|the data is damaged)"):
        through_a_pipe(data[: int(share * len(data))])


def test_cuts_between_blocks_of_data(make_music, save):
    """Where no decoder complains, only what the stream says of itself shows the cut."""
    music = make_music(LENGTH, 2)
    ogg = save("x.ogg", music, "OGG", "VORBIS").read_bytes()
    with pytest.raises(AudioReadError, match="without the mark of its end"):
        through_a_pipe(ogg[: ogg.rindex(b"OggS")])
    mp3 = save("x.mp3", music, "MP3", "MPEG_LAYER_III", bitrate=128_000).read_bytes()
    frame = mp3.index(b"\xff\xfb", 20_000)
    with pytest.raises(AudioReadError, match=r"from \d+ of \d+ declared frames"):
        through_a_pipe(mp3[:frame])
    without_length = mp3[mp3.index(b"\xff\xfb", 4) :]
    with pytest.raises(AudioReadError, match="breaks off inside a frame"):
        through_a_pipe(without_length[:-100])


def test_an_mp3_says_its_length_behind_a_big_tag(make_music, save):
    mp3 = save("x.mp3", make_music(LENGTH, 2), "MP3", "MPEG_LAYER_III").read_bytes()
    tag = b"ID3\x03\x00\x00" + bytes([0, 0x10, 0, 0]) + bytes(0x10 << 14)
    assert through_a_pipe(tag + mp3 + b"TAG" + bytes(125)).shape[1] >= LENGTH
    with pytest.raises(AudioReadError, match="ends too early"):
        through_a_pipe(tag + mp3[: mp3.index(b"\xff\xfb", 20_000)])


@pytest.mark.parametrize(
    ("container", "subtype"), [("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS")]
)
def test_damage_on_the_way(container, subtype, make_music, save):
    path = save("x", make_music(LENGTH, 2), container, subtype)
    assert read_audio(path).samples.shape == (2, LENGTH)
    data = path.read_bytes()
    middle = len(data) // 2
    noise = np.random.default_rng(0).bytes(3_000)
    with pytest.raises(AudioReadError, match=r"standard input: (ends too early|the data is damaged)"):
        through_a_pipe(data[:middle] + noise + data[middle + 3_000 :])


def test_aiff_of_open_length(make_music, save):
    data = bytearray(save("x.aiff", make_music(LENGTH, 1), "AIFF", "PCM_16").read_bytes())
    frames = data.index(b"COMM") + 10
    data[frames : frames + 4] = (0x7F000000 // 2).to_bytes(4, "big")
    size = data.index(b"SSND") + 4
    data[size : size + 4] = (0x7F000008).to_bytes(4, "big")
    assert through_a_pipe(bytes(data)).shape == (1, LENGTH)


def test_nothing_came():
    with pytest.raises(AudioReadError, match=r"standard input: is empty \(0 bytes\)"):
        PipeReader(io.BytesIO(b""))


@pytest.mark.parametrize(
    ("subtype", "expected"),
    [("FLOAT", "FLOAT"), ("DOUBLE", "DOUBLE"), ("PCM_24", "PCM_24"), ("PCM_32", "PCM_32")],
)
def test_samples_of_aiff_stay_as_deep_as_they_are(subtype, expected, make_music, tmp_path):
    path = tmp_path / "x.aiff"
    soundfile.write(path, 4.0 * make_music(LENGTH, 1).T, 44_100, subtype=subtype)
    reader = PipeReader(io.BytesIO(path.read_bytes()))
    assert reader.subtype == expected
    if subtype in ("FLOAT", "DOUBLE"):
        assert np.abs(np.concatenate(list(reader.blocks(7_000)), axis=1)).max() > 1.0
